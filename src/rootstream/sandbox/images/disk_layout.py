"""What a disk is made of, as the plan hands it over, and the bytes of swap, fstab and syslinux.cfg. Pure."""

from __future__ import annotations

import re
import struct
import uuid
from dataclasses import dataclass
from typing import Literal

from rootstream.sandbox.images.ext import seeded_uuid
from rootstream.sandbox.rootfs.spec import Mount

MEBIBYTE = 1 << 20
GRAIN = 4096
LABELS = {"vfat": 11, "ext4": 16, "ext2": 16, "swap": 15}
PATIENT = "x-systemd.device-timeout=15min"  # systemd.mount(5): by default 90 s
DEFAULT_SWAP = 64 * MEBIBYTE


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """A partition that is wanted; `size` in bytes, None for what the contents need."""

    filesystem: str
    mount: str | None = None
    size: int | None = None
    label: str | None = None
    options: str | None = None

    @property
    def name(self) -> str:
        """What messages and the table call it."""
        above = "" if self.filesystem == "swap" else (self.mount or "/").strip("/").replace("/", "-")
        return above or ("swap" if self.filesystem == "swap" else "root")

    @property
    def volume_label(self) -> str:
        """The label of its file system."""
        return self.name[: LABELS[self.filesystem]] if self.label is None else self.label


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskSpec:
    """A disk that is wanted.

    All its identities come from `seed`. Without `device` its partitions are found by their UUIDs. `root_type` is
    the type of a root's partition in a GPT.
    """

    name: str
    seed: str
    table: Literal["mbr", "gpt"] = "mbr"
    sector_size: int = 512
    bootloader: str = "none"
    kernel_args: str = ""
    kernel_name: str = "vmlinuz"
    device: str | None = None
    keep_fstab: bool = False
    partitions: tuple[Partition, ...] = ()
    root_type: str | None = None

    def source(self, number: int) -> str:
        """Return what fstab calls the partition with a number (from 1)."""
        if self.device is None:
            filesystem = self.partitions[number - 1].filesystem
            return f"UUID={filesystem_uuid(self.seed, number, filesystem)}"
        return f"{self.device}{'p' if self.device[-1].isdigit() else ''}{number}"


def aligned(position: int) -> int:
    """Return the next whole MiB, where a partition may begin."""
    return -(-position // MEBIBYTE) * MEBIBYTE


def swap_header(size: int, label: str, identity: uuid.UUID) -> bytes:
    """Return the first page of a swap area, as `union swap_header` in linux/swap.h has it."""
    fields = struct.pack("<III16s16s", 1, size // GRAIN - 1, 0, identity.bytes, label.encode())
    return (bytes(1024) + fields).ljust(GRAIN - 10, b"\0") + b"SWAPSPACE2"


def disk_id(name: str) -> int:
    """Return the disk's id for the table: the same for the same name, never 0."""
    return seeded_uuid(name, "disk").int & 0xFFFFFFFF or 1


def disk_uuid(seed: str) -> uuid.UUID:
    """Return the GUID of a GPT disk, the same for the same seed."""
    return seeded_uuid(seed, "disk")


def fat_serial(name: str) -> int:
    """Return the serial number of a FAT file system, the same for the same name."""
    return seeded_uuid(name, "fat").int & 0xFFFFFFFF


def identity(seed: str, number: int) -> str:
    """Return what stands for the partition with a number (from 1) in the seeds of UUIDs."""
    return f"{seed}/{number - 1}"


def partition_uuid(seed: str, number: int) -> uuid.UUID:
    """Return the PARTUUID of a partition (from 1) of a GPT disk, the same for the same seed."""
    return seeded_uuid(identity(seed, number), "partition")


def filesystem_uuid(seed: str, number: int, filesystem: str) -> str:
    """Return the UUID of a partition's file system as blkid(8) shows it."""
    where = identity(seed, number)
    if filesystem == "vfat":
        serial = fat_serial(where)
        return f"{serial >> 16:04X}-{serial & 0xFFFF:04X}"
    return str(seeded_uuid(where, "swap" if filesystem == "swap" else "ext"))


def mounts(spec: DiskSpec, *, systemd: bool = False) -> tuple[Mount, ...]:
    """Return the lines of fstab: the root, other mounts in the order of the partitions, swap.

    `systemd` gives up a boot where it does not see a partition in time: it has time enough for a busy host.
    """
    usual = "defaults" + (f",{PATIENT}" if systemd else "")
    lines = []
    for number, part in enumerate(spec.partitions, 1):
        source = spec.source(number)
        if part.filesystem == "swap":
            options = part.options or usual
            lines.append((2, Mount(source=source, target="none", type="swap", options=options)))
        elif part.mount == "/":
            options = part.options or "defaults,rw,noatime"
            lines.append((0, Mount(source=source, target="/", type=part.filesystem, options=options, check=1)))
        elif part.mount is not None:
            options = part.options or (usual if part.filesystem == "vfat" else f"{usual},noatime")
            lines.append(
                (1, Mount(source=source, target=part.mount, type=part.filesystem, options=options, check=2))
            )
    return tuple(mount for _, mount in sorted(lines, key=lambda line: line[0]))


def syslinux_config(spec: DiskSpec, initramfs: str | None) -> str:
    """Return syslinux.cfg; the menu is on the serial line too if the kernel's console is."""
    kernel = f"/{spec.kernel_name}"
    initramfs = f"/{initramfs}" if initramfs else None
    return loader_config(spec.kernel_args, kernel=kernel, initramfs=initramfs)


def loader_config(arguments: str, *, kernel: str, initramfs: str | None) -> str:
    """Return the configuration of syslinux and isolinux for the one thing that they start."""
    serial = re.search(r"(?:^|\s)console=ttyS(\d)(?:,(\d+))?", arguments)
    lines = [f"SERIAL {serial[1]} {serial[2] or 115200}"] if serial else []
    lines += [
        "PROMPT 0",
        "TIMEOUT 0",
        "DEFAULT linux",
        "LABEL linux",
        f"  KERNEL {kernel}",
    ]
    lines += [f"  INITRD {initramfs}"] if initramfs else []
    return "\n".join([*lines, f"  APPEND {arguments}", ""])
