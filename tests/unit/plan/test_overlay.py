"""Folders of the project as archives and as junctions: modes that Git records, and nothing else of the host."""

from __future__ import annotations

import os
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from rootstream.errors import UserError
from rootstream.host.content import Program, chunks
from rootstream.plan import inputs, overlay


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "over"
    (root / "sub").mkdir(parents=True)
    for name, mode in (("run", 0o744), ("group", 0o654), ("plain", 0o600), ("sub/file", 0o664)):
        (root / name).write_text(name)
        (root / name).chmod(mode)
    (root / "link").symlink_to("../nowhere")
    return root


def members(folder: Path, prefix: str = "") -> list[tarfile.TarInfo]:
    made = b"".join(chunks(overlay.archive(folder, epoch=7, prefix=prefix)))
    with tarfile.open(fileobj=BytesIO(made)) as tar:
        return tar.getmembers()


def test_modes_are_those_of_a_clone(folder: Path) -> None:
    assert [(each.name, each.mode, each.type, each.linkname) for each in members(folder)] == [
        ("group", 0o644, tarfile.REGTYPE, ""),
        ("link", 0o777, tarfile.SYMTYPE, "../nowhere"),
        ("plain", 0o644, tarfile.REGTYPE, ""),
        ("run", 0o755, tarfile.REGTYPE, ""),
        ("sub", 0o755, tarfile.DIRTYPE, ""),
        ("sub/file", 0o644, tarfile.REGTYPE, ""),
    ]
    assert {(each.mtime, each.uid, each.gid, each.uname, each.gname) for each in members(folder)} == {
        (7, 0, 0, "", "")
    }
    assert members(folder, "a/")[0].name == "a/group"


@pytest.mark.parametrize("name", [".git", ".svn", ".hg", ".empty", "file~"])
def test_what_is_left_out(folder: Path, name: str) -> None:
    (folder / "sub" / name).mkdir()
    (folder / "sub" / name / "x").touch()
    assert len(members(folder)) == 6


def test_a_pipe_is_none_of_them(folder: Path) -> None:
    os.mkfifo(folder / "sub/pipe")
    with pytest.raises(UserError) as caught:
        members(folder)
    assert caught.value.reason == "overlay-special-file"
    assert str(caught.value.where) == str(folder / "sub/pipe")


def test_a_project_below_is_a_junction(tmp_path: Path) -> None:
    below = tmp_path / "below"
    for path, mode in (("project.conf", 0o644), ("elements/run.sh", 0o755), ("elements/odd.sh", 0o610)):
        (below / path).parent.mkdir(parents=True, exist_ok=True)
        (below / path).write_text(path)
        (below / path).chmod(mode)
    for path in (".bst/x", "elements/.git/x", "sub/.svn/x"):
        (below / path).parent.mkdir(parents=True)
        (below / path).write_text("left out")
    assert inputs.junction_name(".") == inputs.junction_name("") == "project.bst"
    name = inputs.junction_name("below")
    assert name.startswith("project-")
    assert name != inputs.junction_name("other")
    files = inputs.junction(tmp_path, "below", name)
    stem = name.removesuffix(".bst")
    text = f"kind: junction\nsources:\n- kind: local\n  path: junctions/{stem}\n"
    assert files == {
        f"junctions/{stem}/elements/odd.sh": b"elements/odd.sh",
        f"junctions/{stem}/elements/run.sh": b"elements/run.sh",
        f"junctions/{stem}/project.conf": b"project.conf",
        f"elements/{name}": text.encode(),
    }
    programs = {path.rpartition("/")[2] for path, content in files.items() if isinstance(content, Program)}
    assert programs == {"run.sh", "odd.sh"}


def test_a_link_in_a_project_below(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below/link").symlink_to("x")
    with pytest.raises(UserError) as caught:
        inputs.junction(tmp_path, "below", "x.bst")
    assert caught.value.reason == "symlink-in-project"
