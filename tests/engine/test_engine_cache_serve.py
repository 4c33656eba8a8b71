"""A team's server: casd behind haproxy with TLS and tokens, and what becomes of clients that lack either."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cache_server import LARGE, free_port, make_large_project
from engine_project import left_by
from tests.conftest import Command, rootstream

from rootstream.engine import Engine, Remote, Workers, pushing, remote_api
from rootstream.engine.remote_api import Api
from rootstream.events import ElementFinished, Event, Notice
from rootstream.verbs import cache_health, cache_serve

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(
        not shutil.which("haproxy", path=os.environ["PATH"] + ":/usr/sbin"), reason="haproxy is not installed"
    ),
]
PATIENCE = 30.0


@dataclass
class Team:
    """A server with its files, a writer and a reader."""

    folder: Path
    port: int
    metrics: int
    writer: Path
    reader: Path
    certificate: Path
    child: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def start(self, base: Path | None = None, **environment: str) -> None:
        base = base or self.folder.parent
        words = [sys.executable, "-m", "rootstream", "cache", "serve", str(self.folder), "--quota", "1G"]
        words += ["--bind", f"0.0.0.0:{self.port}", "--certificate", str(self.certificate)]
        words += ["--metrics", f"127.0.0.1:{self.metrics}", "--workers", "2"]
        log = (base / "serve.log").open("a")
        with log:
            self.child = subprocess.Popen(
                words, env={**os.environ, **environment}, stdout=log, stderr=log, text=True
            )
        until(lambda: remote_api.probe([self.remote(self.writer, base=base)])[0].ok)

    def end(self, number: int) -> None:
        assert self.child is not None
        self.child.send_signal(number)
        self.child.wait(PATIENCE)

    def remote(self, token: Path | None, *, push: bool = False, base: Path | None = None) -> Remote:
        return Remote(url=self.url, token=token, ca=(base or self.folder.parent) / "server.crt", push=push)

    def programs(self) -> dict[str, int]:
        """Return the programs below the server."""
        assert self.child is not None
        found = {}
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError, IndexError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                if entry.name.isdigit() and parent == self.child.pid:
                    found[(entry / "comm").read_text().strip()] = int(entry.name)
        return found


def until(holds: object) -> None:
    deadline = time.monotonic() + PATIENCE
    assert callable(holds)
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_large_project(tmp_path_factory.mktemp("serve") / "project")


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    base = tmp_path_factory.mktemp("team")
    words = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    alternative = ["-addext", "subjectAltName=DNS:localhost", "-keyout", "server.key", "-out", "server.crt"]
    subprocess.run([*words.split(), *alternative], cwd=base, check=True, capture_output=True)
    both = (base / "server.crt").read_text() + (base / "server.key").read_text()
    (base / "server.pem").write_text(both)
    folder = base / "store"
    tokens = {}
    for name, words_ in (("ci", ["--write"]), ("ann", [])):
        made = rootstream("cache", "token", str(folder), name, *words_, cwd=base, check=True)
        tokens[name] = base / name
        tokens[name].write_text(made.stdout)
        tokens[name].chmod(0o600)
    team = Team(folder, free_port(), free_port(), tokens["ci"], tokens["ann"], base / "server.pem")
    team.start()
    try:
        yield team
    finally:
        team.end(signal.SIGTERM)
        assert team.child is not None
        assert team.child.returncode == 130
        assert team.programs() == {}


def build(cache: Path, project: Path, remote: Remote, target: str = "two.bst") -> list[Event]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    engine = Engine.of({**kept, "ROOTSTREAM_CACHE": str(cache)}, remote)
    events: list[Event] = []
    engine.build(project, [target], events.append)
    pushing.push(engine, events.append)
    assert left_by(cache) == []
    return events


def done(events: list[Event], action: str) -> set[str]:
    return {
        e.element
        for e in events
        if isinstance(e, ElementFinished) and e.action == action and e.result == "success"
    }


def warned(events: list[Event]) -> list[str]:
    return [e.text for e in events if isinstance(e, Notice) and e.level == "warning"]


def test_writers_push_and_readers_pull(project: Path, team: Team, tmp_path: Path) -> None:
    first = build(tmp_path / "one", project, team.remote(team.writer, push=True))
    assert done(first, "push") == {"base.bst", "one.bst", "two.bst"}
    assert warned(first) == []
    second = build(tmp_path / "two", project, team.remote(team.reader))
    assert done(second, "pull") == {"two.bst"}
    # a reader who is set to push pulls all the same, and is told once
    third = build(tmp_path / "three", project, team.remote(team.reader, push=True))
    assert done(third, "pull") == {"two.bst"}
    (warning,) = warned(third)
    assert "this token may only read" in warning
    with urllib.request.urlopen(f"http://127.0.0.1:{team.metrics}/metrics") as response:
        assert b"haproxy_frontend_http_requests_total" in response.read()


def test_a_wrong_token_or_authority_is_one_warning(project: Path, team: Team, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text("wrong")
    wrong = build(tmp_path / "one", project, team.remote(tmp_path / "wrong"))
    untrusted = build(tmp_path / "two", project, Remote(url=team.url, token=team.reader))
    for events, text in ((wrong, "token"), (untrusted, "not trusted")):
        assert "two.bst" in done(events, "build")
        (warning,) = warned(events)
        assert text in warning


def test_what_the_doctor_finds(team: Team, tmp_path: Path) -> None:
    def found(remote: Remote) -> cache_health.Health:
        engine = Engine.of({"HOME": str(tmp_path), "PATH": os.environ["PATH"]}, remote)
        (health,) = cache_health.examined(engine)
        return health

    assert found(team.remote(team.writer, push=True)).met
    assert found(team.remote(team.reader)).met
    for remote, text in (
        (team.remote(None), "token"),
        (team.remote(team.reader, push=True), "only read"),
        (Remote(url=team.url, token=team.reader), "not trusted"),
        (Remote(url=f"https://127.0.0.1:{team.port}", ca=team.certificate), "another name"),
        (Remote(url=f"https://localhost:{team.metrics}"), "TLS"),
    ):
        health = found(remote)
        assert not health.met
        assert text in health.found
        assert health.fix
    team.reader.chmod(0o644)
    assert "other users" in found(team.remote(team.reader)).found
    team.reader.chmod(0o600)


def test_only_what_a_cache_needs_is_reached(team: Team) -> None:
    with Api(team.remote(team.writer)) as api:
        assert api.answer(api.probe(), 0).ahead is not None
        local = api.start("/build.buildgrid.v2.LocalContentAddressableStorage/GetLocalDiskUsage", b"", 10)
        answer = api.answer(local, 0)
    assert not answer.ok
    assert "UNIMPLEMENTED" in answer.text


def test_tokens_are_kept_nowhere_and_end_at_once(team: Team, run: Command, tmp_path: Path) -> None:
    made = run("cache", "token", str(team.folder), "guest", cwd=tmp_path, check=True).stdout.strip()
    (tmp_path / "guest").write_text(made)
    until(lambda: remote_api.probe([team.remote(tmp_path / "guest")])[0].ok)
    kept = [path for path in team.folder.parent.rglob("*") if path.is_file() and "casd" not in path.parts]
    assert not any(made.encode() in path.read_bytes() for path in kept)
    run("cache", "token", str(team.folder), "guest", "--revoke", cwd=tmp_path, check=True)
    until(lambda: remote_api.probe([team.remote(tmp_path / "guest")])[0].state == "token")
    assert run("cache", "token", str(team.folder), "guest", "--revoke", cwd=tmp_path).returncode == 2


def test_it_survives_kills(project: Path, team: Team, tmp_path: Path) -> None:
    build(tmp_path / "one", project, team.remote(team.writer, push=True))
    log = team.folder.parent / "serve.log"
    until(lambda: "(ci):" in log.read_text())  # who it serves is told now and then
    for name in ("buildbox-casd", "haproxy"):
        os.kill(team.programs()[name], signal.SIGKILL)
        until(lambda: set(team.programs()) == {"buildbox-casd", "haproxy"})
        until(lambda: remote_api.probe([team.remote(team.reader)])[0].ok)
    left = team.programs()
    team.end(signal.SIGKILL)
    until(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in left.values()))
    team.start()
    assert done(build(tmp_path / "two", project, team.remote(team.reader)), "pull") == {"two.bst"}


def over(
    folder: Path, project: Path, team: Team, token: Path, target: str = "two.bst"
) -> tuple[Engine, list[Event]]:
    """Build with the server's workers, which keep the files, and without any cache."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    workers = Workers(remote=team.remote(token), at_once=2, jobs=1, thin=True)
    engine = Engine.of({**kept, "ROOTSTREAM_CACHE": str(folder / "cache")}, None, workers)
    events: list[Event] = []
    engine.build(project, [target], events.append)
    return engine, events


