"""A cache that the user has set in BuildStream's own words, in engine.yaml."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cache_server import serving
from engine_project import engine, left_by, make_project

from rootstream.engine import pushing
from rootstream.events import ElementFinished, Event

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("remote") / "project")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    with serving(tmp_path / "server") as found:
        yield found.url


def settings(folder: Path, server: str) -> dict[str, str]:
    place = folder / "config" / "rootstream"
    place.mkdir(parents=True, exist_ok=True)
    (place / "engine.yaml").write_text(
        f"artifacts:\n  override-project-caches: true\n  servers:\n  - {{url: '{server}', push: true}}\n"
    )
    return {"XDG_CONFIG_HOME": str(folder / "config")}


def actions(events: list[Event]) -> set[tuple[str, str, str]]:
    return {(e.action, e.element, e.result) for e in events if isinstance(e, ElementFinished)}


def test_what_one_builds_another_pulls(project: Path, server: str, tmp_path: Path) -> None:
    environment = settings(tmp_path, server)
    first: list[Event] = []
    own = engine(tmp_path / "one", **environment)
    own.build(project, ["two.bst"], first.append)
    pushing.push(own, first.append)
    assert ("build", "two.bst", "success") in actions(first)
    assert ("push", "two.bst", "success") in actions(first)
    second: list[Event] = []
    other = engine(tmp_path / "two", **environment)
    other.build(project, ["two.bst"], second.append)
    assert ("pull", "two.bst", "success") in actions(second)
    assert not any(action == "build" for action, _, _ in actions(second))
    assert left_by(tmp_path / "two") == []


def test_a_checkout_pulls(project: Path, server: str, tmp_path: Path) -> None:
    environment = settings(tmp_path, server)
    own = engine(tmp_path / "one", **environment)
    own.build(project, ["one.bst"])
    pushing.push(own, lambda _: None)
    events: list[Event] = []
    other = engine(tmp_path / "two", **environment)
    other.checkout(project, "one.bst", tmp_path / "out", events.append)
    assert (tmp_path / "out" / "d" / "one").read_text() == "one\n"
    assert ("pull", "one.bst", "success") in actions(events)
