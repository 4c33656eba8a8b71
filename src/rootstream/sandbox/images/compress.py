"""Compression whose output depends on nothing but its input: fixed levels, blocks and numbers of threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO

from rootstream.sandbox.program import Mistake, feed

LEVELS = {"none": (0, 0, 0), "gzip": (1, 9, 9), "xz": (0, 9, 6), "zstd": (1, 22, 19)}
ORDINARY_ZSTD = 19
# zstd's high levels take minutes for hundreds of megabytes and gain little there (docs/performance.md).
LARGE, LARGE_ZSTD = 32 << 20, 9


def compressor(
    kind: str, level: int | None = None, *, kernel: bool = False, size: int | None = None
) -> tuple[str, ...]:
    """Return the command of a filter, empty for none; with `kernel`, one whose output Linux can unpack.

    `size` is how much it packs, if that is known: zstd notes it at the beginning, where who boots an initramfs
    learns from it how much memory the root takes, and packs what is large at a lower level unless told.
    The kernel's xz knows no check but crc32 (Documentation/staging/xz.rst), its zstd no window above 128 MiB,
    which levels up to 22 keep to as long as --long is not given.
    """
    lowest, highest, usual = LEVELS[kind]
    if kind == "zstd" and size is not None and size > LARGE:
        usual = LARGE_ZSTD
    chosen = usual if level is None else level
    if not lowest <= chosen <= highest:
        raise Mistake(f"{kind} has levels {lowest} to {highest}, not {chosen}")
    if kind == "gzip":
        return ("gzip", "-n", f"-{chosen}", "-c")
    if kind == "xz":
        check = "crc32" if kernel else "crc64"
        return ("xz", f"-{chosen}", f"--check={check}", "--threads=4", "--no-adjust", "--stdout")
    if kind == "zstd":
        ultra = ("--ultra",) if chosen > ORDINARY_ZSTD else ()
        noted = () if size is None else (f"--stream-size={size}",)
        return ("zstd", "-q", *ultra, f"-{chosen}", "-T4", "-c", *noted)
    return ()


Packer = Callable[[int], tuple[str, ...]]


def packer(kind: str, level: int | None) -> Packer:
    """Return what gives the filter for an initramfs once its size is known."""
    return lambda size: compressor(kind, level, kernel=True, size=size)


def write_compressed(
    argv: tuple[str, ...], write: Callable[[IO[bytes]], None], output: IO[bytes], epoch: int
) -> None:
    """Write through a filter as `compressor` gives it."""
    if argv:
        feed(argv, write, epoch=epoch, stdout=output)
    else:
        write(output)
