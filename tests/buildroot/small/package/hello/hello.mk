HELLO_VERSION = 1.0
HELLO_SITE = $(TOPDIR)/package/hello/src
HELLO_SITE_METHOD = local
HELLO_LICENSE = GPL-2.0+
HELLO_DEPENDENCIES = libhello
define HELLO_BUILD_CMDS
	cd $(@D) && $(TARGET_CC) $(TARGET_CPPFLAGS) $(TARGET_CFLAGS) -DWORD='$(BR2_PACKAGE_HELLO_WORD)' \
		main.c $(TARGET_LDFLAGS) -lhello -o hello
endef
define HELLO_INSTALL_TARGET_CMDS
	install -D -m 755 $(@D)/hello $(TARGET_DIR)/usr/bin/hello
endef
$(eval $(generic-package))
