"""Parts of a description at random: what `load` takes of them, the schema takes."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

from tests.unit.description.test_schema import VALIDATOR, everything, folder, loads

__all__ = ("folder",)  # a fixture


def thinned(value: Any, chance: random.Random) -> Any:  # noqa: ANN401
    """Leave out some of a document, or leave it empty."""
    if isinstance(value, dict):
        kept = {}
        for word, each in value.items():
            if chance.random() < 0.9:
                kept[word] = None if chance.random() < 0.02 else thinned(each, chance)
        return kept
    if isinstance(value, list):
        return [thinned(each, chance) for each in value if chance.random() < 0.9]
    return value


def test_what_load_takes_the_schema_takes(folder: Path) -> None:
    chance = random.Random(7)  # noqa: S311
    whole = {"systems": {"everything": everything()["systems"]["everything"]}}
    del whole["systems"]["everything"]["images"][5]["disk"]["initramfs"]
    taken = 0
    for _ in range(60):
        found = copy.deepcopy(whole)
        part = found["systems"]["everything"]
        for word in chance.sample(list(part), k=2):
            part[word] = thinned(part[word], chance)
        if loads(folder, found):
            taken += 1
            assert [error.message for error in VALIDATOR.iter_errors(found)] == []
    assert taken > 10
