"""ext2 and ext4 file systems from a tree: mke2fs reads the tar, nothing is mounted and nobody has to be root."""

from __future__ import annotations

import tempfile
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from rootstream.formats.capability import XATTR as CAPABILITY
from rootstream.sandbox.images.superblock import forget_written
from rootstream.sandbox.limits import require_none
from rootstream.sandbox.program import Mistake, feed
from rootstream.sandbox.tar_files import write_tar
from rootstream.sandbox.tree import InodeKind, Tree, encoded, shown

BLOCK = 4096
INODE = 256
MEBIBYTE = 1 << 20
TRIES = 8
# what e2fsprogs and old kernels have in common; the defaults of a version would change the image with it
COMMON = "none,ext_attr,resize_inode,dir_index,filetype,sparse_super,large_file"
FEATURES = {
    "ext2": COMMON,
    "ext4": COMMON + ",has_journal,extent,huge_file,flex_bg,metadata_csum,64bit,dir_nlink,extra_isize",
}
BYTES_PER_INODE = 16384
INLINE_TARGET = 60  # a shorter symlink, and as many bytes of extended attributes, need no block of their own
INLINE_XATTRS = 90
DIRECT_BLOCKS = 12  # ext2 has a block of pointers for what is longer
SMALLEST_JOURNALED = 2048 * BLOCK  # mke2fs leaves the journal out of what is smaller
JOURNALS = ((32768, 1024), (262144, 4096), (524288, 8192), (4194304, 16384))
# ext2 counts a file's sectors in 32 bits, an extent tree its blocks (Documentation/filesystems/ext2.rst, ext4)
LARGEST_FILE = {"ext2": (1 << 41) - BLOCK, "ext4": (1 << 44) - BLOCK}
MOST_LINKS = {"ext2": 32000, "ext4": 65000}
ATTRIBUTES = BLOCK - 36  # one block of them, without its header and end
FULL = (
    "Could not allocate",
    "No free space",
    "no free space",
    "too small",
    "ran out",
    "inodes_count",
    "Not enough space",
)
NAMESPACE = uuid.UUID("5d0e3f2a-8a54-5c8e-9a63-0c4f5ad2a7b1")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtOptions:
    """A file system to make. `seed` gives its UUID, `size` is in bytes."""

    type: str
    label: str
    seed: str
    size: int


def seeded_uuid(seed: str, what: str) -> uuid.UUID:
    """Return the same UUID for the same seed, for ever."""
    return uuid.uuid5(NAMESPACE, f"{seed}/{what}")


