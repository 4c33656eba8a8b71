"""Paths inside a tree as they are inside a chroot: symbolic links never lead out of it.

One walk for every writer, whether the links are known from an archive or read from the disk.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from rootstream.formats.faults import Fault

MAX_LINKS = 40
MAX_NAME = 4096
MAX_DEPTH = 200


def parts(name: str) -> list[str]:
    """Return the components of a member's name; raises `Fault` unsafe-archive for `..` and the like."""
    pieces = [piece for piece in name.split("/") if piece not in {"", "."}]
    if ".." in pieces or len(name) > MAX_NAME or len(pieces) > MAX_DEPTH or "\0" in name:
        raise Fault(
            "unsafe-archive", f"member {name[:200]!r} has a name that is malformed or leads out of the tree"
        )
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise Fault("unsafe-archive", f"member {name!r} has a name that is not UTF-8") from error
    return pieces


def walk(pieces: list[str], link: Callable[[str], str | None]) -> str:
    """Return the path without links that `pieces` mean, relative to the tree's root.

    `link` gives the target of a path that is a symbolic link, else None. Absolute targets start at the tree's
    root. Raises `Fault` unsafe-archive for a link that climbs above the root or a loop.
    """
    done: list[str] = []
    todo = pieces[::-1]
    links = 0
    while todo:
        piece = todo.pop()
        if piece == "..":
            if not done:
                raise Fault(
                    "unsafe-archive", f"{'/'.join(pieces)}: a symbolic link in its path leads out of the tree"
                )
            done.pop()
            continue
        here = "/".join((*done, piece))
        target = link(here)
        if target is None:
            done.append(piece)
            if len(done) > MAX_DEPTH:
                raise Fault("unsafe-archive", f"{here[:200]}: more than {MAX_DEPTH} nested folders")
            continue
        links += 1
        if links > MAX_LINKS:
            raise Fault("unsafe-archive", f"{'/'.join(pieces)}: too many symbolic links in its path")
        if target.startswith("/"):
            done = []
        todo.extend(step for step in reversed(target.split("/")) if step not in {"", "."})
    return "/".join(done)


def on_disk(root: str, path: str) -> str:
    """Return the real path below `root` that `path` means inside the tree, its last component followed too."""

    def link(here: str) -> str | None:
        try:
            return os.readlink(f"{root}/{here}")  # noqa: PTH115  (called for every folder)
        except OSError:
            return None

    return walk(parts(path), link)
