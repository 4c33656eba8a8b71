"""Processes of both modules that start them: their input arrives whole, and their end is the end of the wait."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from rootstream.errors import UserError
from rootstream.fetch import process as plugin
from rootstream.formats.faults import Fault
from rootstream.host import process


@dataclass(frozen=True)
class Way:
    """One of the two functions."""

    run: Callable[..., process.Completed | plugin.CompletedTool]

    def python(self, code: str, *, timeout: float = 60, stdin: str | None = None) -> str:
        done = self.run([sys.executable, "-c", code], env=os.environ, timeout=timeout, stdin=stdin)
        assert done.status == 0, done.stderr
        return done.stdout


@pytest.fixture(params=[Way(process.run), Way(plugin.run)], ids=["rootstream", "plugin"])
def way(request: pytest.FixtureRequest) -> Way:
    return request.param  # type: ignore[no-any-return]


def reason_of(error: BaseException) -> str:
    assert isinstance(error, Fault | UserError)
    return error.reason


def test_a_child_that_begins_late_to_read_gets_a_long_input_whole(way: Way) -> None:
    code = "import sys, time; time.sleep(0.5); print(len(sys.stdin.read()))"
    assert way.python(code, stdin="x" * 1_000_000) == "1000000\n"


def test_a_child_that_does_not_read_its_input_may_end(way: Way) -> None:
    assert way.python("print('done')", stdin="x" * 1_000_000) == "done\n"


def test_long_outputs_of_both_kinds_arrive_whole(way: Way) -> None:
    code = "import sys\nfor _ in range(1000): print('o' * 999); print('e' * 999, file=sys.stderr)"
    done = way.run([sys.executable, "-c", code], env=os.environ, timeout=60)
    assert (len(done.stdout), len(done.stderr)) == (1_000_000, 1_000_000)


def test_what_a_child_leaves_behind_is_not_waited_for(way: Way) -> None:
    """A process of its own session holds the pipes open for longer than the child has."""
    code = (
        "import subprocess, sys; print('last words')\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(20)'], start_new_session=True)"
    )
    assert way.python(code, timeout=15) == "last words\n"


def test_a_child_that_has_closed_its_outputs_is_waited_for(way: Way) -> None:
    code = "import os, time; os.close(1); os.close(2); time.sleep(0.3)"
    assert way.python(code) == ""


def test_a_child_that_does_not_end_is_ended(way: Way) -> None:
    with pytest.raises((Fault, UserError)) as caught:
        way.python("import time; time.sleep(600)", timeout=0.3)
    assert reason_of(caught.value) == "process-timeout"


def test_a_program_that_is_not_there_is_told(way: Way) -> None:
    with pytest.raises((Fault, UserError)) as caught:
        way.run(["there-is-no-such-program"], env={"PATH": "/usr/bin"}, timeout=1)
    assert reason_of(caught.value) == "program-missing"
