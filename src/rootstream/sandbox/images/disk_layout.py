"""What a disk is made of: its description checked, and the bytes of MBR, swap, fstab and syslinux.cfg. Pure."""

from __future__ import annotations

import re
import struct
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from rootstream.sandbox.images.ext import seeded_uuid
from rootstream.sandbox.json_spec import SpecEntry
from rootstream.sandbox.program import Mistake
from rootstream.sandbox.rootfs.spec import Mount

MEBIBYTE = 1 << 20
GRAIN = 4096
FILESYSTEMS = ("vfat", "ext4", "ext2", "swap")
LABELS = {"vfat": 11, "ext4": 16, "ext2": 16, "swap": 15}
DEVICE = re.compile(r"/dev/[A-Za-z0-9/_-]+")
MOUNT = re.compile(r"/([A-Za-z0-9._+-]+(/[A-Za-z0-9._+-]+)*)?")
FAT_LABEL = re.compile(r"[A-Za-z0-9_-]{1,11}")
LABEL = re.compile(r"[A-Za-z0-9._-]{1,16}")
KERNEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
ARGUMENTS = re.compile(r"[\x20-\x7e]{0,2000}")
OPTIONS = re.compile(r"[^\s#]{1,200}")
NAME = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,200}")
MOST_PARTITIONS = {"mbr": 4, "gpt": 128}
ARCHITECTURE = re.compile(r"[a-z0-9_]{1,16}")
LARGEST_DISK = 1 << 45
MOST_SECTORS = (1 << 32) - 1
ACTIVE = 0x80
BOOT_CODE = 440
LAST_CYLINDER = 1023
SMALL_SECTOR = 512
SMALLEST_SWAP = 10 * GRAIN
PATIENT = "x-systemd.device-timeout=15min"  # systemd.mount(5): by default 90 s
DEFAULT_SWAP = 64 * MEBIBYTE


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """A partition that is wanted; `size` in bytes, None for what the contents need."""

    name: str
    filesystem: str
    mount: str | None
    size: int | None
    label: str
    options: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskSpec:
    """A disk that is wanted. `timeout` is in tenths of a second, as syslinux counts.

    All identities of a GPT disk come from `seed`. Without `device` its partitions are found by their UUIDs.
    """

    name: str
    seed: str
    arch: str
    table: str
    sector_size: int
    bootloader: str
    kernel_args: str | None
    kernel_name: str
    timeout: int
    device: str | None
    keep_fstab: bool
    partitions: tuple[Partition, ...]

    def source(self, number: int) -> str:
        """Return what fstab calls the partition with a number (from 1)."""
        if self.device is None:
            filesystem = self.partitions[number - 1].filesystem
            return f"UUID={filesystem_uuid(self.seed, number, filesystem)}"
        return f"{self.device}{'p' if self.device[-1].isdigit() else ''}{number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedPartition:
    """Where a partition came to lie, in bytes, and its type in the partition table."""

    start: int
    size: int
    type: int
    active: bool


def parse_disk_spec(value: object) -> DiskSpec:
    """Return the description from its JSON form; `Mistake` with all that is wrong in it."""
    problems: list[str] = []
    top = SpecEntry(value, "disk", problems)
    table = top.choice("table", ("mbr", "gpt"), "mbr")
    loaders = ("syslinux", "none") if table == "mbr" else ("uki", "none")
    name = top.required("name", NAME, "on one line")
    device = top.text("device", DEVICE, "such as /dev/sda")
    spec = DiskSpec(
        name=name,
        seed=top.text("seed", NAME, "on one line") or name,
        arch=top.text("arch", ARCHITECTURE, "such as x86_64") or "",
        table=table,
        sector_size=_sector_size(top),
        bootloader=top.choice("bootloader", loaders, loaders[0]),
        kernel_args=top.text("kernel_args", ARGUMENTS, "of at most 2000 printable ASCII characters"),
        kernel_name=top.text("kernel_name", KERNEL, "that is a file name") or "vmlinuz",
        timeout=top.number("timeout", 0, 35996) or 0,
        device=device or ("/dev/sda" if table == "mbr" else None),
        keep_fstab=top.flag("keep_fstab"),
        partitions=tuple(_partition(entry) for entry in top.entries("partitions")),
    )
    top.end()
    problems += _contradictions(spec)
    if problems:
        raise Mistake(*problems)
    return spec


def _sector_size(top: SpecEntry) -> int:
    size = top.number("sector_size", SMALL_SECTOR, GRAIN)
    if size not in (None, SMALL_SECTOR, GRAIN):
        top.wrong(f"sector_size {size} has to be 512 or 4096")
    return size or SMALL_SECTOR


def _partition(entry: SpecEntry) -> Partition:
    filesystem = entry.choice("filesystem", FILESYSTEMS, "ext4")
    mount = entry.text("mount", MOUNT, "that is an absolute path")
    name = entry.text("name", LABEL, "of letters, digits, '.', '_', '-'")
    size = entry.number("size", GRAIN, LARGEST_DISK)
    fallback = name or (
        filesystem if filesystem == "swap" else (mount or "/").strip("/").replace("/", "-") or "root"
    )
    label = entry.text("label", LABEL, "of at most 16 letters, digits, '.', '_', '-'")
    partition = Partition(
        name=name or fallback,
        filesystem=filesystem,
        mount=mount,
        size=size,
        label=fallback[: LABELS[filesystem]] if label is None else label,
        options=entry.text("options", OPTIONS, "without blanks"),
    )
    if size is not None and size % GRAIN:
        entry.wrong(f"size {size} has to be a multiple of {GRAIN}; the next is {-(-size // GRAIN) * GRAIN}")
    if len(partition.label) > LABELS[filesystem]:
        entry.wrong(f"label {label!r} is too long: {filesystem} has room for {LABELS[filesystem]} characters")
    if filesystem == "vfat" and not FAT_LABEL.fullmatch(partition.label):
        entry.wrong(f"label {partition.label!r}: vfat takes letters, digits, '_' and '-'")
    if filesystem == "swap" and mount is not None:
        entry.wrong("a swap partition is not mounted; leave mount out")
    if filesystem == "swap" and size is not None and size < SMALLEST_SWAP:
        entry.wrong(f"size {size} is too small for swap; {SMALLEST_SWAP} is the least")
    entry.end()
    return partition


