ROOTFS_CPIO_CMD = find . | sort | cpio --quiet -o -H newc > $(BINARIES_DIR)/rootfs.cpio
$(eval $(rootfs))
