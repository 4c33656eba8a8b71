"""Servers of artifacts: from the user's words to BuildStream's, and the lines of mistakes in `engine.yaml`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from rootstream.engine.remotes import Remote, Workers
from rootstream.engine.settings import Settings, configuration, place_in, remotes_of, servers_in
from rootstream.errors import UserError


def settings(folder: Path, text: str | None = None, remote: Remote | None = None) -> Settings:
    extra = None
    if text is not None:
        extra = folder / "engine.yaml"
        extra.write_text(text)
    return Settings(
        cache=folder / "cache", quota="10G", builders=2, fetchers=4, max_jobs=3, extra=extra, remote=remote
    )


def servers(
    chosen: Settings, remotes: tuple[Remote, ...] | None = None, push: bool | None = False
) -> list[dict[str, Any]] | None:
    tree = YAML(typ="safe").load(configuration(chosen, mark=None, remotes=remotes, push=push))
    assert tree["artifacts"]["override-project-caches"] is True
    found: list[dict[str, Any]] | None = tree["artifacts"].get("servers")
    return found


def test_what_buildstream_is_told(tmp_path: Path) -> None:
    remote = Remote(url="https://c.example", push=True, token=Path("/t"), ca=Path("/ca"))
    chosen = settings(tmp_path, remote=remote)
    auth = {"access-token": "/t", "server-cert": "/ca"}
    assert servers(chosen) == [{"url": "https://c.example", "push": False, "auth": auth}]
    (pushed,) = servers(chosen, push=True) or [{}]
    assert pushed["push"] is True
    assert servers(chosen, remotes=()) == []
    assert servers(settings(tmp_path)) is None


def test_servers_of_the_engines_file_have_paths_relative_to_it(tmp_path: Path) -> None:
    text = (
        "artifacts:\n  servers:\n  - url: https://c.example\n    push: true\n    instance-name: main\n"
        "    auth: {access-token: t, access-token-reload-interval: 5}\n"
    )
    (remote,) = remotes_of(settings(tmp_path, text))
    assert (remote.push, remote.token, remote.instance) == (True, tmp_path / "t", "main")
    (entry,) = servers(settings(tmp_path, text)) or [{}]
    assert entry["auth"] == {"access-token": str(tmp_path / "t"), "access-token-reload-interval": 5}
    assert (entry["push"], entry["instance-name"]) == (False, "main")


@pytest.mark.parametrize(
    ("url", "name", "address"),
    [
        ("https://c.example", "c.example", ("c.example", 443)),
        ("https://c.example:443", "c.example", ("c.example", 443)),
        ("http://c.example:11001", "c.example:11001", ("c.example", 11001)),
        ("https://[::1]:50", "[::1]:50", ("::1", 50)),
    ],
)
def test_names(url: str, name: str, address: tuple[str, int]) -> None:
    assert (Remote(url=url).name, Remote(url=url).address) == (name, address)


def place_of(text: str, marked: str) -> tuple[int, int]:
    """Return where `marked` begins, as BuildStream would say of a value, counted from 1."""
    lines = text.split("\n")
    line = next(number for number, each in enumerate(lines) if marked in each)
    return line + 1, lines[line].index(marked) + 1


@pytest.mark.parametrize(
    ("text", "value", "line"),
    [
        ("# mine\nscheduler:\n  builders: few\n", "few", 3),
        ("schedler: {builders: 311}\n", "311", 1),
        (
            "artifacts:\n  servers:\n  - url: https://a.test\n  - url: https://b.test\n    pusch: 77\n",
            "77",
            5,
        ),
    ],
)
def test_a_mistake_in_the_engines_file_has_its_line(tmp_path: Path, text: str, value: str, line: int) -> None:
    chosen = settings(tmp_path, text, Remote(url="https://own.example"))
    merged = configuration(chosen, mark=None)
    assert chosen.extra is not None
    found = place_in(chosen.extra, merged, *place_of(merged, value))
    assert found is not None
    assert (found.path, found.line) == (chosen.extra, line)


def test_what_is_ours_is_no_place_in_the_users_file(tmp_path: Path) -> None:
    chosen = settings(tmp_path, "scheduler: {builders: 3}\n")
    merged = configuration(chosen, mark=None)
    assert chosen.extra is not None
    assert place_in(chosen.extra, merged, *place_of(merged, "max-jobs: 3")) is None


def test_servers_that_are_wrong_are_left_to_buildstream(tmp_path: Path) -> None:
    chosen = settings(tmp_path, "artifacts: {servers: [{pusch: true}]}\n")
    assert remotes_of(chosen) == ()
    assert servers(chosen) == [{"pusch": True}]
    with pytest.raises(UserError):
        remotes_of(settings(tmp_path, "a: [\n"))


def test_workers_have_all_services_and_decide_how_much_is_built_at_once(tmp_path: Path) -> None:
    workers = Workers(remote=Remote(url="https://w.example", token=Path("/t")), at_once=16, jobs=8)
    text = configuration(settings(tmp_path), mark=None, workers=workers)
    assert "&" not in text  # BuildStream takes no anchors
    tree = YAML(typ="safe").load(text)
    server = {"url": "https://w.example", "auth": {"access-token": "/t"}}
    assert tree["remote-execution"] == {
        "execution-service": server,
        "storage-service": server,
        "action-cache-service": server,
    }
    assert (tree["scheduler"]["builders"], tree["build"]["max-jobs"]) == (16, 8)
    assert set(servers_in(text)) == {"https://w.example"}
    assert tree["build"]["retry-failed"] is True
    alone = YAML(typ="safe").load(configuration(settings(tmp_path), mark=None))
    assert "remote-execution" not in alone
