ROOTFS_TAR_CMD = find . | sort | tar -cf $(BINARIES_DIR)/rootfs.tar --numeric-owner --no-recursion --format=posix \
	--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime --mtime=@0 -T -
$(eval $(rootfs))
