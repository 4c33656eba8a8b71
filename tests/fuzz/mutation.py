"""Inputs for readers of foreign bytes: seeds with a few changes, decided by the reader's name and a number."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
import zlib

NUMBERS: tuple[int, ...] = (
    0,
    1,
    2,
    3,
    7,
    8,
    15,
    16,
    127,
    128,
    255,
    256,
    511,
    512,
    513,
    65535,
    65536,
    (1 << 31) - 1,
    1 << 31,
)
NUMBERS += ((1 << 32) - 1, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
WORDS = (
    b"../../../etc/passwd",
    b"/etc/passwd",
    b"..",
    b"\0",
    b"99999999999",
    b"-1",
    b"77777777777",
    b"\x80" + b"\xff" * 7,
    b"GNU.sparse.realsize=99999999999999",
    b"SCHILY.xattr.x=",
    b"path=../../x",
    b"linkpath=/etc",
    b"size=-1",
    b"size=99999999999999999999",
    b"\x1b]0;x\x07",
    "\u202e\u2028".encode(),
    b"TRAILER!!!",
    b"[" * 200,
    b"1e999",
)
TAR_KINDS = b"01234567LKxgSDV\0Z"
_PACKERS = (
    (b"\x1f\x8b", gzip.decompress, lambda data: gzip.compress(data, 1)),
    (b"BZh", bz2.decompress, bz2.compress),
    (b"\xfd7zXZ", lzma.decompress, lambda data: lzma.compress(data, preset=0)),
)
_DAMAGED = (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError)


def mutated(data: bytes, chance: random.Random, *, tar: bool = False) -> bytes:
    """Return data with one to ten changes; those of archives now and then below their compression."""
    if chance.random() < 0.5:
        for magic, unpack, pack in _PACKERS:
            if data.startswith(magic):
                try:
                    return pack(_changed(unpack(data), chance, tar=tar))
                except _DAMAGED:
                    break
    return _changed(data, chance, tar=tar)


def _changed(data: bytes, chance: random.Random, *, tar: bool) -> bytes:
    changed = bytearray(data)
    near = chance.choice((64, 128, 512, 2048, 1 << 30))
    for _ in range(chance.choice((1, 1, 2, 3, 5, 10))):
        if not changed:
            break
        _change(changed, chance.randrange(min(near, len(changed))), chance)
    if tar and chance.random() < 0.8:
        _sum_headers(changed)
    return bytes(changed)


def _change(data: bytearray, at: int, chance: random.Random) -> None:
    other = chance.randrange(len(data))
    match chance.randrange(9):
        case 0:
            data[at] = chance.randrange(256)
        case 1:
            data[at] ^= 1 << chance.randrange(8)
        case 2:
            size = chance.choice((2, 4, 8))
            value = chance.choice(NUMBERS) & ((1 << 8 * size) - 1)
            data[at : at + size] = value.to_bytes(size, chance.choice(("little", "big")))
        case 3:
            del data[at : at + chance.choice((1, 2, 4, 16, 512))]
        case 4:
            data[at:at] = data[other : other + chance.choice((1, 4, 16, 512, 1024))]
        case 5:
            del data[other:]
        case 6:
            size = chance.choice((4, 16, 512))
            data[at : at + size] = data[other : other + size]
        case 7:
            word = chance.choice(WORDS)
            data[at : at + chance.choice((0, len(word)))] = word
        case 8:
            begin = at // 512 * 512 + 156
            data[begin : begin + 1] = chance.choice(TAR_KINDS).to_bytes(1, "big")


def _sum_headers(data: bytearray) -> None:
    """Write the checksums of tar headers anew, so that what is behind them is looked at."""
    for at in range(0, len(data) - 511, 512):
        if data[at + 257 : at + 262] == b"ustar":
            total = sum(data[at : at + 148]) + 8 * 32 + sum(data[at + 156 : at + 512])
            data[at + 148 : at + 156] = b"%06o\0 " % total


def given(reader: str, number: int, seeds: tuple[bytes, ...], *, tar: bool = False) -> bytes:
    """Return the input of a number: the same one each time."""
    chance = random.Random(f"{reader}:{number}")  # noqa: S311  (it is to be the same each time)
    seed = chance.choice(seeds)
    return seed if chance.random() < 0.01 else mutated(seed, chance, tar=tar)
