"""Small whole inputs of every kind, made here; what once went wrong is kept as files in `seeds/READER/`."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

KEPT = Path(__file__).parent / "seeds"
EXAMPLES = Path(__file__).parents[2] / "examples"
SECRET = b"$rssecret$" + b"0" * 30


def kept(reader: str) -> tuple[bytes, ...]:
    """Return the inputs that once went wrong."""
    return tuple(path.read_bytes() for path in sorted((KEPT / reader).glob("*")))


def _tar(form: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, content in (
            ("pkg-1.0/PKG-INFO", b"Name: pkg\nRequires-Dist: six\n"),
            ("a" * 60 + "/" + "b" * 90, b"x" * 700),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            if form == tarfile.PAX_FORMAT:
                member.pax_headers = {"SCHILY.xattr.user.a": "b", "comment": "c" * 300}
            archive.addfile(member, io.BytesIO(content))
        for name, kind in (("d", tarfile.DIRTYPE), ("l", tarfile.SYMTYPE), ("h", tarfile.LNKTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "pkg-1.0/PKG-INFO"
            archive.addfile(member)
    return out.getvalue()


def tars() -> tuple[bytes, ...]:
    """Return archives of each form, plain."""
    return tuple(_tar(form) for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT))


def packed_tars() -> tuple[bytes, ...]:
    """Return archives, compressed in each way."""
    plain = tars()
    return (*plain, gzip.compress(plain[2], 1), bz2.compress(plain[1]), lzma.compress(plain[0], preset=0))


def debs() -> tuple[bytes, ...]:
    """Return a Debian package."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        text = b"Package: x\nVersion: 1\nArchitecture: all\n"
        member = tarfile.TarInfo("./control")
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text))
    members = (
        ("debian-binary", b"2.0\n"),
        ("control.tar", out.getvalue()),
        ("data.tar.xz", lzma.compress(tars()[1], preset=0)),
    )
    made = b"!<arch>\n"
    for name, content in members:
        head = f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode()
        made += head + content + b"\n" * (len(content) % 2)
    return (made,)


def wheels() -> tuple[bytes, ...]:
    """Return a wheel."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        info = "pkg-1.0.dist-info"
        archive.writestr("pkg/__init__.py", "x = 1\n" * 50)
        archive.writestr("pkg-1.0.data/scripts/run", "#!python\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: pkg\nVersion: 1.0\n")
        archive.writestr(f"{info}/entry_points.txt", "[console_scripts]\npkg = pkg:main\n")
        archive.writestr(f"{info}/RECORD", "")
    return (out.getvalue(),)


def elves() -> tuple[bytes, ...]:
    """Return programs of 64 and 32 bits with a loaded segment and a dynamic section."""
    found = []
    for wide, order in ((True, "<"), (True, ">"), (False, "<"), (False, ">")):
        word, head, row = ("Q", 64, 56) if wide else ("I", 52, 32)
        dynamic, strings = head + 2 * row, b"\0libc.so.6\0libm.so.6\0"
        table = struct.pack(f"{order}10{word}", 1, 1, 1, 11, 5, 512, 10, len(strings), 0, 0)
        at = dynamic + len(table)
        table = struct.pack(f"{order}10{word}", 1, 1, 1, 11, 5, at, 10, len(strings), 0, 0)
        end = at + len(strings)
        ident = b"\x7fELF" + bytes((2 if wide else 1, 1 if order == "<" else 2, 1)) + bytes(9)
        header = ident + struct.pack(f"{order}HHI3{word}I6H", 2, 62, 1, 8, head, 0, 0, head, row, 2, 0, 0, 0)
        rows = b""
        for kind, offset, size in ((1, 0, end), (2, dynamic, len(table))):
            words = (offset, offset, offset, size, size)
            form = f"{order}II6Q" if wide else f"{order}8I"
            rows += struct.pack(form, kind, 5, *words, 8) if wide else struct.pack(form, kind, *words, 5, 8)
        found.append(header + rows + table + strings)
    return tuple(found)


def programs() -> tuple[bytes, ...]:
    """Return an EFI program: the headers of a PE file with two sections."""
    optional = struct.pack("<HBB9I", 0x20B, 0, 0, 512, 0, 0, 4096, 4096, 0, 0, 4096, 512)
    optional += struct.pack("<6HI4I", 0, 0, 0, 0, 0, 0, 0, 12288, 512, 0, 10) + bytes(60)
    optional = optional.ljust(112, b"\0") + bytes(128)
    sections = b""
    for number, name in enumerate((b".text", b".data")):
        place = (512, 4096 * (number + 1), 512, 512 * (number + 1))
        sections += name.ljust(8, b"\0") + struct.pack("<4I", *place) + bytes(16)
    coff = b"PE\0\0" + struct.pack("<HHIIIHH", 0x8664, 2, 0, 0, 0, len(optional), 0x22)
    head = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x40)
    return ((head + coff + optional + sections).ljust(512, b"\0") + bytes(2048),)


def file_systems() -> tuple[bytes, ...]:
    """Return the beginning of an ext file system with a copy of its superblock, a squashfs's and a disk's."""
    block = bytearray(1024)
    struct.pack_into("<I", block, 0x04, 40)
    struct.pack_into("<II4xI", block, 0x14, 1, 0, 32)
    struct.pack_into("<H", block, 0x38, 0xEF53)
    ext = bytearray(64 * 1024)
    ext[1024:2048] = ext[33 * 1024 : 34 * 1024] = block
    return bytes(ext), b"hsqs".ljust(4096, b"\0"), bytes(512) + b"EFI PART".ljust(4096, b"\0")


def images() -> tuple[bytes, ...]:
    """Return images with a secret in them, packed in each way that secrets survive."""
    plain = b"HEAD" * 100 + SECRET + b"TAIL" * 100
    packed = gzip.compress(plain, 0)
    multi = struct.pack(">3I", len(plain), len(packed), 0) + plain + bytes(-len(plain) % 4) + packed
    return (
        plain,
        packed,
        lzma.compress(plain, preset=0),
        _uimage(packed, kind=3),
        _uimage(multi, kind=4),
    )


def _uimage(data: bytes, *, kind: int) -> bytes:
    """Return data with the header of a uImage (U-Boot, include/image.h)."""
    numbers = (0, len(data), 0, 0, zlib.crc32(data), 5, 7, kind, 0)
    rest = struct.pack(">5I4B32s", *numbers, b"x")
    return struct.pack(">2I", 0x27051956, zlib.crc32(struct.pack(">2I", 0x27051956, 0) + rest)) + rest + data


def ramdisks() -> tuple[bytes, ...]:
    """Return initramfs archives, plain and packed."""

    def entry(name: bytes, content: bytes) -> bytes:
        numbers = (1, 0o100644, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08x" % each for each in numbers) + name + b"\0"
        return head + bytes(-len(head) % 4) + content + bytes(-len(content) % 4)

    plain = entry(b"init", b"#!/bin/sh\n") + entry(b"TRAILER!!!", b"") + bytes(512)
    return plain, gzip.compress(plain, 1), lzma.compress(plain, preset=0), plain + gzip.compress(plain, 1)


def texts(pattern: str) -> tuple[bytes, ...]:
    """Return files of the examples."""
    return tuple(path.read_bytes() for path in sorted(EXAMPLES.rglob(pattern)))
