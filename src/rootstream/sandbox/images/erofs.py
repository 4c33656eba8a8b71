"""An EROFS file system from a root.tar, by mkfs.erofs, which reads the archive itself.

Run as `python3 -m rootstream.sandbox.images.erofs --root root.tar --compression lz4 --uuid-seed NAME -o FILE`.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rootstream.sandbox.images.ext import seeded_uuid
from rootstream.sandbox.images.image import read_root
from rootstream.sandbox.images.secrets import bearing
from rootstream.sandbox.limits import require_none, require_possible
from rootstream.sandbox.program import feed, run_main, source_date_epoch, whole_file
from rootstream.sandbox.tree import Tree, encoded, shown

# mkfs.erofs's words; lz4 is compressed harder than by default, and unpacked the same.
ALGORITHMS = {"none": None, "lz4": "lz4hc", "lzma": "lzma", "zstd": "zstd"}
# Bytes that are read and unpacked at once: a tenth smaller than a page, and made faster; Linux since 5.13.
CLUSTER = 65536
NAMESPACES = ("user.", "trusted.", "security.", "system.posix_acl_")
ATTRIBUTES = (
    0xFFFF * 4
)  # of an inode: i_xattr_icount is 16 bits wide and counts words (Linux, fs/erofs/erofs_fs.h)


def require_place(tree: Tree) -> None:
    """Raise `Mistake` with what an EROFS has no room for."""
    require_possible(tree)
    problems: list[str] = []
    for path, _, inode in tree.walk():
        problems += [
            f"{shown(path)}: erofs supports only extended attributes of {', '.join(NAMESPACES)}, not {name}"
            for name, _ in inode.xattrs
            if not name.startswith(NAMESPACES)
        ]
        length = sum(len(encoded(name)) + len(value) + 8 for name, value in inode.xattrs)
        if length > ATTRIBUTES:
            problems.append(
                f"{shown(path)} has {length} bytes of extended attributes, at most {ATTRIBUTES} are possible"
            )
    require_none(problems)


def hints(paths: Sequence[str]) -> bytes:
    """Return mkfs.erofs's file that has no path of `paths` compressed: extended regular expressions, as words.

    A character that would mean something in one stands for any.
    """
    pattern = rb"[^A-Za-z0-9_/-]"
    return b"".join(b"0 0 ^(./)?" + re.sub(pattern, b".", encoded(path)) + b"$\n" for path in paths)


def write_erofs(
    root: Path, output: Path, compression: str, *, seed: str, epoch: int, apart: Sequence[str] = ()
) -> None:
    """Write a tar as an EROFS; the files `apart` are not compressed and have blocks of their own."""
    with tempfile.TemporaryDirectory(prefix="erofs.") as name:
        words = ["--quiet", f"-T{epoch}", "-U", str(seeded_uuid(seed, "erofs"))]
        if algorithm := ALGORITHMS[compression]:
            words += [f"-z{algorithm}", f"-C{CLUSTER}"]
        if apart:
            # the last bytes of a file would be beside its inode, below a checksum
            words += ["-E", "noinline_data"]
        if apart and algorithm:
            (Path(name) / "hints").write_bytes(hints(apart))
            words.append(f"--compress-hints={name}/hints")
        feed(["mkfs.erofs", *words, "--tar=f", str(output), str(root)], epoch=epoch)


def main(options: argparse.Namespace) -> None:
    """Write the file system."""
    tree = read_root(options.root)
    require_place(tree)
    apart = bearing(tree) if options.secrets else ()
    with whole_file(options.output) as draft:
        draft.unlink()  # mkfs.erofs wants to make it
        epoch = source_date_epoch()
        write_erofs(options.root, draft, options.compression, seed=options.uuid_seed, epoch=epoch, apart=apart)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(prog="erofs", description=__doc__)
    made.add_argument("--root", type=Path, required=True)
    made.add_argument("--compression", choices=sorted(ALGORITHMS), default="lz4")
    made.add_argument("--uuid-seed", required=True, help="text that the UUID is derived from")
    made.add_argument("--secrets", action="store_true", help="leave placeholders of secrets as they are")
    made.add_argument("-o", "--output", type=Path, required=True)
    return made


if __name__ == "__main__":
    sys.exit(run_main(main, parser()))
