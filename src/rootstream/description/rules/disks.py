"""Rules for the partitions of a disk: what a boot loader finds, what is mounted where."""

from __future__ import annotations

from collections.abc import Iterator

from rootstream.description.images import Disk, Partition
from rootstream.description.yaml_nodes import Node, at
from rootstream.errors import UserError

Path = tuple[str | int, ...]
MOST_PARTITIONS = {"mbr": 4, "gpt": 128}
TABLES = {"syslinux": "mbr", "uki": "gpt"}


def check(disk: Disk, node: Node, path: Path) -> Iterator[UserError]:
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
        message = "partitions: none is mounted at /, where the root file system goes"
        hint = "Give one of them `mount: /`."
        yield UserError("partition-needed", message, where=at(node, *path, "partitions"), hint=hint)
    most = MOST_PARTITIONS[disk.table]
    if len(disk.partitions) > most:
        message = f"partitions: an {disk.table} table holds {most}, not {len(disk.partitions)}"
        hint = "Write `table: gpt`; it starts from UEFI." if disk.table == "mbr" else ""
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
            yield UserError("bad-value", "mount: swap is not mounted anywhere", where=at(node, *path, "mount"))
        if partition.size is None:
            message = "a swap partition needs a size"
            yield UserError("missing-key", message, where=at(node, *path), hint="Add `size: 256M`, for example.")
    elif partition.mount is None and partition.size is None:
        message = "a partition that is mounted nowhere needs a size"
        yield UserError("missing-key", message, where=at(node, *path), hint="Add `mount:` or `size:`.")
    if partition.filesystem == "vfat" and partition.mount == "/":
        message = "filesystem: vfat keeps neither owners nor links, so it cannot hold the root"
        yield UserError("bad-value", message, where=at(node, *path, "filesystem"), hint="Write `ext4`.")


def _uki(disk: Disk, node: Node, path: Path) -> Iterator[UserError]:
    """UEFI reads its program from FAT: UEFI specification, 13.3."""
    if not any(part.filesystem == "vfat" for part in disk.partitions):
        message = "UEFI starts from a vfat partition, and this disk has none"
        hint = "Add `- {filesystem: vfat, mount: /boot}` to the partitions."
        yield UserError("partition-needed", message, where=at(node, *path, "partitions"), hint=hint)


def _syslinux(disk: Disk, boot: int | None, node: Node, path: Path) -> Iterator[UserError]:
    """Syslinux reads its files from FAT: https://wiki.syslinux.org/wiki/index.php?title=SYSLINUX."""
    if boot is None:
        message = "syslinux needs a partition for /boot"
        hint = "Add `- {filesystem: vfat, mount: /boot}` to the partitions."
        yield UserError("partition-needed", message, where=at(node, *path, "partitions"), hint=hint)
    elif disk.partitions[boot].filesystem != "vfat":
        message = f"filesystem: syslinux reads /boot from vfat only, not from {disk.partitions[boot].filesystem}"
        where = at(node, *path, "partitions", boot, "filesystem")
        yield UserError("bad-value", message, where=where)
