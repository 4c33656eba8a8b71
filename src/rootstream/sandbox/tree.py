"""A root filesystem in memory: names, what they stand for, and where the contents lie (never the contents).

Names are relative (`usr/bin/env`; the root is the empty string), and symlinks are followed as the booted
system would follow them, so nothing can leave the root.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from rootstream.sandbox.program import CHUNK, Mistake

BASE = "the root"  # the origin of what no layer brought
MOST_LINKS = 40  # as many symlinks as Linux follows in one path


class InodeKind(enum.Enum):
    """What a name stands for; the value is the word for messages."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    CHAR = "character device"
    BLOCK = "block device"
    FIFO = "fifo"


class Content(Protocol):
    """The bytes of a file."""

    @property
    def size(self) -> int:
        """Length in bytes."""

    def chunks(self) -> Iterator[bytes]:
        """Give the bytes, piece by piece."""


@dataclass(frozen=True, slots=True)
class Literal:
    """Bytes made here."""

    data: bytes

    @property
    def size(self) -> int:
        """Length in bytes."""
        return len(self.data)

    def chunks(self) -> Iterator[bytes]:
        """Give the bytes."""
        yield self.data


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of a file on disk: all of it, or the data of a tar member."""

    path: Path
    offset: int
    size: int

    def chunks(self) -> Iterator[bytes]:
        """Give the bytes; `Mistake` if the file ends before."""
        left = self.size
        with self.path.open("rb", buffering=0) as file:
            file.seek(self.offset)
            while left:
                piece = file.read(min(left, CHUNK))
                if not piece:
                    raise Mistake(f"{self.path} is truncated: {left} bytes of a file in it are missing")
                left -= len(piece)
                yield piece


@dataclass(frozen=True, slots=True, kw_only=True)
class Inode:
    """What one or several (hard linked) names stand for.

    `mode` is the permission bits only; `origin` is for messages and makes no difference.
    """

    kind: InodeKind
    mode: int
    uid: int = 0
    gid: int = 0
    target: str = ""
    device: tuple[int, int] = (0, 0)
    content: Content | None = None
    xattrs: tuple[tuple[str, bytes], ...] = ()
    origin: str = field(default="", compare=False)


def directory(mode: int = 0o755, uid: int = 0, gid: int = 0, origin: str = "") -> Inode:
    """Return a directory."""
    return Inode(kind=InodeKind.DIRECTORY, mode=mode, uid=uid, gid=gid, origin=origin)


def text_file(
    data: bytes, mode: int = 0o644, uid: int = 0, gid: int = 0, origin: str = "the description"
) -> Inode:
    """Return a file with contents made here."""
    return Inode(kind=InodeKind.FILE, mode=mode, uid=uid, gid=gid, content=Literal(data), origin=origin)


def encoded(path: str) -> bytes:
    """Return a name as the bytes that the filesystem has; what all orders go by."""
    return path.encode("utf-8", "surrogateescape")


def shown(path: str) -> str:
    """Return a name for a message, on one line."""
    return "/" + "".join(each if each.isprintable() else ascii(each)[1:-1] for each in path)


def clean(name: str, origin: str) -> str:
    """Return a member name as a path from the root; `Mistake` if it has `..` in it or a NUL."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts or "\0" in name:
        raise Mistake(f"{origin}: {name!r} leads out of the root; names with '..' are refused")
    return "/".join(parts)


