"""Exports: who may read them, and what is noted of them."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path

from rootstream.events import ignore
from rootstream.project.export import Facts, export, is_current
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
