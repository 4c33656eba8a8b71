"""Debian packages as files: what is in one, and whether a stored file is still what its name says."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from rootstream.archives import chroot_paths, compression, tar_stream
from rootstream.archives.tar_stream import Member, MemberKind
from rootstream.archives.tree import UnpackedTree
from rootstream.formats.faults import Fault

AR_MAGIC = b"!<arch>\n"
AR_HEADER = 60
MAX_AR_MEMBERS = 32
HASH_BLOCK = 1 << 20
MAX_CONTROL = 1 << 25


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


def _read(path: Path, wanted: str, take: Callable[[Member, Iterator[memoryview]], None]) -> None:
    """Hand the members of a deb's data or control archive to `take`.

    Raises `Fault` broken-archive, unsupported-archive, unsafe-archive or program-missing.
    """
    with path.open("rb") as file:
        for name, size in ar_members(file):
            stem, _, suffix = name.partition(".tar")
            if stem == wanted and (suffix == "" or suffix.startswith(".")):
                blocks = compression.blocks(compression.limited(file, size), suffix[1:])
                tar_stream.members(tar_stream.Stream(blocks), take)
                return
    raise Fault("broken-archive", f"the package contains no {wanted} archive")


def unpack(path: Path, folder: str, note: Callable[[Member], bool] | None = None) -> None:
    """Unpack the files of a deb, without its maintainer scripts, into an empty folder.

    `note` sees every member and tells whether it is wanted. Raises `Fault` broken-archive, unsupported-archive,
    unsafe-archive or program-missing.
    """
    tree = UnpackedTree(folder)

    def take(member: Member, content: Iterator[memoryview]) -> None:
        if note is None or note(member):
            tree.take(member, content)

    _read(path, "data", take)


def control(path: Path) -> dict[str, bytes]:
    """Return the control files of a deb by name: `control`, `postinst`, `conffiles` ... Raises as `unpack`."""
    found: dict[str, bytes] = {}
    size = 0

    def take(member: Member, content: Iterator[memoryview]) -> None:
        nonlocal size
        size += member.size
        if size > MAX_CONTROL:
            raise Fault("unsafe-archive", f"the package's control files have more than {MAX_CONTROL} bytes")
        name = "/".join(chroot_paths.parts(member.name))
        if member.kind is MemberKind.FILE and "/" not in name:
            found[name] = b"".join(content)

    _read(path, "control", take)
    return found


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
