"""Two commands in one project: the second waits for the first, and for one that is killed."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from rootstream import events
from rootstream.project import project


@pytest.fixture
def described(tmp_path: Path) -> project.Project:
    (tmp_path / "system.yaml").write_text("systems: {}\n")
    return project.find(tmp_path)


def _hold(folder: Path, held: object, release: object) -> None:
    with project.locked(project.find(folder), events.ignore):
        held.set()  # type: ignore[attr-defined]  # multiprocessing's events have no public type
        release.wait()  # type: ignore[attr-defined]


def test_a_second_command_waits_even_for_one_that_is_killed(described: project.Project) -> None:
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(described.folder, held, release))
    other.start()
    assert held.wait(60)
    said = []

    def report(event: events.Event) -> None:
        said.append(event)
        other.kill()

    with project.locked(described, report):
        assert [f"process {other.pid}, " in event.text for event in said if isinstance(event, events.Notice)] == [
            True
        ]
    other.join()


def _hold_a_system(folder: Path, held: object, release: object) -> None:
    with project.locked(project.find(folder), events.ignore, ("box--debug",)) as hold, hold.paused():
        held.set()  # type: ignore[attr-defined]
        release.wait()  # type: ignore[attr-defined]


def test_who_left_the_project_for_a_menu_still_has_its_system(described: project.Project) -> None:
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    other = context.Process(target=_hold_a_system, args=(described.folder, held, release))
    other.start()
    assert held.wait(60)
    said = []

    def report(event: events.Event) -> None:
        said.append(event)
        release.set()

    with project.locked(described, report, ("box",)):
        assert said == []
    with project.locked(described, report, ("box--debug", "box")):
        assert [type(event) for event in said] == [events.Notice]
    other.join()
    assert other.exitcode == 0
