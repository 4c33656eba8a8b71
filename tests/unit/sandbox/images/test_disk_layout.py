"""Disks: descriptions, the partition table, swap, fstab and the loader's configuration."""

from __future__ import annotations

import shutil
import subprocess
import uuid
from pathlib import Path

import pytest

from rootstream.sandbox.handover import data_of
from rootstream.sandbox.images.disk_layout import (
    DiskSpec,
    aligned,
    disk_id,
    mounts,
    swap_header,
    syslinux_config,
)
from rootstream.sandbox.images.fat import auto_size, fat_bits, fat_files
from rootstream.sandbox.program import Mistake
from rootstream.sandbox.rootfs.settings import fstab_text
from rootstream.sandbox.tree import Inode, InodeKind, Literal, Tree, text_file

MIB = 1 << 20
BOOT: dict[str, object] = {"filesystem": "vfat", "mount": "/boot", "size": 258048000}
ROOT: dict[str, object] = {"filesystem": "ext4", "mount": "/"}
SWAP: dict[str, object] = {"filesystem": "swap", "size": 64 * MIB}
DISK: dict[str, object] = {"name": "box", "seed": "box", "device": "/dev/sda", "partitions": [BOOT, ROOT, SWAP]}


def test_fstab_of_the_usual_disk() -> None:
    assert fstab_text(mounts(data_of(DiskSpec, DISK))) == (
        "/dev/sda2   /       ext4   defaults,rw,noatime   0   1\n"
        "/dev/sda1   /boot   vfat   defaults              0   2\n"
        "/dev/sda3   none    swap   defaults              0   0\n"
    )


DATA: dict[str, object] = {"filesystem": "ext4", "mount": "/data"}
OWN: dict[str, object] = {"filesystem": "ext4", "mount": "/own", "options": "noexec"}


def test_systemd_does_not_give_up_on_the_disk_that_it_comes_from() -> None:
    disk = {**DISK, "partitions": [BOOT, ROOT, SWAP, DATA, OWN]}
    found = mounts(data_of(DiskSpec, {**disk, "table": "gpt"}), systemd=True)
    waiting = "defaults,x-systemd.device-timeout=15min"
    assert {line.target: line.options for line in found} == {
        "/": "defaults,rw,noatime",
        "/boot": waiting,
        "/data": f"{waiting},noatime",
        "/own": "noexec",
        "none": waiting,
    }


@pytest.mark.parametrize(
    ("device", "source"),
    [("/dev/vda", "/dev/vda2"), ("/dev/mmcblk0", "/dev/mmcblk0p2"), ("/dev/nvme0n1", "/dev/nvme0n1p2")],
)
def test_partitions_are_named_as_the_kernel_does(device: str, source: str) -> None:
    spec = data_of(DiskSpec, {**DISK, "device": device})
    assert spec.source(2) == source


def test_loader_configuration() -> None:
    spec = data_of(
        DiskSpec, {**DISK, "kernel_args": "root=/dev/sda2 console=ttyS1,9600", "kernel_name": "bzImage"}
    )
    assert syslinux_config(spec, "initramfs.img").splitlines() == [
        "SERIAL 1 9600",
        "PROMPT 0",
        "TIMEOUT 0",
        "DEFAULT linux",
        "LABEL linux",
        "  KERNEL /bzImage",
        "  INITRD /initramfs.img",
        "  APPEND root=/dev/sda2 console=ttyS1,9600",
    ]
    plain = syslinux_config(data_of(DiskSpec, DISK), None)
    assert "SERIAL" not in plain
    assert "INITRD" not in plain


def test_partitions_begin_at_whole_mebibytes() -> None:
    assert [aligned(position) for position in (0, 1, MIB, MIB + 1)] == [0, MIB, MIB, 2 * MIB]


def test_the_same_name_gives_the_same_ids() -> None:
    assert disk_id("box") == disk_id("box") == 0xBBA4028B
    assert disk_id("box") != disk_id("other")


@pytest.mark.skipif(shutil.which("mkswap") is None, reason="mkswap is not installed")
def test_swap_is_what_mkswap_makes(tmp_path: Path) -> None:
    identity = uuid.UUID("6a1f3c3e-0000-4000-8000-000000000001")
    area = tmp_path / "swap"
    with area.open("wb") as file:
        file.truncate(16 * MIB)
    area.chmod(0o600)
    subprocess.run(
        ["mkswap", "-q", "-L", "swap", "-U", str(identity), area], check=True, timeout=60, capture_output=True
    )
    assert swap_header(16 * MIB, "swap", identity) == area.read_bytes()[:4096]


@pytest.mark.parametrize(
    ("size", "sector", "bits"),
    [(MIB, 512, 12), (16 * MIB, 512, 16), (16 * MIB, 4096, 12), (511 * MIB, 512, 16), (512 * MIB, 512, 32)],
)
def test_fat_types(size: int, sector: int, bits: int) -> None:
    assert fat_bits(size, sector) == bits


def test_what_fat_can_hold() -> None:
    tree = Tree()
    tree.put("boot/vmlinuz-6", text_file(b"k"))
    tree.put("boot/vmlinuz", Inode(kind=InodeKind.SYMLINK, mode=0o777, target="vmlinuz-6"))
    tree.put("boot/grub/x", text_file(b"x"))
    files = fat_files(tree, "boot")
    assert [path for path, _, _ in files.walk()] == ["", "grub", "grub/x", "vmlinuz", "vmlinuz-6"]
    kernel = files.get("vmlinuz")
    assert kernel is not None
    assert kernel.content == Literal(b"k")


@pytest.mark.parametrize(
    ("path", "inode", "message"),
    [
        ("boot/link", Inode(kind=InodeKind.SYMLINK, mode=0o777, target="/absent"), "dangling symlink"),
        (
            "boot/dev",
            Inode(kind=InodeKind.CHAR, mode=0o600),
            "is a character device; FAT supports only files and folders",
        ),
    ],
)
def test_what_fat_cannot_hold(path: str, inode: Inode, message: str) -> None:
    tree = Tree()
    tree.put("boot/vmlinuz", text_file(b"k"))
    tree.put(path, inode)
    with pytest.raises(Mistake, match=message):
        fat_files(tree, "boot")


def test_the_size_of_a_fat_has_room_for_its_files() -> None:
    tree = Tree()
    assert auto_size(tree) == 16 * MIB
    tree.put("big", text_file(bytes(40 * MIB)))
    assert 44 * MIB < auto_size(tree) < 60 * MIB
