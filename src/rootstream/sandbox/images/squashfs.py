"""A squashfs in which some files are not compressed and share no block with others; tar2sqfs cannot make that."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from rootstream.sandbox.limits import require_none
from rootstream.sandbox.program import Mistake, feed
from rootstream.sandbox.tree import Content, Inode, InodeKind, Tree, encoded, shown

NAMESPACES = ("user.", "trusted.", "security.")
ATTRIBUTES = 60000  # tar2sqfs reads them from a header of 64 KiB
MOST_OWNERS = 65535
NOT_NAMES = frozenset('"\\\n\r')


@dataclass(frozen=True, slots=True, kw_only=True)
class SquashfsOptions:
    """How to pack: compressor, size of blocks in bytes, and the paths that stay as they are."""

    compression: str
    block: int
    apart: tuple[str, ...]


def require_possible(tree: Tree) -> None:
    """Raise `Mistake` with what a squashfs has no room for; the numbers are those of its tools and of Linux."""
    problems: list[str] = []
    owners: set[int] = set()
    for path, _, inode in tree.walk():
        owners |= {inode.uid, inode.gid}
        problems += [
            f"{shown(path)}: of extended attributes a squashfs has user, trusted and security ones, not {name}"
            for name, _ in inode.xattrs
            if not name.startswith(NAMESPACES)
        ]
        if (length := sum(len(name) + len(value) for name, value in inode.xattrs)) > ATTRIBUTES:
            problems.append(f"{shown(path)} has {length} bytes of extended attributes, {ATTRIBUTES} are possible")
    if len(owners) > MOST_OWNERS:
        problems.append(f"the root has {len(owners)} owners and groups; a squashfs has room for {MOST_OWNERS}")
    require_none(problems)


def make_squashfs(tree: Tree, output: Path, options: SquashfsOptions, *, epoch: int) -> None:
    """Write a tree as a squashfs by gensquashfs (squashfs-tools-ng), its contents staged as files."""
    require_possible(tree)
    with tempfile.TemporaryDirectory(prefix="squashfs.") as name:
        folder = Path(name)
        (folder / "list").write_bytes(b"".join(_listed(tree, folder)))
        (folder / "order").write_bytes(
            b"".join(
                b"-1 [dont_compress,dont_fragment,nosparse] " + encoded(path) + b"\n" for path in options.apart
            )
        )
        argv = ["gensquashfs", "-q", "-f", "-F", str(folder / "list"), "-D", str(folder)]
        argv += ["-S", str(folder / "order"), "-c", options.compression, "-b", str(options.block)]
        argv += ["-d", f"mtime={epoch}"]
        if xattrs := b"".join(_xattrs(tree)):
            (folder / "xattrs").write_bytes(xattrs)
            argv += ["-A", str(folder / "xattrs")]
        feed([*argv, str(output)], epoch=epoch)


def _listed(tree: Tree, folder: Path) -> list[bytes]:
    """Return gensquashfs's description of a tree, files copied into the folder."""
    lines = []
    first: dict[int, str] = {}
    for path, number, inode in tree.walk():
        if NOT_NAMES & set(path + inode.target) or inode.target[:1].isspace():
            raise Mistake(f"{shown(path)}: such a name cannot be in a squashfs with secrets")
        if number in first:
            lines.append(encoded(f'link "/{path}" 0 0 0 /{first[number]}\n'))
            continue
        first[number] = path
        lines.append(encoded(f'{_word(inode)} "/{path}" {inode.mode:o} {inode.uid} {inode.gid}'))
        lines.append(encoded(_rest(inode, number)))
        if inode.kind is InodeKind.FILE:
            _copy(inode.content, folder / f"{number}")
    return lines


def _word(inode: Inode) -> str:
    words = {
        InodeKind.FILE: "file",
        InodeKind.DIRECTORY: "dir",
        InodeKind.SYMLINK: "slink",
        InodeKind.FIFO: "pipe",
    }
    return words.get(inode.kind, "nod")


def _rest(inode: Inode, number: int) -> str:
    if inode.kind is InodeKind.FILE:
        return f" {number}\n"
    if inode.kind is InodeKind.SYMLINK:
        return f" {inode.target}\n"
    if inode.kind in (InodeKind.CHAR, InodeKind.BLOCK):
        major, minor = inode.device
        return f" {'c' if inode.kind is InodeKind.CHAR else 'b'} {major} {minor}\n"
    return "\n"


def _copy(content: Content | None, place: Path) -> None:
    with place.open("wb") as file:
        for piece in content.chunks() if content else ():
            file.write(piece)


def _xattrs(tree: Tree) -> list[bytes]:
    lines = []
    for path, _, inode in tree.walk():
        if inode.xattrs:
            lines.append(encoded(f"# file: {path}\n"))
            lines += [f"{name}=0x{value.hex()}\n".encode() for name, value in inode.xattrs]
            lines.append(b"\n")
    return lines
