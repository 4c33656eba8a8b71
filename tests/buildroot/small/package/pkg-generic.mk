# What becomes of a package's variables: rules for its steps, each with a stamp, as Buildroot's manual describes them.
pkgname = $(lastword $(subst /, ,$(dir $(lastword $(MAKEFILE_LIST)))))
pkgdir = $(dir $(lastword $(MAKEFILE_LIST)))
RSYNC_EXCLUDE = --exclude .git --exclude .svn
STEPS = downloaded extracted rsynced patched configured built host_installed staging_installed images_installed \
	target_installed installed
PACKAGES :=
PACKAGES_ALL :=

define files-before
	cd $(1) && find . -not -path './$(STAGING_SUBDIR)/*' '(' -type f -o -type l ')' -printf '%T@:%i:%#m:%y:%s,%p\n' | sort \
		> $($(PKG)_DIR)/.files-list$(2).before
endef
define files-after
	cd $(1) && find . -not -path './$(STAGING_SUBDIR)/*' '(' -type f -o -type l ')' -printf '%T@:%i:%#m:%y:%s,%p\n' | sort \
		> $($(PKG)_DIR)/.files-list$(2).after
	cd $($(PKG)_DIR) && { test ! -f .files-list$(2).before || comm -13 .files-list$(2).before .files-list$(2).after; } \
		| sed 's/^[^,]*/$($(PKG)_NAME)/' > .files-list$(2).txt; rm -f .files-list$(2).before .files-list$(2).after
endef
hooks = $(foreach hook,$($(PKG)_$(1)_HOOKS),$($(hook))$(sep))

$(BUILD_DIR)/%/.stamp_downloaded:
	@mkdir -p $(@D)
	$(foreach each,$($(PKG)_ALL_DOWNLOADS),@mkdir -p $($(PKG)_DL_DIR); test -e $($(PKG)_DL_DIR)/$(notdir $(each)) || $(call MESSAGE,Downloading); \
		flock $($(PKG)_DL_DIR)/.lock sh support/scripts/download '$($(PKG)_METHOD)' '$($(PKG)_SITE)' '$($(PKG)_DL_DIR)/$(notdir $(each))' \
		'$($(PKG)_PKGDIR)$($(PKG)_RAWNAME).hash' '$($(PKG)_VERSION)'$(sep))
	@touch $@
$(BUILD_DIR)/%/.stamp_extracted:
	@$(call MESSAGE,Extracting)
	@mkdir -p $(@D)
	$(if $($(PKG)_SOURCE),tar -xf $($(PKG)_DL_DIR)/$($(PKG)_SOURCE) --strip-components=1 -C $(@D))
	@touch $@
$(BUILD_DIR)/%/.stamp_rsynced:
	@$(call MESSAGE,Syncing from source dir $($(PKG)_SRCDIR))
	@mkdir -p $(@D)
	@test -d $($(PKG)_SRCDIR) || { echo 'ERROR: $($(PKG)_SRCDIR) does not exist'; exit 1; }
	rsync -au --chmod=u=rwX,go=rX $(RSYNC_EXCLUDE) $($(PKG)_SRCDIR)/ $(@D)
	@touch $@
