"""A FAT file system written into a disk image at an offset, and syslinux installed in it; nothing is mounted."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rootstream.sandbox.limits import require_none
from rootstream.sandbox.program import Mistake, feed
from rootstream.sandbox.tree import Inode, InodeKind, Tree, shown

MEBIBYTE = 1 << 20
FAT12_BELOW, FAT16_BELOW = 16 * MEBIBYTE, 512 * MEBIBYTE
TYPES = {12: 0x01, 16: 0x0E, 32: 0x0C}
FORBIDDEN = re.compile(r'["*:<>?|\\\x00-\x1f]')
# mtools writes these for nobody: DOS takes them for devices
RESERVED = re.compile(r"con|prn|aux|nul|clock\$|com[0-9]|lpt[0-9]", re.IGNORECASE)
LARGEST_FILE = (1 << 32) - 1
LONGEST_NAME = 255
NAME_UNITS = 13  # of UTF-16, that one entry of a folder holds of a long name
ENTRY = 32
ENTRIES = 512  # of the root folder, but for FAT32
FOLDER_ENTRIES = 65536
MOST_SECTORS = (1 << 32) - 1
SMALLEST = 64 << 10
FIRST_TIME = 315532800  # 1980-01-01
USUAL_MODES = (0o644, 0o755)
SURROGATES, LAST_SURROGATE, LAST_LETTER = 0xD800, 0xDFFF, 0xFFFF
SHORT_NAME = re.compile(r"[A-Z0-9_-]{1,8}(\.[A-Z0-9_-]{1,3})?|[a-z0-9_-]{1,8}(\.[a-z0-9_-]{1,3})?")
MOST_TOLD = 20
CLUSTER = 32768
SMALLEST_AUTO = 16 * MEBIBYTE
# Some firmware reads nothing but FAT32 from an EFI system partition, and FAT32 begins at 65525 clusters.
SMALLEST_ESP, FAT32_SECTORS = 64 * MEBIBYTE, 70000
AT_ONCE = 200
MTOOLS = {"MTOOLSRC": "/dev/null", "MTOOLS_SKIP_CHECK": "1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How a FAT is laid out: sectors a cluster, and sectors before the tables."""

    bits: int
    cluster: int
    reserved: int


def fat_bits(size: int, sector_size: int, *, esp: bool = False) -> int:
    """Return whether a FAT of that many bytes is FAT12, FAT16 or FAT32, which `esp` prefers."""
    if esp and size // sector_size >= FAT32_SECTORS:
        return 32
    scale = sector_size // 512
    return 12 if size < FAT12_BELOW * scale else 16 if size < FAT16_BELOW else 32


def partition_type(size: int, sector_size: int) -> int:
    """Return the type for the partition table."""
    return TYPES[fat_bits(size, sector_size)]


def fat_files(tree: Tree, top: str) -> Tree:
    """Return what is below a path as a FAT can hold it: folders and files, links to files as copies.

    `Mistake` with all that no FAT can hold: devices, links to folders and to nothing, names, sizes.
    """
    part = Tree()
    problems: list[str] = []
    for path in tree.below(top):
        inner = path[len(top) + 1 :] if top else path
        inode = tree.get(path)
        if inode is not None and inode.kind is InodeKind.SYMLINK:
            found = tree.find(path)
            if found is None or found[1].kind is not InodeKind.FILE:
                problems.append(f"{shown(path)} is a dangling symlink, and FAT has no symlinks; remove it")
                continue
            inode = found[1]
        if inode is None or inode.kind not in (InodeKind.FILE, InodeKind.DIRECTORY):
            what = inode.kind.value if inode else "nothing"
            problems.append(f"{shown(path)} is a {what}; FAT supports only files and folders")
            continue
        part.put(inner, inode)
    require_none([*problems, *_impossible(part, 32, f"/{top}")])
    return part


