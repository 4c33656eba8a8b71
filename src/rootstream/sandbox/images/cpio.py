"""The kernel's initramfs format: a newc cpio archive, written from a tree without unpacking anything.

The format is that of Documentation/driver-api/early-userspace/buffer-format.rst in the kernel.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import IO

from rootstream.sandbox.program import Mistake
from rootstream.sandbox.tree import Content, Inode, InodeKind, Literal, Tree, encoded, shown

TYPE_BITS = {
    InodeKind.FIFO: 0o010000,
    InodeKind.CHAR: 0o020000,
    InodeKind.DIRECTORY: 0o040000,
    InodeKind.BLOCK: 0o060000,
    InodeKind.FILE: 0o100000,
    InodeKind.SYMLINK: 0o120000,
}
LARGEST = (1 << 32) - 1
TRAILER = b"TRAILER!!!"
ALIGNMENT = 512


def write_cpio(tree: Tree, output: IO[bytes], mtime: int, *, only: Callable[[str], bool] = lambda _: True) -> None:
    """Write a tree, or `only` some of its paths, as newc: sorted, inode numbers counted up.

    A hard linked file's bytes come with its last name.
    """
    length = 0
    for head, content in _entries(tree, mtime, only):
        length += output.write(head)
        if content:
            for piece in content.chunks():
                length += output.write(piece)
            length += output.write(bytes(-content.size % 4))
    output.write(bytes(-length % ALIGNMENT))


def cpio_size(tree: Tree, *, only: Callable[[str], bool] = lambda _: True) -> int:
    """Return how many bytes `write_cpio` writes, without reading any content."""
    length = sum(
        len(head) + (content.size + -content.size % 4 if content else 0)
        for head, content in _entries(tree, 0, only)
    )
    return length + -length % ALIGNMENT


def _entries(tree: Tree, mtime: int, only: Callable[[str], bool]) -> Iterator[tuple[bytes, Content | None]]:
    """Yield header and content of every entry, the trailer's last."""
    chosen = [(path, number, inode) for path, number, inode in tree.walk() if only(path)]
    names = Counter(number for _, number, _ in chosen)
    seen: Counter[int] = Counter()
    numbers: dict[int, int] = {}
    for path, number, inode in chosen:
        seen[number] += 1
        ino = numbers.setdefault(number, len(numbers) + 1)
        links = 2 if inode.kind is InodeKind.DIRECTORY else names[number]
        content = inode.content
        if inode.kind is InodeKind.SYMLINK:
            content = Literal(encoded(inode.target))
        elif seen[number] < names[number]:
            content = None
        size = content.size if content else 0
        if size > LARGEST:
            raise Mistake(f"{shown(path)} has {size} bytes; the initramfs format is limited to files below 4 GiB")
        yield _header(encoded(path or "."), inode, ino=ino, links=links, size=size, mtime=mtime), content
    end = Inode(kind=InodeKind.FILE, mode=0)
    yield _header(TRAILER, end, ino=0, links=1, size=0, mtime=0, bits=0), None


def _header(
    name: bytes, inode: Inode, *, ino: int, links: int, size: int, mtime: int, bits: int | None = None
) -> bytes:
    kind = TYPE_BITS[inode.kind] if bits is None else bits
    name += b"\0"
    major, minor = inode.device
    fields = (ino, kind | inode.mode, inode.uid, inode.gid, links, mtime, size, 0, 0, major, minor, len(name), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name
    return head + bytes(-len(head) % 4)
