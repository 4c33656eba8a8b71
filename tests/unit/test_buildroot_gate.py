"""A make that is asked for its packages and then builds: with the real make, on a tiny tree."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from loading import read

from rootstream import events, project
from rootstream.buildroot import external, generate, info, making
from rootstream.buildroot.workspace import Workspace, workspace
from rootstream.errors import UserError

# As much of Buildroot as the rules of the external tree need.
MAKEFILE = """\
.NOTPARALLEL:
BR2_EXTERNAL_ROOTSTREAM_PATH = $(BR2_EXTERNAL)
UPPERCASE = $(subst one,ONE,$(subst two,TWO,$(1)))
PACKAGES = one
ONE_FINAL_RECURSIVE_DEPENDENCIES = two
ONE_VERSION = it's $$ one
TWO_VERSION = 2
THREE_VERSION = 3
show-info:
\t@:
\t$(info { "one": { "version": "1", "stamp_dir": "build/one-1" }, "two": { "version": "2" } })
all:
\t@echo '>>> one 1 Building'
\t@test ! -e $(O)/refuse
include $(BR2_EXTERNAL)/external.mk
"""


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "Makefile").write_text(MAKEFILE)
    words = f"{{root: {{buildroot: {{tree: {{local: {tree}}}}}}}, images: [files]}}"
    (described,) = read(tmp_path, f"systems: {{box: {words}}}\n").systems
    found = workspace(project.find(tmp_path), described, tree, os.environ)
    found.output.mkdir(parents=True)
    external.write(found, generate.generate(described, tmp_path, found.generated))
    return found


def make(space: Workspace, answered: Callable[[str], None]) -> list[events.Event]:
    told: list[events.Event] = []
    making.run(space, (), told.append, what="the build", answered=answered)
    return told


def test_make_waits_until_its_answer_is_taken(space: Workspace) -> None:
    order: list[str] = []

    def answered(text: str) -> None:
        order.append("answered")
        known = info.keep(space, "key", text)
        assert sorted(known.packages) == ["one", "two"]
        assert known.variables["one"]["ONE_VERSION"] == "it's $ one"
        assert known.variables["two"] == {"TWO_VERSION": "2"}

    told = make(space, answered)
    assert order == ["answered"]
    assert [event.element for event in told if isinstance(event, events.ElementStarted)] == ["one"]
    assert info.is_known(space, "key")
    log = (space.logs / "latest" / "build.log").read_text()
    assert ">>> one 1 Building" in log
    assert "stamp_dir" not in log


def test_who_refuses_the_answer_ends_make(space: Workspace) -> None:
    def answered(_text: str) -> None:
        raise UserError("dropped", "a symbol was dropped")

    with pytest.raises(UserError, match="dropped"):
        make(space, answered)
    assert ">>> one" not in (space.logs / "latest" / "build.log").read_text()
    assert not (space.state / info.PIPE).exists()


def test_a_make_that_cannot_answer_is_told_with_what_it_said(space: Workspace) -> None:
    with (space.tree / "Makefile").open("a") as file:
        file.write("$(error no such folder)\n")
    with pytest.raises(UserError) as caught:
        make(space, lambda _text: None)
    assert caught.value.reason == "buildroot-failed"
    assert "no such folder" in str(caught.value.detail)


def test_a_build_that_fails_after_its_answer_names_the_package(space: Workspace) -> None:
    (space.output / "refuse").touch()
    with pytest.raises(UserError, match="one failed") as caught:
        make(space, lambda _text: None)
    # a command to paste must not wait at the gate
    assert info.GATE not in str(caught.value.hint) + (space.logs / "latest" / "build.log").read_text()