$(BUILD_DIR)/%/.stamp_patched:
	@$(call MESSAGE,Patching)
	@for each in $(wildcard $(addsuffix /*.patch,$($(PKG)_PATCH_DIRS))); do \
		echo "Applying $${each##*/}"; patch -g0 -p1 -E --no-backup-if-mismatch -d $(@D) -t -N < $$each || exit 1; done
	$(call hooks,POST_PATCH)
	@touch $@
$(BUILD_DIR)/%/.stamp_configured:
	@$(call MESSAGE,Configuring)
	@mkdir -p $(HOST_DIR) $(TARGET_DIR) $(STAGING_DIR) $(BINARIES_DIR)
	@$(call files-before,$(TARGET_DIR),)
	@$(call files-before,$(STAGING_DIR),-staging)
	@$(call files-before,$(BINARIES_DIR),-images)
	@$(call files-before,$(HOST_DIR),-host)
	$($(PKG)_CONFIGURE_CMDS)
	@touch $@
$(BUILD_DIR)/%/.stamp_built:
	@$(call MESSAGE,Building)
	$($(PKG)_BUILD_CMDS)
	@touch $@
$(BUILD_DIR)/%/.stamp_host_installed:
	@$(call MESSAGE,Installing to host directory)
	$($(PKG)_INSTALL_CMDS)
	@touch $@
$(BUILD_DIR)/%/.stamp_staging_installed:
	@$(call MESSAGE,Installing to staging directory)
	$($(PKG)_INSTALL_STAGING_CMDS)
	@touch $@
$(BUILD_DIR)/%/.stamp_images_installed:
	@$(call MESSAGE,Installing to images directory)
	$($(PKG)_INSTALL_IMAGES_CMDS)
	@touch $@
$(BUILD_DIR)/%/.stamp_target_installed:
	@$(call MESSAGE,Installing to target)
	$($(PKG)_INSTALL_TARGET_CMDS)
	@touch $@
$(BUILD_DIR)/%/.stamp_installed:
	@$(call files-after,$(TARGET_DIR),)
	@$(call files-after,$(STAGING_DIR),-staging)
	@$(call files-after,$(BINARIES_DIR),-images)
	@$(call files-after,$(HOST_DIR),-host)
	@touch $@

# inner-generic-package: name, prefix of its variables, prefix of those of the target's package, host or target
define inner-generic-package
$(2)_NAME = $(1)
$(2)_RAWNAME = $(patsubst host-%,%,$(1))
$(2)_PKGDIR := $(pkgdir)
$(2)_TYPE = $(4)
ifeq ($(4),host)
$(foreach each,VERSION SITE SITE_METHOD SOURCE,$(2)_$(each) ?= $$($(3)_$(each))$(sep))
endif
ifeq ($$(filter host,$(4)),)
$(2)_INSTALL_TARGET ?= YES
endif
ifneq ($$($(2)_OVERRIDE_SRCDIR),)
$(2)_VERSION = custom
$(2)_SRCDIR = $$(call qstrip,$$($(2)_OVERRIDE_SRCDIR))
else ifeq ($$($(2)_SITE_METHOD),local)
$(2)_OVERRIDE_SRCDIR = $$($(2)_SITE)
$(2)_SRCDIR = $$(call qstrip,$$($(2)_OVERRIDE_SRCDIR))
endif
ifneq ($$($(2)_SITE),)
$(2)_SOURCE ?= $$($(2)_RAWNAME)-$$($(2)_VERSION).tar.gz
endif
$(2)_METHOD = $$(or $$($(2)_SITE_METHOD),$$(firstword $$(subst :, ,$$($(2)_SITE))))
$(2)_BASENAME = $(1)$$(if $$($(2)_VERSION),-$$($(2)_VERSION))
$(2)_DIR = $$(BUILD_DIR)/$$($(2)_BASENAME)
$(2)_BUILDDIR = $$($(2)_DIR)
$(2)_DL_SUBDIR = $$($(2)_RAWNAME)
$(2)_DL_DIR = $$(DL_DIR)/$$($(2)_DL_SUBDIR)
$(2)_ALL_DOWNLOADS = $$(if $$($(2)_SRCDIR),,$$(addprefix $$($(2)_SITE)/,$$($(2)_SOURCE)))
$(2)_PATCH_DIRS = $$(if $$($(2)_SRCDIR),,$$($(2)_PKGDIR) $$(wildcard $$(addsuffix /$$($(2)_RAWNAME),$$(call qstrip,$$(BR2_GLOBAL_PATCH_DIR)))))
$(2)_HASH_FILES = $$(wildcard $$($(2)_PKGDIR)$$($(2)_RAWNAME).hash)
$(2)_FINAL_DEPENDENCIES = $$(sort $$($(2)_DEPENDENCIES) $(if $(filter skeleton skeleton-init-common toolchain host-%,$(1)),,skeleton toolchain))
$(2)_FINAL_ALL_DEPENDENCIES = $$($(2)_FINAL_DEPENDENCIES)
$(2)_FINAL_RECURSIVE_DEPENDENCIES = $$(sort $$(foreach each,$$($(2)_FINAL_DEPENDENCIES),$$(each) $$($$(call UPPERCASE,$$(each))_FINAL_RECURSIVE_DEPENDENCIES)))

$$(addprefix $$($(2)_DIR)/.stamp_,$(STEPS)): PKG = $(2)
$(2)_FIRST = $$(if $$($(2)_SRCDIR),rsynced,patched)
$(1): $(1)-install
$(1)-install: $$($(2)_DIR)/.stamp_installed
$$($(2)_DIR)/.stamp_installed: $$(if $$(filter host,$(4)),$$($(2)_DIR)/.stamp_host_installed) \
	$$(if $$(filter YES,$$($(2)_INSTALL_STAGING)),$$($(2)_DIR)/.stamp_staging_installed) \
	$$(if $$(filter YES,$$($(2)_INSTALL_IMAGES)),$$($(2)_DIR)/.stamp_images_installed) \
	$$(if $$(filter YES,$$($(2)_INSTALL_TARGET)),$$($(2)_DIR)/.stamp_target_installed)
$$(foreach each,host staging images target,$$($(2)_DIR)/.stamp_$$(each)_installed): $$($(2)_DIR)/.stamp_built
$$($(2)_DIR)/.stamp_built: $$($(2)_DIR)/.stamp_configured
$$($(2)_DIR)/.stamp_configured: | $$($(2)_FINAL_DEPENDENCIES)
$$($(2)_DIR)/.stamp_configured: $$($(2)_DIR)/.stamp_$$($(2)_FIRST)
$$($(2)_DIR)/.stamp_patched: $$($(2)_DIR)/.stamp_extracted
$$($(2)_DIR)/.stamp_extracted: $$($(2)_DIR)/.stamp_downloaded
$(foreach each,build:built configure:configured patch:patched extract:extracted,
$(1)-$(firstword $(subst :, ,$(each))): $$($(2)_DIR)/.stamp_$(lastword $(subst :, ,$(each))))
$(1)-source: $$(if $$($(2)_SRCDIR),,$$($(2)_DIR)/.stamp_downloaded)
$(1)-all-source: $(1)-source
$(1)-dirclean:
	rm -rf $$($(2)_DIR)
$(1)-clean-for-reinstall:
	rm -f $$($(2)_DIR)/.stamp_*installed
$(1)-reinstall: $(1)-clean-for-reinstall
	@$$(MAKE) --no-print-directory -C $$(TOPDIR) O=$$(O) $(1)-install
$(1)-clean-for-rebuild: $(1)-clean-for-reinstall
	rm -f $$($(2)_DIR)/.stamp_built $$(if $$($(2)_SRCDIR),$$($(2)_DIR)/.stamp_rsynced)
$(1)-rebuild: $(1)-clean-for-rebuild
	@$$(MAKE) --no-print-directory -C $$(TOPDIR) O=$$(O) $(1)
$(1)-reconfigure: $(1)-clean-for-rebuild
	rm -f $$($(2)_DIR)/.stamp_configured
	@$$(MAKE) --no-print-directory -C $$(TOPDIR) O=$$(O) $(1)
.PHONY: $(1) $(addprefix $(1)-,install build configure patch extract source all-source dirclean clean-for-reinstall \
	reinstall clean-for-rebuild rebuild reconfigure)
PACKAGES_ALL += $(1)
ifneq ($$(or $$(filter skeleton skeleton-init-common toolchain,$(1)),$$(BR2_PACKAGE_$(2))),)
PACKAGES += $(1)
TARGET_FINALIZE_HOOKS += $$($(2)_TARGET_FINALIZE_HOOKS)
endif
endef

generic-package = $(call inner-generic-package,$(pkgname),$(call UPPERCASE,$(pkgname)),$(call UPPERCASE,$(pkgname)),target)
host-generic-package = $(call inner-generic-package,host-$(pkgname),$(call UPPERCASE,host-$(pkgname)),$(call \
	UPPERCASE,$(pkgname)),host)

# --- what `make show-info` tells ----------------------------------------------------------------------------------
ASKED_FOR = $(PACKAGES) $(foreach each,$(PACKAGES),$($(call UPPERCASE,$(each))_FINAL_RECURSIVE_DEPENDENCIES))
list = $(subst $(space),$(comma) ,$(foreach each,$(1),"$(each)"))
flag = $(if $(filter YES,$(1)),true,false)
json-info = "$($(1)_NAME)": { "type": "$($(1)_TYPE)", "name": "$($(1)_RAWNAME)", "virtual": false, \
	"version": "$($(1)_VERSION)", "package_dir": "$(patsubst %/,%,$($(1)_PKGDIR))", "dl_dir": "$($(1)_DL_SUBDIR)", \
	"stamp_dir": "$(patsubst $(BASE_DIR)/%,%,$($(1)_DIR))", \
	"install_target": $(call flag,$($(1)_INSTALL_TARGET)), "install_staging": $(call flag,$($(1)_INSTALL_STAGING)), \
	"install_images": $(call flag,$($(1)_INSTALL_IMAGES)), \
	"downloads": [ $(foreach each,$($(1)_ALL_DOWNLOADS),{ "source": "$(notdir $(each))"$(comma) \
		"uris": ["$($(1)_METHOD)+$($(1)_SITE)"] }) ], \
	"hashes": [ $(call list,$($(1)_HASH_FILES)) ], "patches": [ $(call list,$(wildcard $(addsuffix /*.patch,$($(1)_PATCH_DIRS)))) ], \
	"dependencies": [ $(call list,$($(1)_FINAL_DEPENDENCIES)) ] }
