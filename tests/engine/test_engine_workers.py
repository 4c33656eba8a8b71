"""Other machines that build: buildbox-casd as the engine of remote execution, on loopback."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from cache_server import Server, casd, free_port, serving
from engine_project import left_by, make_project

from rootstream.engine import Engine, Remote, Workers, pushing
from rootstream.errors import UserError
from rootstream.events import ElementFinished, Event, Notice
from rootstream.verbs import cache_health

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_project(tmp_path_factory.mktemp("workers") / "project")
    (folder / "elements" / "long.bst").write_text(
        "kind: manual\nbuild-depends: [base.bst]\nconfig: {install-commands: [sleep 300]}\n"
    )
    return folder


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Server]:
    runner = Path(casd()).with_name("buildbox-run")
    with serving(tmp_path / "server", f"--buildbox-run={runner}", "--jobs=2") as server:
        yield server


def client(cache: Path, url: str, shared: str | None = None) -> Engine:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    remote = Remote(url=url)
    workers = Workers(remote=remote, at_once=2, jobs=1)
    own = Remote(url=shared, push=True) if shared else None
    return Engine.of({**kept, "ROOTSTREAM_CACHE": str(cache)}, own, workers)


def built(events: list[Event]) -> set[str]:
    return {
        e.element
        for e in events
        if isinstance(e, ElementFinished) and e.action == "build" and e.result == "success"
    }


def warned(events: list[Event]) -> list[str]:
    return [e.text for e in events if isinstance(e, Notice) and e.level == "warning"]


def test_workers_build_and_a_failure_is_the_elements_own(project: Path, workers: Server, tmp_path: Path) -> None:
    events: list[Event] = []
    engine = client(tmp_path / "one", workers.url)
    engine.build(project, ["two.bst"], events.append)
    assert built(events) >= {"one.bst", "two.bst"}
    assert warned(events) == []
    assert any(path.read_bytes() == b"one\n" for path in workers.objects())
    engine.checkout(project, "two.bst", tmp_path / "out")
    assert (tmp_path / "out" / "two").read_text() == "one\n"
    with pytest.raises(UserError) as caught:
        engine.build(project, ["bad.bst"])
    assert caught.value.reason == "element-failed"
    assert "fatal: no such luck" in (caught.value.detail or "")
    (need,) = cache_health.needs(engine)
    assert need.met


def test_workers_beside_a_shared_cache(project: Path, workers: Server, tmp_path: Path) -> None:
    with serving(tmp_path / "shared") as shared:
        first: list[Event] = []
        engine = client(tmp_path / "one", workers.url, shared.url)
        engine.build(project, ["two.bst"], first.append)
        (pushed,) = pushing.push(engine, first.append)
        assert pushed.complete
        assert any(path.read_bytes() == b"one\n" for path in workers.objects())
        second: list[Event] = []
        client(tmp_path / "two", workers.url, shared.url).build(project, ["two.bst"], second.append)
        assert built(second) == set()
        assert warned(first) == warned(second) == []


def test_what_executes_nothing_is_not_used(project: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "server") as cache_only:
        nobody = f"http://127.0.0.1:{free_port()}"
        for url, text in ((cache_only.url, "executes no builds"), (nobody, "refuses connections")):
            events: list[Event] = []
            engine = client(tmp_path / "cache", url)
            engine.build(project, ["one.bst"], events.append)
            (warning,) = warned(events)
            assert text in warning
            assert "building here" in warning
            (need,) = cache_health.needs(engine)
            assert not need.met
            assert text in need.found


def test_workers_that_are_lost_are_named(project: Path, workers: Server, tmp_path: Path) -> None:
    def kill(event: Event) -> None:
        if getattr(event, "element", None) == "long.bst" and getattr(event, "action", None) == "build":
            workers.end(signal.SIGKILL)

    engine = client(tmp_path / "one", workers.url)
    with pytest.raises(UserError) as caught:
        engine.build(project, ["long.bst"], kill)
    assert caught.value.reason in ("workers-lost", "workers-failed")
    assert str(workers.port) in caught.value.message
    assert left_by(tmp_path / "one") == []
