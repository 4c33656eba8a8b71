"""Files with holes carried through a store that keeps none: one tar member in GNU's sparse format 1.0.

GNU tar and Python's tarfile unpack it too. Only the form that is written here is read back, every number in it
checked: a packed file may come out of a cache that others can write to.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from rootstream.formats.tar_header import BLOCK, LARGEST_SIZE, pax_header, ustar_header
from rootstream.sandbox.program import CHUNK, Mistake, whole_file

GRAIN = 4096
MOST_EXTENTS = 1 << 22
LARGEST = 1 << 44
NAME = b"image"
_NUMBER = re.compile(rb"(0|[1-9][0-9]{0,15})\n")
Extent = tuple[int, int]
ZEROS = bytes(CHUNK)


def data_extents(file: IO[bytes], size: int) -> list[Extent]:
    """Return (offset, length) of what is not zero, in 4 KiB steps: the same on any filesystem."""
    extents: list[list[int]] = []
    for start, end in _allocated(file.fileno(), size):
        file.seek(start)
        position = start
        while position < end:
            piece = file.read(min(CHUNK, end - position))
            if not piece:
                break
            for first, length in _nonzero(piece):
                offset = position + first
                if extents and sum(extents[-1]) == offset:
                    extents[-1][1] += length
                else:
                    extents.append([offset, length])
            position += len(piece)
    return [(offset, length) for offset, length in extents]


def _allocated(handle: int, size: int) -> Iterator[Extent]:
    """Give (start, end) of what the filesystem says may be data, widened to whole 4 KiB."""
    done = 0
    while done < size:
        try:
            start = os.lseek(handle, done, os.SEEK_DATA) // GRAIN * GRAIN
            end = min(size, -(-os.lseek(handle, max(start, done), os.SEEK_HOLE) // GRAIN) * GRAIN)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole is left
                return
            start, end = done, size  # the filesystem cannot say: read it all
        yield max(start, done), end
        done = end


def _nonzero(piece: bytes) -> Iterator[Extent]:
    if piece in (ZEROS, ZEROS[: len(piece)]):
        return
    for first in range(0, len(piece), GRAIN):
        part = piece[first : first + GRAIN]
        if part != ZEROS[: len(part)]:
            yield first, len(part)


def pack_sparse(path: Path, output: Path) -> None:
    """Write a file with holes as a tar archive that holds its data only. The result depends on the bytes alone."""
    size = path.stat().st_size
    if size > LARGEST:
        raise Mistake(f"{path} has {size} bytes; at most {LARGEST} can be packed")
    with path.open("rb") as source, whole_file(output) as draft, draft.open("wb") as target:
        extents = data_extents(source, size)
        listed = [*extents] if extents and sum(extents[-1]) == size else [*extents, (size, 0)]
        table = b"%d\n" % len(listed) + b"".join(b"%d\n%d\n" % extent for extent in listed)
        table += bytes(-len(table) % BLOCK)
        stored = len(table) + sum(length for _, length in extents)
        target.write(_headers(stored, size))
        target.write(table)
        for offset, length in extents:
            _copy(source, target, offset, length)
        target.write(bytes(-stored % BLOCK + 2 * BLOCK))


@contextmanager
def packed_file(output: Path, needed: int, *, pack: Callable[[Path, Path], None] | None = None) -> Iterator[Path]:
    """Give a path to write a sparse file to; its packed form takes the name of `output` if all went well.

    `pack` writes the packed form, by default `pack_sparse`.

    The file lies beside `output`, or, where the filesystem there knows no holes, in the folder for temporary files
    if that does and at most half of its room is `needed` (bytes that will be written).
    """
    folder, other = output.parent, Path(tempfile.gettempdir())
    if not knows_holes(folder) and knows_holes(other) and shutil.disk_usage(other).free // 2 > needed:
        folder = other
    with tempfile.TemporaryDirectory(dir=folder, prefix=".image.") as scratch:
        image = Path(scratch) / "image"
        image.write_bytes(b"")
        yield image
        (pack or pack_sparse)(image, output)


def knows_holes(folder: Path) -> bool:
    """Tell whether the filesystem of a folder can say where a file has holes."""
    with tempfile.TemporaryFile(dir=folder) as file:
        file.truncate(CHUNK)
        try:
            os.lseek(file.fileno(), 0, os.SEEK_DATA)
        except OSError as error:
            return error.errno == errno.ENXIO
        return False


def _headers(stored: int, size: int) -> bytes:
    records = {b"size": b"%d" % stored} if stored > LARGEST_SIZE else {}
    records |= {b"GNU.sparse.major": b"1", b"GNU.sparse.minor": b"0", b"GNU.sparse.name": NAME}
    records |= {b"GNU.sparse.realsize": b"%d" % size}  # last: Python's tarfile lets it override the size
    return pax_header(records) + ustar_header(b"GNUSparseFile.0/" + NAME, size=stored)


def _copy(source: IO[bytes], target: IO[bytes], offset: int, length: int) -> None:
    source.seek(offset)
    while length:
        piece = source.read(min(length, CHUNK))
        if not piece:
            raise Mistake("the file to pack became shorter while it was read")
        target.write(piece)
        length -= len(piece)


def unpack_sparse(path: Path, destination: Path, *, largest: int = LARGEST) -> None:
    """Write the file that `pack_sparse` packed, holes and all; `Mistake` if anything in it is off.

    `destination` is replaced as a whole or not at all; `largest` bounds its length in bytes.
    """
    with path.open("rb") as source:
        size, extents = _read_map(source, path, largest)
        with whole_file(destination) as draft, draft.open("wb") as target:
            target.truncate(size)
            for offset, length in extents:
                target.seek(offset)
                _take(source, target, length, path)


def _read_map(source: IO[bytes], path: Path, largest: int) -> tuple[int, list[Extent]]:
    """Return the length of the packed file and its extents; the source is then at the first of their bytes."""
    total = os.fstat(source.fileno()).st_size
    head = source.read(3 * BLOCK)
    found = re.search(rb" GNU\.sparse\.realsize=(0|[1-9][0-9]{0,15})\n", head[BLOCK : 2 * BLOCK])
    size = int(found[1]) if found else -1
    count = _number(source, path)
    table = len(b"%d\n" % count)
    if not 0 <= size <= largest or not 1 <= count <= MOST_EXTENTS:
        raise Mistake(f"{path} is not a packed image, or one of more than {largest} bytes")
    extents: list[Extent] = []
    end = 0
    for _ in range(count):
        offset, length = _number(source, path), _number(source, path)
        table += len(b"%d\n%d\n" % (offset, length))
        possible = end <= offset < offset + length <= size and offset % GRAIN == 0
        if not possible and (offset, length) != (size, 0):
            raise Mistake(f"{path} is damaged: the extent {offset}+{length} is not where it can be")
        end = offset + length
        extents.append((offset, length))
    stored = table + -table % BLOCK + sum(length for _, length in extents)
    if source.read(-table % BLOCK).strip(b"\0") or head != _headers(stored, size) or end != size:
        raise Mistake(f"{path} is not a packed image, or is damaged")
    if total != len(head) + stored + -stored % BLOCK + 2 * BLOCK:
        raise Mistake(f"{path} is truncated or damaged: {total} bytes do not hold {stored} of an image")
    return size, extents


def _number(source: IO[bytes], path: Path) -> int:
    line = source.readline(20)
    if not _NUMBER.fullmatch(line):
        raise Mistake(f"{path} is not a packed image, or is damaged: {line!r} is not a number")
    return int(line)


def _take(source: IO[bytes], target: IO[bytes], length: int, path: Path) -> None:
    while length:
        piece = source.read(min(length, CHUNK))
        if not piece:
            raise Mistake(f"{path} is truncated")
        target.write(piece)
        length -= len(piece)