def _contradictions(spec: DiskSpec) -> list[str]:
    problems = []
    mounts = [partition.mount for partition in spec.partitions if partition.mount]
    roots = [part for part in spec.partitions if part.mount == "/" and part.filesystem in ("ext2", "ext4")]
    if len(roots) != 1:
        problems.append("partitions: exactly one of them has to be an ext2 or ext4 one mounted on /")
    problems += [
        f"partitions: {mount} is there twice" for mount in sorted({m for m in mounts if mounts.count(m) > 1})
    ]
    most = MOST_PARTITIONS[spec.table]
    if len(spec.partitions) > most:
        problems.append(f"partitions: an {spec.table.upper()} table holds {most}, not {len(spec.partitions)}")
    if spec.bootloader == "syslinux" and spec.sector_size != SMALL_SECTOR:
        problems.append(
            "sector_size 4096 and bootloader syslinux: a BIOS starts only from sectors of 512 bytes; "
            "take bootloader none (the kernel is then started from elsewhere) or sector_size 512"
        )
    if spec.bootloader != "none" and not any(part.filesystem == "vfat" for part in spec.partitions):
        message = "needs a vfat partition to start from, such as one mounted on /boot"
        problems.append(f"bootloader {spec.bootloader} {message}")
    return problems


def aligned(position: int) -> int:
    """Return the next whole MiB, where a partition may begin."""
    return -(-position // MEBIBYTE) * MEBIBYTE


def mbr(placed: Sequence[PlacedPartition], *, sector_size: int, disk_id: int, code: bytes) -> bytes:
    """Return the first 512 bytes of a disk: boot code, disk id, four partitions and the signature."""
    if len(code) > BOOT_CODE:
        raise Mistake(f"the boot code has {len(code)} bytes; an MBR has room for {BOOT_CODE}")
    entries = b"".join(_mbr_entry(part, sector_size) for part in placed)
    return code.ljust(BOOT_CODE, b"\0") + struct.pack("<IH", disk_id, 0) + entries.ljust(64, b"\0") + b"\x55\xaa"


def _mbr_entry(part: PlacedPartition, sector_size: int) -> bytes:
    first, count = part.start // sector_size, part.size // sector_size
    if first + count > MOST_SECTORS:
        raise Mistake("the disk is larger than an MBR table can say (2 TiB with sectors of 512 bytes)")
    return (
        bytes([ACTIVE if part.active else 0])
        + _chs(first)
        + bytes([part.type])
        + _chs(first + count - 1)
        + struct.pack("<II", first, count)
    )


def _chs(sector: int) -> bytes:
    cylinder, rest = divmod(sector, 255 * 63)
    head, place = divmod(rest, 63)
    if cylinder > LAST_CYLINDER:
        cylinder, head, place = LAST_CYLINDER, 254, 62
    return bytes([head, (cylinder >> 2 & 0xC0) | (place + 1), cylinder & 0xFF])


def swap_header(size: int, label: str, identity: uuid.UUID) -> bytes:
    """Return the first page of a swap area, as `union swap_header` in linux/swap.h has it."""
    fields = struct.pack("<III16s16s", 1, size // GRAIN - 1, 0, identity.bytes, label.encode())
    return (bytes(1024) + fields).ljust(GRAIN - 10, b"\0") + b"SWAPSPACE2"


def disk_id(name: str) -> int:
    """Return the disk's id for the table: the same for the same name, never 0."""
    return seeded_uuid(name, "disk").int & 0xFFFFFFFF or 1


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


def kernel_arguments(spec: DiskSpec) -> str:
    """Return the kernel's command line: the one that is asked for, or one that finds the root partition."""
    if spec.kernel_args is not None:
        return spec.kernel_args
    number, root = next((n, part) for n, part in enumerate(spec.partitions, 1) if part.mount == "/")
    source = spec.source(number) if spec.device else f"PARTUUID={partition_uuid(spec.seed, number)}"
    return f"root={source} rootfstype={root.filesystem} rw"


def syslinux_config(spec: DiskSpec, initramfs: str | None) -> str:
    """Return syslinux.cfg; the menu is on the serial line too if the kernel's console is."""
    kernel = f"/{spec.kernel_name}"
    initramfs = f"/{initramfs}" if initramfs else None
    return loader_config(kernel_arguments(spec), kernel=kernel, initramfs=initramfs, timeout=spec.timeout)


def loader_config(arguments: str, *, kernel: str, initramfs: str | None, timeout: int) -> str:
    """Return the configuration of syslinux and isolinux for the one thing that they start."""
    serial = re.search(r"(?:^|\s)console=ttyS(\d)(?:,(\d+))?", arguments)
    lines = [f"SERIAL {serial[1]} {serial[2] or 115200}"] if serial else []
    lines += [
        "PROMPT 0",
        f"TIMEOUT {timeout}",
        "DEFAULT linux",
        "LABEL linux",
        f"  KERNEL {kernel}",
    ]
    lines += [f"  INITRD {initramfs}"] if initramfs else []
    return "\n".join([*lines, f"  APPEND {arguments}", ""])
