"""Digests of folders: what changes them, what does not, and what is read again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rootstream.archives import digests


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "folder"
    (root / "sub/deep").mkdir(parents=True)
    (root / "top").mkdir()
    for name in ("a", "sub/b", "sub/deep/c", "top/d", "sub/top"):
        (root / name).write_text(name)
    (root / "sub/x.pyc").touch()
    (root / "link").symlink_to("sub")
    (root / "hanging").symlink_to("nowhere")
    os.mkfifo(root / "pipe")
    return root


def test_a_listing_has_files_and_follows_no_link(folder: Path, tmp_path: Path) -> None:
    found = digests.listing(folder, tmp_path / "note", skip=("top",))
    assert list(found) == ["a", "hanging", "link", "pipe", "sub/b", "sub/deep/c", "sub/top"]
    assert (found["link"], found["hanging"], found["pipe"]) == ("link sub", "link nowhere", "special")
    assert found["a"].startswith("-")
    (folder / "a").chmod(0o755)
    assert digests.listing(folder, tmp_path / "note")["a"] == "x" + found["a"][1:]
    assert "top/d" in digests.listing(folder, tmp_path / "note")


def test_what_is_noted_is_read_again_only_where_it_changed(folder: Path, tmp_path: Path) -> None:
    note = tmp_path / "deep/note"
    first = digests.listing(folder, note)
    before = note.stat().st_ino
    assert digests.listing(folder, note) == first
    assert note.stat().st_ino == before
    seen = (folder / "a").stat()
    (folder / "a").write_text("b")
    os.utime(folder / "a", ns=(seen.st_atime_ns, seen.st_mtime_ns))
    # the same size, time, inode and mode: nobody can know
    assert digests.listing(folder, note)["a"] == first["a"]
    os.utime(folder / "a", ns=(seen.st_atime_ns, seen.st_mtime_ns + 1))
    assert digests.listing(folder, note)["a"] != first["a"]
    (folder / "sub/b").unlink()
    assert "sub/b" not in digests.listing(folder, note)
    assert "sub/b" not in note.read_text()
    for broken in ("{", "[]"):
        note.write_text(broken)
        assert digests.listing(folder, note).keys() == first.keys() - {"sub/b"}


def test_one_digest_of_many() -> None:
    assert digests.together({"a": "1", "b": "2"}) == digests.together({"a": "1", "b": "2"})
    others = [{"a": "1"}, {"a": "1", "b": "3"}, {"a": "1", "c": "2"}, {"b": "2", "a": "1"}, {}]
    assert len({digests.together(each) for each in others}) == len(others)
