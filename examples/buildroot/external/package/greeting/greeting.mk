################################################################################
#
# greeting
#
################################################################################

GREETING_VERSION = 1
GREETING_SITE = $(GREETING_PKGDIR)/source
GREETING_SITE_METHOD = local

define GREETING_BUILD_CMDS
	$(TARGET_CC) $(TARGET_CFLAGS) $(TARGET_LDFLAGS) -o $(@D)/greeting $(@D)/greeting.c
endef

define GREETING_INSTALL_TARGET_CMDS
	$(INSTALL) -D -m 0755 $(@D)/greeting $(TARGET_DIR)/usr/bin/greeting
endef

$(eval $(generic-package))
