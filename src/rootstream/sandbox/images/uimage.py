"""Images for U-Boot (legacy format): a kernel, a ramdisk, or several parts in one file, each with the header.

Run as `python3 -m rootstream.sandbox.images.uimage KIND ... -o FILE`. The format is that of U-Boot's
include/image.h and doc/usage: a header of 64 bytes, big endian, with check sums (CRC-32) of itself and the data.
"""

from __future__ import annotations

import argparse
import gzip
import struct
import sys
import zlib
from pathlib import Path

from rootstream.formats import elf
from rootstream.sandbox.program import Mistake, run_main, source_date_epoch, whole_file

MAGIC = 0x27051956
OS_LINUX = 5
ARCHITECTURES = {"powerpc": 7, "aarch64": 22, "x86_64": 24, "riscv32": 26, "riscv64": 26}
TYPES = {"kernel": 2, "ramdisk": 3, "multi": 4}
COMPRESSIONS = {"none": 0, "gzip": 1}
NAME = 32
LARGEST = (1 << 32) - 1


def image(
    data: bytes,
    *,
    kind: str,
    arch: str,
    name: str,
    epoch: int,
    compression: str = "none",
    load: int = 0,
    entry: int = 0,
) -> bytes:
    """Return data with the header before it; addresses and times that do not fit in 32 bits are a `Mistake`."""
    if len(data) > LARGEST:
        raise Mistake(f"the {kind} has {len(data)} bytes; a uImage holds at most {LARGEST} (4 GiB - 1)")
    if max(load, entry, epoch) > LARGEST:
        raise Mistake(f"load {load:#x}, entry {entry:#x}, time {epoch}: a uImage holds numbers of 32 bits only")
    words = (ARCHITECTURES[arch], TYPES[kind], COMPRESSIONS[compression])
    title = name.encode("ascii", "replace")[: NAME - 1].ljust(NAME, b"\0")
    rest = struct.pack(">5I4B", epoch, len(data), load, entry, zlib.crc32(data), OS_LINUX, *words) + title
    sum_ = zlib.crc32(struct.pack(">2I", MAGIC, 0) + rest)
    return struct.pack(">2I", MAGIC, sum_) + rest + data


def parts(*pieces: bytes) -> bytes:
    """Return the data of a `multi` image: sizes, a zero, and the pieces, each filled up to four bytes."""
    for piece in pieces:
        if len(piece) > LARGEST:
            raise Mistake(f"a part has {len(piece)} bytes; a uImage holds at most {LARGEST} (4 GiB - 1)")
    sizes = struct.pack(f">{len(pieces) + 1}I", *(len(piece) for piece in pieces), 0)
    return sizes + b"".join(piece + bytes(-len(piece) % 4) for piece in pieces)


def kernel(data: bytes, load: int, epoch: int) -> tuple[bytes, int, int]:
    """Return a kernel, gzip'd, with its addresses for U-Boot: a vmlinux tells them, others lie at `load`."""
    entry = load
    if data.startswith(elf.MAGIC):
        try:
            read = elf.read(data)
            load, entry = read.lowest, read.physical_entry()
            data = elf.flat(data)
        except elf.NotElf as error:
            raise Mistake(f"the kernel cannot be made a uImage: {error}") from error
    return gzip.compress(data, 9, mtime=epoch), load, entry


def _main(options: argparse.Namespace) -> None:
    epoch = source_date_epoch()
    common = {"arch": options.arch, "name": options.name, "epoch": epoch}
    ramdisk = options.ramdisk.read_bytes() if options.ramdisk else b""
    if options.kind == "ramdisk":
        made = image(ramdisk, kind="ramdisk", **common)
    else:
        packed, load, entry = kernel(options.kernel.read_bytes(), options.load, epoch)
        data = packed if options.kind == "kernel" else parts(packed, ramdisk)
        made = image(data, kind=options.kind, compression="gzip", load=load, entry=entry, **common)
    with whole_file(options.output) as draft:
        draft.write_bytes(made)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="uimage", description=__doc__)
    parser.add_argument("kind", choices=sorted(TYPES))
    parser.add_argument("--arch", choices=sorted(ARCHITECTURES), required=True)
    parser.add_argument("--name", default="", help="title, at most 31 letters")
    parser.add_argument("--load", type=lambda text: int(text, 0), default=0, help="where a flat kernel lies")
    parser.add_argument("--kernel", type=Path)
    parser.add_argument("--ramdisk", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    return parser


if __name__ == "__main__":
    sys.exit(run_main(_main, _parser()))
