"""Large contents of a plan stay out of memory and are what small ones are."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from rootstream.host.content import CHUNK, LARGE, Spooled, chunks, written
from rootstream.plan import overlay
from rootstream.project.project import sync


def test_small_contents_are_bytes() -> None:
    assert written(lambda file: file.write(b"x" * 100)) == b"x" * 100


def test_large_contents_are_read_again_and_again(tmp_path: Path) -> None:
    data = bytes(LARGE) + b"end"
    one, other = (written(lambda file: file.write(data)) for _ in range(2))
    assert isinstance(one, Spooled)
    assert len(one) == len(data)
    assert b"".join(chunks(one)) == b"".join(chunks(one)) == data
    assert one == other
    assert one == data
    assert one != data[:-1] + b"!"
    sync(tmp_path / "plan", {"file": one})
    assert (tmp_path / "plan/file").read_bytes() == data
    before = (tmp_path / "plan/file").stat().st_ino
    sync(tmp_path / "plan", {"file": other})
    assert (tmp_path / "plan/file").stat().st_ino == before
    sync(tmp_path / "plan", {"file": written(lambda file: file.write(data[:-1] + b"!"))})
    assert (tmp_path / "plan/file").read_bytes()[-1:] == b"!"


def test_pieces_of_both_are_the_same_lengths() -> None:
    data = bytes(LARGE + CHUNK + 5)
    assert [len(each) for each in chunks(data)] == [len(each) for each in chunks(written(lambda f: f.write(data)))]


def test_an_archive_is_the_same_in_both_forms(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(LARGE))
    (tmp_path / "small").write_bytes(b"s")
    made = overlay.archive(tmp_path, epoch=7)
    assert isinstance(made, Spooled)
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks(made)))) as tar:
        assert [(member.name, member.size, member.mtime) for member in tar] == [
            ("large", LARGE, 7),
            ("small", 1, 7),
        ]
