"""Files of a root that a layer replaced, whose owner, mode or attributes went with them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rootstream.formats import capability
from rootstream.sandbox.rootfs.settings import read_text
from rootstream.sandbox.tree import Inode, InodeKind, Tree, shown

PLAIN = re.compile(r"[A-Za-z0-9/._-]+")
USUAL = ((0o644, 0, 0), (0o755, 0, 0))
MOST_TOLD = 20


def flow_text(text: str) -> str:
    """Return a text as it is written in a flow mapping of YAML."""
    if PLAIN.fullmatch(text):
        return text
    escaped = "".join({'"': '\\"', "\\": "\\\\"}.get(each, each) for each in text)
    return f'"{escaped}"'


def lost(tree: Tree) -> tuple[str, ...]:
    """Return what is not as it was before a layer, and was not set since, with the line that sets it."""
    found = [text for path, (old, new) in tree.replaced.items() for text in _lost(tree, path, old, new)]
    more = len(found) - MOST_TOLD
    return (
        *found[:MOST_TOLD],
        *([f"{more} more replaced files lost owner, mode or attributes"] if more > 0 else []),
    )


def _lost(tree: Tree, path: str, old: Inode, new: Inode) -> Iterator[str]:
    now = tree.get(path)
    if now is None or now.kind is not InodeKind.FILE or _plain(now) != _plain(new):
        return
    said, words = [], []
    if _plain(old) not in USUAL and _plain(old) != _plain(now):
        mode, owner, group = old.mode, _name(tree, "passwd", old.uid), _name(tree, "group", old.gid)
        said.append(f"mode {mode:o} and owner {owner}:{group}")
        words.append(f"owner: {owner}, group: {group}, mode: {mode:04o}")
    for name, value in old.xattrs:
        if name not in dict(now.xattrs):
            text = capability.capability_text(value) if name == capability.XATTR else None
            said.append(f"capabilities {text}" if text else f"the attribute {name}")
            words += [f"capabilities: {flow_text(text)}"] if text else []
    if said:
        line = ", ".join((f"path: {flow_text(shown(path))}", *words))
        hint = f"; `- {{{line}}}` under `permissions` keeps it" if words else ""
        yield f"{new.origin}: {shown(path)} replaces a file with {', '.join(said)}{hint}"


def _plain(inode: Inode) -> tuple[int, int, int]:
    return inode.mode, inode.uid, inode.gid


def _name(tree: Tree, table: str, number: int) -> str:
    for line in (read_text(tree, f"etc/{table}") or "").splitlines():
        fields = line.split(":")
        if len(fields) > 2 and fields[2] == str(number):  # noqa: PLR2004  (name, password, number)
            return fields[0]
    return str(number)
