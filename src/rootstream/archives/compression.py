"""Compressed files as blocks of plain bytes, at most about a megabyte in memory at a time."""

from __future__ import annotations

import bz2
import lzma
import shutil
import subprocess
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import BinaryIO, Protocol

from rootstream.formats.faults import Fault

READ = 1 << 18
BLOCK = 1 << 20
LZMA_MEMORY = 1 << 28  # bytes; xz -9 needs 65 MiB to unpack

_MAGIC = {b"\x1f\x8b": "gz", b"BZh": "bz2", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "zst"}

Read = Callable[[int], bytes]


def limited(file: BinaryIO, size: int) -> Read:
    """Return a read function for the next `size` bytes of a file."""
    left = size

    def read(amount: int) -> bytes:
        nonlocal left
        data = file.read(min(amount, left))
        left -= len(data)
        return data

    return read


class _Decompressor(Protocol):
    """What lzma's and bz2's decompressors share."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Gzip:
    """zlib's decompressor with the interface of the others."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=31)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        plain = self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)
        self.needs_input = not self._zlib.unconsumed_tail and len(plain) < max_length
        return plain


def _streams(read: Read, new: Callable[[], _Decompressor]) -> Iterator[bytes]:
    """Yield what one or several streams behind each other unpack to."""
    data = read(READ)
    while data:
        stream = new()
        while not stream.eof:
            if stream.needs_input and not data:
                data = read(READ)
                if not data:
                    raise Fault("broken-archive", "the compressed data is truncated")
            plain = stream.decompress(data, BLOCK)
            data = b""
            if plain:
                yield plain
        data = stream.unused_data.lstrip(b"\0")
        while not data:
            more = read(READ)
            if not more:
                return
            data = more.lstrip(b"\0")


def _zstd(read: Read) -> Iterator[bytes]:
    program = shutil.which("zstd")
    if program is None:
        raise Fault("program-missing", "a zstd-compressed archive needs the program zstd; install it")
    with subprocess.Popen(
        [program, "-dcq", "--memory=256MB"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as child:
        assert child.stdin is not None  # noqa: S101  (both are pipes, as asked for above)
        assert child.stdout is not None  # noqa: S101
        pipe = child.stdin

        def feed() -> None:
            with suppress(BrokenPipeError), pipe:
                while data := read(READ):
                    pipe.write(data)

        feeder = threading.Thread(target=feed, daemon=True)
        feeder.start()
        try:
            while block := child.stdout.read(BLOCK):
                yield block
            feeder.join()
            if child.wait() != 0:
                raise Fault("broken-archive", "zstd could not decompress the data")
        finally:
            child.kill()


def _plain(read: Read) -> Iterator[bytes]:
    while data := read(BLOCK):
        yield data


def suffix_of(file: BinaryIO) -> str:
    """Return the suffix of what a file, at its beginning, is compressed by; it is there again afterwards."""
    head = file.read(6)
    file.seek(0)
    return next((suffix for magic, suffix in _MAGIC.items() if head.startswith(magic)), "")


def blocks(read: Read, suffix: str) -> Iterator[bytes]:
    """Yield the plain bytes of data compressed as the file suffix says (xz, lzma, gz, bz2, zst or none).

    Raises `Fault` broken-archive, unsupported-archive or program-missing.
    """
    makers: dict[str, Callable[[], Iterator[bytes]]] = {
        "xz": lambda: _streams(read, lambda: lzma.LZMADecompressor(memlimit=LZMA_MEMORY)),
        "lzma": lambda: _streams(read, lambda: lzma.LZMADecompressor(memlimit=LZMA_MEMORY)),
        "gz": lambda: _streams(read, _Gzip),
        "bz2": lambda: _streams(read, bz2.BZ2Decompressor),
        "zst": lambda: _zstd(read),
        "": lambda: _plain(read),
    }
    if suffix not in makers:
        raise Fault("unsupported-archive", f"compression {suffix!r} is not supported")
    try:
        yield from makers[suffix]()
    except (lzma.LZMAError, zlib.error, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise Fault("broken-archive", f"the compressed data is damaged: {error}") from error
