"""What a description becomes for Buildroot, as it grows: symbols, files of an external tree, lines of tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rootstream.buildroot.generate import packages
from rootstream.errors import UserError, Where
from rootstream.project.project import DESCRIPTION

# Of symbols that are appended to: without Buildroot's own table everybody reads /etc/shadow (system/Config.in).
DEFAULTS = {"BR2_ROOTFS_DEVICE_TABLE": '"system/device_table.txt"'}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A symbol that the description sets; `value` is Kconfig's text for it: y, n, 12, "text".

    `append`: joined by a space to what the user's own configuration has, or to `default`, what Buildroot has where
    that says nothing. `weak`: only where the user's own configuration says nothing, also not of `unless`.
    """

    symbol: str
    value: str
    file: str = DESCRIPTION
    line: int = 0
    append: bool = False
    weak: bool = False
    unless: str = ""
    default: str = '""'


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedFile:
    """A file of the generated external tree."""

    content: bytes
    mode: int = 0o644


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """What a description becomes: symbols, and files by their path below the generated external tree."""

    settings: tuple[Setting, ...]
    files: Mapping[str, GeneratedFile]


@dataclass(slots=True, kw_only=True)
class Draft:
    """What is generated, as it grows."""

    project: Path
    folder: Path
    line: int = 0
    settings: list[Setting] = field(default_factory=list)
    files: dict[str, GeneratedFile] = field(default_factory=dict)
    users: list[str] = field(default_factory=list)
    devices: list[str] = field(default_factory=list)
    build: dict[str, Any] = field(default_factory=dict)
    fakeroot: dict[str, Any] = field(default_factory=dict)

    def set(self, symbol: str, value: str, *, append: bool = False, weak: bool = False) -> None:
        """Add a setting, with the line of the layer that is being read."""
        default = DEFAULTS.get(symbol, '""')
        self.settings.append(
            Setting(symbol=symbol, value=value, line=self.line, append=append, weak=weak, default=default)
        )

    def file(self, path: str, content: str | bytes, mode: int = 0o644) -> None:
        """Add a file, or replace it; `path` is below the external tree."""
        data = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
        self.files[path] = GeneratedFile(content=data, mode=mode)

    def mode(self, path: str, mode: int) -> None:
        """Have a file of the target be root's with a mode that Git does not keep."""
        told = {"path": path, "mode": mode, "owner": 0, "group": 0}
        self.fakeroot.setdefault("modes", []).append(told)

    def not_possible(self, message: str, hint: str | None = None) -> UserError:
        """Return the error of a word that Buildroot has nothing for, with the layer's line."""
        where = Where(path=self.project / DESCRIPTION, line=self.line or None)
        return UserError("not-possible", message, where=where, hint=hint)


def text(value: str) -> str:
    """Return a text as a Kconfig string."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def path_value(path: Path, what: str) -> str:
    """Return a path as the value of a symbol that make reads. Raises `UserError` path-not-possible."""
    if not packages.is_plain(str(path)):
        raise UserError(
            "path-not-possible",
            f"{what} has a space or another character in its path that Buildroot's make does not support",
            where=Where(path=path),
            hint="Move the project to a path of letters, digits, '/', '.', '_', '+' and '-'.",
        )
    return text(str(path))
