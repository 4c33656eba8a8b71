"""Image `disk`: partitions with a boot loader."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field
from typing_extensions import override

from rootstream.architectures import HOST, Architecture
from rootstream.description.images.base import LEAST_SIZE, Firmware, ImageKind, needs_uefi, not_bios
from rootstream.description.system import FileName, ImagePath, KernelArgs, Means, Model, Size
from rootstream.description.yaml_nodes import Node, at
from rootstream.errors import UserError

if TYPE_CHECKING:
    from rootstream.description.model import System

Path = tuple[str | int, ...]
GRAIN = 4096
MOST_PARTITIONS = {"mbr": 4, "gpt": 128}
TABLES = {"syslinux": "mbr", "uki": "gpt"}


def _mount_point(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._+/-]+", value):
        raise ValueError(f"{value!r} may contain only letters, digits, '.', '_', '+' and '-' between slashes")
    return value


MountPoint = Annotated[ImagePath, AfterValidator(_mount_point)]


class Partition(Model):
    """A partition of a disk."""

    filesystem: Literal["vfat", "ext2", "ext4", "swap"]
    """File system."""
    mount: MountPoint | None = None
    """Mount point: `/` for the root, `/boot` for the partition of the boot loader."""
    size: Size | None = None
    """Size of the partition; by default derived from its contents. Required for swap."""
    label: (
        Annotated[
            str,
            Field(pattern=r"^[A-Za-z0-9_.-]{0,11}$"),
            Means("at most 11 letters, digits, '_', '.' and '-'"),
        ]
        | None
    ) = None
    """Volume label."""
    options: Annotated[str, Field(pattern=r"^[^\s#]+$"), Means("mount options without spaces")] | None = None
    """Mount options in /etc/fstab; by default `defaults,rw,noatime` for the root, and `defaults` for others, with
    a device timeout of 15 minutes for systemd."""


SEED_PARTITIONS = (
    Partition(filesystem="vfat", mount="/boot"),
    Partition(filesystem="ext4", mount="/"),
)


class Disk(ImageKind):
    """A bootable disk image with partitions."""

    word: ClassVar[str] = "disk"
    bootable: ClassVar[bool] = True
    by_firmware: ClassVar[bool] = True

    table: Literal["mbr", "gpt"] = "mbr"
    """Partition table: `mbr` boots from BIOS, `gpt` from UEFI."""
    bootloader: Literal["syslinux", "uki", "none"] | None = None
    """Boot loader: `syslinux` (the default for `mbr`), or `uki` (the default for `gpt`): an EFI executable with
    kernel, arguments and initramfs, at the default path that UEFI boots without configuration."""
    sector_size: Literal[512, 4096] = 512
    """Sector size in bytes."""
    partitions: Annotated[tuple[Partition, ...], Field(min_length=1, max_length=128)] = SEED_PARTITIONS
    """Partitions, in the order on the disk; at most four with `mbr`."""
    device: Annotated[str, Field(pattern=r"^/dev/[a-z0-9]+$"), Means("a device such as /dev/sda")] | None = None
    """Device name of this disk on the machine, used in /etc/fstab and for the kernel's root=. The default is
    /dev/sda with `mbr`; with `gpt`, partitions are found by their UUIDs, whatever the disk is called."""
    kernel_args: Annotated[
        KernelArgs,
        Field(pattern=r"^[\x20-\x7e]*$", max_length=2000),
        Means("kernel arguments on one line, at most 2000 ASCII characters"),
    ] = ""
    """Kernel arguments; root=, rootfstype= and rw are added if missing."""
    kernel_name: Annotated[
        str,
        Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$"),
        Means("a file name of at most 64 letters, digits, '.', '_', '+' and '-'"),
    ] = "vmlinuz"
    """File name of the kernel on the boot partition (with `uki`, the kernel is in the EFI executable)."""
    initramfs: bool = False
    """Have the boot loader load the system's initramfs along with the kernel."""
    fstab: Literal["write", "keep"] = "write"
    """Generate /etc/fstab from the partitions, or keep that of the root."""
    name: FileName = "disk.img"
    """File name."""

    @property
    def loader(self) -> Literal["syslinux", "uki", "none"]:
        """What starts the kernel, the table's own loader where nothing is said."""
        return self.bootloader or ("syslinux" if self.table == "mbr" else "uki")

    @property
    @override
    def roots(self) -> int:
        return 2 if self.initramfs else 1

    @property
    @override
    def inner(self) -> str | None:
        return "initramfs" if self.initramfs else None

    @property
    @override
    def needs_kernel(self) -> str | None:
        return f"a disk with {self.loader}" if self.starts else None

    @property
    @override
    def uefi(self) -> bool:
        return self.loader == "uki"

    @property
    @override
    def starts(self) -> bool:
        return self.loader != "none"

    @override
    def firmware(self, arch: Architecture) -> tuple[Firmware, ...]:
        return ("uefi",) if self.table == "gpt" else ("bios",)

    @override
    def sizes(self) -> Iterator[tuple[int | None, tuple[str | int, ...]]]:
        for number, partition in enumerate(self.partitions):
            yield partition.size, ("partitions", number, "size")

    @override
    def problems(self, system: System, node: Node, path: Path) -> Iterator[UserError]:
        path = (*path, self.kind)
        yield from _partitions(self, node, path)
        yield from _loader(self, system, node, path)