def test_it_builds_for_writers_and_keeps_the_files(project: Path, team: Team, tmp_path: Path) -> None:
    engine, events = over(tmp_path, project, team, team.writer, "large.bst")
    assert done(events, "build") >= {"large.bst"}
    assert warned(events) == []
    objects = tmp_path / "cache" / "cas" / "objects"
    assert not [path for path in objects.rglob("*") if path.stat().st_size >= LARGE]
    assert {each.state for each in engine.show(project, ["large.bst"])} == {"cached"}
    engine.checkout(project, "large.bst", tmp_path / "out")
    assert (tmp_path / "out" / "data").stat().st_size == LARGE
    assert left_by(tmp_path / "cache") == []


def test_what_is_only_on_the_server_is_not_thought_to_be_here(project: Path, team: Team, tmp_path: Path) -> None:
    over(tmp_path, project, team, team.writer, "large.bst")
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    alone = Engine.of({**kept, "ROOTSTREAM_CACHE": str(tmp_path / "cache")})
    (state,) = alone.show(project, ["large.bst"], depends="none")
    assert state.state != "cached"
    alone.build(project, ["large.bst"])
    alone.checkout(project, "large.bst", tmp_path / "out")
    assert (tmp_path / "out" / "data").stat().st_size == LARGE


def test_it_does_not_build_for_readers(project: Path, team: Team, tmp_path: Path) -> None:
    _, events = over(tmp_path, project, team, team.reader)
    (warning,) = warned(events)
    assert "this token may only read" in warning
    assert "building here" in warning


