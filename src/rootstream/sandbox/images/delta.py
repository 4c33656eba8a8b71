"""What of a tree has to be written again so that an archive unpacked over another one gives that tree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from rootstream.sandbox.tree import Inode, InodeKind, Tree

DEVICES = (InodeKind.CHAR, InodeKind.BLOCK)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Names:
    """Number and inode of every path, and every number's paths: hard links of one another."""

    inodes: Mapping[str, tuple[int, Inode]]
    links: Mapping[int, frozenset[str]]

    def linked(self, path: str) -> frozenset[str]:
        """Return a path and its hard links."""
        return self.links[self.inodes[path][0]]


def changed(before: Tree, after: Tree) -> frozenset[str] | None:
    """Return the paths of `after` that `before` does not have as they are; None if no archive can say it.

    An archive cannot take a name away, and Linux (init/initramfs.c) writes into the file that has a name already,
    so that hard links have to stay ones. It leaves a device node that is there with its numbers.
    """
    old, new = _read(before), _read(after)
    if not old.inodes.keys() <= new.inodes.keys():
        return None
    if any(not names <= new.linked(min(names)) for names in old.links.values() if len(names) > 1):
        return None
    found: set[str] = set()
    for path, (_, inode) in new.inodes.items():
        there = old.inodes[path][1] if path in old.inodes else None
        if there == inode:
            continue
        if there and there.kind is inode.kind and there.kind in DEVICES and there.device != inode.device:
            return None
        found |= new.linked(path)
    return frozenset(found)


def _read(tree: Tree) -> _Names:
    inodes: dict[str, tuple[int, Inode]] = {}
    links: defaultdict[int, set[str]] = defaultdict(set)
    for path, number, inode in tree.walk():
        inodes[path] = (number, inode)
        links[number].add(path)
    return _Names(inodes=inodes, links={number: frozenset(names) for number, names in links.items()})