def _partitions(disk: Disk, node: Node, path: Path) -> Iterator[UserError]:
    """Yield every rule that a disk breaks; `path` leads to it in the system's YAML."""
    mounts: dict[str, int] = {}
    for number, partition in enumerate(disk.partitions):
        here = (*path, "partitions", number)
        yield from _partition(partition, node, here)
        if partition.mount is not None:
            mount = partition.mount
            if mount in mounts:
                message = f"mount: two partitions are mounted at {mount}"
                yield UserError("duplicate-name", message, where=at(node, *here, "mount"))
            mounts.setdefault(mount, number)
    if "/" not in mounts:
        message = "partitions: none is mounted at /, which is needed for the root file system"
        hint = "Add `mount: /` to one of them."
        yield UserError("partition-needed", message, where=at(node, *path, "partitions"), hint=hint)
    most = MOST_PARTITIONS[disk.table]
    if len(disk.partitions) > most:
        message = (
            f"partitions: {len(disk.partitions)} do not fit in a {disk.table} partition table, which holds {most}"
        )
        hint = "Write `table: gpt`, which boots from UEFI." if disk.table == "mbr" else ""
        yield UserError("bad-value", message, where=at(node, *path, "partitions"), hint=hint or None)
    loader = TABLES.get(disk.loader, disk.table)
    if loader != disk.table:
        message = f"bootloader: {disk.loader} needs `table: {loader}`, not {disk.table}"
        yield UserError("bad-value", message, where=at(node, *path, "bootloader"))
    if disk.loader == "uki":
        yield from _uki(disk, node, path)
    if disk.loader == "syslinux":
        yield from _syslinux(disk, mounts.get("/boot"), node, path)


def _partition(partition: Partition, node: Node, path: Path) -> Iterator[UserError]:
    if partition.filesystem == "swap":
        if partition.mount is not None:
            yield UserError("bad-value", "mount: swap has no mount point", where=at(node, *path, "mount"))
        if partition.size is None:
            message = "a swap partition needs a size"
            yield UserError("missing-key", message, where=at(node, *path), hint="Add `size: 256M`, for example.")
    elif partition.mount is None and partition.size is None:
        message = "a partition without a mount point needs a size"
        yield UserError("missing-key", message, where=at(node, *path), hint="Add `mount:` or `size:`.")
    if partition.size is not None and partition.size > LEAST_SIZE and partition.size % GRAIN:
        message = f"size: {partition.size} bytes are not a multiple of {GRAIN}"
        hint = f"The next multiple is {-(-partition.size // GRAIN) * GRAIN}."
        yield UserError("bad-value", message, where=at(node, *path, "size"), hint=hint)
    if partition.filesystem == "vfat" and "." in (partition.label or ""):
        message = f"label: {partition.label!r} contains a dot, which vfat does not allow"
        yield UserError("bad-value", message, where=at(node, *path, "label"))
    if partition.filesystem == "vfat" and partition.mount == "/":
        message = "filesystem: vfat supports neither owners nor links, so it cannot hold the root"
        yield UserError("bad-value", message, where=at(node, *path, "filesystem"), hint="Write `ext4`.")


def _uki(disk: Disk, node: Node, path: Path) -> Iterator[UserError]:
    """UEFI reads its program from FAT: UEFI specification, 13.3."""
    if not any(part.filesystem == "vfat" for part in disk.partitions):
        message = "UEFI boots from a vfat partition, and this disk has none"
        hint = "Add `- {filesystem: vfat, mount: /boot}` to the partitions."
        yield UserError("partition-needed", message, where=at(node, *path, "partitions"), hint=hint)


def _syslinux(disk: Disk, boot: int | None, node: Node, path: Path) -> Iterator[UserError]:
    """Syslinux starts from BIOS, and reads its files from FAT: https://wiki.syslinux.org/wiki/index.php?title=SYSLINUX."""
    if disk.sector_size != 512:  # noqa: PLR2004  (the only other size is 4096)
        message = f"sector_size: syslinux supports sectors of 512 bytes only, not {disk.sector_size}"
        hint = "Write `bootloader: none` for a disk whose kernel is loaded from elsewhere."
        yield UserError("bad-value", message, where=at(node, *path, "sector_size"), hint=hint)
    if boot is None:
        message = "syslinux needs a partition with `mount: /boot`"
        hint = "Add `- {filesystem: vfat, mount: /boot}` to the partitions."
        yield UserError("partition-needed", message, where=at(node, *path, "partitions"), hint=hint)
    elif disk.partitions[boot].filesystem != "vfat":
        message = f"filesystem: syslinux reads /boot from vfat only, not from {disk.partitions[boot].filesystem}"
        where = at(node, *path, "partitions", boot, "filesystem")
        yield UserError("bad-value", message, where=where)


def _loader(disk: Disk, system: System, node: Node, path: Path) -> Iterator[UserError]:
    """Yield what a disk's boot loader lacks in the rest of the system."""
    if disk.initramfs:
        where = at(node, *path, "initramfs")
        if disk.loader == "none":
            message = "initramfs: this disk has no boot loader to load it"
            yield UserError("bad-value", message, where=where)
        elif not any(image.kind == "initramfs" for image in system.images):
            message = "initramfs: the system has no `initramfs` image"
            yield UserError("image-needed", message, where=where, hint="Add `- initramfs` to the images.")
    if disk.loader == "uki":
        yield from needs_uefi("bootloader", system, node, (*path, "bootloader"))
        yield from not_bios("uki", system, node)
    if disk.loader == "syslinux":
        if system.arch != HOST:
            message = f"syslinux supports {HOST} only, not {system.arch}"
            yield UserError("bad-value", message, where=at(node, *path, "bootloader"))
        if system.machine.firmware == "uefi":
            message = "firmware: syslinux boots from BIOS, not from uefi"
            yield UserError("bad-value", message, where=at(node, "machine", "firmware"))
