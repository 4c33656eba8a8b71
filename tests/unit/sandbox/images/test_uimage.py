"""Files for U-Boot, as its mkimage writes them."""

from __future__ import annotations

import gzip
import os
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from rootstream.project.placeholders import Secret
from rootstream.project.secret_injection import fill
from rootstream.sandbox.images import uimage
from rootstream.sandbox.program import Mistake
from tests.unit.formats.test_elf import made

EPOCH = 1735689600
HEADER = 64
VMLINUX = made(bits=32, order=">", machine=20, entry=0xC0400000, segments=((0xC0400000, 0x400000, b"kernel", 9),))
MKIMAGE = pytest.mark.skipif(not shutil.which("mkimage"), reason="mkimage (u-boot-tools) is not installed")


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH)}
    argv = [sys.executable, "-m", uimage.__name__, *words, "-o", "made"]
    return subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def written(folder: Path, kind: str, *, kernel: bytes | None = None, ramdisk: bytes | None = None) -> bytes:
    words = [kind, "--arch", "powerpc", "--name", "My title"]
    for name, content in (("kernel", kernel), ("ramdisk", ramdisk)):
        if content is not None:
            (folder / name).write_bytes(content)
            words += [f"--{name}", name]
    done = run(folder, *words)
    assert done.returncode == 0, done.stderr
    return (folder / "made").read_bytes()


def header(data: bytes) -> tuple[int, ...]:
    return struct.unpack(">7I4B", data[:32])


def right(data: bytes) -> bool:
    """Say whether both checksums are."""
    head = bytearray(data[:HEADER])
    own = struct.unpack_from(">I", head, 4)[0]
    struct.pack_into(">I", head, 4, 0)
    return bool(own == zlib.crc32(head) and struct.unpack_from(">I", head, 24)[0] == zlib.crc32(data[HEADER:]))


@MKIMAGE
def test_a_ramdisk(tmp_path: Path) -> None:
    data = written(tmp_path, "ramdisk", ramdisk=b"root")
    magic, _, time, size, load, entry, _, system, arch, kind, compression = header(data)
    assert (magic, time, size, load, entry) == (0x27051956, EPOCH, 4, 0, 0)
    assert (system, arch, kind, compression) == (5, 7, 3, 0)
    assert data[32:HEADER] == b"My title".ljust(32, b"\0")
    assert data[HEADER:] == b"root"
    assert right(data)


@MKIMAGE
def test_a_kernel_lies_where_its_vmlinux_says(tmp_path: Path) -> None:
    data = written(tmp_path, "kernel", kernel=VMLINUX)
    _, _, time, _, load, entry, _, system, arch, kind, compression = header(data)
    assert (time, load, entry) == (EPOCH, 0x400000, 0x400000)
    assert (system, arch, kind, compression) == (5, 7, 2, 1)
    assert gzip.decompress(data[HEADER:]) == b"kernel"
    assert right(data)


@MKIMAGE
def test_several_parts(tmp_path: Path) -> None:
    data = written(tmp_path, "multi", kernel=VMLINUX, ramdisk=b"root!")
    packed = uimage.kernel(VMLINUX, 0, EPOCH)[0]
    sizes = struct.pack(">3I", len(packed), 5, 0)
    assert data[HEADER:] == sizes + packed + bytes(-len(packed) % 4) + b"root!"
    assert header(data)[8:] == (7, 4, 1)
    assert right(data)


def test_addresses_of_a_kernel() -> None:
    data, load, entry = uimage.kernel(b"flat", 0x80200000, EPOCH)
    assert (gzip.decompress(data), load, entry) == (b"flat", 0x80200000, 0x80200000)
    assert uimage.kernel(VMLINUX, 0x123, EPOCH)[1:] == (0x400000, 0x400000)
    with pytest.raises(Mistake, match=r"load 0x100000000.*32 bits"):
        uimage.kernel(b"flat", 1 << 32, EPOCH)


def test_a_part_that_mkimage_cannot_write(tmp_path: Path) -> None:
    with (tmp_path / "ramdisk").open("wb") as file:
        file.truncate(uimage.MOST_BYTES + 1)
    done = run(tmp_path, "ramdisk", "--arch", "arm", "--ramdisk", "ramdisk")
    assert done.returncode == 2
    assert "uimage-failed: ramdisk has 2147479553 bytes; mkimage takes at most 2147479552" in done.stderr
    assert not (tmp_path / "made").exists()


@MKIMAGE
@pytest.mark.parametrize("kind", ["ramdisk", "multi"])
def test_a_secret_is_put_into_it(tmp_path: Path, kind: str) -> None:
    """Its own checksums are right then, and those of the gzip'd root inside."""
    secret = Secret(what="it", placeholder=b"$rssecret$" + b"p" * 30, content=b"s" * 40)
    packer = zlib.compressobj(0, wbits=31)  # as it is: placeholders are never compressed
    root = packer.compress(b"root " + secret.placeholder + b" end") + packer.flush()
    before = written(tmp_path, kind, kernel=VMLINUX if kind == "multi" else None, ramdisk=root)
    path = tmp_path / "made"
    fill(path, (secret,), 1)
    data = path.read_bytes()
    assert right(data)
    assert len(data) == len(before)
    assert gzip.decompress(data[-len(root) :]) == b"root " + secret.content + b" end"
