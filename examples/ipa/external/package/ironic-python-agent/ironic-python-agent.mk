################################################################################
#
# ironic-python-agent
#
################################################################################

IRONIC_PYTHON_AGENT_VERSION = locked
IRONIC_PYTHON_AGENT_SITE = $(IRONIC_PYTHON_AGENT_PKGDIR)
IRONIC_PYTHON_AGENT_SITE_METHOD = local
IRONIC_PYTHON_AGENT_LICENSE = Apache-2.0 (agent), several (its dependencies)
IRONIC_PYTHON_AGENT_DEPENDENCIES = python3 host-python3 host-python-pip
IRONIC_PYTHON_AGENT_REQUIREMENTS = $(call qstrip,$(BR2_PACKAGE_IRONIC_PYTHON_AGENT_REQUIREMENTS))
IRONIC_PYTHON_AGENT_WHEELS = $(DL_DIR)/ironic-python-agent
IRONIC_PYTHON_AGENT_PIP = $(HOST_DIR)/bin/python3 -m pip --disable-pip-version-check --no-input

# Wheels are fetched once and kept beside the other downloads: pip trusts the hashes only.
define IRONIC_PYTHON_AGENT_BUILD_CMDS
	mkdir -p $(IRONIC_PYTHON_AGENT_WHEELS)
	$(IRONIC_PYTHON_AGENT_PIP) download --quiet --no-deps --only-binary=:all: --require-hashes \
		--find-links $(IRONIC_PYTHON_AGENT_WHEELS) --dest $(IRONIC_PYTHON_AGENT_WHEELS) \
		--requirement $(IRONIC_PYTHON_AGENT_REQUIREMENTS)
endef

define IRONIC_PYTHON_AGENT_INSTALL_TARGET_CMDS
	$(IRONIC_PYTHON_AGENT_PIP) install --no-deps --no-index --no-compile --ignore-installed --require-hashes \
		--no-warn-script-location --find-links $(IRONIC_PYTHON_AGENT_WHEELS) \
		--root $(TARGET_DIR) --prefix /usr --requirement $(IRONIC_PYTHON_AGENT_REQUIREMENTS)
	grep -lIr '^#!$(HOST_DIR)' $(TARGET_DIR)/usr/bin | \
		xargs -r $(SED) '1s@^#!.*@#!/usr/bin/python3@'
endef

$(eval $(generic-package))