def lost(tree: Tree, top: str) -> tuple[str, ...]:
    """Return what a FAT does not keep of what is below a path: owners, modes, attributes, links."""
    found = []
    names: dict[int, str] = {}
    for path, number, inode in tree.walk():
        if not path.startswith(f"{top}/" if top else "") or path == top:
            continue
        what = []
        if inode.kind is InodeKind.SYMLINK:
            what = ["a symlink, which becomes a copy of its target"]
        elif (first := names.setdefault(number, path)) != path:
            what = [f"a hard link to {shown(first)}, which becomes a copy of it"]
        else:
            if (inode.uid, inode.gid) != (0, 0) or inode.mode not in USUAL_MODES:
                owner = f"{inode.uid}:{inode.gid} with mode {inode.mode:o}"
                what = [f"{owner}, which become those of the mount (by default root, 755)"]
            what += [f"with the attribute {name}, which is lost" for name, _ in inode.xattrs]
        found += [f"vfat has no owners, modes, links and attributes: {shown(path)} is {each}" for each in what]
    more = len(found) - MOST_TOLD
    return (*found[:MOST_TOLD], *([f"vfat does not keep {more} more such things"] if more > 0 else []))


def require_possible(files: Tree, bits: int, mount: str = "") -> None:
    """Raise `Mistake` with all names, sizes and counts that a FAT has no room for; paths begin with `mount`."""
    require_none(list(_impossible(files, bits, mount)))


def _impossible(files: Tree, bits: int, mount: str) -> Iterator[str]:
    folded: dict[str, str] = {}
    for path, _, inode in files.walk():
        where = f"{mount.rstrip('/')}{shown(path)}"
        problem = _wrong_name(path.rpartition("/")[2])
        if problem:
            yield f"{where}: FAT does not support this name: {problem}"
        if (other := folded.setdefault(path.casefold(), path)) != path:
            yield f"{where}: to FAT, its name is the same as {mount.rstrip('/')}{shown(other)}"
        size = inode.content.size if inode.content else 0
        if size > LARGEST_FILE:
            yield f"{where} has {size} bytes; FAT supports files of at most {LARGEST_FILE} (4 GiB - 1)"
        if inode.kind is InodeKind.DIRECTORY:
            most = FOLDER_ENTRIES if path or bits == 32 else ENTRIES  # noqa: PLR2004
            count = (2 if path else 1) + sum(_entries(name) for name in files.children(path))
            if count > most:
                yield f"{where} needs {count} entries (a long name takes several), {most} are possible"


def _wrong_name(name: str) -> str | None:
    if bad := FORBIDDEN.search(name):
        return f"{bad[0]!r} is reserved"
    if name.endswith((".", " ")):
        return "the dot or space at its end would be lost"
    if RESERVED.fullmatch(name):
        return "it is the name of a device"
    if not all(ord(letter) < SURROGATES or LAST_SURROGATE < ord(letter) <= LAST_LETTER for letter in name):
        return "it is not UTF-8, or has characters beyond U+FFFF, which mtools cannot write"
    if len(name) > LONGEST_NAME:
        return f"it has {len(name)} characters, at most {LONGEST_NAME} are possible"
    return None


