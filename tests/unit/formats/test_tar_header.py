"""Headers of tar archives as another reader has them, at the bounds of their fields."""

from __future__ import annotations

import tarfile
from io import BytesIO

import pytest

from rootstream.formats.tar_header import BLOCK, LARGEST_ID, LARGEST_NAME, LARGEST_SIZE, pax_header, ustar_header


def read(block: bytes) -> tarfile.TarInfo:
    assert len(block) == BLOCK
    return tarfile.TarInfo.frombuf(block, "utf-8", "strict")


def test_the_bounds_are_those_of_the_fields() -> None:
    assert (BLOCK, LARGEST_ID, LARGEST_NAME, LARGEST_SIZE) == (512, 0o7777777, 100, 0o77777777777)


@pytest.mark.parametrize(("size", "written"), [(0, 0), (LARGEST_SIZE, LARGEST_SIZE), (LARGEST_SIZE + 1, 0)])
def test_sizes(size: int, written: int) -> None:
    assert read(ustar_header(b"a", size=size)).size == written


@pytest.mark.parametrize(("number", "written"), [(LARGEST_ID, LARGEST_ID), (LARGEST_ID + 1, 0)])
def test_owners(number: int, written: int) -> None:
    found = read(ustar_header(b"a", owner=(number, 5)))
    assert (found.uid, found.gid) == (written, 5)
    assert read(ustar_header(b"a", owner=(5, number))).gid == written


def test_everything_in_its_field() -> None:
    block = ustar_header(
        b"dev/x", flag=b"4", mode=0o4755, owner=(1, 2), size=3, mtime=9, target=b"there", device=(8, 1)
    )
    found = read(block)
    assert (found.name, found.type, found.mode, found.uid, found.gid) == ("dev/x", b"4", 0o4755, 1, 2)
    assert (found.size, found.mtime, found.linkname) == (3, 9, "there")
    assert (found.devmajor, found.devminor, block[257:265]) == (8, 1, b"ustar\x0000")
    assert found.uname == found.gname == ""


def test_a_name_that_fits_and_one_that_does_not() -> None:
    for length in (LARGEST_NAME, LARGEST_NAME + 1):
        found = read(ustar_header(b"n" * length, target=b"t" * length))
        assert (len(found.name), len(found.linkname)) == (LARGEST_NAME, LARGEST_NAME)


@pytest.mark.parametrize("length", [0, 1, 89, 90, 91, 92, 985, 986, 987, 5000])
def test_records_before_a_header_are_read_with_it(length: int) -> None:
    """Each record begins with its own length, which changes where it gets another digit."""
    path = "p" * length or "x"
    data = pax_header({b"path": path.encode(), b"SCHILY.xattr.user.a": b"\x01\n\xff"}, mtime=7)
    assert len(data) % BLOCK == 0
    whole = data + ustar_header(b"short", size=0) + bytes(2 * BLOCK)
    with tarfile.open(fileobj=BytesIO(whole), errors="surrogateescape", encoding="utf-8") as tar:
        (member,) = tar.getmembers()
    assert member.name == path
    assert member.pax_headers["SCHILY.xattr.user.a"] == "\x01\n\udcff"
