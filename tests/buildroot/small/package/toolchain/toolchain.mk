TOOLCHAIN_INSTALL_TARGET = NO
TOOLCHAIN_INSTALL_STAGING = YES
define TOOLCHAIN_INSTALL_STAGING_CMDS
	mkdir -p $(STAGING_DIR)/usr/lib $(STAGING_DIR)/usr/include
	ln -sfn $(STAGING_DIR) $(BASE_DIR)/staging
endef
$(eval $(generic-package))
