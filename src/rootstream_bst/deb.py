"""Debian packages as files: what is in one, and whether a stored file is still what its name says."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from rootstream_bst import compression, tarstream
from rootstream_bst.faults import Fault
from rootstream_bst.tree import Tree

AR_MAGIC = b"!<arch>\n"
AR_HEADER = 60
MAX_AR_MEMBERS = 32
HASH_BLOCK = 1 << 20


def ar_members(file: BinaryIO) -> Iterator[tuple[str, int]]:
    """Yield (name, size) of a deb's members, with the file at the member's first byte.

    The format is ar's common one (deb(5)). Raises `Fault` broken-archive or unsafe-archive.
    """
    if file.read(len(AR_MAGIC)) != AR_MAGIC:
        raise Fault("broken-archive", "not a Debian package")
    position = len(AR_MAGIC)
    for _ in range(MAX_AR_MEMBERS):
        file.seek(position)
        header = file.read(AR_HEADER)
        if not header:
            return
        size = header[48:58].strip()
        if len(header) != AR_HEADER or header[58:] != b"`\n" or not size.isdigit():
            raise Fault("broken-archive", "the package has a damaged header")
        yield header[:16].decode("ascii", "replace").strip().rstrip("/"), int(size)
        position += AR_HEADER + int(size) + int(size) % 2
    raise Fault("unsafe-archive", "the package has too many members")


def unpack(path: Path, folder: str) -> None:
    """Unpack the files of a deb, without its maintainer scripts, into an empty folder.

    Raises `Fault` broken-archive, unsupported-archive, unsafe-archive or program-missing.
    """
    with path.open("rb") as file:
        for name, size in ar_members(file):
            stem, _, suffix = name.partition(".tar")
            if stem == "data" and (suffix == "" or suffix.startswith(".")):
                blocks = compression.blocks(compression.limited(file, size), suffix[1:])
                tarstream.members(tarstream.Stream(blocks), Tree(folder).take)
                return
    raise Fault("broken-archive", "the package holds no data archive")


def check_hash(path: Path, sha256: str) -> None:
    """Raise `Fault` store-damaged, and remove the file, when a stored file is not what its name says."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(HASH_BLOCK):
            digest.update(block)
    if digest.hexdigest() != sha256:
        with suppress(OSError):
            path.unlink()
        raise Fault("store-damaged", "the stored file was damaged and has been removed; fetch again")
