"""Make a disk image from a root.tar: partitions written straight into their place in one sparse file.

Run as `python3 -m rootstream.sandbox.images.disk make --spec disk.json --root root.tar -o disk.img`; `pack` and
`unpack` carry any image with holes through a store that keeps none.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rootstream.sandbox import handover
from rootstream.sandbox.images import fat, partition_table, uki
from rootstream.sandbox.images.disk_layout import (
    DEFAULT_SWAP,
    GRAIN,
    MEBIBYTE,
    DiskSpec,
    aligned,
    disk_id,
    disk_uuid,
    fat_serial,
    identity,
    mounts,
    partition_uuid,
    swap_header,
    syslinux_config,
)
from rootstream.sandbox.images.ext import ExtOptions, content_bytes, fit, is_full, make_ext, seeded_uuid
from rootstream.sandbox.images.sparse import pack_sparse, packed_file, unpack_sparse
from rootstream.sandbox.program import Mistake, feed, run_main, source_date_epoch, whole_file
from rootstream.sandbox.rootfs.settings import fstab_text
from rootstream.sandbox.rootfs.unit_files import MANAGER
from rootstream.sandbox.tar_files import lay_path
from rootstream.sandbox.tree import Content, Inode, InodeKind, Slice, Tree, directory, text_file

SYSLINUX_MBR = Path("/usr/lib/syslinux/mbr/mbr.bin")
SYSLINUX_FOLDER = "syslinux"
INITRAMFS = "initramfs.img"
EXT_TYPE, SWAP_TYPE = 0x83, 0x82
BOOT_CODE = 440  # bytes of an MBR before the identity and the table
LOADER_MOUNTS = ("/boot", "/efi", "/boot/efi")
LEAST_FREE = 64 * MEBIBYTE
FORMS = ("sparse", "qcow2-none", "qcow2-zlib", "qcow2-zstd")


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenPartition:
    """A disk being made: the file that it is in, and what goes on it."""

    spec: DiskSpec
    image: Path
    epoch: int
    trees: dict[int, Tree]


def make_disk(
    spec: DiskSpec, root: Tree, image: Path, *, epoch: int, boot: dict[str, Content], stub: Path | None = None
) -> None:
    """Write a disk image; `boot` are files for the partition that the loader starts from, by name.

    `stub` is the program that the kernel is joined with for `bootloader: uki`.
    """
    if not spec.keep_fstab or root.find("etc/fstab") is None:
        lines = mounts(spec, systemd=root.find(MANAGER) is not None)
        root.put("etc/fstab", text_file(fstab_text(lines).encode()))
    made = WrittenPartition(spec=spec, image=image, epoch=epoch, trees=_split(spec, root))
    loader = _loader_partition(spec)
    with tempfile.TemporaryDirectory(dir=image.parent, prefix=".boot.") as scratch:
        if loader is not None and spec.bootloader == "uki":
            _add_uki(made, loader, boot, stub, Path(scratch))
        elif loader is not None:
            _add_loader(made, loader, boot)
        entries = _make_partitions(made, loader)
    end = max(aligned(entry.start + entry.size) for entry in entries)
    gpt = spec.table == "gpt"
    identity = f"{disk_uuid(spec.seed)}" if gpt else f"{disk_id(spec.seed):#010x}"
    with image.open("r+b") as file:
        file.truncate(end + (MEBIBYTE if gpt else 0))  # a GPT has a second table behind the partitions
    text = partition_table.script(spec.table, identity, entries, spec.sector_size)
    partition_table.write(image, text, spec.sector_size, epoch=epoch)
    if spec.bootloader == "syslinux" and loader is not None:
        fat.install_syslinux(image, offset=entries[loader].start, folder=SYSLINUX_FOLDER, epoch=epoch)
        with image.open("r+b") as file:
            file.write(SYSLINUX_MBR.read_bytes()[:BOOT_CODE])


def _make_partitions(made: WrittenPartition, loader: int | None) -> list[partition_table.Entry]:
    entries: list[partition_table.Entry] = []
    position = MEBIBYTE
    for number in range(len(made.spec.partitions)):
        size = _make_partition(made, number, position)
        entries.append(_entry(made.spec, number, position, size, loads=number == loader))
        position = aligned(position + size)
    return entries


def _entry(spec: DiskSpec, number: int, start: int, size: int, *, loads: bool) -> partition_table.Entry:
    part = spec.partitions[number]
    if spec.table == "mbr":
        kinds = {"swap": SWAP_TYPE, "vfat": fat.partition_type(size, spec.sector_size)}
        kind = f"{kinds.get(part.filesystem, EXT_TYPE):x}"
        return partition_table.Entry(start=start, size=size, type=kind, active=loads)
    kind = {"swap": partition_table.SWAP, "vfat": partition_table.BASIC}.get(
        part.filesystem, partition_table.LINUX
    )
    kind = (spec.root_type or partition_table.LINUX) if part.mount == "/" else kind
    kind = partition_table.EFI_SYSTEM if loads else kind
    identity = partition_uuid(spec.seed, number + 1)
    return partition_table.Entry(start=start, size=size, type=kind, uuid=identity, name=part.name)


def _split(spec: DiskSpec, root: Tree) -> dict[int, Tree]:
    """Give each partition what is below its mount; the mount points stay in the partition above."""
    places: dict[int, str] = {}
    for number, part in enumerate(spec.partitions):
        if part.mount is not None:
            places[number] = root.make_directories(part.mount, directory(origin="the disk's description"))
    trees = {}
    for number, place in places.items():
        inner = [other for other in places.values() if other != place]
        if spec.partitions[number].filesystem == "vfat":
            with _named(spec, number):
                trees[number] = fat.fat_files(root, place)
        else:
            trees[number] = root.subtree(place, without=[other for other in inner if _is_below(other, place)])
    return trees


def lost(spec: DiskSpec, root: Tree) -> tuple[str, ...]:
    """Return what the file systems of a disk do not keep of a root."""
    found: list[str] = []
    for number, part in enumerate(spec.partitions, 1):
        if part.filesystem == "vfat" and part.mount is not None:
            place = root.resolve(part.mount, follow=True)
            found += [f"partition {number} ({part.name}): {each}" for each in fat.lost(root, place)]
    return tuple(found)


def _is_esp(spec: DiskSpec, number: int) -> bool:
    return spec.table == "gpt" and number == _loader_partition(spec)


def _is_below(path: str, top: str) -> bool:
    return not top or path.startswith(f"{top}/")


def _loader_partition(spec: DiskSpec) -> int | None:
    fats = [number for number, part in enumerate(spec.partitions) if part.filesystem == "vfat"]
    named = [number for mount in LOADER_MOUNTS for number in fats if spec.partitions[number].mount == mount]
    return next(iter(named + fats), None)


def _add_uki(
    made: WrittenPartition, loader: int, boot: dict[str, Content], stub: Path | None, scratch: Path
) -> None:
    """Put the one program that starts everything where UEFI looks for it by itself."""
    spec = made.spec
    kernel = boot.get(spec.kernel_name)
    if stub is None or kernel is None:
        raise Mistake("bootloader uki needs a kernel (--kernel) and a stub (--stub)")
    program = stub.read_bytes()
    sections = uki.parts(
        stub=program,
        kernel=kernel,
        initramfs=boot.get(INITRAMFS),
        arguments=spec.kernel_args,
        name=spec.name,
    )
    place = scratch / "uki.efi"
    with place.open("wb") as file:
        uki.write_uki(file, program, sections)
    files = made.trees.setdefault(loader, Tree())
    inode = Inode(kind=InodeKind.FILE, mode=0o644, content=uki.whole(place), origin="the boot files")
    files.put(uki.efi_name(program), inode)


def _add_loader(made: WrittenPartition, loader: int, boot: dict[str, Content]) -> None:
    files = made.trees.setdefault(loader, Tree())
    for name, content in boot.items():
        files.put(name, Inode(kind=InodeKind.FILE, mode=0o644, content=content, origin="the boot files"))
    if made.spec.bootloader == "none":
        return
    if files.get(made.spec.kernel_name) is None:
        where = made.spec.partitions[loader].mount or "the boot partition"
        raise Mistake(
            f"there is no kernel: give one with --kernel, or have a layer put {made.spec.kernel_name} in {where} "
            "(kernel_name names it)"
        )
    config = f"{SYSLINUX_FOLDER}/syslinux.cfg"
    if files.get(config) is None:
        initramfs = INITRAMFS if files.get(INITRAMFS) else None
        files.put(config, text_file(syslinux_config(made.spec, initramfs).encode()))


def _make_partition(made: WrittenPartition, number: int, position: int) -> int:
    part = made.spec.partitions[number]
    tree = made.trees.get(number, Tree())
    with _named(made.spec, number):
        if part.filesystem == "swap":
            return _make_swap(made, number, position)
        if part.filesystem == "vfat":
            return _make_fat(made, number, tree, position)
        return _make_ext(made, number, tree, position)


@contextmanager
def _named(spec: DiskSpec, number: int) -> Iterator[None]:
    """Name the partition in what is wrong with it."""
    try:
        yield
    except Mistake as mistake:
        where = f"partition {number + 1} ({spec.partitions[number].name})"
        raise Mistake(*(f"{where}: {problem}" for problem in mistake.problems)) from mistake


def _clear(image: Path, position: int, size: int) -> None:
    """Cut the image at a position and give it `size` bytes of hole from there on."""
    with image.open("r+b") as file:
        file.truncate(position)
        file.truncate(position + size)


def _make_swap(made: WrittenPartition, number: int, position: int) -> int:
    part = made.spec.partitions[number]
    size = part.size or DEFAULT_SWAP
    _clear(made.image, position, size)
    with made.image.open("r+b") as file:
        file.seek(position)
        file.write(swap_header(size, part.volume_label, seeded_uuid(identity(made.spec.seed, number + 1), "swap")))
    return size


def _make_fat(made: WrittenPartition, number: int, tree: Tree, position: int) -> int:
    part = made.spec.partitions[number]
    esp = _is_esp(made.spec, number)
    needed = fat.auto_size(tree, esp=esp)
    size = part.size or needed
    _clear(made.image, position, size)
    try:
        fat.make_fat(
            tree,
            made.image,
            offset=position,
            size=size,
            sector_size=made.spec.sector_size,
            label=part.volume_label,
            serial=fat_serial(identity(made.spec.seed, number + 1)),
            epoch=made.epoch,
            esp=esp,
            mount=part.mount or "",
        )
    except Mistake as mistake:
        if "disk full" not in str(mistake).lower():
            raise
        raise Mistake(f"size {size} is too small for its files; {needed} bytes are enough") from mistake
    return size


def _make_ext(made: WrittenPartition, number: int, tree: Tree, position: int) -> int:
    part = made.spec.partitions[number]
    seed = identity(made.spec.seed, number + 1)
    ext = ExtOptions(type=part.filesystem, label=part.volume_label, seed=seed, size=part.size or 0)

    def make(tried: ExtOptions) -> None:
        _clear(made.image, position, tried.size)
        make_ext(tree, tried, made.image, epoch=made.epoch, offset=position)

    if part.size is None:
        return fit(tree, ext, make, free=max(LEAST_FREE, content_bytes(tree) // 4)).size
    try:
        make(ext)
    except Mistake as mistake:
        if not is_full(mistake):
            raise
        needed = -(-fit(tree, ext, make, free=0).size // GRAIN) * GRAIN
        raise Mistake(f"size {part.size} is too small: the contents need {needed} bytes") from mistake
    return part.size


def _make(options: argparse.Namespace) -> None:
    spec = handover.load(DiskSpec, options.spec)
    root = Tree()
    lay_path(root, options.root, base=True)
    boot: dict[str, Content] = {}
    for name, path in ((spec.kernel_name, options.kernel), (INITRAMFS, options.initramfs)):
        if path is not None:
            boot[name] = Slice(path, 0, path.stat().st_size)
    if options.warnings is not None:
        options.warnings.parent.mkdir(parents=True, exist_ok=True)
        options.warnings.write_text(json.dumps(lost(spec, root), indent=1) + "\n", encoding="utf-8")
    needed = 2 * content_bytes(root) + sum(content.size for content in boot.values()) + LEAST_FREE
    with packed_file(options.output, needed, pack=_packing(options.packed)) as draft:
        make_disk(spec, root, draft, epoch=source_date_epoch(), boot=boot, stub=options.stub)


def _packing(form: str) -> Callable[[Path, Path], None]:
    """Return what writes a disk in a form that has no holes."""
    return pack_sparse if form == "sparse" else partial(to_qcow2, compression=form.removeprefix("qcow2-"))


def to_qcow2(image: Path, output: Path, *, compression: str) -> None:
    """Write a disk as a qcow2 image, the same bytes for the same disk."""
    words = ["-c", "-o", f"compression_type={compression}"] if compression != "none" else []
    with whole_file(output) as draft:
        # one coroutine, in order: where clusters lie depends on nothing else
        argv = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-m", "1", *words, str(image), str(draft)]
        feed(argv, epoch=source_date_epoch())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="disk", description=__doc__)
    verbs = parser.add_subparsers(required=True)
    make = verbs.add_parser("make", help="make a disk image")
    make.add_argument("--spec", type=Path, required=True)
    make.add_argument("--root", type=Path, required=True)
    make.add_argument("--kernel", type=Path, help="kernel to put on the boot partition as kernel_name")
    make.add_argument("--initramfs", type=Path)
    make.add_argument("--stub", type=Path, help="EFI stub that the kernel is joined with for bootloader uki")
    make.add_argument("--warnings", type=Path, metavar="JSON", help="where to write what is not kept")
    make.add_argument("--packed", choices=FORMS, default="sparse", help="the form to write it in")
    make.add_argument("-o", "--output", type=Path, required=True)
    make.set_defaults(run=_make)
    for verb, action in (("pack", pack_sparse), ("unpack", unpack_sparse)):
        packing = verbs.add_parser(verb, help=f"{verb} an image with holes")
        packing.add_argument("image", type=Path)
        packing.add_argument("-o", "--output", type=Path, required=True)
        packing.set_defaults(run=lambda options, action=action: action(options.image, options.output))
    return parser


def _main(options: argparse.Namespace) -> None:
    options.run(options)


if __name__ == "__main__":
    sys.exit(run_main(_main, _parser()))
