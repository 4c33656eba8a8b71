"""Images and disks made by the real tools, newer ones of the build base (Debian trixie) among them."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import buildtools

from rootstream.sandbox.handover import data_of
from rootstream.sandbox.images.disk import make_disk
from rootstream.sandbox.images.disk_layout import DiskSpec
from rootstream.sandbox.images.ext import ExtOptions, fit, make_ext
from rootstream.sandbox.program import Mistake
from rootstream.sandbox.tree import Inode, InodeKind, Literal, Tree, text_file

EPOCH = 1_700_000_000
MIB = 1 << 20
pytestmark = pytest.mark.engine


@pytest.fixture(scope="module", autouse=True)
def _tools(request: pytest.FixtureRequest) -> Iterator[None]:
    """Have the tools of the build base first in PATH."""
    cache = request.config.cache
    assert cache is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(buildtools.folder(Path(cache.mkdir("build-tools")))), prepend=os.pathsep)
        yield


def root() -> Tree:
    tree = Tree()
    capability = ("security.capability", bytes.fromhex("0100000200200000000000000000000000000000"))
    tree.put("usr/bin/su", Inode(kind=InodeKind.FILE, mode=0o4755, uid=3, gid=70_000, content=Literal(b"su")))
    tree.put(
        "usr/bin/ping",
        Inode(
            kind=InodeKind.FILE, mode=0o755, content=Literal(b"p"), xattrs=(capability, ("user.note", b"\x01\xff"))
        ),
    )
    tree.link("usr/bin/ping6", "usr/bin/ping")
    tree.put("dev/console", Inode(kind=InodeKind.CHAR, mode=0o600, device=(5, 1)))
    tree.put("lib/ünï", text_file(b"name"))
    tree.put("boot/config", text_file(b"config"))
    return tree


def debugfs(image: Path, command: str) -> str:
    done = subprocess.run(
        ["debugfs", "-R", command, image], check=True, capture_output=True, text=True, timeout=60
    )
    return done.stdout


@pytest.mark.parametrize("kind", ["ext2", "ext4"])
def test_rights_reach_the_file_system(tmp_path: Path, kind: str) -> None:
    image = tmp_path / "root.img"
    image.write_bytes(b"")

    def make(ext: ExtOptions) -> None:
        with image.open("wb") as file:
            file.truncate(ext.size)
        make_ext(root(), ext, image, epoch=EPOCH)

    made = fit(root(), ExtOptions(type=kind, label="x", seed="x", size=0), make, free=0)
    assert image.stat().st_size == made.size
    subprocess.run(["e2fsck", "-fn", image], check=True, capture_output=True, timeout=60)
    listing = debugfs(image, "ls -l /usr/bin")
    assert re.search(r"104755 \(1\) +3 +70000 +2 .* su\b", listing)
    assert re.search(r"20600 \(3\) ", debugfs(image, "ls -l /dev"))
    attributes = debugfs(image, "ea_list /usr/bin/ping6")
    assert "security.capability (20) = 01 00 00 02 00 20" in attributes
    assert "user.note (2) = 01 ff" in attributes
    assert "Links: 2" in debugfs(image, "stat /usr/bin/ping")


def test_what_does_not_fit_is_said(tmp_path: Path) -> None:
    tree = root()
    tree.put("big", Inode(kind=InodeKind.FILE, mode=0o644, content=Literal(b"x" * (3 * MIB))))
    image = tmp_path / "root.img"
    image.write_bytes(bytes(2 * MIB))
    with pytest.raises(Mistake, match="mke2fs"):
        make_ext(tree, ExtOptions(type="ext2", label="x", seed="x", size=2 * MIB), image, epoch=EPOCH)


def disk(tmp_path: Path, **change: object) -> Path:
    spec = data_of(
        DiskSpec,
        {
            "name": "box",
            "seed": "box",
            "bootloader": "syslinux",
            "device": "/dev/sda",
            "kernel_args": "root=/dev/sda2 console=ttyS0",
            "partitions": [
                {"filesystem": "vfat", "mount": "/boot", "size": 32 * MIB},
                {"filesystem": "ext4", "mount": "/", "size": 1024 * MIB},
                {"filesystem": "swap", "size": 64 * MIB},
            ],
            **change,
        },
    )
    image = tmp_path / "disk.img"
    image.write_bytes(b"")
    make_disk(spec, root(), image, epoch=EPOCH, boot={"vmlinuz": Literal(b"kernel" * 1000)})
    return image


def test_a_disk_is_sparse_and_the_same_twice(tmp_path: Path) -> None:
    sums = set()
    for name in "ab":
        (tmp_path / name).mkdir()
        image = disk(tmp_path / name)
        assert image.stat().st_size == (1 + 32 + 1024 + 64) * MIB
        assert image.stat().st_blocks * 512 < 4 * MIB
        with image.open("rb") as file:
            sums.add(hashlib.file_digest(file, "sha256").hexdigest())
        assert [each.name for each in (tmp_path / name).iterdir()] == ["disk.img"]
    assert len(sums) == 1


def test_what_is_on_the_disk(tmp_path: Path) -> None:
    image = disk(tmp_path)
    listed = subprocess.run(
        ["mdir", "-/", "-a", "-b", "-i", f"{image}@@{MIB}", "::/"],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout.split()
    assert set(listed) >= {
        "::/config",
        "::/vmlinuz",
        "::/syslinux/syslinux.cfg",
        "::/syslinux/ldlinux.sys",
        "::/syslinux/ldlinux.c32",
    }
    inner = Path(f"{image}?offset={33 * MIB}")
    assert "config" not in debugfs(inner, "ls /boot")
    assert debugfs(inner, "cat /etc/fstab").splitlines()[0].split() == [
        "/dev/sda2",
        "/",
        "ext4",
        "defaults,rw,noatime",
        "0",
        "1",
    ]
    with image.open("rb") as file:
        start = file.read(512)
        assert start[:2] != b"\0\0"
        file.seek((33 + 1024) * MIB + 4086)
        assert file.read(10) == b"SWAPSPACE2"


def test_a_disk_without_kernel_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Mistake, match=r"there is no kernel: give one with --kernel, .* put bzImage in /boot"):
        disk(tmp_path, kernel_name="bzImage")


@pytest.mark.parametrize("kind", ["ext2", "ext4"])
def test_the_computed_size_fits_at_once(tmp_path: Path, kind: str) -> None:
    tree, image, tried = Tree(), tmp_path / "root.img", []
    for number in range(300):
        tree.put(f"d{number % 7}/{number}", text_file(bytes([number % 255 + 1]) * 50_000))

    def make(ext: ExtOptions) -> None:
        tried.append(ext.size)
        with image.open("wb") as file:
            file.truncate(ext.size)
        make_ext(tree, ext, image, epoch=EPOCH)

    fit(tree, ExtOptions(type=kind, label="x", seed="x", size=0), make, free=0)
    assert len(tried) == 1
