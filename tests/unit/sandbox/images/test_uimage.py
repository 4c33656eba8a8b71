"""Files for U-Boot: checked against its own mkimage where that is installed."""

from __future__ import annotations

import gzip
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import pytest

from rootstream.project.placeholders import Secret
from rootstream.project.secret_injection import fill
from rootstream.sandbox.images import uimage
from rootstream.sandbox.program import Mistake
from tests.unit.formats.test_elf import made

EPOCH = 1735689600


def header(data: bytes) -> tuple[int, ...]:
    return struct.unpack(">7I4B", data[:32])


def right(data: bytes) -> bool:
    """Say whether both checksums are."""
    head = bytearray(data[:64])
    own = struct.unpack_from(">I", head, 4)[0]
    struct.pack_into(">I", head, 4, 0)
    return bool(own == zlib.crc32(head) and struct.unpack_from(">I", head, 24)[0] == zlib.crc32(data[64:]))


def test_the_header() -> None:
    data = uimage.image(b"root", kind="ramdisk", arch="powerpc", name="A root", epoch=EPOCH)
    magic, _, time, size, load, entry, _, system, arch, kind, compression = header(data)
    assert (magic, time, size, load, entry) == (0x27051956, EPOCH, 4, 0, 0)
    assert (system, arch, kind, compression) == (5, 7, 3, 0)
    assert data[32:64] == b"A root".ljust(32, b"\0")
    assert right(data)


def test_a_vmlinux_says_where_it_is_loaded() -> None:
    vmlinux = made(bits=32, order=">", machine=20, entry=0xC0000000, segments=((0xC0000000, 0, b"kernel", 9),))
    data, load, entry = uimage.kernel(vmlinux, 0x123, EPOCH)
    assert (gzip.decompress(data), load, entry) == (b"kernel", 0, 0)
    data, load, entry = uimage.kernel(b"flat", 0x80200000, EPOCH)
    assert (gzip.decompress(data), load, entry) == (b"flat", 0x80200000, 0x80200000)
    assert uimage.kernel(b"flat", 0, EPOCH)[0] == uimage.kernel(b"flat", 0, EPOCH)[0]


def test_several_parts() -> None:
    assert uimage.parts(b"abcde", b"fg") == struct.pack(">3I", 5, 2, 0) + b"abcde\0\0\0fg\0\0"


@pytest.mark.parametrize("words", [{"load": 1 << 32}, {"epoch": 1 << 32}])
def test_what_does_not_fit(words: dict[str, int]) -> None:
    with pytest.raises(Mistake, match="32 bits"):
        uimage.image(b"x", kind="kernel", arch="riscv64", name="", **{"epoch": EPOCH, **words})  # type: ignore[arg-type]


@pytest.mark.skipif(not shutil.which("mkimage"), reason="mkimage (u-boot-tools) is not installed")
@pytest.mark.parametrize("kind", ["kernel", "ramdisk", "multi"])
def test_mkimage_reads_it(tmp_path: Path, kind: str) -> None:
    content = uimage.parts(b"one", b"second") if kind == "multi" else b"content"
    data = uimage.image(content, kind=kind, arch="powerpc", name="Mine", epoch=EPOCH, load=0x400000)
    (tmp_path / "file").write_bytes(data)
    done = subprocess.run(["mkimage", "-l", str(tmp_path / "file")], capture_output=True, text=True, check=True)
    assert "Image Name:   Mine" in done.stdout
    assert "PowerPC Linux" in done.stdout
    assert "00400000" in done.stdout


@pytest.mark.parametrize("kind", ["ramdisk", "multi"])
def test_a_secret_is_put_into_it(tmp_path: Path, kind: str) -> None:
    """Its own checksums are right then, and those of the gzip'd root inside."""
    secret = Secret(what="it", placeholder=b"$rssecret$" + b"p" * 30, content=b"s" * 40)
    packer = zlib.compressobj(0, wbits=31)  # as it is: placeholders are never compressed
    root = packer.compress(b"root " + secret.placeholder + b" end") + packer.flush()
    content = root if kind == "ramdisk" else uimage.parts(b"kernel", root)
    path = tmp_path / "file"
    path.write_bytes(uimage.image(content, kind=kind, arch="powerpc", name="", epoch=EPOCH))
    fill(path, (secret,), 1)
    data = path.read_bytes()
    assert right(data)
    begin = data.index(b"\x1f\x8b\x08")
    assert gzip.decompress(data[begin : begin + len(root)]) == b"root " + secret.content + b" end"