def content_bytes(tree: Tree) -> int:
    """Return how many bytes of blocks the files, folders and long symlinks of a tree take."""
    blocks = 0
    seen: set[int] = set()
    for path, number, inode in tree.walk():
        if number in seen:
            continue
        seen.add(number)
        if inode.kind is InodeKind.DIRECTORY:
            entries = sum(8 + (len(encoded(name)) + 3) // 4 * 4 for name in tree.children(path))
            blocks += 1 + entries * 4 // 3 // BLOCK
        elif inode.content is not None:
            data = -(-inode.content.size // BLOCK)
            blocks += data + data // 512 + (1 if data > DIRECT_BLOCKS else 0)
        elif len(encoded(inode.target)) >= INLINE_TARGET:
            blocks += 1
        blocks += 1 if sum(len(name) + len(value) + 16 for name, value in inode.xattrs) > INLINE_XATTRS else 0
    return blocks * BLOCK


def auto_size(tree: Tree, type_name: str, free: int) -> int:
    """Return a size in bytes, in whole MiB, that a tree fits into with `free` bytes to spare.

    Blocks of the contents, and of an inode table for a quarter more inodes than there are files; the group
    descriptors and bitmaps (a 64th at most); the journal that mke2fs takes for that size.
    """
    inodes = inode_count(tree, 0)
    size = content_bytes(tree) + inodes * INODE + free + MEBIBYTE
    size += size // 64
    if type_name == "ext4":
        size = max(size + _journal(size // BLOCK) * BLOCK, SMALLEST_JOURNALED)
    return -(-size // MEBIBYTE) * MEBIBYTE


def inode_count(tree: Tree, size: int) -> int:
    """Return how many inodes to make: a quarter and 64 more than files, or one for each 16 KiB."""
    files = len({number for _, number, _ in tree.walk()})
    return max(files + files // 4 + 64, size // BYTES_PER_INODE)


def _journal(blocks: int) -> int:
    return next((journal for limit, journal in JOURNALS if blocks < limit), 32768)


def require_possible(tree: Tree, kind: str) -> None:
    """Raise `Mistake` with all that a file system of this kind has no room for, whatever its size is."""
    problems: list[str] = []
    names: Counter[int] = Counter()
    for path, number, inode in tree.walk():
        names[number] += 1
        if inode.content is not None and inode.content.size > LARGEST_FILE[kind]:
            most = f"{kind} supports files of at most {LARGEST_FILE[kind]}"
            problems.append(f"{shown(path)} has {inode.content.size} bytes; {most}")
        attributes = sum(20 + _fours(len(name)) + _fours(len(value)) for name, value in inode.xattrs)
        if attributes > ATTRIBUTES:
            room = f"{kind} has room for {ATTRIBUTES} for each file"
            problems.append(f"{shown(path)} has {attributes} bytes of extended attributes; {room}")
        if names[number] == MOST_LINKS[kind] + 1:
            problems.append(
                f"{shown(path)} has more than {MOST_LINKS[kind]} hard links, which is the maximum of {kind}"
            )
        if kind == "ext2" and inode.kind is InodeKind.DIRECTORY:
            inner = sum(_is_folder(tree, path, name) for name in tree.children(path))
            if inner > MOST_LINKS[kind] - 2:
                most = f"{kind} supports {MOST_LINKS[kind] - 2}; use ext4"
                problems.append(f"{shown(path)} has {inner} folders in it; {most}")
    require_none(problems)


def _fours(length: int) -> int:
    return -(-length // 4) * 4


def _is_folder(tree: Tree, path: str, name: str) -> bool:
    inode = tree.get(f"{path}/{name}" if path else name)
    return inode is not None and inode.kind is InodeKind.DIRECTORY


def make_ext(tree: Tree, ext: ExtOptions, image: Path, *, epoch: int, offset: int = 0) -> None:
    """Write a file system of `ext.size` bytes at an offset of a sparse file; `Mistake` if it does not fit."""
    if ext.type == "ext4" and ext.size < SMALLEST_JOURNALED:
        raise Mistake(
            f"{ext.size} bytes are too small for the journal of ext4, which needs at least {SMALLEST_JOURNALED}"
        )
    require_possible(tree, ext.type)
    identity = seeded_uuid(ext.seed, "ext")
    extended = f"nodiscard,assume_storage_prezeroed=1,offset={offset},hash_seed={seeded_uuid(ext.seed, 'hash')}"
    argv = [
        *("mke2fs", "-q", "-F", "-t", ext.type, "-O", FEATURES[ext.type], "-b", str(BLOCK), "-I", str(INODE)),
        *("-m", "0", "-e", "remount-ro", "-N", str(inode_count(tree, ext.size))),
        *("-L", ext.label, "-U", str(identity)),
        *("-E", extended, "-d", "-", str(image), f"{ext.size // 1024}k"),
    ]

    def contents(pipe: IO[bytes]) -> None:
        write_tar(tree, pipe, epoch)

    with tempfile.TemporaryDirectory(dir=image.parent, prefix=".ext.") as folder:
        settings = Path(folder) / "mke2fs.conf"
        settings.write_text(f"[defaults]\n  blocksize = {BLOCK}\n[fs_types]\n  {ext.type} = {{\n  }}\n")
        extra = {"MKE2FS_CONFIG": str(settings), "E2FSPROGS_FAKE_TIME": str(epoch)}
        feed(argv, contents, epoch=epoch, extra=extra)
        script = _xattr_script(tree, Path(folder))
        if script:
            (Path(folder) / "script").write_bytes(script)
            target = f"{image}?offset={offset}" if offset else str(image)
            said = feed(["debugfs", "-w", "-f", f"{folder}/script", target], epoch=epoch, extra=extra)
            if any(line.startswith("ea_set: ") for line in said.splitlines()):  # its exit status does not tell
                raise Mistake(f"debugfs could not set all extended attributes:\n{said}")
    forget_written(image, offset=offset)


def _xattr_script(tree: Tree, folder: Path) -> bytes:
    """Return debugfs's commands for the extended attributes that mke2fs leaves out: all but capabilities."""
    lines: list[bytes] = []
    for path, number, inode in tree.walk():
        for name, value in inode.xattrs:
            if name == CAPABILITY:
                continue
            if set(path + name) & set('"\n\r'):
                raise Mistake(f"{shown(path)}: an extended attribute with the name {name!r} cannot be set")
            place = folder / f"{number}.{len(lines)}"
            place.write_bytes(value)
            lines.append(encoded(f'ea_set -f "{place}" "/{path}" {name}\n'))
    return b"".join(lines)


def fit(tree: Tree, ext: ExtOptions, make: Callable[[ExtOptions], None], *, free: int) -> ExtOptions:
    """Make a file system of the size that its contents need, a bit more each time mke2fs says that it is full."""
    size = max(ext.size, auto_size(tree, ext.type, free))
    for _ in range(TRIES):
        tried = ExtOptions(type=ext.type, label=ext.label, seed=ext.seed, size=size)
        try:
            make(tried)
        except Mistake as mistake:
            if not is_full(mistake):
                raise
            size = -(-(size + size // 8) // MEBIBYTE) * MEBIBYTE
        else:
            return tried
    raise Mistake(f"the contents do not fit in {size} bytes; set a size")


def is_full(mistake: Mistake) -> bool:
    """Tell from mke2fs's words whether the file system was too small."""
    text = str(mistake)
    return any(words in text for words in FULL)
