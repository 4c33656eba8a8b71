"""Exports: who may read them, and what is noted of them."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from rootstream.errors import UserError
from rootstream.events import ignore
from rootstream.project.export import Facts, close, export, forget, is_current, is_open, line, stored
from rootstream.project.project import Project

FACTS = Facts(target="box", arch="x86_64", digest="d", kinds={}, inputs=(), elements=(), version="1")


def made(folder: Path, facts: Facts) -> Path:
    (folder / ".rootstream").mkdir(exist_ok=True)
    checkout = folder / "checkout"
    (checkout / "images" / "sub").mkdir(parents=True, exist_ok=True)
    for name in ("rootfs.tar", "sub/rootfs.tar"):
        (checkout / "images" / name).write_text("x")
        (checkout / "images" / name).chmod(0o644)
    return export(Project(folder=folder, kind="described"), checkout, facts, ignore)


def modes(folder: Path) -> set[int]:
    return {stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.rglob("*"))}


def test_only_the_owner_may_read_what_holds_secrets(tmp_path: Path) -> None:
    place = made(tmp_path, FACTS)
    assert stat.S_IMODE(place.stat().st_mode) == 0o755
    assert modes(place) == {0o755, 0o644}
    for _ in range(2):  # again over a result that is there
        place = made(tmp_path, replace(FACTS, private=True))
        assert modes(place) == {0o700, 0o600}
        assert stat.S_IMODE((tmp_path / ".rootstream" / "state" / "box.json").stat().st_mode) == 0o600


def test_what_decided_a_result_is_noted(tmp_path: Path) -> None:
    made(tmp_path, replace(FACTS, noted={"option arch": "1"}))
    state = json.loads((tmp_path / ".rootstream" / "state" / "box.json").read_text())
    assert state["noted"] == {"option arch": "1"}
    assert is_current(Project(folder=tmp_path, kind="described"), "box", "d")


def test_a_folder_is_closed_to_others(tmp_path: Path) -> None:
    folder = tmp_path / "verify"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub/console.log").write_text("x")
    for path in (folder, folder / "sub", folder / "sub/console.log"):
        path.chmod(0o755)
    assert is_open(folder)
    close(folder)
    assert not is_open(folder)
    assert modes(folder) == {0o700, 0o600}
    for mode, others in ((0o750, True), (0o704, True), (0o711, True), (0o700, False)):
        folder.chmod(mode)
        assert is_open(folder) == others
    with pytest.raises(UserError) as caught:
        close(tmp_path / "gone")
    assert (caught.value.reason, caught.value.where and caught.value.where.path) == (
        "cannot-write",
        tmp_path / "gone",
    )


def test_a_line_for_people(tmp_path: Path) -> None:
    (tmp_path / "full").write_bytes(b"x" * 100_000)
    with (tmp_path / "holes").open("wb") as file:
        file.truncate(5_000_000)
    assert stored(tmp_path / "full") >= 100_000
    assert stored(tmp_path / "full") < 200_000
    assert stored(tmp_path / "holes") < 100_000
    assert line(tmp_path / "full", tmp_path) == "full  100 kB"
    assert line(tmp_path / "holes", tmp_path).startswith("holes  5.0 MB, ")
    assert line(tmp_path / "holes", tmp_path).endswith(" on disk")
    assert line(tmp_path / "full", tmp_path / "elsewhere") == f"{tmp_path}/full  100 kB"


def test_what_is_forgotten_is_not_current(tmp_path: Path) -> None:
    made(tmp_path, FACTS)
    project = Project(folder=tmp_path, kind="described")
    assert is_current(project, "box", "d")
    assert not is_current(project, "box", "e")
    forget(project, "box")
    assert not is_current(project, "box", "d")
    forget(project, "box")
