"""Tar archives and folders laid into a tree, and the tree written as one deterministic tar.

Contents are never unpacked: the tree remembers where in which archive they lie, and they are copied once,
when the result is written.
"""

from __future__ import annotations

import base64
import binascii
import stat
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from os import DirEntry, readlink, scandir
from pathlib import Path
from typing import IO

from rootstream.formats.tar_header import (
    BLOCK,
    LARGEST_ID,
    LARGEST_NAME,
    LARGEST_SIZE,
    RECORD,
    pax_header,
    ustar_header,
)
from rootstream.sandbox.program import CHUNK, Mistake
from rootstream.sandbox.tree import Inode, InodeKind, Slice, Tree, clean, directory, encoded, lay, shown

SCHILY = "SCHILY.xattr."
LIBARCHIVE = "LIBARCHIVE.xattr."
# what a layer cannot say and every system expects: it knows 755 and 644 only
USUAL_MODES = {"tmp": 0o1777, "var/tmp": 0o1777, "root": 0o700, "etc/shadow": 0o600, "etc/gshadow": 0o600}
KINDS = {
    tarfile.REGTYPE: InodeKind.FILE,
    tarfile.AREGTYPE: InodeKind.FILE,
    tarfile.CONTTYPE: InodeKind.FILE,
    tarfile.GNUTYPE_SPARSE: InodeKind.FILE,
    tarfile.DIRTYPE: InodeKind.DIRECTORY,
    tarfile.SYMTYPE: InodeKind.SYMLINK,
    tarfile.CHRTYPE: InodeKind.CHAR,
    tarfile.BLKTYPE: InodeKind.BLOCK,
    tarfile.FIFOTYPE: InodeKind.FIFO,
}
FLAGS = {
    InodeKind.FILE: b"0",
    InodeKind.SYMLINK: b"2",
    InodeKind.CHAR: b"3",
    InodeKind.BLOCK: b"4",
    InodeKind.DIRECTORY: b"5",
    InodeKind.FIFO: b"6",
}


LARGEST_HEADER = 1 << 20  # bytes of a long name or of pax records: extended attributes have 64 KiB at most
_DESCRIBING = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)


