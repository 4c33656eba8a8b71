"""A shared cache makes builds faster and nothing else: whatever becomes of its server, the build succeeds."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import ANY

import pytest
from cache_server import Server, client, free_port, line, make_large_project, serving
from engine_project import left_by
from tests.conftest import Command

from rootstream.__main__ import main
from rootstream.engine import Engine, pushing
from rootstream.errors import UserError
from rootstream.events import ElementFinished, Event, Notice, Plan

BUILT = ["one.bst", "build", "success"]
pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_large_project(tmp_path_factory.mktemp("cache") / "project")


@pytest.fixture(scope="module")
def filled(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run a server that has all of mixed.bst."""
    with serving(tmp_path_factory.mktemp("filled") / "server") as server:
        built(client(tmp_path_factory.mktemp("filler"), server.url, push=True), project, "mixed.bst")
        yield server


def built(engine: Engine, project: Path, target: str) -> list[Event]:
    """Build and push as the command does; return the events."""
    events: list[Event] = []
    try:
        engine.build(project, [target], events.append)
    finally:
        pushing.push(engine, events.append)
    return events


def done(events: list[Event], action: str) -> set[str]:
    return {
        e.element
        for e in events
        if isinstance(e, ElementFinished) and e.action == action and e.result == "success"
    }


def told(events: list[Event], level: str) -> list[str]:
    return [e.text for e in events if isinstance(e, Notice) and e.level == level]


def test_what_one_builds_another_pulls(project: Path, filled: Server, tmp_path: Path) -> None:
    events = built(client(tmp_path / "two", filled.url, push=True), project, "mixed.bst")
    assert done(events, "pull") == {"one.bst", "large.bst", "mixed.bst"}
    assert done(events, "build") == done(events, "push") == set()
    assert told(events, "warning") == []
    (plan,) = [e for e in events if isinstance(e, Plan)]
    assert (plan.total, plan.to_pull, plan.to_build) == (3, 3, 0)
    (summary,) = [text for text in told(events, "info") if text.startswith("pulled ")]
    name = filled.url.removeprefix("http://")
    assert re.fullmatch(rf"pulled 3 of 3 elements from {re.escape(name)} \(2[0-9.]+ MB, [0-9.]+ s\)", summary)
    # what BuildStream says of each server with keys of 64 digits is no news
    assert not any("artifact" in text for text in told(events, "info"))
    assert left_by(tmp_path / "two") == []


def test_a_build_itself_pushes_nothing(project: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "server") as server:
        engine = client(tmp_path / "one", server.url, push=True)
        engine.build(project, ["one.bst"])
        assert server.objects() == []
        events: list[Event] = []
        (pushed,) = pushing.push(engine, events.append)
        assert (pushed.there, pushed.total, pushed.lacking) == (2, 2, ())
        assert told(events, "info")[-1].startswith("pushed 2 of 2 elements to 127.0.0.1")
        assert pushing.push(engine, events.append) == ()


def test_a_server_that_is_set_late_gets_all_that_is_here(project: Path, tmp_path: Path) -> None:
    client(tmp_path / "one", "http://127.0.0.1:1").build(project, ["two.bst"])
    with serving(tmp_path / "server") as server:
        events = built(client(tmp_path / "one", server.url, push=True), project, "two.bst")
        assert done(events, "build") == set()
        assert done(events, "push") == {"base.bst", "one.bst", "two.bst"}
        assert done(built(client(tmp_path / "one", server.url, push=True), project, "two.bst"), "push") == set()


def test_what_a_project_was_before_is_pushed_too(project: Path, tmp_path: Path) -> None:
    """Buildroot is asked by elements in the same folder that the packages are built in afterwards."""
    folder = Path(shutil.copytree(project, tmp_path / "project", symlinks=True))
    path = folder / "elements" / "one.bst"
    before = path.read_text()
    with serving(tmp_path / "server") as server:
        engine = client(tmp_path / "one", server.url, push=True)
        engine.build(folder, ["one.bst"])
        path.write_text(before.replace("echo one", "echo another"))
        events = built(engine, folder, "one.bst")
        assert told(events, "warning") == []
        assert told(events, "info")[-1].startswith("pushed 3 of 3 elements")
        for text in (path.read_text(), before):
            path.write_text(text)
            pulled = built(client(tmp_path / f"two{len(text)}", server.url), folder, "one.bst")
            assert (done(pulled, "pull"), done(pulled, "build")) == ({"one.bst"}, set())


