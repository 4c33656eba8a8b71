"""What the description asks of Buildroot's own symbols beside layers and images: files, folders and scripts."""

from __future__ import annotations

import difflib
import re
from dataclasses import replace
from pathlib import Path

from rootstream.buildroot.generate import packages
from rootstream.buildroot.generate.draft import Setting, path_value, text
from rootstream.buildroot.workspace import ORIGIN, Workspace
from rootstream.description.roots import PackageConfig, PackageConfigs
from rootstream.description.system import ConfigFile, NamedDefconfig
from rootstream.errors import UserError, Where

# For each package with Kconfig: what selects it, what says where its configuration comes from (the symbols of a
# file, of a defconfig, of fragments). From the Config.in of each package in Buildroot.
_LINUX = "BR2_LINUX_KERNEL"
_UBOOT = "BR2_TARGET_UBOOT"
_BAREBOX = "BR2_TARGET_BAREBOX"
SYMBOLS: dict[str, dict[str, str]] = {
    "linux": {
        "use_file": f"{_LINUX}_USE_CUSTOM_CONFIG",
        "file": f"{_LINUX}_CUSTOM_CONFIG_FILE",
        "use_defconfig": f"{_LINUX}_USE_DEFCONFIG",
        "defconfig": f"{_LINUX}_DEFCONFIG",
        "fragments": f"{_LINUX}_CONFIG_FRAGMENT_FILES",
    },
    "busybox": {
        "file": "BR2_PACKAGE_BUSYBOX_CONFIG",
        "fragments": "BR2_PACKAGE_BUSYBOX_CONFIG_FRAGMENT_FILES",
    },
    "uclibc": {"file": "BR2_UCLIBC_CONFIG", "fragments": "BR2_UCLIBC_CONFIG_FRAGMENT_FILES"},
    "uboot": {
        "use_file": f"{_UBOOT}_USE_CUSTOM_CONFIG",
        "file": f"{_UBOOT}_CUSTOM_CONFIG_FILE",
        "use_defconfig": f"{_UBOOT}_USE_DEFCONFIG",
        "defconfig": f"{_UBOOT}_BOARD_DEFCONFIG",
        "fragments": f"{_UBOOT}_CONFIG_FRAGMENT_FILES",
    },
    "barebox": {
        "use_file": f"{_BAREBOX}_USE_CUSTOM_CONFIG",
        "file": f"{_BAREBOX}_CUSTOM_CONFIG_FILE",
        "use_defconfig": f"{_BAREBOX}_USE_DEFCONFIG",
        "defconfig": f"{_BAREBOX}_BOARD_DEFCONFIG",
        "fragments": f"{_BAREBOX}_CONFIG_FRAGMENT_FILES",
    },
    "at91bootstrap3": {
        "use_file": "BR2_TARGET_AT91BOOTSTRAP3_USE_CUSTOM_CONFIG",
        "file": "BR2_TARGET_AT91BOOTSTRAP3_CUSTOM_CONFIG_FILE",
        "use_defconfig": "BR2_TARGET_AT91BOOTSTRAP3_USE_DEFCONFIG",
        "defconfig": "BR2_TARGET_AT91BOOTSTRAP3_DEFCONFIG",
    },
    "swupdate": {"file": "BR2_PACKAGE_SWUPDATE_CONFIG"},
    "xvisor": {
        "use_file": "BR2_PACKAGE_XVISOR_USE_CUSTOM_CONFIG",
        "file": "BR2_PACKAGE_XVISOR_CUSTOM_CONFIG_FILE",
        "use_defconfig": "BR2_PACKAGE_XVISOR_USE_DEFCONFIG",
        "defconfig": "BR2_PACKAGE_XVISOR_DEFCONFIG",
    },
}
# The symbol that says that a package is built.
SELECTED = {
    "linux": "BR2_LINUX_KERNEL",
    "busybox": "BR2_PACKAGE_BUSYBOX",
    "uclibc": "BR2_PACKAGE_UCLIBC",
    "uboot": "BR2_TARGET_UBOOT",
    "barebox": "BR2_TARGET_BAREBOX",
    "at91bootstrap3": "BR2_TARGET_AT91BOOTSTRAP3",
    "swupdate": "BR2_PACKAGE_SWUPDATE",
    "xvisor": "BR2_PACKAGE_XVISOR",
}


def named(configs: PackageConfigs) -> dict[str, PackageConfig]:
    """Return the configurations of packages that the description has, by package."""
    found = ((name, getattr(configs, name)) for name in type(configs).model_fields)
    return {name: each for name, each in found if each is not None}


