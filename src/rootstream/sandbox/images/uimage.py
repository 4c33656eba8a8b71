"""Images for U-Boot (legacy format): a kernel, a ramdisk, or several parts in one file, written by mkimage(1).

Run as `python3 -m rootstream.sandbox.images.uimage KIND ... -o FILE`.
"""

from __future__ import annotations

import argparse
import gzip
import sys
import tempfile
from pathlib import Path

from rootstream.formats import elf
from rootstream.sandbox.program import Mistake, feed, run_main, source_date_epoch, whole_file

MOST_BYTES = 0x7FFFF000  # mkimage writes a part by one write(2)
LAST_ADDRESS = (1 << 32) - 1


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
    if max(load, entry) > LAST_ADDRESS:
        raise Mistake(f"load {load:#x}, entry {entry:#x}: a uImage holds addresses of 32 bits only")
    return gzip.compress(data, 9, mtime=epoch), load, entry


def _main(options: argparse.Namespace) -> None:
    epoch = source_date_epoch()
    words = ["mkimage", "-A", options.arch, "-O", "linux", "-T", options.kind, "-n", options.name]
    with tempfile.TemporaryDirectory() as scratch, whole_file(options.output) as draft:
        parts = [options.ramdisk] if options.ramdisk else []
        if options.kernel:
            packed, load, entry = kernel(options.kernel.read_bytes(), options.load, epoch)
            parts.insert(0, Path(scratch, "kernel.gz"))
            parts[0].write_bytes(packed)
            words += ["-C", "gzip", "-a", f"{load:#x}", "-e", f"{entry:#x}"]
        else:
            words += ["-C", "none"]
        for part in parts:
            if part.stat().st_size > MOST_BYTES:
                raise Mistake(f"{part.name} has {part.stat().st_size} bytes; mkimage takes at most {MOST_BYTES}")
        feed([*words, "-d", ":".join(map(str, parts)), str(draft)], epoch=epoch)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="uimage", description=__doc__)
    parser.add_argument("kind", choices=("kernel", "ramdisk", "multi"))
    parser.add_argument("--arch", required=True, help="mkimage's name of the architecture")
    parser.add_argument("--name", default="", help="title, at most 31 letters")
    parser.add_argument("--load", type=lambda text: int(text, 0), default=0, help="where a flat kernel lies")
    parser.add_argument("--kernel", type=Path)
    parser.add_argument("--ramdisk", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    return parser


if __name__ == "__main__":
    sys.exit(run_main(_main, _parser()))
