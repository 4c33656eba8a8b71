"""The lock: same content same bytes, one package to a line, broken ones named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rootstream import lock
from rootstream.errors import UserError

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
        {"name": "a", "version": version, "path": "pool/a"},
        {"name": "b", "version": "2", "path": "pool/b"},
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
    assert lock.changes(made(), made("1.1")) == ("a of trixie for amd64: a 1 -> 1.1",)
    assert len(lock.changes(None, made())) == 2
    assert lock.changes(made(), lock.Lock()) == (
        "gone: a of trixie for amd64",
        "gone: source package linux of trixie",
    )
