"""What a user has set, and what a project may only recommend."""

from __future__ import annotations

from pathlib import Path

import pytest

from rootstream.description.load import load
from rootstream.description.model import Description
from rootstream.events import Event, Notice
from rootstream.verbs.shared_cache import engine_of, recommend

URL = "https://cache.example:11443"


@pytest.fixture
def description(tmp_path: Path) -> Description:
    path = tmp_path / "system.yaml"
    path.write_text(f"cache: {{url: '{URL}'}}\nsystems: {{a: {{root: busybox, images: [tar]}}}}\n")
    return load(path)


def told(description: Description, environment: dict[str, str]) -> list[str]:
    events: list[Event] = []
    recommend(description, engine_of(environment), environment, events.append)
    return [event.text for event in events if isinstance(event, Notice)]


def test_a_recommendation_is_told_and_not_used(description: Description, tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path)}
    (text,) = told(description, environment)
    assert URL in text
    assert "config.yaml" in text
    assert not engine_of(environment).has_remotes()


def test_who_has_decided_is_not_told(description: Description, tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path)}
    folder = tmp_path / ".config" / "rootstream"
    folder.mkdir(parents=True)
    for text, remotes in ((f"cache: {{url: '{URL}'}}\n", 1), ("cache: {url: off}\n", 0)):
        (folder / "config.yaml").write_text(text)
        assert told(description, environment) == []
        assert len(engine_of(environment).remotes()) == remotes
    (folder / "config.yaml").unlink()
    assert told(description, {**environment, "ROOTSTREAM_CACHE_URL": "off"}) == []


def test_workers_and_a_cache_reach_the_engine(tmp_path: Path) -> None:
    environment = {
        "HOME": str(tmp_path),
        "ROOTSTREAM_CACHE_URL": URL,
        "ROOTSTREAM_CACHE_PUSH": "true",
        "ROOTSTREAM_WORKERS_URL": "http://w.example:50051",
        "ROOTSTREAM_WORKERS_AT_ONCE": "5",
    }
    engine = engine_of(environment)
    assert engine.has_push_remotes()
    assert engine.settings.workers is not None
    assert (engine.settings.workers.remote.url, engine.settings.workers.at_once) == ("http://w.example:50051", 5)
