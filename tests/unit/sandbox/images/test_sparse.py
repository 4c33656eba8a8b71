"""Images with holes packed and unpacked, hostile archives refused."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

import pytest

from rootstream.sandbox.images.sparse import knows_holes, pack_sparse, packed_file, unpack_sparse
from rootstream.sandbox.program import Mistake

GRAIN = 4096


def image(path: Path, size: int, *pieces: tuple[int, bytes]) -> Path:
    with path.open("wb") as file:
        file.truncate(size)
        for offset, data in pieces:
            file.seek(offset)
            file.write(data)
    return path


CASES = [
    (0, ()),
    (1, ()),
    (1, ((0, b"x"),)),
    (GRAIN, ((0, b"x" * GRAIN),)),
    (10 * GRAIN, ()),
    (10 * GRAIN + 7, ((3 * GRAIN + 5, b"x"),)),
    (10 * GRAIN + 7, ((0, b"a"), (10 * GRAIN + 6, b"z"))),
    (1 << 33, ((1 << 32, b"far" * 2000), ((1 << 33) - 1, b"!"))),
    (3 << 20, ((0, b"x" * (3 << 20)),)),
]


@pytest.mark.parametrize(("size", "pieces"), CASES)
def test_what_is_packed_comes_out_with_its_holes(
    tmp_path: Path, size: int, pieces: tuple[tuple[int, bytes], ...]
) -> None:
    source = image(tmp_path / "disk.img", size, *pieces)
    packed, again = tmp_path / "packed", tmp_path / "again"
    pack_sparse(source, packed)
    unpack_sparse(packed, again)
    assert again.stat().st_size == size
    assert packed.stat().st_size <= sum(len(data) + 2 * GRAIN for _, data in pieces) + 4096
    assert again.stat().st_blocks * 512 <= sum(len(data) + 2 * GRAIN for _, data in pieces)
    with again.open("rb") as file:
        for offset, data in pieces:
            file.seek(offset)
            assert file.read(len(data)) == data
    pack_sparse(again, tmp_path / "packed again")
    assert (tmp_path / "packed again").read_bytes() == packed.read_bytes()


def test_zeros_that_were_written_are_packed_as_holes_are(tmp_path: Path) -> None:
    content = b"a" * GRAIN + bytes(20 * GRAIN) + b"b" * 10 + bytes(5 * GRAIN)
    written = tmp_path / "written"
    written.write_bytes(content)
    holes = image(tmp_path / "holes", len(content), (0, b"a" * GRAIN), (21 * GRAIN, b"b" * 10))
    pack_sparse(written, tmp_path / "one")
    pack_sparse(holes, tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_other_programs_unpack_it_too(tmp_path: Path) -> None:
    source = image(tmp_path / "disk.img", 5 * GRAIN + 1, (2 * GRAIN, b"data"), (5 * GRAIN, b"."))
    pack_sparse(source, tmp_path / "packed.tar")
    with tarfile.open(tmp_path / "packed.tar") as tar:
        (member,) = tar.getmembers()
        assert member.name == "image"
        file = tar.extractfile(member)
        assert file is not None
        assert file.read() == source.read_bytes()
    subprocess.run(["tar", "-xf", "packed.tar"], cwd=tmp_path, check=True, timeout=60)
    assert (tmp_path / "image").read_bytes() == source.read_bytes()


def packed_sample(tmp_path: Path) -> bytes:
    source = image(tmp_path / "disk.img", 10 * GRAIN, (2 * GRAIN, b"data"), (5 * GRAIN, b"more"))
    pack_sparse(source, tmp_path / "packed")
    return (tmp_path / "packed").read_bytes()


def refused(tmp_path: Path, content: bytes) -> None:
    path, destination = tmp_path / "hostile", tmp_path / "destination"
    path.write_bytes(content)
    destination.write_bytes(b"the old one")
    with pytest.raises(Mistake, match="hostile"):
        unpack_sparse(path, destination)
    assert destination.read_bytes() == b"the old one"
    assert {each.name for each in tmp_path.iterdir()} <= {"hostile", "destination", "disk.img", "packed"}


@pytest.mark.parametrize("cut", [0, 1, 511, 512, 1024, 1535, 1536, 1600, 2048, 5000, 10239, 10240])
def test_a_truncated_archive_is_refused(tmp_path: Path, cut: int) -> None:
    content = packed_sample(tmp_path)
    assert cut < len(content)
    refused(tmp_path, content[:cut])


def test_something_behind_the_archive_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, packed_sample(tmp_path) + b"x")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"GNU.sparse.realsize=40960", b"GNU.sparse.realsize=40961"),
        (b"GNU.sparse.realsize=40960", b"GNU.sparse.realsize=00960"),
        (b"GNU.sparse.realsize=40960", b"GNU.sparse.realsize=-4096"),
        (b"GNU.sparse.name=image", b"GNU.sparse.name=../ab"),
        (b"GNUSparseFile.0/image", b"../../../../etc/passw"),
        (b"3\n8192\n4096\n", b"9\n8192\n4096\n"),
        (b"3\n8192\n4096\n", b"3\n8192\n9999\n"),
        (b"3\n8192\n4096\n", b"3\n8193\n4096\n"),
        (b"3\n8192\n4096\n", b"3\n-192\n4096\n"),
        (b"3\n8192\n4096\n", b"3\n8192\n0000\n"),
        (b"3\n8192\n4096\n", b"3\n8192\n40x6\n"),
        (b"3\n8192\n4096\n20480\n4096\n", b"3\n8192\n4096\n08192\n4096\n"),
        (b"3\n8192\n4096\n20480\n4096\n", b"3\n8192\n4096\n10240\n4096\n"),
        (b"3\n8192\n4096\n20480\n4096\n", b"3\n8192\n4096\n40960\n4096\n"),
        (b"40960\n0\n", b"40960\n4\n"),
        (b"40960\n0\n", b"36864\n0\n"),
        (b"40960\n0\n", b"99999\n0\n"),
        (b"3\n8192", b"0\n8192"),
    ],
)
def test_a_number_that_cannot_be_is_refused(tmp_path: Path, old: bytes, new: bytes) -> None:
    content = packed_sample(tmp_path)
    assert content.count(old) == 1
    assert len(old) == len(new)
    refused(tmp_path, content.replace(old, new))


def test_a_changed_byte_of_the_headers_is_refused(tmp_path: Path) -> None:
    content = packed_sample(tmp_path)
    for place in range(0, 1536, 7):
        changed = bytearray(content)
        changed[place] ^= 1
        refused(tmp_path, bytes(changed))


def test_a_table_larger_than_allowed_is_refused_at_once(tmp_path: Path) -> None:
    content = packed_sample(tmp_path)
    refused(tmp_path, content.replace(b"3\n8192", b"9999999999999\n8192"))


def test_a_bound_on_the_length_holds(tmp_path: Path) -> None:
    packed_sample(tmp_path)
    with pytest.raises(Mistake, match="more than 4096 bytes"):
        unpack_sparse(tmp_path / "packed", tmp_path / "destination", largest=4096)
    assert not (tmp_path / "destination").exists()


def test_an_image_is_packed_where_it_is_made(tmp_path: Path) -> None:
    output = tmp_path / "packed"
    with packed_file(output, needed=0) as scratch:
        image(scratch, 10 * GRAIN, (2 * GRAIN, b"data"))
        pack_sparse(scratch, tmp_path / "expected")
    assert output.read_bytes() == (tmp_path / "expected").read_bytes()
    assert {each.name for each in tmp_path.iterdir()} == {"packed", "expected"}


def test_a_failure_while_an_image_is_made_leaves_what_was_there(tmp_path: Path) -> None:
    output = tmp_path / "packed"
    output.write_bytes(b"the old one")

    def fail() -> None:
        with packed_file(output, needed=0):
            raise Mistake("no")

    with pytest.raises(Mistake, match="no"):
        fail()
    assert output.read_bytes() == b"the old one"
    assert [each.name for each in tmp_path.iterdir()] == ["packed"]


def test_whether_holes_are_known_is_tried(tmp_path: Path) -> None:
    known = knows_holes(tmp_path)
    empty = image(tmp_path / "empty", 1 << 20)
    assert known == (empty.stat().st_blocks == 0)
