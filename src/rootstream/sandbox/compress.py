"""Compression whose output depends on nothing but its input: fixed levels, blocks and numbers of threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO

from rootstream.sandbox.program import Mistake, feed

LEVELS = {"none": (0, 0, 0), "gzip": (1, 9, 9), "xz": (0, 9, 6), "zstd": (1, 22, 19)}
ORDINARY_ZSTD = 19


def compressor(kind: str, level: int | None = None, *, kernel: bool = False) -> tuple[str, ...]:
    """Return the command of a filter, empty for none; with `kernel`, one whose output Linux can unpack.

    The kernel's xz knows no check but crc32 (Documentation/staging/xz.rst), its zstd no window above 128 MiB,
    which levels up to 22 keep to as long as --long is not given.
    """
    lowest, highest, usual = LEVELS[kind]
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
        return ("zstd", "-q", *ultra, f"-{chosen}", "-T4", "-c")
    return ()


def sized(argv: tuple[str, ...], size: int) -> tuple[str, ...]:
    """Return a filter that notes how much it packs, where its format has a place for that at the beginning.

    Who boots an initramfs learns from it how much memory the root takes.
    """
    return (*argv, f"--stream-size={size}") if argv[:1] == ("zstd",) else argv


def write_compressed(
    argv: tuple[str, ...], write: Callable[[IO[bytes]], None], output: IO[bytes], epoch: int
) -> None:
    """Write through a filter as `compressor` gives it."""
    if argv:
        feed(argv, write, epoch=epoch, stdout=output)
    else:
        write(output)
