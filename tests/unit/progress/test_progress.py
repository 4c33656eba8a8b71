"""Reporters: each event in words, as JSON, and on a terminal."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import re
from pathlib import Path

import pytest

from rootstream.errors import Problems, UserError, Where
from rootstream.events import (
    Checked,
    Console,
    Done,
    ElementFinished,
    ElementRunning,
    ElementStarted,
    Event,
    Exported,
    Notice,
    Plan,
    Step,
    Transfer,
)
from rootstream.formats.units import duration, size
from rootstream.host.escape import escaped
from rootstream.progress import Json, Plain, error_as_json, reporting, suits_terminal
from rootstream.progress.terminal import Terminal

KEY = "0" * 64
STARTED = ElementStarted(element="linux.bst", action="build", key=KEY, log=Path("l.log"))
FINISHED = ElementFinished(
    element="linux.bst", action="build", key=KEY, result="success", elapsed=187.2, log=Path("l.log")
)
FAILED = ElementFinished(element="bad.bst", action="build", key=KEY, result="failure", elapsed=2, log=None)
TRANSFER = Transfer(
    element="base.bst",
    files_done=12,
    files_total=169,
    bytes_done=23_400_000,
    bytes_total=117_000_000,
    rate=10_200_000,
)
ALL: list[Event] = [
    Step(name="plan", text="planning"),
    Plan(total=12, cached=7, to_fetch=2, to_build=5),
    STARTED,
    TRANSFER,
    FINISHED,
    FAILED,
    Notice(level="warning", text="odd", element="a.bst"),
    Exported(system="hello", path=Path("out/hello/disk.img"), size=321_000_000, stored=4_800_000),
    Console(machine="hello", text="Hello World!\r\n"),
    Checked(machine="hello", name="console", passed=False, elapsed=61.0, detail="nothing came"),
    Done(text="built hello", elapsed=3725),
]


def plain(*events: Event, quiet: bool = False) -> str:
    out = io.StringIO()
    reporter = Plain(out, clock=lambda: 0.0, quiet=quiet)
    for event in events:
        reporter(event)
    return out.getvalue()


def test_plain_lines() -> None:
    assert plain(*ALL) == (
        "planning ...\n"
        "12 elements: 7 cached, 2 to fetch, 5 to build\n"
        "build linux.bst ...\n"
        "fetch base.bst: 12/169 files, 23.4 MB of 117 MB, 10.2 MB/s\n"
        "built linux.bst (3m07s)\n"
        "FAILED: build of bad.bst after 2.0 s\n"
        "warning: a.bst: odd\n"
        "out/hello/disk.img  321 MB (4.8 MB on disk)\n"
        "Hello World!\n"
        "hello: console: FAILED (1m01s): nothing came\n"
        "built hello (1h02m)\n"
    )


def test_a_download_is_not_told_for_every_block() -> None:
    now = [0.0]
    out = io.StringIO()
    reporter = Plain(out, clock=lambda: now[0])
    for _ in range(100):
        reporter(TRANSFER)
        now[0] += 1
    assert len(out.getvalue().splitlines()) == 10


def test_the_end_of_a_download_is_told() -> None:
    last = Transfer(element="base.bst", files_done=1, files_total=1, bytes_done=100, bytes_total=100, rate=100)
    assert plain(TRANSFER, last).splitlines()[-1] == "fetch base.bst: 100 B of 100 B, 100 B/s"


def test_fetches_of_local_files_are_no_news() -> None:
    short = ElementFinished(element="a.bst", action="fetch", key=KEY, result="success", elapsed=0.1, log=None)
    long = ElementFinished(element="a.bst", action="fetch", key=KEY, result="success", elapsed=5, log=None)
    skipped = ElementFinished(element="a.bst", action="pull", key=KEY, result="skipped", elapsed=5, log=None)
    assert plain(short, skipped, long) == "fetched a.bst (5.0 s)\n"


def test_console_text_is_passed_on_and_does_not_swallow_the_next_line() -> None:
    assert plain(Console(machine="m", text="login: "), Done(text="done", elapsed=1)) == "login: \ndone (1.0 s)\n"


def test_quiet() -> None:
    assert plain(*ALL, quiet=True) == "warning: a.bst: odd\n"


def test_json_lines() -> None:
    out = io.StringIO()
    reporter = Json(out, now=lambda: 1795224116.1839)
    for event in ALL:
        reporter(event)
    objects = [json.loads(line) for line in out.getvalue().splitlines()]
    assert " ".join(o["type"] for o in objects) == (
        "step plan element-started transfer element-finished element-finished notice exported console checked done"
    )
    assert objects[1] == {
        "type": "plan", "time": 1795224116.184, "total": 12, "cached": 7, "to_fetch": 2, "to_build": 5,
        "to_pull": 0, "seconds": 0.0, "unknown": 0, "chain": [],
    }  # fmt: skip
    assert objects[2]["log"] == "l.log"
    assert objects[7]["path"] == "out/hello/disk.img"


def test_errors_as_json() -> None:
    one = UserError("bad-word", "no", where=Where(path=Path("a.yaml"), line=3), hint="do", detail="d\ne")
    told = json.loads(error_as_json(Problems((one, one)), now=5))
    assert (told["type"], told["reason"], len(told["problems"])) == ("error", "several-problems", 2)
    assert told["problems"][0] == {
        "reason": "bad-word", "message": "no", "path": "a.yaml", "line": 3, "column": None, "hint": "do",
        "detail": "d\ne",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.6, "1m00s"), (3599.6, "1h00m"), (7260, "2h01m")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (99_960, "100 kB"), (999_600, "1.0 MB"), (2.5e15, "2500 TB")],
)
def test_sizes(count: float, text: str) -> None:
    assert size(count) == text


def test_foreign_text_cannot_command_a_terminal() -> None:
    assert "\x1b" not in escaped("\x1b]0;evil\x07name\r\x9b2J")
    evil = Notice(level="info", text="a\x1b[2Jb", element="x\x1b.bst")
    assert "\x1b" not in plain(evil)


def screen(*events: Event, columns: int = 80, now: float = 0.0) -> str:
    """Return all that a terminal reporter writes, the live view drawn once after the last event."""
    out = io.StringIO()
    clock = [0.0]
    terminal = Terminal(out, clock=lambda: clock[0])
    terminal._console._width = columns
    terminal._console._force_terminal = True
    for event in events:
        terminal(event)
    clock[0] = now
    terminal._console.print(terminal.view())
    terminal.__exit__()
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.getvalue())


def test_the_live_view_shows_what_runs_and_for_how_long() -> None:
    fetching = ElementStarted(element="base.bst", action="fetch", key=KEY, log=None)
    text = screen(Plan(total=3, cached=1, to_fetch=1, to_build=2), STARTED, fetching, TRANSFER, FAILED, now=75)
    assert "build linux.bst 1m15s" in text
    assert "fetch base.bst 1m15s  12/169 files, 23.4 MB of 117 MB, 10.2 MB/s" in text
    assert "0 of 2 built, 1 cached, 1 failed, 1m15s" in text
    assert "FAILED: build of bad.bst" in text


def test_a_narrow_terminal() -> None:
    for columns in (1, 8, 20):
        text = screen(Plan(total=3, cached=1, to_fetch=1, to_build=2), STARTED, columns=columns, now=2)
        assert all(len(line) <= columns for line in text.splitlines())


def test_markup_in_names_is_text() -> None:
    assert "[bold]x" in screen(Notice(level="info", text="[bold]x"))


@pytest.mark.parametrize(
    ("environment", "suits"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "dumb"}, False),
        ({}, False),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "xterm", "NO_COLOR": ""}, True),
    ],
)
def test_when_a_live_view_suits(environment: dict[str, str], suits: bool) -> None:
    ours, theirs = pty.openpty()
    try:
        with open(theirs, "w", closefd=False) as terminal:
            assert suits_terminal(terminal, environment) is suits
        assert not suits_terminal(io.StringIO(), environment)
    finally:
        os.close(ours)
        os.close(theirs)


def test_auto_is_plain_without_a_terminal() -> None:
    out = io.StringIO()
    with reporting("auto", stream=out, env={"TERM": "xterm"}) as report:
        report(Done(text="done", elapsed=1))
    assert out.getvalue() == "done (1.0 s)\n"


def test_on_a_real_terminal_nothing_of_the_live_view_stays() -> None:
    ours, theirs = pty.openpty()
    with (
        open(theirs, "w", closefd=False) as terminal,
        reporting("terminal", stream=terminal, env={"TERM": "xterm"}) as report,
    ):
        for event in ALL:
            report(event)
    os.set_blocking(ours, False)
    written = ""
    with contextlib.suppress(BlockingIOError):
        while chunk := os.read(ours, 1 << 16):
            written += chunk.decode()
    os.close(ours)
    os.close(theirs)
    assert "built linux.bst (3m07s)" in written
    assert "Hello World!" in written
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l")  # the cursor is back
    assert written.rstrip().endswith(("\x1b[2K", "h"))


def test_without_a_terminal_a_long_action_is_told() -> None:
    out = io.StringIO()
    with reporting("plain", stream=out, env={}) as report:
        report(ElementRunning(element="linux.bst", action="build", elapsed=120.0))
    assert out.getvalue() == "build linux.bst ... 2m00s\n"
