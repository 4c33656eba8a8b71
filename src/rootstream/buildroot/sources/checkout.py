"""An existing Buildroot checkout or output folder: its tree, its external trees, its configuration, its changes.

Nothing is run in it and nothing is written to it. What its make has left tells where everything is: the Makefile
of an output folder (support/scripts/mkmakefile) and .br2-external.mk (support/scripts/br2-external).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from rootstream.buildroot.sources import tree
from rootstream.buildroot.workspace import ORIGIN
from rootstream.errors import UserError, Where
from rootstream.formats.kconfig.fragment import config_values

_MAKEFILE = re.compile(r"^MAKEARGS := -C (\S+)$", re.MULTILINE)
_EXTERNAL = re.compile(r"^BR2_EXTERNAL \?= *(.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """Where the parts of a checkout are; `config` is its .config, if it has one, `output` its output folder."""

    tree: Path
    output: Path
    config: Path | None
    externals: tuple[Path, ...]

    @property
    def overrides(self) -> Path | None:
        """Return the local.mk that its make reads without being told."""
        folder = self.config.parent if self.config else self.output
        return folder / "local.mk" if (folder / "local.mk").is_file() else None


def of(folder: Path, externals: tuple[Path, ...] = ()) -> Checkout:
    """Return what a folder is: a Buildroot tree, perhaps with a .config, or an output folder (`O=`) of one.

    `externals` are external trees to take instead of those that its make has noted. Raises `UserError`
    no-buildroot, missing-file.
    """
    folder = folder.resolve()
    makefile = folder / "Makefile"
    found = _MAKEFILE.search(makefile.read_text("utf-8", "replace")) if makefile.is_file() else None
    if found:
        source, output = Path(found[1]), folder
    else:
        source, output = folder, folder / "output"
    tree.require_recent(tree.require(source))
    config = folder / ".config"
    noted = output / ".br2-external.mk"
    if not externals and noted.is_file():
        match = _EXTERNAL.search(noted.read_text("utf-8", "replace"))
        externals = tuple(Path(each) for each in match[1].replace(":", " ").split()) if match else ()
    for each in externals:
        if not each.is_dir():
            raise UserError("missing-file", "this external tree does not exist", where=Where(path=each))
    return Checkout(
        tree=source.resolve(),
        output=output,
        config=config if config.is_file() else None,
        externals=tuple(each.resolve() for each in externals),
    )


def own_values(text: str) -> dict[str, str]:
    """Return the symbols of a .config but for those that say where external trees and the defconfig are."""
    return {
        name: value
        for name, value in config_values(text, "").items()
        if name != ORIGIN and not name.startswith("BR2_EXTERNAL_")
    }


def origin(text: str) -> str:
    """Return the path of the defconfig that a .config was made from, as written in it; empty if it names none."""
    return config_values(text, "").get(ORIGIN, "")