def settings(space: Workspace) -> tuple[Setting, ...]:
    """Return the symbols that the words of the root set. Raises `UserError` path-not-possible."""
    root = space.root
    found: list[Setting] = []
    for name, each in named(root.configs).items():
        found += _at(space, f"configs/{name}", _package(space, name, each))
    folders = [_path(space, "BR2_GLOBAL_PATCH_DIR", folder) for folder in root.global_patches]
    found += _at(space, "global_patches", folders)
    for word in ("post_build", "post_fakeroot", "post_image"):
        paths = getattr(root.scripts, word)
        symbol = f"BR2_ROOTFS_{word.upper()}_SCRIPT"
        found += _at(space, f"scripts/{word}", [_path(space, symbol, path) for path in paths])
    if root.jobs:
        found += _at(space, "jobs", [Setting(symbol="BR2_JLEVEL", value=str(root.jobs))])
    if root.ccache:
        found += _at(space, "ccache", [Setting(symbol="BR2_CCACHE", value="y")])
    return tuple(found)


def origin(space: Workspace) -> tuple[Setting, ...]:
    """Return the symbol that names the defconfig, as Buildroot's own `make NAME_defconfig` sets it.

    Scripts of boards and make files of external trees go by it (board/qemu/post-image.sh).
    """
    place = defconfig_file(space)
    if place is None or not packages.is_plain(str(place)):
        return ()
    return (Setting(symbol=ORIGIN, value=text(str(place)), weak=True),)


def _at(space: Workspace, path: str, settings: list[Setting]) -> list[Setting]:
    """Return settings with the line of the word below `root: {buildroot:` that makes them."""
    line = space.described.lines.get(f"root/buildroot/{path}", 0)
    return [replace(each, line=line) for each in settings]


def _path(space: Workspace, symbol: str, path: str) -> Setting:
    return Setting(symbol=symbol, value=path_value((space.project / path).resolve(), path), append=True)


def _package(space: Workspace, name: str, wanted: PackageConfig) -> list[Setting]:
    symbols = SYMBOLS[name]
    found: list[Setting] = []
    if isinstance(wanted.base, ConfigFile):
        if "use_file" in symbols:
            found.append(Setting(symbol=symbols["use_file"], value="y"))
        place = (space.project / wanted.base.file).resolve()
        found.append(Setting(symbol=symbols["file"], value=path_value(place, wanted.base.file)))
    elif isinstance(wanted.base, NamedDefconfig) and "defconfig" in symbols:
        found.append(Setting(symbol=symbols["use_defconfig"], value="y"))
        stem = re.sub(r"_defconfig$", "", wanted.base.defconfig)
        found.append(Setting(symbol=symbols["defconfig"], value=text(stem)))
    if wanted.fragments and "fragments" in symbols:
        found += [_path(space, symbols["fragments"], path) for path in wanted.fragments]
    return found


def defconfig_file(space: Workspace) -> Path | None:
    """Return the file that the configuration starts from: the project's, or a named one of the trees."""
    wanted = space.root.defconfig
    if wanted is None:
        return None
    return space.project / wanted if isinstance(wanted, str) else _of_trees(space, wanted)


def named_defconfig(space: Workspace, wanted: NamedDefconfig) -> Path:
    """Return the file of a defconfig of the trees. Raises `UserError` unknown-defconfig."""
    place = _of_trees(space, wanted)
    if place is None:
        raise unknown_defconfig(space, wanted.defconfig)
    return place


def unknown_defconfig(space: Workspace, name: str) -> UserError:
    """Return the error of a defconfig that no tree has, with the nearest name."""
    folders = [each / "configs" for each in (space.tree, *space.own_trees, space.generated)]
    names = [path.name for folder in folders for path in folder.glob("*_defconfig")]
    near = difflib.get_close_matches(name, names, 1)
    return UserError(
        "unknown-defconfig",
        f"there is no defconfig {name!r} in Buildroot or the external trees"
        + (f"; did you mean {near[0]}?" if near else ""),
        where=Where(path=space.project / "system.yaml"),
        hint="`rootstream make list-defconfigs` lists them all.",
    )


def _of_trees(space: Workspace, wanted: NamedDefconfig) -> Path | None:
    name = wanted.defconfig if wanted.defconfig.endswith("_defconfig") else f"{wanted.defconfig}_defconfig"
    # a later tree's defconfig goes before an earlier one's of the same name (Buildroot's manual, br2-external)
    places = [space.generated, *reversed(space.own_trees), space.tree]
    return next((each / "configs" / name for each in places if (each / "configs" / name).is_file()), None)