class _Header(tarfile.TarInfo):
    """A header whose own size is bounded before it is read: what describes a member is held in memory."""

    def _proc_member(self, tarfile: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _DESCRIBING and self.size > LARGEST_HEADER:
            raise Mistake(f"{self.name!r}: a header of {self.size} bytes is more than {LARGEST_HEADER}")
        return super()._proc_member(tarfile)  # type: ignore[misc, no-any-return]  # the stub has no such method


@dataclass(frozen=True, slots=True)
class SparseMember:
    """The contents of a sparse tar member, holes filled with zeros."""

    path: Path
    member: tarfile.TarInfo

    @property
    def size(self) -> int:
        """Length in bytes, holes and all."""
        return self.member.size

    def chunks(self) -> Iterator[bytes]:
        """Give the bytes."""
        with tarfile.open(self.path, "r:", encoding="utf-8", errors="surrogateescape") as archive:
            file = archive.extractfile(self.member)
            if file is None:
                raise Mistake(f"{self.path}: {self.member.name!r} has no contents")
            with file:
                while piece := file.read(CHUNK):
                    yield piece


def lay_path(tree: Tree, path: Path, *, base: bool = False, origin: str | None = None) -> None:
    """Lay a tar archive or a folder over a tree; the first one (`base`) also sets the root's owner and mode.

    Messages call it `origin`, by default its file name.
    """
    named = origin or path.name
    before = {usual for usual in USUAL_MODES if tree.get(usual) is not None}
    if path.is_dir():
        lay_folder(tree, path, base=base, origin=named)
    elif path.is_file():
        lay_tar(tree, path, base=base, origin=named)
    else:
        raise Mistake(f"{path}: there is no such tar archive or folder")
    if base and path.is_file():
        return
    for usual in USUAL_MODES.keys() - before:
        found = tree.get(usual)
        if found is not None and found.kind is not InodeKind.SYMLINK:
            tree.change(usual, replace(found, mode=USUAL_MODES[usual]))


def lay_folder(tree: Tree, folder: Path, *, base: bool = False, origin: str | None = None) -> None:
    """Lay a folder over a tree: everything owned by 0:0, modes 755 or 644 by the owner's right to execute."""
    root = encoded(str(folder))

    def visit(inner: bytes) -> None:
        with scandir(root + b"/" + inner) as entries:
            found = sorted(entries, key=_entry_name)
        for entry in found:
            path = inner + b"/" + entry.name if inner else entry.name
            inode = _from_disk(entry, origin or folder.name)
            lay(tree, path.decode("utf-8", "surrogateescape"), inode, base=base)
            if entry.is_dir(follow_symlinks=False):
                visit(path)

    visit(b"")


def _entry_name(entry: DirEntry[bytes]) -> bytes:
    return entry.name


def _from_disk(entry: DirEntry[bytes], origin: str) -> Inode:
    status = entry.stat(follow_symlinks=False)
    if stat.S_ISDIR(status.st_mode):
        return directory(origin=origin)
    if stat.S_ISLNK(status.st_mode):
        target = readlink(entry.path).decode("utf-8", "surrogateescape")  # noqa: PTH115  (Path would tidy it)
        return Inode(kind=InodeKind.SYMLINK, mode=0o777, target=target, origin=origin)
    path = entry.path.decode("utf-8", "surrogateescape")
    if not stat.S_ISREG(status.st_mode):
        raise Mistake(
            f"{path}: a folder can only contain files, folders and symlinks; put devices in a device table"
        )
    mode = 0o755 if status.st_mode & stat.S_IXUSR else 0o644
    content = Slice(Path(path), 0, status.st_size)
    return Inode(kind=InodeKind.FILE, mode=mode, content=content, origin=origin)


def lay_tar(tree: Tree, path: Path, *, base: bool = False, origin: str | None = None) -> None:
    """Lay an uncompressed tar archive (ustar, GNU or pax) over a tree; owners are taken by number."""
    try:
        with tarfile.open(path, "r:", encoding="utf-8", errors="surrogateescape", tarinfo=_Header) as archive:
            for member in archive:
                _lay_member(tree, path, member, base=base, origin=origin or path.name)
            end = archive.offset
    except (tarfile.TarError, ValueError, OverflowError, IndexError, EOFError, RecursionError) as error:
        raise Mistake(f"{path} is not an uncompressed tar archive, or is damaged: {error}") from error
    with path.open("rb") as file:
        file.seek(end)
        if file.read(BLOCK) != bytes(BLOCK):
            raise Mistake(f"{path} is damaged or truncated: no end mark at byte {end}")


def _lay_member(tree: Tree, path: Path, member: tarfile.TarInfo, *, base: bool, origin: str) -> None:
    name = clean(member.name, origin)
    if member.type == tarfile.LNKTYPE:
        _lay_link(tree, name, clean(member.linkname, origin), origin)
        return
    inode = _from_member(path, member, origin)
    if name:
        lay(tree, name, inode, base=base)
    elif base and inode.kind is InodeKind.DIRECTORY:
        tree.change("", inode)


def _lay_link(tree: Tree, name: str, target: str, origin: str) -> None:
    real = tree.resolve(target)
    inode = tree.get(real)
    if inode is None or inode.kind is InodeKind.DIRECTORY:
        raise Mistake(f"{origin}: {shown(name)} is a hard link to {shown(target)}, which is not a file before it")
    there = tree.resolve(name)
    if there == real:
        return
    lay(tree, name, replace(inode, origin=origin))
    tree.link(there, real)


def _from_member(path: Path, member: tarfile.TarInfo, origin: str) -> Inode:
    kind = KINDS.get(member.type)
    where = f"{origin}: {member.name!r}"
    if kind is None:
        raise Mistake(f"{where} is of the unknown type {member.type!r}")
    if member.uid < 0 or member.gid < 0 or max(member.uid, member.gid) >= (1 << 32) - 1:
        raise Mistake(f"{where} has the owner {member.uid}:{member.gid}, which is out of range")
    content = None
    if kind is InodeKind.FILE:
        plain = not member.issparse()
        content = Slice(path, member.offset_data, member.size) if plain else SparseMember(path, member)
    return Inode(
        kind=kind,
        mode=0o777 if kind is InodeKind.SYMLINK else member.mode & 0o7777,
        uid=member.uid,
        gid=member.gid,
        target=member.linkname if kind is InodeKind.SYMLINK else "",
        device=(member.devmajor, member.devminor) if kind in (InodeKind.CHAR, InodeKind.BLOCK) else (0, 0),
        content=content,
        xattrs=_xattrs(member.pax_headers, where),
        origin=origin,
    )


def _xattrs(headers: Mapping[str, str], where: str) -> tuple[tuple[str, bytes], ...]:
    found: dict[str, bytes] = {}
    for key, value in headers.items():
        if key.startswith(LIBARCHIVE):
            try:
                found.setdefault(key.removeprefix(LIBARCHIVE), base64.b64decode(value + "=" * (-len(value) % 4)))
            except binascii.Error as error:
                raise Mistake(f"{where}: the extended attribute {key} is damaged") from error
    for key, value in headers.items():
        if key.startswith(SCHILY):
            found[key.removeprefix(SCHILY)] = encoded(value)
    return tuple(sorted(found.items()))


def write_tar(tree: Tree, output: IO[bytes], mtime: int) -> None:
    """Write a tree as a pax archive, sorted, with `./` before every name and owners by number only.

    The format is POSIX's (pax(1)), with extended attributes as `SCHILY.xattr.NAME` records.
    """
    first: dict[int, str] = {}
    length = 0
    for path, number, inode in tree.walk():
        link = first.setdefault(number, path)
        hard = link != path
        output.write(header := _header(path, inode, mtime, link if hard else None))
        length += len(header)
        if inode.content is not None and not hard:
            length += _write_content(output, shown(path), inode)
    output.write(bytes(2 * BLOCK + -(length + 2 * BLOCK) % RECORD))


def _write_content(output: IO[bytes], name: str, inode: Inode) -> int:
    if inode.content is None:
        return 0
    written = 0
    for piece in inode.content.chunks():
        output.write(piece)
        written += len(piece)
    if written != inode.content.size:
        raise Mistake(
            f"{name} has {written} bytes instead of {inode.content.size}: was it changed in the meantime?"
        )
    padding = -written % BLOCK
    output.write(bytes(padding))
    return written + padding


def _header(path: str, inode: Inode, mtime: int, link: str | None) -> bytes:
    name = encoded(f"./{path}/" if inode.kind is InodeKind.DIRECTORY and path else f"./{path}")
    target = encoded(inode.target if link is None else f"./{link}")
    size = inode.content.size if inode.content and link is None else 0
    # without it, libarchive fails on what the locale cannot say; it has to come first
    records = {} if (name + target).isascii() else {b"hdrcharset": b"BINARY"}
    texts = ((b"path", name), (b"linkpath", target))
    records |= {key: text for key, text in texts if len(text) > LARGEST_NAME or not text.isascii()}
    numbers = ((LARGEST_ID, b"uid", inode.uid), (LARGEST_ID, b"gid", inode.gid), (LARGEST_SIZE, b"size", size))
    records |= {key: b"%d" % value for largest, key, value in numbers if value > largest}
    if link is None:
        records |= {encoded(SCHILY + key): value for key, value in inode.xattrs}
    head = ustar_header(
        name,
        flag=b"1" if link is not None else FLAGS[inode.kind],
        mode=inode.mode,
        owner=(inode.uid, inode.gid),
        size=size,
        mtime=mtime,
        target=target,
        device=inode.device,
    )
    return pax_header(records, mtime) + head if records else head
