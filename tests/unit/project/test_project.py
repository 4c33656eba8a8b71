"""Projects on the disk: found from below, held by one command, their plan kept in step, results put in place."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import sys
import threading
from pathlib import Path

import pytest

from rootstream import events
from rootstream.errors import UserError
from rootstream.host.content import Program
from rootstream.project import export, project


@pytest.fixture
def described(tmp_path: Path) -> project.Project:
    (tmp_path / "system.yaml").write_text("systems: {}\n")
    return project.find(tmp_path)


def test_a_project_is_found_from_below(tmp_path: Path) -> None:
    (tmp_path / "system.yaml").touch()
    (tmp_path / "a" / "b").mkdir(parents=True)
    found = project.find(tmp_path / "a" / "b")
    assert (found.folder, found.kind) == (tmp_path, "described")


def test_a_buildstream_project_is_one_too(tmp_path: Path) -> None:
    (tmp_path / "project.conf").touch()
    assert project.find(tmp_path).kind == "plain"
    (tmp_path / "system.yaml").touch()
    assert project.find(tmp_path).kind == "described"


def test_no_project_names_the_next_command(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        project.find(tmp_path)
    assert caught.value.reason == "no-project"
    assert "rootstream init" in str(caught.value)


def test_what_a_lock_says_of_its_holder_tells_no_value(
    described: project.Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["/x/rootstream", "config", "set", 'BR2_PASSWORD="sesame"', "box"])
    with project.locked(described, events.ignore) as hold:
        assert (described.work / "lock").read_text() == f"process {os.getpid()}, rootstream config set"
        with hold.paused():
            assert (described.work / "lock").read_text() == ""
    assert (described.work / "lock").read_text() == ""


def test_who_waits_for_a_command_that_has_just_begun_learns_its_name(described: project.Project) -> None:
    with project.lock_file(described.work / "lock") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)  # as yet without a name
        naming = threading.Timer(0.2, os.pwrite, (handle, b"process 7, rootstream build", 0))
        naming.start()
        said = []

        def report(event: events.Event) -> None:
            said.append(event)
            fcntl.flock(handle, fcntl.LOCK_UN)

        with project.locked(described, report):
            pass
        naming.join()
    assert [event.text.rpartition(": ")[2] for event in said if isinstance(event, events.Notice)] == [
        "process 7, rootstream build"
    ]


def test_sync_makes_a_folder_hold_exactly_the_files(tmp_path: Path) -> None:
    folder = tmp_path / "plan"
    project.sync(folder, {"a/b": b"1", "c": b"2"})
    stamp = (folder / "c").stat().st_mtime_ns
    (folder / "a" / "stray").write_text("x")
    (folder / "kept").mkdir()
    (folder / "kept" / "x").touch()
    project.sync(folder, {"c": b"2", "a": b"now a file"}, keep=("kept",))
    assert {str(path.relative_to(folder)) for path in folder.rglob("*")} == {"a", "c", "kept", "kept/x"}
    assert (folder / "c").stat().st_mtime_ns == stamp
    assert (folder / "a").read_bytes() == b"now a file"


def facts(digest: str = "d") -> export.Facts:
    return export.Facts(
        target="box", arch="x86_64", digest=digest, kinds={"a.img": "disk"}, inputs=(), elements=(), version="0"
    )


def checkout(folder: Path, content: bytes) -> Path:
    (folder / "images").mkdir(parents=True)
    (folder / "images" / "a.img").write_bytes(content)
    return folder


def test_an_export_is_described_and_checksummed(described: project.Project, tmp_path: Path) -> None:
    seen: list[events.Event] = []
    place = export.export(described, checkout(tmp_path / "one", b"x" * 10), facts(), seen.append)
    digest = hashlib.sha256(b"x" * 10).hexdigest()
    assert (place / "SHA256SUMS").read_text() == f"{digest}  a.img\n"
    manifest = json.loads((place / "manifest.json").read_text())
    assert manifest["files"] == [{"name": "a.img", "kind": "disk", "size": 10, "sha256": digest}]
    assert [event.path for event in seen if isinstance(event, events.Exported)] == [place / "a.img"]


def test_an_export_replaces_the_whole_folder(described: project.Project, tmp_path: Path) -> None:
    place = export.export(described, checkout(tmp_path / "one", b"1"), facts("1"), events.ignore)
    (place / "old-report").touch()
    assert export.is_current(described, "box", "1")
    export.export(described, checkout(tmp_path / "two", b"2"), facts("2"), events.ignore)
    assert sorted(path.name for path in place.iterdir()) == ["SHA256SUMS", "a.img", "manifest.json"]
    assert [path.name for path in (described.folder / "out").iterdir()] == ["box"]
    assert not export.is_current(described, "box", "1")
    assert export.is_current(described, "box", "2")


@pytest.mark.parametrize("damage", ["touch", "delete", "truncate"])
def test_a_touched_result_is_not_current(described: project.Project, tmp_path: Path, damage: str) -> None:
    place = export.export(described, checkout(tmp_path / "one", b"1"), facts(), events.ignore)
    if damage == "touch":
        os.utime(place / "a.img", (1, 1))
    elif damage == "delete":
        (place / "a.img").unlink()
    else:
        (place / "manifest.json").write_text("{")
    assert not export.is_current(described, "box", "d")


def test_a_failed_export_leaves_the_old_result(described: project.Project, tmp_path: Path) -> None:
    place = export.export(described, checkout(tmp_path / "one", b"1"), facts("1"), events.ignore)
    bad = checkout(tmp_path / "two", b"2")
    (bad / "images" / "link").symlink_to("/etc/passwd")
    with pytest.raises(UserError) as caught:
        export.export(described, bad, facts("2"), events.ignore)
    assert caught.value.reason == "export-special-file"
    assert (place / "a.img").read_bytes() == b"1"
    assert [path.name for path in (described.folder / "out").iterdir()] == ["box"]
    assert export.is_current(described, "box", "1")


def test_checksums_of_holes_are_those_of_zeros(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.seek(3 << 20)
        file.write(b"data")
        file.truncate((5 << 20) + 123)
    assert export.checksum(path) == hashlib.sha256(path.read_bytes()).hexdigest()
    empty = tmp_path / "empty"
    empty.touch()
    assert export.checksum(empty) == hashlib.sha256(b"").hexdigest()


def test_programs_of_a_plan_can_be_run(tmp_path: Path) -> None:
    def modes() -> dict[str, int]:
        return {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "plan").iterdir()}

    umask = os.umask(0o022)
    try:
        project.sync(tmp_path / "plan", {"a": Program(b"1"), "b": b"1"})
        assert modes() == {"a": 0o755, "b": 0o644}
        project.sync(tmp_path / "plan", {"a": b"1", "b": Program(b"1")})  # the same bytes
        assert modes() == {"a": 0o644, "b": 0o755}
        project.sync(tmp_path / "plan", {"a": Program(b"22"), "b": b"22"})
        assert modes() == {"a": 0o755, "b": 0o644}
    finally:
        os.umask(umask)


def test_a_current_folder_that_was_deleted_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(UserError, match="the current folder does not exist any more"):
        project.find(Path())