def _entries(name: str) -> int:
    """Return how many entries of a folder a name needs at most."""
    return 1 if SHORT_NAME.fullmatch(name) else 1 + -(-len(name) // NAME_UNITS)


def auto_size(files: Tree, *, esp: bool = False) -> int:
    """Return a size in bytes, in whole MiB: the files in the largest clusters, a tenth, and 4 MiB to spare."""
    total = sum(
        -(-(inode.content.size if inode.content else _folder_bytes(files, path)) // CLUSTER) * CLUSTER
        for path, _, inode in files.walk()
    )
    return max(
        -(-(total * 11 // 10 + 4 * MEBIBYTE) // MEBIBYTE) * MEBIBYTE, SMALLEST_ESP if esp else SMALLEST_AUTO
    )


def _folder_bytes(files: Tree, path: str) -> int:
    return ENTRY * (2 + sum(_entries(name) for name in files.children(path)))


def make_fat(
    files: Tree,
    image: Path,
    *,
    offset: int,
    size: int,
    sector_size: int,
    label: str,
    serial: int,
    epoch: int,
    esp: bool = False,
    form: Form | None = None,
    mount: str = "",
) -> None:
    """Write a FAT with files at an offset of an image (all in bytes), of a certain form if need be.

    `Mistake` for what it cannot hold, with paths as they are from `mount` on.
    """
    if not SMALLEST <= size <= MOST_SECTORS * sector_size:
        raise Mistake(
            f"size {size} is not possible: FAT supports {SMALLEST} to {MOST_SECTORS * sector_size} bytes"
        )
    bits = form.bits if form else fat_bits(size, sector_size, esp=esp)
    require_possible(files, bits, mount)
    shape = ["-a", "-s", str(form.cluster), "-R", str(form.reserved)] if form else []
    feed(
        [
            *("mkfs.fat", "-F", str(bits), "-S", str(sector_size), "-n", label.upper(), "-i", f"{serial:08x}"),
            *shape,
            *("-h", str(offset // sector_size), "--offset", str(offset // sector_size)),
            *(str(image), str(size // 1024)),
        ],
        epoch=epoch,
    )
    target = f"{image}@@{offset}"
    with tempfile.TemporaryDirectory(dir=image.parent, prefix=".fat.") as folder:
        _copy_folder(files, "", Path(folder), target, epoch)
    _require_written(files, target, mount, epoch)


def _require_written(files: Tree, target: str, mount: str, epoch: int) -> None:
    """Compare the names that are in a FAT with those that were written: mtools may leave out or change one."""
    listed = feed(["mdir", "-/", "-a", "-b", "-i", target, "::/"], epoch=epoch, extra=MTOOLS)
    found = {line.removeprefix("::/").rstrip("/") for line in listed.split("\n")}
    lacking = [path for path, _, _ in files.walk() if path and path not in found]
    if lacking:
        where = [f"{mount.rstrip('/')}{shown(path)}" for path in lacking]
        raise Mistake(*(f"{each}: mtools cannot write this name to a FAT as it is; change it" for each in where))


def install_syslinux(image: Path, *, offset: int, folder: str, epoch: int) -> None:
    """Put syslinux's loader into a FAT at an offset, and its first stage into the boot sector of that FAT."""
    feed(["syslinux", "--offset", str(offset), "--directory", folder, "--install", str(image)], epoch=epoch)


def _copy_folder(files: Tree, path: str, stage: Path, target: str, epoch: int) -> None:
    """Copy a folder's files in byte order, then make and fill its folders; FAT keeps the order of writing."""
    folders: list[str] = []
    batch: list[str] = []
    for number, name in enumerate(files.children(path)):
        inner = f"{path}/{name}" if path else name
        inode = files.get(inner)
        if inode is None or inode.kind is InodeKind.DIRECTORY:
            folders.append(inner)
            continue
        holder = stage / f"{number}"
        holder.mkdir(exist_ok=True)
        batch.append(_staged(inode, holder / name, epoch))
        if len(batch) == AT_ONCE:
            _mcopy(batch, path, target, epoch)
            batch = []
    _mcopy(batch, path, target, epoch)
    for inner in folders:
        feed(["mmd", "-i", target, f"::/{inner}"], epoch=epoch, extra=MTOOLS)
        _copy_folder(files, inner, stage, target, epoch)


def _staged(inode: Inode, place: Path, epoch: int) -> str:
    with place.open("wb") as file:
        for piece in inode.content.chunks() if inode.content else ():
            file.write(piece)
    os.utime(place, (max(epoch, FIRST_TIME),) * 2)
    return str(place)


def _mcopy(batch: Sequence[str], path: str, target: str, epoch: int) -> None:
    if batch:
        feed(["mcopy", "-m", "-Q", "-i", target, *batch, f"::/{path}"], epoch=epoch, extra=MTOOLS)
        for name in batch:
            Path(name).unlink()
