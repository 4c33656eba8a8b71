"""A workspace that stands for another: Buildroot reads there what is built, and changes nothing of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from rootstream.buildroot import scratch
from rootstream.buildroot.workspace import Workspace
from rootstream.errors import UserError


@pytest.fixture
def built(box: Workspace) -> Workspace:
    output = box.output
    for folder in ("host/bin", "target/etc", "build/bash-5", "build/buildroot-config", "build/packages"):
        (output / folder).mkdir(parents=True)
    for name in (
        ".config",
        "local.mk",
        "Makefile",
        "target/etc/motd",
        "build/bash-5/.stamp_built",
        "build/time.log",
    ):
        (output / name).write_text(name)
    for path in (box.state / "sub/note.json", box.folder / "kconfig/tree", box.folder / "kconfig/build/conf"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.name)
    (box.state / "link").symlink_to("sub/note.json")
    return box


def links(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_symlink()}


def test_what_is_built_is_linked_and_what_is_written_is_copied(built: Workspace, tmp_path: Path) -> None:
    copy = scratch.copied(built, tmp_path / "copy")
    assert (copy.folder, copy.origin) == (tmp_path / "copy", built.folder)
    assert links(copy.output) == {"host", "target"}
    assert (copy.output / "target").resolve() == built.output / "target"
    assert "bash-5" in links(copy.output / "build")
    assert "buildroot-config" not in {path.name for path in (copy.output / "build").iterdir()}
    assert not (copy.output / "Makefile").exists()
    assert not (copy.output / "build/time.log").exists()
    for name in (".config", "local.mk"):
        assert not (copy.output / name).is_symlink()
        assert (copy.output / name).read_text() == name
    assert (copy.state / "sub/note.json").read_text() == "note.json"
    assert not (copy.state / "link").exists()
    assert (copy.folder / "kconfig/build/conf").read_text() == "conf"


def test_a_copy_that_is_there_is_left_as_it_is(built: Workspace, tmp_path: Path) -> None:
    (tmp_path / "copy/output").mkdir(parents=True)
    copy = scratch.copied(built, tmp_path / "copy")
    assert copy.origin == built.folder
    assert list(copy.output.iterdir()) == []


def test_of_nothing_there_is_a_copy_too(box: Workspace, tmp_path: Path) -> None:
    copy = scratch.copied(box, tmp_path / "copy")
    assert [path.name for path in copy.output.iterdir()] == ["build"]
    assert not (copy.folder / "kconfig").exists()


def test_a_folder_that_cannot_be_made(box: Workspace, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError) as caught:
        scratch.copied(box, tmp_path / "file/copy")
    assert caught.value.reason == "cannot-read"
    assert str(caught.value.where).startswith(str(tmp_path / "file"))


def test_a_package_is_configured_in_a_folder_of_its_own(built: Workspace, tmp_path: Path) -> None:
    place = built.output / "build/busybox-1"
    (place / "scripts").mkdir(parents=True)
    (place / "scripts/conf").write_text("conf")
    (place / "src").mkdir()
    for name in (".config", "Makefile", ".hidden"):
        (place / name).write_text(name)
    assert scratch.of_package(built, place) == place
    copy = scratch.copied(built, tmp_path / "copy")
    for _ in range(2):  # the second time it is there
        new = scratch.of_package(copy, place)
        assert new == copy.folder / "packages/busybox-1"
        assert links(new) == {"Makefile", ".hidden", "src"}
        assert (new / ".config").read_text() == ".config"
        assert not (new / "scripts").is_symlink()
        assert (new / "scripts/conf").read_text() == "conf"
