"""Reads inventory.jsonl, the list of a root's files and packages that a build leaves beside its images.

It comes with an export, which may come from anywhere: every line is bounded and checked before it is believed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from rootstream.errors import UserError, Where
from rootstream.host import nofollow
from rootstream.project.artifact import INVENTORY

FORMAT = 1
LONGEST_LINE = 16 << 20  # bytes; a configuration is one line
MOST_ROWS = 5_000_000
_Text = Annotated[str, Field(max_length=65_536)]
_Names = Annotated[tuple[_Text, ...], Field(max_length=10_000)]
_Sources = Annotated[frozenset[_Text], Field(max_length=100_000)]
_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Number = Annotated[int, Field(ge=0, le=1 << 62)]


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class Format(_Row):
    """The first line."""

    record: Literal["format"]
    format: int


class Deb(_Row):
    """A package of Debian as dpkg's status has it; `licenses` are the short names of its copyright file."""

    record: Literal["deb"]
    name: _Text
    version: _Text
    architecture: _Text
    source: _Text
    source_version: _Text
    maintainer: _Text = ""
    homepage: _Text = ""
    essential: bool = False
    depends: _Text = ""
    built_using: _Text = ""
    licenses: _Names | None = None
    copyright: _Sha256 | None = None


class Wheel(_Row):
    """An installed wheel; `license` is the expression of its metadata, `stated` what older metadata says."""

    record: Literal["wheel"]
    name: _Text
    version: _Text
    license: _Text | None = None
    stated: _Names = ()
    homepage: _Text = ""


class Text(_Row):
    """A license text of a component; `text` is only where it is first."""

    record: Literal["text"]
    kind: _Text
    component: _Text
    path: _Text
    sha256: _Sha256
    text: Annotated[str, Field(max_length=LONGEST_LINE)] | None = None


class Config(_Row):
    """The configuration of a tree with Kconfig, and what the result calls itself."""

    record: Literal["config"]
    tree: _Text
    release: _Text | None = None
    symbols: dict[_Text, _Text]


class Sources(_Row):
    """The source files of a tree by their folders: those that were compiled, with headers, and the others."""

    record: Literal["sources"]
    tree: _Text
    compiled: dict[_Text, _Sources]
    other: dict[_Text, _Sources]

    def is_left_out(self, path: str) -> bool:
        """Say whether the tree has a file that nothing was compiled from."""
        above, _, own = path.rpartition("/")
        return own in self.other.get(above, ())


class File(_Row):
    """Something in a root. `layer` is what brought it, `packages` what it belongs to there."""

    record: Literal["file"]
    path: _Text
    kind: _Text
    mode: Annotated[int, Field(ge=0, le=0o7777)]
    uid: _Number | None = None
    gid: _Number | None = None
    layer: _Text = ""
    packages: _Names = ()
    replaces: _Names = ()
    link: _Text | None = None
    size: _Number | None = None
    sha256: _Sha256 | None = None
    target: _Text | None = None
    device: tuple[int, int] | None = None
    xattrs: dict[_Text, _Text] = {}


_ROW: TypeAdapter[Format | Deb | Wheel | Text | Config | Sources | File] = TypeAdapter(
    Annotated[Format | Deb | Wheel | Text | Config | Sources | File, Field(discriminator="record")]
)
_FILE = b'{"record":"file"'
_LINK = re.compile(rb'"kind":\s*"symlink"')


@dataclass(slots=True)
class Inventory:
    """What is in a root; `files` in the order of their paths."""

    debs: list[Deb] = field(default_factory=list)
    wheels: list[Wheel] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)
    configs: list[Config] = field(default_factory=list)
    sources: list[Sources] = field(default_factory=list)
    files: list[File] = field(default_factory=list)


Which = Literal["links"] | bool
"""Which files of a list are read: all, none, or symlinks only."""


def read(path: Path, *, files: Which = True) -> Inventory:
    """Read a list, without its files if they are not needed.

    Raises `UserError` bad-inventory with file and line, those of `nofollow`, and FileNotFoundError.
    """
    found = Inventory()
    for number, row in enumerate(_rows(path, files=files), 1):
        match row:
            case Format():
                if row.format != FORMAT:
                    raise _fault(path, number, f"has format {row.format}, expected {FORMAT}")
            case Deb():
                found.debs.append(row)
            case Wheel():
                found.wheels.append(row)
            case Text():
                found.texts.append(row)
            case Config():
                found.configs.append(row)
            case Sources():
                found.sources.append(row)
            case File():
                found.files.append(row)
    return found


def find(path: Path, wanted: str) -> File | None:
    """Return the row of a path, or None; only rows that may have it are parsed."""
    return next((row for row in _rows(path, naming=wanted) if isinstance(row, File) and row.path == wanted), None)


def _rows(
    path: Path, *, files: Which = True, naming: str | None = None
) -> Iterator[Format | Deb | Wheel | Text | Config | Sources | File]:
    """Give the rows of a list; with `naming` only those of files whose JSON begins as that of this path does."""
    begin = _FILE + f',"path":{json.dumps(naming)},'.encode() if naming is not None else b""
    handle = nofollow.open_file(path.parent.parent, path, os.O_RDONLY)
    with os.fdopen(handle, "rb") as lines:
        for number in range(1, MOST_ROWS + 2):
            line = lines.readline(LONGEST_LINE + 1)
            if not line:
                return
            if len(line) > LONGEST_LINE or number > MOST_ROWS:
                raise _fault(path, number, f"is longer than {LONGEST_LINE} bytes, or there are too many lines")
            if number == 1 and not line.startswith(b'{"record":"format"'):
                raise _fault(path, number, "is not the first line of such a list")
            is_file = line.startswith(_FILE)
            if is_file and (not files or (files == "links" and not _LINK.search(line))):
                continue
            if naming is not None and not line.startswith(begin):
                continue
            try:
                yield _ROW.validate_json(line)
            except ValidationError as error:
                first = error.errors()[0]
                raise _fault(path, number, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def _fault(path: Path, number: int, message: str) -> UserError:
    return UserError(
        "bad-inventory",
        message[:300],
        where=Where(path=path, line=number),
        hint=f"{INVENTORY} is written by a build. Build again, or export this build anew.",
    )
