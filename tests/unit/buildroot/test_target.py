"""Files that somebody puts into target/: they are noticed, named and kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rootstream.buildroot.build import target
from rootstream.buildroot.workspace import Workspace


@pytest.fixture
def place(box: Workspace) -> Path:
    folder = box.output / "target"
    (folder / "etc/init.d").mkdir(parents=True)
    for name in ("etc/motd", "etc/init.d/S01x", "bin"):
        (folder / name).write_text(name)
    (folder / "sbin").symlink_to("bin")
    return folder


def test_before_a_build_nobody_is_a_stranger(box: Workspace, place: Path) -> None:
    assert place.is_dir()
    assert target.strangers(box) == target.by_hand(box) == ()


def test_a_build_without_a_target(box: Workspace) -> None:
    target.note(box)
    assert target.strangers(box) == target.by_hand(box) == ()


def test_what_is_new_or_changed_is_by_hand(box: Workspace, place: Path) -> None:
    target.note(box)
    assert target.strangers(box) == ()
    (place / "etc/new").touch()
    (place / "etc/motd").write_text("longer than before")
    (place / "etc/init.d/S01x").chmod(0o755)
    (place / "sbin").unlink()
    (place / "sbin").symlink_to("etc")
    (place / "link").symlink_to("nowhere")
    (place / "bin").unlink()
    expected = ("etc/init.d/S01x", "etc/motd", "etc/new", "link", "sbin")
    assert target.strangers(box) == target.by_hand(box) == expected


def test_a_file_of_the_same_size_is_known_by_its_time(box: Workspace, place: Path) -> None:
    target.note(box)
    seen = (place / "bin").stat()
    os.utime(place / "bin", ns=(seen.st_atime_ns, seen.st_mtime_ns + 1))
    assert target.strangers(box) == ("bin",)


def test_what_was_by_hand_stays_so_while_it_is_there(box: Workspace, place: Path) -> None:
    (place / "mine").touch()
    (place / "gone").touch()
    (place / "hanging").symlink_to("nowhere")
    target.note(box, ("mine", "gone", "hanging", "never"))
    assert target.by_hand(box) == ("gone", "hanging", "mine")
    (place / "gone").unlink()
    target.note(box)
    assert target.by_hand(box) == ("hanging", "mine")
    target.forget(box)
    assert target.by_hand(box) == target.strangers(box) == ()
    target.forget(box)  # there is nothing to forget


@pytest.mark.parametrize("text", ["{", "[]", '{"files": {}}', '{"by_hand": []}', "null"])
def test_a_broken_note_is_none(box: Workspace, place: Path, text: str) -> None:
    target.note(box)
    (box.state / target.NOTE).write_text(text)
    (place / "new").touch()
    assert target.strangers(box) == target.by_hand(box) == ()


def test_copies_are_kept(box: Workspace, place: Path) -> None:
    assert target.keep(box, ()) is None
    kept = target.keep(box, ("etc/motd", "etc/init.d/S01x", "sbin", "missing", "etc"))
    assert kept is not None
    assert kept.parent == box.folder / "found"
    there = {str(path.relative_to(kept)) for path in kept.rglob("*")}
    assert there == {"etc", "etc/init.d", "etc/motd", "etc/init.d/S01x", "sbin"}
    assert (kept / "etc/motd").read_text() == "etc/motd"
    assert (kept / "sbin").readlink() == Path("bin")
    (place / "sbin").unlink()
    (place / "sbin").symlink_to("etc")
    again = target.keep(box, ("sbin",))
    assert again is not None
    assert (again / "sbin").readlink() == Path("etc")


@pytest.mark.parametrize(
    ("count", "more"),
    [(1, ""), (target.SHOWN, ""), (target.SHOWN + 1, " and 1 more"), (target.SHOWN + 7, " and 7 more")],
)
def test_the_message_names_the_first(box: Workspace, count: int, more: str) -> None:
    names = tuple(f"f{number}" for number in range(count))
    shown = ", ".join(f"/{name}" for name in names[: target.SHOWN])
    begin = f"box: changed by hand in {box.output}/target: {shown}{more}. They will be"
    assert target.message(box, names).startswith(begin)
