"""A word in the wrong place is named with the right one, for every word of the models."""

from __future__ import annotations

from pathlib import Path

import pytest

from rootstream.description.grammar import record
from rootstream.description.machine import Nic
from rootstream.description.model import System
from rootstream.description.word_paths import index
from rootstream.errors import Problems
from tests.loading import message, one, problems, read


@pytest.mark.parametrize(
    ("words", "place"),
    [
        ("root: {debian: {}}\nlayers: [{network: dhcp}]", "root.debian"),
        ("root: busybox\nlayers: [{network: dhcp}]", "root.busybox"),
        ("layers: [{users: [{name: a, hostname: b}]}]", "layers[]"),
        ("hostname: a", "layers[]"),
        ("kernel: {memory: 1G}", "machine"),
        ("machine: {suites: [sid]}", "debian at the top of the file"),
        ("machine: {layers: []}", "the system itself"),
        ("images: [{disk: {mount: /}}]", "images[].disk.partitions[]"),
    ],
)
def test_the_right_place_is_named(tmp_path: Path, words: str, place: str) -> None:
    assert message(tmp_path, words).endswith(f"; it belongs in {place}")


def test_words_of_a_system_beside_the_systems(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, one("") + "layers: []\n")
    assert problem.reason == "unknown-key"
    assert problem.message.endswith("; it belongs in systems.NAME")


def test_a_word_that_is_known_nowhere_has_no_place(tmp_path: Path) -> None:
    assert "belongs" not in message(tmp_path, "zzz: {}")


def test_every_word_of_a_system_has_its_place(tmp_path: Path) -> None:
    strange = sorted(set(index(System)) - set(record(Nic).fields))
    assert len(strange) > 150
    for word in strange:
        with pytest.raises(Problems) as caught:
            read(tmp_path, one(f"machine: {{nics: [{{{word}: {{}}}}]}}"))
        (problem,) = caught.value.problems
        assert problem.reason == "unknown-key", word
        assert "; it belongs in " in problem.message, word