def test_a_reader_pushes_nothing(project: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "server") as server:
        events = built(client(tmp_path / "one", server.url), project, "one.bst")
        assert done(events, "push") == set()
        assert server.objects() == []


@pytest.mark.parametrize("silent", [True, False])
def test_a_server_that_goes_during_a_pull(project: Path, filled: Server, tmp_path: Path, silent: bool) -> None:
    with line(filled, after=4_000_000, silent=silent) as broken:
        events = built(client(tmp_path / "two", broken.url), project, "mixed.bst")
        assert broken.broken.is_set()
    assert "large.bst" in done(events, "build")
    (warning,) = told(events, "warning")
    assert "going on without it" in warning
    assert left_by(tmp_path / "two") == []
    assert built(client(tmp_path / "two", filled.url), project, "mixed.bst")


def test_a_server_that_goes_during_a_push(project: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "server") as server:
        engine = client(tmp_path / "one", server.url, push=True)
        with line(server, after=4_000_000, silent=False) as broken:
            events = built(client(tmp_path / "one", broken.url, push=True), project, "mixed.bst")
            assert broken.broken.is_set()
        assert done(events, "build") >= {"one.bst"}
        assert "large.bst" not in done(events, "push")
        (warning,) = told(events, "warning")
        assert "broken off" in warning or "does not keep" in warning
        assert left_by(tmp_path / "one") == []
        # the next push completes it
        engine.build(project, ["mixed.bst"])
        (pushed,) = pushing.push(engine, events.append)
        assert pushed.complete


def test_a_server_that_is_not_there(project: Path, tmp_path: Path) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    events = built(client(tmp_path / "one", nobody, push=True), project, "one.bst")
    assert "one.bst" in done(events, "build")
    (warning,) = told(events, "warning")
    assert "127.0.0.1" in warning
    assert "refuses connections" in warning


def test_a_damaged_blob_is_not_used(project: Path, filled: Server, tmp_path: Path) -> None:
    large = max(filled.objects(), key=lambda path: path.stat().st_size)
    sound = large.read_bytes()
    mode = large.stat().st_mode
    large.chmod(0o644)
    large.write_bytes(bytes([sound[0] ^ 1]) + sound[1:])
    try:
        events = built(client(tmp_path / "two", filled.url), project, "mixed.bst")
    finally:
        large.write_bytes(sound)
        large.chmod(mode)
    (warning,) = told(events, "warning")
    assert "going on without it" in warning
    engine = client(tmp_path / "two", filled.url)
    engine.checkout(project, "large.bst", tmp_path / "out")
    assert "large.bst" in done(events, "build")
    assert (tmp_path / "out" / "data").read_bytes() != bytes([sound[0] ^ 1]) + sound[1:]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a tmpfs")
