LIBHELLO_VERSION = 1.0
LIBHELLO_SITE = $(TOPDIR)/package/libhello/src
LIBHELLO_SITE_METHOD = local
LIBHELLO_INSTALL_STAGING = YES
LIBHELLO_INSTALL_TARGET = NO
define LIBHELLO_BUILD_CMDS
	cd $(@D) && $(TARGET_CC) $(TARGET_CFLAGS) -c say.c && ar rcD libhello.a say.o
endef
define LIBHELLO_INSTALL_STAGING_CMDS
	install -D -m 644 $(@D)/libhello.a $(STAGING_DIR)/usr/lib/libhello.a
	install -D -m 644 $(@D)/say.h $(STAGING_DIR)/usr/include/say.h
endef
$(eval $(generic-package))
