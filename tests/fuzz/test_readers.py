"""Readers of foreign bytes on some inputs, the same in each run, and on all that once went wrong.

`make fuzz` goes on from here for an hour; see tests/fuzz/run.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.readers import READERS
from tests.fuzz.run import attempt, in_child
from tests.fuzz.seeds import KEPT

FIRST = 100  # inputs of each reader
ENOUGH = 60.0  # seconds


@pytest.mark.parametrize("reader", sorted(READERS))
def test_an_input_is_read_or_refused(reader: str) -> None:
    tally = in_child(reader, range(FIRST), ENOUGH)
    assert not tally.bad, "\n".join(f"--one {reader} {number}\n{text}" for number, text in tally.bad)
    assert tally.ends.total()


@pytest.mark.parametrize("reader", sorted(READERS))
def test_a_whole_input_is_read(reader: str, tmp_path: Path) -> None:
    ends = {attempt(reader, data, tmp_path) for data in READERS[reader].seeds()}
    assert "read" in ends, f"the seeds of {reader} are refused: its inputs test nothing behind that"


@pytest.mark.parametrize("kept", sorted(KEPT.glob("*/*")), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_went_wrong_once_is_read_or_refused(kept: Path, tmp_path: Path) -> None:
    assert attempt(kept.parent.name, kept.read_bytes(), tmp_path) in ("read", "refused")