def test_nobody_may_build_without_a_token(run: Command, tmp_path: Path) -> None:
    words = ("cache", "serve", str(tmp_path / "new"), "--bind", f"127.0.0.1:{free_port()}", "--workers", "1")
    refused = run(*words, cwd=tmp_path)
    assert refused.returncode == 2
    assert "run commands" in refused.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a tmpfs")
def test_a_full_disk_is_a_warning_and_the_server_goes_on(project: Path, team: Team, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12M", "none", disk], check=True)
    small = Team(disk / "store", free_port(), free_port(), team.writer, team.reader, team.certificate)
    try:
        small.folder.mkdir()
        shutil.copy(team.folder / "tokens", small.folder / "tokens")
        small.start(team.folder.parent)
        remote = small.remote(small.writer, push=True, base=team.folder.parent)
        events = build(tmp_path / "one", project, remote, "mixed.bst")
        assert any("large.bst" in text for text in warned(events))
        assert remote_api.probe([remote])[0].ok
        assert set(small.programs()) == {"buildbox-casd", "haproxy"}
    finally:
        if small.child is not None:
            small.end(signal.SIGTERM)
        subprocess.run(["umount", "-l", disk], check=True)


@pytest.mark.skipif(not shutil.which("faketime"), reason="faketime is not installed")
@pytest.mark.parametrize(("shift", "word"), [("+1d", "ahead of"), ("-1d", "behind")])
def test_a_clock_that_is_a_day_off_is_told_and_stops_nothing(
    project: Path, team: Team, tmp_path: Path, shift: str, word: str
) -> None:
    other = Team(tmp_path / "store", free_port(), free_port(), team.writer, team.reader, team.certificate)
    other.folder.mkdir()
    shutil.copy(team.folder / "tokens", other.folder / "tokens")
    base = team.folder.parent
    # the wrapper would not pass signals on
    library = subprocess.run(
        ["faketime", "-f", shift, "printenv", "LD_PRELOAD"], check=True, capture_output=True, text=True
    )
    other.start(base, LD_PRELOAD=library.stdout.strip(), FAKETIME=shift)
    try:
        remote = other.remote(other.writer, push=True, base=base)
        (health,) = cache_health.examined(Engine.of({"HOME": str(tmp_path), "PATH": os.environ["PATH"]}, remote))
        assert not health.met
        assert re.fullmatch(rf"its clock is 86[34][0-9]{{2}} s {word} that of this host", health.found)
        assert done(build(tmp_path / "one", project, remote), "push") == {"base.bst", "one.bst", "two.bst"}
        pulled = build(tmp_path / "two", project, other.remote(other.reader, base=base))
        assert done(pulled, "pull") == {"two.bst"}
        assert warned(pulled) == []
    finally:
        other.end(signal.SIGTERM)
        assert other.programs() == {}


def test_a_second_server_is_refused(team: Team, run: Command, tmp_path: Path) -> None:
    refused = run("cache", "serve", str(team.folder), "--bind", f"127.0.0.1:{free_port()}", cwd=tmp_path)
    assert refused.returncode == 2
    assert "another server" in refused.stderr
    taken = run("cache", "serve", str(tmp_path / "new"), "--bind", f"127.0.0.1:{team.metrics}", cwd=tmp_path)
    assert taken.returncode == 2
    assert "port" in taken.stderr


def test_systemd_accepts_the_unit(team: Team, tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd is not installed")
    for workers in (0, 4):
        wanted = cache_serve.options(
            team.folder, bind="[::]:443", quota="1T", certificate=team.certificate, anybody=True, insecure=False,
            metrics="127.0.0.1:9101", workers=workers,
        )  # fmt: skip
        unit = tmp_path / "rootstream-cache.service"
        unit.write_text(cache_serve.unit(wanted))
        checked = subprocess.run([program, "verify", unit], capture_output=True, text=True, check=False)
        assert (checked.returncode, checked.stderr) == (0, "")
        assert ("NoNewPrivileges" in unit.read_text()) is (workers == 0)
