"""Images from a root.tar: an initramfs, an ext2/ext4 or squashfs file system, a compressed tar.

Run as `python3 -m rootstream.sandbox.images.image KIND --root root.tar ... -o FILE`.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from rootstream.sandbox.images import squashfs
from rootstream.sandbox.images.compress import LEVELS, Packer, compressor, packer, write_compressed
from rootstream.sandbox.images.cpio import cpio_size, write_cpio
from rootstream.sandbox.images.ext import FEATURES, ExtOptions, content_bytes, fit, is_full, make_ext
from rootstream.sandbox.images.secrets import bearing, write_around
from rootstream.sandbox.images.sparse import packed_file
from rootstream.sandbox.images.squashfs import SquashfsOptions, make_squashfs
from rootstream.sandbox.program import CHUNK, Mistake, feed, run_main, source_date_epoch, whole_file
from rootstream.sandbox.tar_files import lay_path, write_tar
from rootstream.sandbox.tree import Inode, InodeKind, Tree, shown, text_file

XATTR_TABLE = "etc/rootstream/xattrs"
XATTR_PROGRAM = "usr/lib/rootstream/apply-xattrs"
SQUASHFS = ("gzip", "xz", "zstd", "lz4")
SLACK = 64 << 20
SQUASHFS_BLOCK = 131072


def read_root(path: Path) -> Tree:
    """Return the tree of a root.tar."""
    tree = Tree()
    lay_path(tree, path, base=True)
    return tree


def xattr_table(tree: Tree) -> bytes:
    """Return what newc cannot hold: a line `HEX NAME PATH` for each extended attribute."""
    lines = []
    for path, _, inode in tree.walk():
        for name, value in inode.xattrs:
            if "\n" in path or any(letter.isspace() for letter in name):
                raise Mistake(
                    f"{shown(path)}: an initramfs cannot contain an extended attribute with the name {name!r}"
                )
            lines.append(f"{value.hex() or '-'} {name} /{path}\n".encode("utf-8", "surrogateescape"))
    return b"".join(lines)


def prepare_initramfs(tree: Tree, *, link_init: bool) -> None:
    """Add what the kernel needs: /dev/console, with `link_init` /init; `Mistake` if there is no init at all."""
    if tree.find("init") is None:
        if tree.find("sbin/init") is None:
            raise Mistake("the root has neither /init nor /sbin/init for the kernel to start")
        if link_init:
            tree.put("init", Inode(kind=InodeKind.SYMLINK, mode=0o777, target="sbin/init"))
    if tree.find("dev/console") is None:
        tree.put("dev/console", Inode(kind=InodeKind.CHAR, mode=0o600, device=(5, 1)))
    table = xattr_table(tree)
    if table and tree.find(XATTR_PROGRAM) is None:
        path = next(path for path, _, inode in tree.walk() if inode.xattrs)
        raise Mistake(
            f"{shown(path)} has extended attributes, such as capabilities, which an initramfs does not support, "
            "and nothing in this root sets them at boot; use another image"
        )
    if table:
        tree.put(XATTR_TABLE, text_file(table))


def _initramfs(options: argparse.Namespace) -> None:
    tree = read_root(options.root)
    for layer in options.layer:
        lay_path(tree, layer)
    prepare_initramfs(tree, link_init=options.link_init)
    apart = frozenset(bearing(tree)) if options.secrets else frozenset()
    packed = packer(options.compression, options.level)
    write_initramfs(tree, options.output, packed, apart=apart, append=options.append)


def write_initramfs(
    tree: Tree,
    output: Path,
    filtered: Packer,
    *,
    first: Path | None = None,
    only: frozenset[str] | None = None,
    apart: frozenset[str] = frozenset(),
    append: Sequence[Path] = (),
) -> None:
    """Write a tree, or `only` some of its paths, through a filter, then those `apart` as they are, then archives.

    The kernel unpacks one archive after the other, `first` before all. It looks for the next at a multiple of 4.
    """
    epoch = source_date_epoch()

    def packed(path: str) -> bool:
        return path not in apart and (only is None or path in only)

    with whole_file(output) as draft, draft.open("wb") as file:
        if first is not None:
            _append(first, file)
        argv = filtered(cpio_size(tree, only=packed))
        if not argv:  # without a gap, compressed ones are one stream for ordinary tools, too
            _align(file)
        file.flush()
        write_compressed(argv, lambda pipe: write_cpio(tree, pipe, epoch, only=packed), file, epoch)
        file.seek(0, 2)
        if apart:
            _align(file)
            write_cpio(tree, file, epoch, only=lambda path: path in apart)
        for extra in append:
            _append(extra, file)


def _align(file: IO[bytes]) -> None:
    file.write(bytes(-file.tell() % 4))


def _append(piece: Path, file: IO[bytes]) -> None:
    _align(file)
    with piece.open("rb") as content:
        shutil.copyfileobj(content, file, CHUNK)


def _ext(options: argparse.Namespace) -> None:
    epoch = source_date_epoch()
    tree = read_root(options.root)
    wanted = 0 if options.size == "auto" else _bytes(options.size)
    ext = ExtOptions(type=options.type, label=options.label, seed=options.uuid_seed, size=wanted)
    needed = 2 * content_bytes(tree) + SLACK
    with packed_file(options.output, needed) if options.packed else whole_file(options.output) as draft:

        def make(tried: ExtOptions) -> None:
            with draft.open("wb") as file:
                file.truncate(tried.size)
            make_ext(tree, tried, draft, epoch=epoch)

        if wanted:
            try:
                make(ext)
            except Mistake as mistake:
                if not is_full(mistake):
                    raise
                needed = fit(tree, ext, make, free=0).size
                raise Mistake(f"--size {wanted} is too small: the contents need {needed} bytes") from mistake
        else:
            fit(tree, ext, make, free=options.free)
        if options.gzip:
            _replace_by_gzip(draft, epoch, secrets=options.secrets)


def _replace_by_gzip(draft: Path, epoch: int, *, secrets: bool) -> None:
    with whole_file(draft) as packed, packed.open("wb") as output, draft.open("rb") as image:
        if secrets:
            write_around("gzip", None, draft, output, epoch)
            return

        def write(pipe: IO[bytes]) -> None:
            shutil.copyfileobj(image, pipe, CHUNK)

        write_compressed(compressor("gzip"), write, output, epoch)


def _bytes(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or int(text) % 1024 or int(text) == 0:
        raise Mistake(f"--size {text!r} has to be `auto` or a number of bytes that is a multiple of 1024")
    return int(text)


def _squashfs(options: argparse.Namespace) -> None:
    epoch = source_date_epoch()
    tree = read_root(options.root)
    apart = bearing(tree) if options.secrets else ()
    with whole_file(options.output) as draft:
        if apart:
            made = SquashfsOptions(compression=options.compression, block=SQUASHFS_BLOCK, apart=apart)
            make_squashfs(tree, draft, made, epoch=epoch)
        else:
            write_squashfs(tree, draft, options.compression, epoch=epoch)


def write_squashfs(tree: Tree, output: Path, compression: str, *, epoch: int) -> None:
    """Write a tree as a squashfs by tar2sqfs (squashfs-tools-ng), which ends at what it cannot read."""
    squashfs.require_possible(tree)
    argv = ["tar2sqfs", "-q", "-f", "-s", "-c", compression, "-b", str(SQUASHFS_BLOCK), "-d", f"mtime={epoch}"]
    feed([*argv, "-k", str(output)], lambda pipe: write_tar(tree, pipe, epoch), epoch=epoch)


def _tar(options: argparse.Namespace) -> None:
    epoch = source_date_epoch()
    argv = compressor(options.compression, options.level, size=options.root.stat().st_size)
    if options.secrets and argv:
        with whole_file(options.output) as draft, draft.open("wb") as file:
            write_around(options.compression, options.level, options.root, file, epoch)
        return
    with whole_file(options.output) as draft, draft.open("wb") as file, options.root.open("rb") as root:
        write_compressed(argv, lambda pipe: shutil.copyfileobj(root, pipe, CHUNK), file, epoch)


def _cpio(options: argparse.Namespace) -> None:
    argv = packer(options.compression, options.level)(options.archive.stat().st_size)
    with whole_file(options.output) as draft, draft.open("wb") as file, options.archive.open("rb") as archive:
        write_compressed(argv, lambda pipe: shutil.copyfileobj(archive, pipe, CHUNK), file, source_date_epoch())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="image", description=__doc__)
    kinds = parser.add_subparsers(required=True)
    initramfs = kinds.add_parser("initramfs", help="a cpio archive for the kernel")
    initramfs.add_argument(
        "--append", type=Path, action="append", default=[], help="further cpio archive; repeatable"
    )
    initramfs.add_argument(
        "--layer", type=Path, action="append", default=[], help="tar archive laid over the root; repeatable"
    )
    initramfs.add_argument(
        "--link-init", action="store_true", help="make /init a link to sbin/init if there is none"
    )
    initramfs.set_defaults(run=_initramfs)
    ext = kinds.add_parser("ext", help="an ext2 or ext4 file system")
    ext.add_argument("--type", choices=sorted(FEATURES), default="ext4")
    ext.add_argument("--size", default="auto", help="in bytes, or auto")
    ext.add_argument("--free", type=int, default=0, help="bytes to spare with --size auto")
    form = ext.add_mutually_exclusive_group()
    form.add_argument("--gzip", action="store_true")
    form.add_argument("--packed", action="store_true", help="write what `disk pack` would make of the image")
    ext.add_argument("--label", default="root")
    ext.add_argument("--uuid-seed", required=True, help="text that the UUID is derived from")
    ext.set_defaults(run=_ext)
    packed = kinds.add_parser("squashfs", help="a squashfs file system")
    packed.add_argument("--compression", choices=SQUASHFS, default="zstd")
    packed.set_defaults(run=_squashfs)
    cpio = kinds.add_parser("cpio", help="an archive for the kernel that is there already, compressed")
    cpio.add_argument("--archive", type=Path, required=True)
    cpio.set_defaults(run=_cpio)
    tar = kinds.add_parser("tar", help="the root.tar itself, compressed")
    tar.set_defaults(run=_tar)
    for kind in (initramfs, cpio, tar):
        kind.add_argument("--compression", choices=sorted(LEVELS), default="zstd")
        kind.add_argument("--level", type=int)
    for kind in (initramfs, ext, packed, tar):
        kind.add_argument("--root", type=Path, required=True)
        kind.add_argument("--secrets", action="store_true", help="leave placeholders of secrets as they are")
    for kind in (initramfs, cpio, ext, packed, tar):
        kind.add_argument("-o", "--output", type=Path, required=True)
    return parser


def _main(options: argparse.Namespace) -> None:
    options.run(options)


if __name__ == "__main__":
    sys.exit(run_main(_main, _parser()))