class Tree:
    """The names of a root filesystem; grows layer by layer."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {"": 0}
        self._inodes: dict[int, Inode] = {0: directory()}
        self._children: dict[str, set[str]] = {"": set()}
        self._next = 1
        self.replaced: dict[str, tuple[Inode, Inode]] = {}
        """Files that a layer put another in the place of, by literal path: the first one, and what replaced it."""

    def get(self, path: str) -> Inode | None:
        """Return what stands at a path taken literally."""
        number = self._numbers.get(path)
        return None if number is None else self._inodes[number]

    def resolve(self, path: str, *, follow: bool = False) -> str:
        """Return the path with the symlinks in it followed (the last one only with `follow`).

        What does not exist is kept as it is written. `Mistake` if a part on the way is no directory.
        """
        todo = [part for part in reversed(path.split("/")) if part not in ("", ".")]
        done: list[str] = []
        hops = 0
        while todo:
            part = todo.pop()
            if part == "..":
                done = done[:-1]
                continue
            inode = self.get("/".join([*done, part]))
            if inode and inode.kind is InodeKind.SYMLINK and (todo or follow):
                hops += 1
                if hops > MOST_LINKS:
                    raise Mistake(f"{shown(path)}: too many symlinks, probably a loop")
                if inode.target.startswith("/"):
                    done = []
                todo += [step for step in reversed(inode.target.split("/")) if step not in ("", ".")]
                continue
            done.append(part)
            if inode and todo and inode.kind is not InodeKind.DIRECTORY:
                here = "/".join(done)
                raise Mistake(
                    f"{shown(path)} cannot exist: {shown(here)} is a {inode.kind.value} ({inode.origin})"
                )
        return "/".join(done)

    def find(self, path: str) -> tuple[str, Inode] | None:
        """Return the real path and what is there, all symlinks followed, or None."""
        real = self.resolve(path, follow=True)
        inode = self.get(real)
        return None if inode is None else (real, inode)

    def make_directories(self, path: str, made: Inode | None = None) -> str:
        """Make a directory and those above it where they are missing; return its real path."""
        real = self.resolve(path, follow=True)
        here = ""
        for part in real.split("/") if real else ():
            here = f"{here}/{part}" if here else part
            inode = self.get(here)
            if inode is None:
                self._add(here, made if made and here == real else directory())
            elif inode.kind is not InodeKind.DIRECTORY:
                raise Mistake(f"{shown(here)} has to be a directory, but is a {inode.kind.value} ({inode.origin})")
        return real

    def put(self, path: str, inode: Inode) -> str:
        """Set what a path stands for, the way to it resolved and made, the last part taken literally."""
        real = self._place(path)
        self._add(real, inode)
        return real

    def link(self, path: str, target: str) -> None:
        """Make a path another name for what `target` (literal) stands for."""
        real = self._place(path)
        number = self._numbers[target]
        if real != target:
            self._remove(real)
            self._numbers[real] = number
            self._register(real)

    def remove(self, path: str) -> None:
        """Take a literal path away; a folder has to be empty."""
        self._remove(path)

    def change(self, path: str, inode: Inode) -> None:
        """Change what stands at a literal path, for all of its hard links."""
        self._inodes[self._numbers[path]] = inode

    def below(self, path: str) -> Iterator[str]:
        """Give the literal paths below a directory, each after its parent, in byte order within a folder."""
        for name in sorted(self._children.get(path, ()), key=encoded):
            inner = f"{path}/{name}" if path else name
            yield inner
            yield from self.below(inner)

    def children(self, path: str) -> list[str]:
        """Return the names in a directory, in byte order."""
        return sorted(self._children.get(path, ()), key=encoded)

    def walk(self) -> Iterator[tuple[str, int, Inode]]:
        """Give path, number (equal for hard links) and inode of everything, sorted by path; the root first."""
        for path in sorted(self._numbers, key=encoded):
            number = self._numbers[path]
            yield path, number, self._inodes[number]

    def copy(self) -> Tree:
        """Return a tree with the same names that goes its own way."""
        twin = Tree()
        twin._numbers = dict(self._numbers)
        twin._inodes = dict(self._inodes)
        twin._children = {path: set(names) for path, names in self._children.items()}
        twin._next = self._next
        twin.replaced = dict(self.replaced)
        return twin

    def subtree(self, top: str, *, without: Collection[str] = ()) -> Tree:
        """Return what is below a literal path as a tree of its own, but what is below the paths in `without`."""
        part = Tree()
        part.change("", self._inodes[self._numbers[top]])
        places: dict[int, str] = {}
        for path in self.below(top):
            if any(path.startswith(f"{other}/") for other in without):
                continue
            inner = path[len(top) + 1 :] if top else path
            number = self._numbers[path]
            if number in places:
                part.link(inner, places[number])
            else:
                places[number] = part.put(inner, self._inodes[number])
        return part

    def _place(self, path: str) -> str:
        parent, _, name = path.rpartition("/")
        real = self.make_directories(parent)
        return f"{real}/{name}" if real else name

    def _add(self, path: str, inode: Inode) -> None:
        self._remove(path)
        self._numbers[path] = self._next
        self._inodes[self._next] = inode
        self._next += 1
        self._register(path)
        if inode.kind is InodeKind.DIRECTORY:
            self._children[path] = set()

    def _register(self, path: str) -> None:
        parent, _, name = path.rpartition("/")
        self._children[parent].add(name)

    def _remove(self, path: str) -> None:
        if self._children.get(path):
            raise Mistake(
                f"{shown(path)} is a directory that is not empty; it cannot be replaced by anything else"
            )
        if self._numbers.pop(path, None) is not None:
            parent, _, name = path.rpartition("/")
            self._children[parent].discard(name)
            self._children.pop(path, None)


def lay(tree: Tree, path: str, inode: Inode, *, base: bool = False) -> None:
    """Lay one member of a layer over a tree, or of the archive that the tree begins with (`base`).

    A directory goes into the one that is there (through a symlink to it, as in a merged /usr). That one keeps its
    owner and mode, but in the base, where the last member says what they are. Everything else takes the place of
    what was there if that is of the same kind or a symlink; a symlink also takes that of a file and of an empty
    directory. The rest is a `Mistake` that names both.
    """
    try:
        real = tree.resolve(path)
        if inode.kind is InodeKind.DIRECTORY:
            _lay_directory(tree, real, inode, base=base)
        else:
            _lay_other(tree, real, inode)
    except Mistake as mistake:
        raise Mistake(*(f"{inode.origin}: {problem}" for problem in mistake.problems)) from mistake


def _lay_other(tree: Tree, real: str, inode: Inode) -> None:
    there = tree.get(real)
    if there is not None and not _gives_way(tree, real, there, inode):
        raise Mistake(_conflict(real, inode, there))
    if there is not None and there.kind is inode.kind is InodeKind.FILE:
        tree.replaced[real] = (tree.replaced.get(real, (there,))[0], inode)
    tree.put(real, inode)


def _gives_way(tree: Tree, real: str, there: Inode, inode: Inode) -> bool:
    """Say whether what is there may be replaced: nothing but itself is lost, and nothing else is behind it."""
    if there.kind is InodeKind.DIRECTORY:
        return bool(real) and inode.kind is InodeKind.SYMLINK and not tree.children(real)
    if there.kind is InodeKind.SYMLINK and inode.kind is not InodeKind.SYMLINK:
        try:
            found = tree.find(real)
        except Mistake:  # a loop leads nowhere
            return True
        return found is None or found[1].kind is not InodeKind.DIRECTORY
    return there.kind is inode.kind or {there.kind, inode.kind} <= {InodeKind.FILE, InodeKind.SYMLINK}


def _conflict(real: str, inode: Inode, there: Inode) -> str:
    what = there.kind.value
    if there.kind is InodeKind.SYMLINK:
        what = f"{what} to the directory {there.target}"
    return (
        f"{shown(real)} is a {inode.kind.value} here, but in {there.origin or BASE} it is "
        f"a {what}; remove one of them"
    )


def _lay_directory(tree: Tree, real: str, inode: Inode, *, base: bool) -> None:
    there = tree.get(real)
    if there is None:
        tree.put(real, inode)
    elif there.kind is InodeKind.SYMLINK:
        tree.make_directories(real, inode)
    elif there.kind is not InodeKind.DIRECTORY:
        raise Mistake(_conflict(real, inode, there))
    elif base and real:
        tree.change(real, replace(inode, origin=there.origin))
