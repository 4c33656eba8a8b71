"""Twenty kills of long commands at moments that a seed decides; `make faults` makes a thousand."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from tests.faults.kills import Faults, verbs_here

pytestmark = [pytest.mark.engine, pytest.mark.boot]

SEED = 20
COUNT = 20


def test_after_every_kill_results_are_whole_and_the_next_run_is_clean() -> None:
    verbs = tuple(each for each in verbs_here() if each != "graph")  # whose base alone takes a minute
    with tempfile.TemporaryDirectory(
        prefix="kills-", ignore_cleanup_errors=True
    ) as short:  # as paths of sockets are
        faults = Faults(Path(short), verbs)
        kills = [faults.kill(SEED, number, verbs) for number in range(COUNT)]
    assert not [each for each in kills if each.problems]
    assert sum(not each.ended for each in kills) > COUNT // 2
