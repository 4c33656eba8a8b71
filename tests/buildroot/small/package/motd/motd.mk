MOTD_VERSION = 2
MOTD_DEPENDENCIES = host-motd
HOST_MOTD_DEPENDENCIES =
define HOST_MOTD_BUILD_CMDS
	printf '#!/bin/sh\necho "made by version $(MOTD_VERSION)"\n' > $(@D)/make-motd
endef
define HOST_MOTD_INSTALL_CMDS
	install -D -m 755 $(@D)/make-motd $(HOST_DIR)/bin/make-motd
endef
define MOTD_BUILD_CMDS
	$(TARGET_MAKE_ENV) make-motd > $(@D)/motd
endef
define MOTD_INSTALL_TARGET_CMDS
	install -D -m 644 $(@D)/motd $(TARGET_DIR)/etc/motd
endef
$(eval $(generic-package))
$(eval $(host-generic-package))
