# A file system is packed from a copy of target/ under fakeroot, which permissions, devices and owners are put into.
ROOTFS_TABLES = $(call qstrip,$(BR2_ROOTFS_DEVICE_TABLE) $(BR2_ROOTFS_STATIC_DEVICE_TABLE))
define inner-rootfs
$$(BINARIES_DIR)/rootfs.$(1): TARGET = $$(BUILD_DIR)/buildroot-fs/$(1)/target
$$(BINARIES_DIR)/rootfs.$(1): target-finalize
	@echo '>>>   Generating filesystem image rootfs.$(1)'
	@rm -rf $$(@:$$(BINARIES_DIR)/rootfs.%=$$(BUILD_DIR)/buildroot-fs/%) && mkdir -p $$(TARGET) $$(BINARIES_DIR)
	@rsync -a --hard-links $$(TARGET_DIR)/ $$(TARGET)/
	@printf '%s\n' '#!/bin/sh' 'set -e' 'chown -hR 0:0 $$(TARGET)' \
		'python3 support/scripts/tables $$(TARGET) "$$(call qstrip,$$(BR2_ROOTFS_USERS_TABLES))" "$$(ROOTFS_TABLES)"' \
		$$(foreach each,$$(call qstrip,$$(BR2_ROOTFS_POST_FAKEROOT_SCRIPT)),'$$(each) $$(TARGET) $$(call \
			qstrip,$$(BR2_ROOTFS_POST_SCRIPT_ARGS))') \
		'cd $$(TARGET)' '$$(ROOTFS_$(2)_CMD)' > $$(TARGET)/../fakeroot
	@$$(EXTRA_ENV) FAKEROOTDONTTRYCHOWN=1 fakeroot -- sh $$(TARGET)/../fakeroot
	@rm -rf $$(TARGET)
rootfs-$(1): $$(BINARIES_DIR)/rootfs.$(1)
.PHONY: rootfs-$(1) $$(BINARIES_DIR)/rootfs.$(1)
ifeq ($$(BR2_TARGET_ROOTFS_$(2)),y)
TARGETS_ROOTFS += rootfs-$(1)
endif
endef
rootfs = $(call inner-rootfs,$(pkgname),$(call UPPERCASE,$(pkgname)))
