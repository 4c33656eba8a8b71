"""The lock: same content same bytes, one package to a line, broken ones named."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from rootstream.errors import UserError
from rootstream.project import lock

SET = json.dumps(
    {"kind": "debian_packages", "packages": ["a"], "suites": ["trixie"], "architecture": "amd64"},
    sort_keys=True,
    separators=(",", ":"),
)
TREE = json.dumps(
    {"kind": "debian_source", "package": "linux", "suites": ["trixie"]}, sort_keys=True, separators=(",", ":")
)


def made(version: str = "1") -> lock.Lock:
    packages = [
        {
            "name": name,
            "version": text,
            "architecture": "amd64",
            "path": f"pool/{name}",
            "size": 1,
            "sha256": "0" * 64,
        }
        for name, text in (("aa", version), ("bb", "2"))
    ]
    return lock.Lock(refs={TREE: {"version": "6", "files": []}, SET: packages})


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "system.lock"
    assert lock.write(made(), path)
    read = lock.read(path)
    assert read is not None
    assert read.refs == made().refs
    assert not lock.write(made(), path)


def test_a_changed_package_is_a_changed_line() -> None:
    before, after = lock.to_text(made()).splitlines(), lock.to_text(made("1.1")).splitlines()
    assert sum(one != other for one, other in zip(before, after, strict=True)) == 1


def test_no_lock_is_no_error(tmp_path: Path) -> None:
    assert lock.read(tmp_path / "system.lock") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"version": 2, "sources": []}',
        '{"version": 1}',
        '{"version": 1, "sources": [1]}',
        "[" * 9000,
    ],
)
def test_broken_locks_are_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "system.lock"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        lock.read(path)
    assert caught.value.reason == "lock-broken"
    assert caught.value.where is not None
    assert caught.value.where.path == path


def test_a_lock_that_cannot_be_written_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "system.lock"
    lock.write(made(), path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError) as caught:
        lock.write_atomically(tmp_path / "folder" / "missing" / "system.lock", b"x")
    assert caught.value.reason == "cannot-write"
    with pytest.raises(UserError):
        lock.write_atomically(tmp_path / "folder", b"x")
    assert [each.name for each in tmp_path.iterdir()] == ["system.lock", "folder"] or sorted(
        each.name for each in tmp_path.iterdir()
    ) == ["folder", "system.lock"]


def test_changes_are_told_package_by_package() -> None:
    assert lock.changes(made(), made("1.1")) == ("a of trixie for amd64: aa 1 -> 1.1",)
    assert len(lock.changes(None, made())) == 2
    assert lock.changes(made(), lock.Lock()) == (
        "gone: a of trixie for amd64",
        "gone: source package linux of trixie",
    )


TEXT = lock.to_text(made())


def test_the_essential_packages_alone_are_an_entry(tmp_path: Path) -> None:
    path = tmp_path / "system.lock"
    path.write_text(TEXT.replace('"packages":["a"]', '"essential":true,"packages":[]', 1))
    assert lock.read(path) is not None


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ('"packages":["a"]', '"packages":"a"', 3),
        ('"packages":["a"]', '"packages":[]', 3),
        ('"architecture":"amd64",', "", 3),
        ('"name": "bb"', '"name": 1', 3),
        ('"version": "2"', '"version": 2', 3),
        ('"version": "2"', '"version": "2/"', 3),
        ('"name": "bb", ', "", 3),
        ('"size": 1', '"size": -1', 3),
        ('"size": 1', '"size": true', 3),
        ('"size": 1', '"size": "1"', 3),
        ('"path": "pool/bb"', '"path": "../bb"', 3),
        ('"path": "pool/bb", ', "", 3),
        ('"path": "pool/bb"', '"path": "pool/bb", "more": "x"', 3),
        ('"sha256": "0', '"sha256": "x', 3),
        ('"kind":"debian_packages"', '"kind":1', 3),
        ('{"version": "6", "files": []}', "[]", 7),
        ('{"version": "6", "files": []}', '{"version": 6}', 7),
        ('"suites":["trixie"]}', '"suites":[1]}', 7),
    ],
)
def test_what_an_entry_must_be_is_told_with_its_line(tmp_path: Path, old: str, new: str, line: int) -> None:
    path = tmp_path / "system.lock"
    assert old in TEXT
    path.write_text(new.join(TEXT.rsplit(old, 1)) if line == 7 else TEXT.replace(old, new, 1))
    with pytest.raises(UserError) as caught:
        lock.read(path)
    assert caught.value.reason == "lock-broken"
    assert caught.value.where is not None
    assert caught.value.where.line == line


@pytest.mark.parametrize(
    "entry",
    [
        {"source": {"kind": "buildroot_git", "url": "u", "track": "t"}, "ref": {"commit": "--upload-pack=x"}},
        {"source": {"kind": "buildroot_git", "url": "u"}, "ref": {"commit": "0" * 40}},
        {"source": {"kind": "buildroot_tar", "url": "u"}, "ref": {"sha256": "../x"}},
        {"source": {"kind": "buildroot_tar", "url": "u"}, "ref": None},
        {"source": {"kind": "buildroot_download", "path": "linux/linux.tar"}, "ref": {"sha256": "00"}},
        {"source": {"kind": "buildroot_download"}, "ref": {"sha256": "0" * 64}},
        {"source": {"kind": "git", "url": "u", "track": "t"}, "ref": {}},
        {"source": {"kind": "python_wheels", "python": 3, "machine": "x"}, "ref": []},
        {"source": {"kind": "python_wheels", "python": "3.13", "machine": "x"}, "ref": [["name", "version"]]},
    ],
)
def test_odd_entries_are_refused(tmp_path: Path, entry: object) -> None:
    path = tmp_path / "system.lock"
    path.write_text(json.dumps({"version": 1, "sources": [entry]}))
    with pytest.raises(UserError) as caught:
        lock.read(path)
    assert caught.value.reason == "lock-broken"


def test_an_entry_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "system.lock"
    entry = TEXT.splitlines()[6]
    path.write_text(TEXT.replace(entry, f"{entry},\n{entry}"))
    with pytest.raises(UserError) as caught:
        lock.read(path)
    assert caught.value.where is not None
    assert caught.value.where.line is not None


@pytest.mark.parametrize("marker", ["<<<<<<< HEAD", "=======", ">>>>>>> other", "||||||| base"])
def test_what_a_merge_left_is_recognised(tmp_path: Path, marker: str) -> None:
    path = tmp_path / "system.lock"
    lines = TEXT.splitlines()
    path.write_text("\n".join([*lines[:4], marker, *lines[4:], ""]))
    with pytest.raises(UserError) as caught:
        lock.read(path)
    assert caught.value.reason == "lock-conflict"
    assert caught.value.where is not None
    assert caught.value.where.line == 5


def test_what_is_no_file_is_no_lock(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "system.lock")
    with pytest.raises(UserError) as caught:
        lock.read(tmp_path / "system.lock")
    assert caught.value.reason == "special-file"


def test_an_entry_that_stands_twice(tmp_path: Path) -> None:
    """The keys of a request are in any order."""
    entries = [
        {"source": {"kind": "git_tag", "url": "https://example.org/x", "track": "v1"}, "ref": "a" * 40},
        {"source": {"track": "v1", "url": "https://example.org/x", "kind": "git_tag"}, "ref": "b" * 40},
    ]
    path = tmp_path / "system.lock"
    path.write_text(json.dumps({"version": lock.VERSION, "sources": entries}, indent=1))
    with pytest.raises(UserError) as caught:
        lock.read(path)
    assert caught.value.reason == "lock-broken"
    assert caught.value.message.startswith("entry 2 is a duplicate: ")
