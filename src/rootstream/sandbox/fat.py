"""A FAT file system written into a disk image at an offset, and syslinux installed in it; nothing is mounted."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rootstream.sandbox.program import Mistake, feed
from rootstream.sandbox.tree import Inode, Kind, Tree, shown

MEBIBYTE = 1 << 20
FAT12_BELOW, FAT16_BELOW = 16 * MEBIBYTE, 512 * MEBIBYTE
TYPES = {12: 0x01, 16: 0x0E, 32: 0x0C}
FORBIDDEN = frozenset('"*:<>?|\\')
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

    `Mistake` for what it cannot hold: devices, links to folders, names that differ in case only.
    """
    part = Tree()
    folded: dict[str, str] = {}
    for path in tree.below(top):
        inner = path[len(top) + 1 :] if top else path
        inode = tree.get(path)
        if inode is not None and inode.kind is Kind.SYMLINK:
            found = tree.find(path)
            inode = found[1] if found else inode
            if inode.kind is not Kind.FILE:
                raise Mistake(f"{shown(path)} is a symlink to no file, and FAT has no symlinks; leave it out")
        if inode is None or inode.kind not in (Kind.FILE, Kind.DIRECTORY):
            what = inode.kind.value if inode else "nothing"
            raise Mistake(f"{shown(path)} is a {what}; FAT holds files and folders only")
        if FORBIDDEN & set(inner) or any(part.endswith((".", " ")) for part in inner.split("/")):
            raise Mistake(f"{shown(path)}: FAT cannot hold such a name")
        if (other := folded.setdefault(inner.casefold(), inner)) != inner:
            raise Mistake(f"{shown(path)}: to FAT it is the same name as {shown(other)}")
        part.put(inner, inode)
    return part


def auto_size(files: Tree, *, esp: bool = False) -> int:
    """Return a size in bytes, in whole MiB: the files in the largest clusters, a tenth, and 4 MiB to spare."""
    total = sum(
        -(-(inode.content.size if inode.content else 1) // CLUSTER) * CLUSTER for _, _, inode in files.walk()
    )
    return max(
        -(-(total * 11 // 10 + 4 * MEBIBYTE) // MEBIBYTE) * MEBIBYTE, SMALLEST_ESP if esp else SMALLEST_AUTO
    )


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
) -> None:
    """Write a FAT with files at an offset of an image (all in bytes), of a certain form if need be."""
    bits = form.bits if form else fat_bits(size, sector_size, esp=esp)
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
        if inode is None or inode.kind is Kind.DIRECTORY:
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
    os.utime(place, (epoch, epoch))
    return str(place)


def _mcopy(batch: Sequence[str], path: str, target: str, epoch: int) -> None:
    if batch:
        feed(["mcopy", "-m", "-Q", "-i", target, *batch, f"::/{path}"], epoch=epoch, extra=MTOOLS)
        for name in batch:
            Path(name).unlink()
