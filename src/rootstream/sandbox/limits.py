"""What Linux itself sets limits to, whatever the image is: names, paths, links and extended attributes.

The numbers are those of linux/limits.h in the kernel.
"""

from __future__ import annotations

from rootstream.sandbox.program import Mistake
from rootstream.sandbox.tree import InodeKind, Tree, encoded, shown

LONGEST_NAME = 255
LONGEST_PATH = 4095
LONGEST_ATTRIBUTE_NAME = 255
LARGEST_ATTRIBUTE = 65536
MOST_TOLD = 10


def require_possible(tree: Tree) -> None:
    """Raise `Mistake` with what no file system of Linux can hold; lengths are in bytes."""
    problems: list[str] = []
    for path, _, inode in tree.walk():
        if (length := len(encoded(path))) > LONGEST_PATH:
            problems.append(f"{shown(path[:80])}... is a path of {length} bytes; Linux has {LONGEST_PATH} at most")
        if (length := len(encoded(path.rpartition("/")[2]))) > LONGEST_NAME:
            problems.append(f"{shown(path)} ends with a name of {length} bytes; Linux has {LONGEST_NAME} at most")
        length = len(encoded(inode.target))
        if inode.kind is InodeKind.SYMLINK and not 0 < length <= LONGEST_PATH:
            problems.append(f"{shown(path)} is a symlink to a path of {length} bytes, not of 1 to {LONGEST_PATH}")
        problems += [
            f"{shown(path)}: the extended attribute {name[:80]} has {len(value)} bytes, its name {len(name)}; "
            f"Linux has {LARGEST_ATTRIBUTE} and {LONGEST_ATTRIBUTE_NAME} at most"
            for name, value in inode.xattrs
            if len(value) > LARGEST_ATTRIBUTE or len(encoded(name)) > LONGEST_ATTRIBUTE_NAME
        ]
    require_none(problems)


def require_none(problems: list[str]) -> None:
    """Raise `Mistake` if there are problems; of many the first."""
    if problems:
        more = len(problems) - MOST_TOLD
        raise Mistake(*problems[:MOST_TOLD], *([f"there are {more} more like these"] if more > 0 else []))
