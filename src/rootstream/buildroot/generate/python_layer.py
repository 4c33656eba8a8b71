"""Layer `python` as a package of Buildroot: a folder of installed wheels, copied into target/ like any package's.

What Buildroot does at the end to all Python in target/ (byte code, or byte code alone) so happens to it, too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from rootstream.description import layers
from rootstream.errors import UserError, Where

NAME = "rootstream-python"
SYMBOL = "BR2_PACKAGE_ROOTSTREAM_PYTHON"
SYMBOLS = ("BR2_PACKAGE_PYTHON3", SYMBOL)
NOTE = "state/python.json"
MARK = "compiled"  # names the wheels that are not for every system
_VERSION = re.compile(r"^PYTHON3_VERSION_MAJOR\s*=\s*(3\.\d+)\s*$", re.MULTILINE)
CONFIG_IN = f"""\
config {SYMBOL}
\tbool "python"
\tdepends on BR2_PACKAGE_PYTHON3
\thelp
\t  Python packages of the description, as wheels.
"""
MAKE = """\
ROOTSTREAM_PYTHON_VERSION = local
ROOTSTREAM_PYTHON_SITE = {folder}
ROOTSTREAM_PYTHON_SITE_METHOD = local
ROOTSTREAM_PYTHON_DEPENDENCIES = python3

define ROOTSTREAM_PYTHON_INSTALL_TARGET_CMDS
\tcp -a $(@D)/usr $(TARGET_DIR)/
endef

$(eval $(generic-package))
"""


def wanted(found: Sequence[layers.Layer]) -> tuple[layers.PythonPackages, ...]:
    """Return the Python packages that layers ask for."""
    return tuple(each.python for each in found if isinstance(each, layers.PythonLayer))


def folder(space: Path) -> Path:
    """Return where the wheels of a workspace are installed before Buildroot takes them."""
    return space / "python"


def noted(space: Path) -> str:
    """Return what stands for the wheels that are installed in a workspace, nothing where none are."""
    try:
        return (space / NOTE).read_text()
    except OSError:
        return ""


def files(place: Path) -> Mapping[str, str]:
    """Return the package's files below the external tree."""
    return {
        f"package/{NAME}/Config.in": CONFIG_IN,
        f"package/{NAME}/{NAME}.mk": MAKE.format(folder=place),
    }


def version(tree: Path) -> str | None:
    """Return the version of Python in a tree (package/python3/python3.mk), None if it is not said there."""
    try:
        match = _VERSION.search((tree / "package/python3/python3.mk").read_text("utf-8", "replace"))
    except OSError:
        return None
    return match[1] if match else None


def against(found: Sequence[layers.Layer], tree: Path, description: Path, line: int) -> tuple[UserError, ...]:
    """Return the Python layers that are for another Python than that of the tree."""
    has = version(tree)
    return tuple(
        UserError(
            "python-version",
            f"python: the layer is for Python {each.version}, but this Buildroot has {has}",
            where=Where(path=description, line=line or None),
            hint=f'Write `version: "{has}"`, then `rootstream update`.',
        )
        for each in wanted(found)
        if has is not None and each.version != has
    )


def compiled_for(place: Path, values: Mapping[str, str], description: Path) -> tuple[UserError, ...]:
    """Return what is wrong with wheels that hold machine code: they are made for glibc."""
    try:
        names = (folder(place) / MARK).read_text().split()
    except OSError:
        return ()
    if not names or values.get("BR2_TOOLCHAIN_USES_GLIBC") == "y":
        return ()
    return (
        UserError(
            "wheel-needs-glibc",
            f"python: {', '.join(names)}: compiled for glibc, which this system does not have",
            where=Where(path=description),
            hint="Take these from Buildroot (BR2_PACKAGE_PYTHON_...=y), or choose a toolchain with glibc.",
        ),
    )
