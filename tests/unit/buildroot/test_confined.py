"""What an error of a program in the sandbox says outside of it, and links that lead out of the output folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rootstream.buildroot import confined
from rootstream.buildroot.workspace import Workspace
from rootstream.errors import UserError, Where


def error(detail: str | None, hint: str | None = None) -> UserError:
    return UserError("process-failed", "make failed", where=Where(path=Path("/before")), detail=detail, hint=hint)


def test_a_line_of_the_project_is_the_place(box: Workspace) -> None:
    file = box.project / "ext/Config.in"
    found = confined._of_project(box, error(f"first\n{file}:3: syntax error\n/usr/x:4: other", "make x"))
    assert (found.reason, found.message, found.hint) == ("process-failed", "make failed", "make x")
    assert found.where == Where(path=file, line=3)
    assert found.detail == f"first\n{file}:3: syntax error\n/usr/x:4: other"


@pytest.mark.parametrize("detail", ["/usr/share/x:3: error", "x:3: error", "/a: 3: error", "", None])
def test_any_other_line_is_none(box: Workspace, detail: str | None) -> None:
    found = confined._of_project(box, error(detail))
    assert found.where == Where(path=Path("/before"))
    assert (found.detail, found.hint) == (detail or None, None)


def test_paths_of_a_scratch_workspace_are_those_of_the_real_one(box: Workspace, tmp_path: Path) -> None:
    copy = replace(box, folder=tmp_path / "copy", origin=box.folder)
    said = error(f"{copy.folder}/output/x: no", f"make -C {copy.folder}/output")
    box.folder.mkdir(parents=True, exist_ok=True)
    found = confined._of_project(copy, said)
    assert found.detail == f"{box.folder}/output/x: no"
    assert found.hint == f"make -C {box.folder}/output"
    gone = replace(copy, origin=tmp_path / "gone")
    assert confined._of_project(gone, said).hint is None


@pytest.mark.parametrize("place", ["target", "build/bash-1"])
def test_a_link_that_leads_out_is_not_followed(box: Workspace, tmp_path: Path, place: str) -> None:
    (box.output / "build").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (box.output / "real").mkdir()
    (box.output / place).symlink_to(box.output / "real")
    confined.require_inside(box)
    (box.output / place).unlink()
    (box.output / place).mkdir()
    confined.require_inside(box)
    (box.output / place).rmdir()
    (box.output / place).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError) as caught:
        confined.require_inside(box)
    assert (caught.value.reason, caught.value.where and caught.value.where.path) == (
        "output-outside",
        box.output / place,
    )


@pytest.mark.parametrize("ending", ["exit 1", "kill -9 $$"])
def test_a_sandbox_that_cannot_be_made_is_told(tmp_path: Path, ending: str) -> None:
    program = tmp_path / "bwrap"
    program.write_text(f"#!/bin/sh\necho one >&2; echo two >&2; echo three >&2; echo four >&2; {ending}\n")
    program.chmod(0o755)
    with pytest.raises(UserError) as caught:
        confined.require({"PATH": f"{tmp_path}:/usr/bin:/bin"})
    assert caught.value.reason == "sandbox-forbidden"
    assert str(caught.value.detail).splitlines() == ["two", "three", "four"]
