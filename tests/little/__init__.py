"""A tree of make files with the shape of Buildroot's, small enough that a test reads it in no time.

It has what Rootstream asks of a tree: Kconfig targets, `show-info`, stamps of packages, images. Its Kconfig knows
no symbols; its one package is called `one`. What a test wants beside that goes into its parts.
"""

from __future__ import annotations

from pathlib import Path

MAKEFILE = """\
export BR2_VERSION := 2026.05
.NOTPARALLEL:
{attack}
all: one
TOPDIR := $(CURDIR)
BASE_DIR = $(O)
BUILD_DIR = $(O)/build
BR2_CONFIG = $(O)/.config
CONFIG_DIR = $(O)
BR2_EXTERNAL_ROOTSTREAM_PATH = $(lastword $(subst :, ,$(BR2_EXTERNAL)))
UPPERCASE = $(subst one,ONE,$(1))
PACKAGES = one
CONF = $(BUILD_DIR)/buildroot-config/conf
ONE_VERSION = 1
ONE_FINAL_RECURSIVE_DEPENDENCIES =
ONE_STAMP = $(O)/build/one-1/.stamp_installed

$(CONF):
	@mkdir -p $(@D) && cp $(TOPDIR)/support/kconfig/conf $@
olddefconfig menuconfig nconfig: $(CONF)
	@BR2_CONFIG=$(BR2_CONFIG) $(CONF) --$@ Config.in
savedefconfig: $(CONF)
	@BR2_CONFIG=$(BR2_CONFIG) $(CONF) --savedefconfig=$(O)/defconfig Config.in
show-info:
	@:
	$(info {{ "one": {{ "type": "target", "version": "1", "stamp_dir": "build/one-1", \\
	"package_dir": "package/one", "install_target": true, "dependencies": [], "downloads": [{downloads}] }} }})
printvars:
	@echo ONE_DIR=$(O)/build/one-1
help:
	@echo help
one-source:
	@echo '>>> one 1 Downloading'
	{source}
	@mkdir -p $(O)/build/one-1 && touch $(O)/build/one-1/.stamp_downloaded
$(ONE_STAMP):
	@echo '>>> one 1 Building'
	@mkdir -p $(O)/build/one-1 $(O)/target $(O)/images $(O)/host
	{build}
	@touch $(O)/build/one-1/.files-list.txt $(O)/build/one-1/.files-list-host.txt \\
		$(O)/build/one-1/.files-list-staging.txt $(O)/build/one-1/.files-list-images.txt
	@touch $@
one: $(ONE_STAMP)
	@mkdir -p $(O)/images && echo made > $(O)/images/made.txt
	@echo '>>>   Finalizing target directory'
one-rebuild legal-info: one
	@:
include $(BR2_EXTERNAL_ROOTSTREAM_PATH)/external.mk
"""
CONF = """\
#!/bin/sh
# Stands for Kconfig's program: what it is asked for comes out.
{attack}
case $1 in
    --savedefconfig=*) cp "$BR2_CONFIG" "${{1#--savedefconfig=}}" ;;
    --menuconfig) test -t 0 && echo BR2_MENU=y >> "$BR2_CONFIG" ;;
esac
"""


def tree(folder: Path, *, attack: str = "", build: str = "@:", source: str = "@:", downloads: str = "") -> Path:
    """Write the tree and return it; `attack` is a shell script that runs wherever something of it runs.

    `build` and `source` are recipes of the package's, `downloads` is its part of `show-info`.
    """
    parse = "$(shell sh $(CURDIR)/attack.sh make $(O) >&2)" if attack else ""
    files = {
        "Makefile": MAKEFILE.format(attack=parse, build=build, source=source, downloads=downloads),
        "Config.in": "",
        "package/Makefile.in": "",
        "package/one/one.mk": "ONE_VERSION = 1\n",
        "support/kconfig/conf.c": "",
        "support/kconfig/conf": CONF.format(attack=f"sh {folder}/attack.sh conf" if attack else ""),
        "attack.sh": attack,
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "support/kconfig/conf").chmod(0o755)
    return folder
