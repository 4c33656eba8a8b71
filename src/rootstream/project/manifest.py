"""Reads out/SYSTEM/manifest.json. It may come with a clone, so nothing in it is believed before it is checked.

All who read one do it here: names lead nowhere but below the folder, hashes are hashes, files are regular ones.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rootstream.errors import UserError, Where
from rootstream.host import nofollow

NAME = "manifest.json"
MOST = 64 << 20  # bytes; `inputs` lists every package
MOST_SIZE = 1 << 62
_NAME_MAX = 255  # <linux/limits.h>
_SHA256 = re.compile(r"[0-9a-f]{64}")
_KIND = re.compile(r"[a-z][a-z0-9_.-]{0,31}")
_ARCH = re.compile(r"[a-z0-9_]{0,32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedFile:
    """A file of an export: `name` is its path below the folder, `size` is in bytes."""

    name: str
    kind: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What an export says of itself; `data` has all of it, of which only the files and `arch` are checked."""

    folder: Path
    arch: str
    files: tuple[ExportedFile, ...]
    data: Mapping[str, Any]

    def path(self, entry: ExportedFile) -> Path:
        """Return the path of a file, which is a regular one of ours.

        Raises `UserError` no-file, and those of `nofollow`.
        """
        try:
            os.close(self.open(entry))
        except FileNotFoundError as error:
            where = Where(path=self.folder / entry.name)
            raise UserError(
                "no-file", f"is in {NAME}, but does not exist", where=where, hint="Build again."
            ) from error
        return self.folder / entry.name

    def open(self, entry: ExportedFile) -> int:
        """Open a file to be read and return its descriptor. Raises FileNotFoundError, and as `nofollow` does."""
        return nofollow.open_file(self.folder.parent, self.folder / entry.name, os.O_RDONLY)


def read(folder: Path) -> Manifest:
    """Read and check the manifest of a folder, which is no link itself.

    Raises `UserError` bad-manifest with file and entry, those of `nofollow`, and FileNotFoundError without one.
    """
    place = folder / NAME
    try:
        text = nofollow.read_bytes(folder.parent, place, most=MOST + 1)
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise _fault(place, f"cannot be read: {error.strerror}") from error
    if len(text) > MOST:
        raise _fault(place, f"has more than {MOST >> 20} MiB")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _fault(place, "is not JSON") from error
    if not isinstance(data, dict):
        raise _fault(place, "expected an object")
    arch = data.get("arch", "")
    if not isinstance(arch, str) or not _ARCH.fullmatch(arch):
        raise _fault(place, f"arch: {_shown(arch)} is not an architecture")
    files = data.get("files")
    if not isinstance(files, list):
        raise _fault(place, "files: expected a list")
    return Manifest(folder=folder, arch=arch, files=entries(place, files), data=data)


def entries(place: Path, items: Iterable[object]) -> tuple[ExportedFile, ...]:
    """Return the files of a list as JSON gives them; `place` is the file that it is in. Raises `UserError`."""
    found: dict[str, ExportedFile] = {}
    for number, item in enumerate(items):
        entry = _entry(place, number, item)
        if entry.name in found:
            raise _fault(place, f"files[{number}]: name: {_shown(entry.name)} is listed twice")
        found[entry.name] = entry
    return tuple(found.values())


def _entry(place: Path, number: int, item: object) -> ExportedFile:
    if not isinstance(item, dict):
        raise _fault(place, f"files[{number}]: expected an object")
    name, kind, size, digest = (item.get(word) for word in ("name", "kind", "size", "sha256"))
    if not (isinstance(name, str) and _is_plain(name)):
        raise _fault(place, f"files[{number}]: name: {_shown(name)} is not the path of a file below the folder")
    if not (isinstance(kind, str) and _KIND.fullmatch(kind)):
        raise _fault(place, f"files[{number}]: kind: {_shown(kind)} is not a kind of file")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= MOST_SIZE:
        raise _fault(place, f"files[{number}]: size: {_shown(size)} is not a number of bytes")
    if not (isinstance(digest, str) and _SHA256.fullmatch(digest)):
        raise _fault(place, f"files[{number}]: sha256: {_shown(digest)} is not a SHA-256 hash")
    return ExportedFile(name=name, kind=kind, size=size, sha256=digest)


def _is_plain(path: str) -> bool:
    """Say whether a path stays below where it starts, and can be shown on one line, as artifact.py demands."""
    return path.isprintable() and all(
        part not in ("", ".", "..") and len(part.encode()) <= _NAME_MAX for part in path.split("/")
    )


def _shown(value: object) -> str:
    return f"{value!a:.100}"


def _fault(place: Path, message: str) -> UserError:
    hint = f"It is not used. Delete {place.parent} if you did not create it, and build again."
    return UserError("bad-manifest", message, where=Where(path=place), hint=hint)