def test_a_server_whose_disk_is_full(project: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12M", "none", disk], check=True)
    try:
        with serving(disk / "server") as server:
            events = built(client(tmp_path / "one", server.url, push=True), project, "mixed.bst")
    finally:
        subprocess.run(["umount", "-l", disk], check=True)
    assert done(events, "build") >= {"one.bst"}
    assert any("large.bst" in text for text in told(events, "warning"))


def test_a_quota_that_is_too_small_is_told(project: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "server", "--quota-high=12M") as server:
        events = built(client(tmp_path / "one", server.url, push=True), project, "mixed.bst")
        assert any("does not keep" in text and "large.bst" in text for text in told(events, "warning"))
        other = built(client(tmp_path / "two", server.url), project, "mixed.bst")
        assert "large.bst" not in done(other, "pull")


def test_what_failed_is_never_pushed_and_the_rest_is(project: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "server") as server:
        engine = client(tmp_path / "one", server.url, push=True)
        with pytest.raises(UserError) as caught:
            engine.build(project, ["half.bst"])
        assert caught.value.reason == "element-failed"
        events: list[Event] = []
        (pushed,) = pushing.push(engine, events.append)
        assert done(events, "push") == {"base.bst", "one.bst"}
        assert pushed.complete
        other: list[Event] = []
        with pytest.raises(UserError):
            client(tmp_path / "two", server.url).build(project, ["half.bst"], other.append)
        assert done(other, "pull") == {"base.bst", "one.bst"}


def test_several_clients_push_the_same(project: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "server") as server:
        engines = [client(tmp_path / name, server.url, push=True) for name in "ab"]
        for engine in engines:
            engine.build(project, ["mixed.bst"])
        found: list[pushing.Pushed] = []
        threads = [
            threading.Thread(target=lambda each: found.extend(pushing.push(each, lambda _: None)), args=(engine,))
            for engine in engines
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [each.complete for each in found] == [True, True]
        events = built(client(tmp_path / "reader", server.url), project, "mixed.bst")
        assert done(events, "build") == set()


def test_an_interrupted_build_pushes_what_was_built(project: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(project, tmp_path / "plain", symlinks=True))
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    with serving(tmp_path / "server") as server:
        words = [sys.executable, "-m", "rootstream", "build", "--json", "slow.bst", "one.bst"]
        environment = {
            **kept,
            "ROOTSTREAM_CACHE": str(tmp_path / "one"),
            "ROOTSTREAM_CACHE_URL": server.url,
            "ROOTSTREAM_CACHE_PUSH": "true",
            "XDG_STATE_HOME": str(tmp_path / "state"),
        }
        with subprocess.Popen(words, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            events: list[dict[str, object]] = []
            for text in child.stdout:
                events.append(json.loads(text))
                if [events[-1].get(name) for name in ("element", "action", "result")] == BUILT:
                    child.send_signal(signal.SIGINT)
            assert child.wait(60) == 130
    pushed = {e["element"] for e in events if e.get("action") == "push" and e.get("result") == "success"}
    assert pushed == {"base.bst", "one.bst"}


def test_the_commands(
    project: Path,
    filled: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def run(*words: str) -> tuple[int, str, str]:
        status = main(words)
        return status, *capfd.readouterr()

    monkeypatch.chdir(project)
    monkeypatch.setenv("ROOTSTREAM_CACHE", str(tmp_path / "one"))
    monkeypatch.setenv("ROOTSTREAM_CACHE_URL", filled.url)
    run("accept")
    states = json.loads(run("show", "two.bst", "--json")[1])
    rows = {row["name"]: (row["state"], row["cache"]) for row in states["systems"]["two.bst"]["elements"]}
    name = filled.url.removeprefix("http://")
    assert rows == {"base.bst": (ANY, name), "one.bst": (ANY, name), "two.bst": (ANY, None)}
    assert run("cache", "status")[0] == 0
    assert run("cache", "push", "two.bst")[0] == 2  # nothing is set to push to
    monkeypatch.setenv("ROOTSTREAM_CACHE_PUSH", "true")
    assert run("cache", "push", "two.bst")[0] == 2  # nothing is built here
    client(tmp_path / "one", "http://127.0.0.1:1").build(project, ["two.bst"])
    status, _, text = run("cache", "push", "two.bst")
    assert status == 0
    assert "pushed 1 of 3 elements" in text
    assert "has all 3 elements already" in run("cache", "push", "two.bst")[2]
    monkeypatch.setenv("ROOTSTREAM_CACHE_URL", f"http://127.0.0.1:{free_port()}")
    assert run("cache", "push", "two.bst")[0] == 2
    status, text, _ = run("cache", "status", "--json")
    assert status == 2
    assert json.loads(text)["servers"][0]["usable"] is False
    assert "is not known" in run("show", "two.bst")[1]


def test_damaged_blobs_are_found_deleted_and_pushed_again(project: Path, tmp_path: Path, run: Command) -> None:
    with serving(tmp_path / "server") as server:
        built(client(tmp_path / "one", server.url, push=True), project, "two.bst")
        (damaged,) = [path for path in server.objects() if path.read_bytes() == b"one\n"]
        damaged.chmod(0o644)
        damaged.write_bytes(b"0ne\n")
        found = run("cache", "check", str(server.folder), cwd=project)
        assert found.returncode == 1
        assert str(damaged) in found.stderr
        assert run("cache", "check", "--delete-damaged", str(server.folder), cwd=project).returncode == 0
        assert not damaged.exists()
        server.end()
        server.start()
        events = built(client(tmp_path / "one", server.url, push=True), project, "two.bst")
        assert any(text.startswith("pushed 2 of 3 elements") for text in told(events, "info"))
        assert damaged.read_bytes() == b"one\n"
    assert run("cache", "check", str(project), cwd=project).returncode == 2
