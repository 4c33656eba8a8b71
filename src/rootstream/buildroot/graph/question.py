"""What Buildroot is asked with, so that what only images are made from asks nothing anew."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from rootstream.archives.digests import digest
from rootstream.buildroot.build import keys
from rootstream.buildroot.graph.staging import Trees
from rootstream.buildroot.workspace import Workspace

_TEXTS = re.compile(r'^(BR2_TARGET_GENERIC_(?:HOSTNAME|ISSUE))="[^"\\\n]+"$', re.MULTILINE)
_NAMED = re.compile(rb"BR2_TARGET_GENERIC_(?:HOSTNAME|ISSUE)\b")
_NEUTRAL = "rootstream"
# Which rules of Buildroot's name them, to write them or to hand them on, whatever they are.
_OF_BUILDROOT = ("package/skeleton-init-common/skeleton-init-common.mk", "package/systemd/systemd.mk")
# What the generated tree has for the last steps only.
_FOR_IMAGES = frozenset(("overlay", "scripts", "tables"))


def config(trees: Trees, text: str) -> str:
    """Return a .config with constants for the host name and the issue.

    Where other rules than Buildroot's own name one of them, what is built may depend on it: they stay.
    """
    return text if any(_named(trees)) else _TEXTS.sub(rf'\1="{_NEUTRAL}"', text)


def _named(trees: Trees) -> Iterator[Path]:
    known = {trees.tree / path for path in _OF_BUILDROOT}
    folders = (trees.tree / "package", *trees.externals.values())
    rules = (path for folder in folders for path in folder.rglob("*.mk*") if path not in known and path.is_file())
    return (path for path in rules if _NAMED.search(path.read_bytes()))


def key(space: Workspace, tree_identity: str, text: str) -> str:
    """Return what stands for all that decides what Buildroot says of its packages; `text` is the .config."""
    generated = (path for path in space.generated.iterdir() if path.name not in _FOR_IMAGES)
    given = (each for each in (*space.own_trees, *space.externals) if each != space.generated)
    externals = digest((*given, *sorted(generated)), space.original)
    return keys.digest(tree_identity, text, externals, str(space.original(space.output)))
