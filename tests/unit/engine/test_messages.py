"""Messages of BuildStream, from real runs, as events."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Literal

import pytest

from rootstream.engine.bst_run import Clock
from rootstream.engine.elements import ElementState, plan_of, required
from rootstream.engine.messages import Reader, seconds
from rootstream.events import ElementFinished, ElementStarted, Event, Notice, Plan, Transfer

DATA = Path(__file__).parents[1] / "data" / "engine"
MARK = "@0123456789ab:"
LOGS = Path("/tmp/tiny/cache/logs")  # noqa: S108  (where the captures were made)


def read(name: str, *targets: str, counts: Literal["build", "fetch", ""] = "build") -> tuple[Reader, list[Event]]:
    reader = Reader(mark=MARK, logs=LOGS, targets=targets, counts=counts)
    events = []
    for line in (DATA / f"{name}.log").read_text().split("\n"):
        events += reader.line(line)
    return reader, events + reader.flush()


def finished(events: list[Event]) -> list[tuple[str, str, str]]:
    return [(e.action, e.element, e.result) for e in events if isinstance(e, ElementFinished)]


def test_a_build_with_two_builders() -> None:
    reader, events = read("build", "all.bst")
    assert events[0] == Plan(total=5, cached=0, to_fetch=0, to_build=5)
    started = [(e.action, e.element) for e in events if isinstance(e, ElementStarted)]
    assert Counter(started) == Counter(
        (action, f"{name}.bst") for action in ("fetch", "build") for name in ("base", "m1", "m2", "m3", "all")
    )
    assert sorted(finished(events)) == sorted((action, element, "success") for action, element in started)
    built = {e.element: e for e in events if isinstance(e, ElementFinished) and e.action == "build"}
    assert 0.9 < built["m1.bst"].elapsed < 5
    assert len(built["m1.bst"].key) == 64
    log = built["m1.bst"].log
    assert log is not None
    assert log.is_relative_to(LOGS / "tiny" / "m1")
    assert not reader.running
    assert not reader.failures


def test_a_cached_build_has_a_plan_and_nothing_else() -> None:
    _, events = read("cached", "all.bst")
    # the three are a run-time dependency of the stack; what they were built with is not needed any more
    assert events == [Plan(total=4, cached=4, to_fetch=0, to_build=0)]


def test_a_failure_and_what_goes_on_beside_it() -> None:
    reader, events = read("failed", "bad.bst", "m1.bst")
    assert ("build", "bad.bst", "failure") in finished(events)
    assert [(f.element, f.action, f.text) for f in reader.failures] == [("bad.bst", "build", "Command failed")]
    assert not [e for e in events if isinstance(e, Notice)]
    assert reader.core_errors == ["Build"]
    assert reader.closing() == ""


def test_a_failure_that_is_tried_again() -> None:
    _, events = read("failed-again", "bad.bst")
    assert not [e for e in events if isinstance(e, Notice)]
    assert finished(events) == [("build", "bad.bst", "failure")]


def test_progress_of_a_download() -> None:
    _, events = read("fetch", "parcel.bst", counts="fetch")
    assert events[0] == Plan(total=1, cached=0, to_fetch=1, to_build=0)
    assert [e for e in events if isinstance(e, Transfer)] == [
        Transfer(
            element="parcel.bst",
            files_done=done,
            files_total=4,
            bytes_done=done * 1_000_000,
            bytes_total=4_000_000,
            rate=10_200_000 + done,
        )
        for done in (1, 2, 3, 4)
    ]


def test_a_fetch_that_is_tried_again() -> None:
    reader, events = read("retried", "retried.bst")
    assert [e.text for e in events if isinstance(e, Notice)] == ["fetch: try #1 failed, retrying"]
    assert finished(events) == [("fetch", "retried.bst", "success"), ("build", "retried.bst", "success")]
    assert not reader.failures


def test_a_fetch_that_fails_for_good() -> None:
    reader, events = read("lost", "lost.bst")
    assert finished(events) == [("fetch", "lost.bst", "failure")]
    assert [f.text for f in reader.failures] == ["the line broke"]


def test_messages_that_imitate_messages() -> None:
    reader, events = read("noisy", "noisy.bst")
    assert finished(events) == [("fetch", "noisy.bst", "success"), ("build", "noisy.bst", "success")]
    info, warning = (e for e in events if isinstance(e, Notice))
    assert info.level == "info"
    assert info.text.startswith("first line\nsecond line of the same\n")
    assert "FAILURE|Command failed" in info.text
    assert warning.level == "warning"
    assert warning.text.startswith("[00:00:00] FAILURE not.bst: Command failed\n")
    assert not reader.failures
    assert not reader.core_errors


def test_a_defect_in_a_plugin() -> None:
    reader, events = read("plugin-bug", "retried.bst")
    assert finished(events) == [("fetch", "retried.bst", "failure")]
    assert "AttributeError: 'str' object has no attribute 'open_file'" in reader.failures[0].text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no-reference", "Inconsistent pipeline\n\n    Exact versions are missing"),
        ("no-element", "Could not find element 'nope.bst'"),
        ("wrong-element", "wrong.bst [line 2 column 18]: Unexpected key: bad-key"),
        ("not-built", "Error while staging dependencies into a sandbox"),
    ],
)
def test_last_words(name: str, words: str) -> None:
    reader, events = read(name)
    assert reader.closing().startswith(words)
    assert not finished(events)


def test_an_interrupted_build() -> None:
    reader, events = read("interrupted", "long.bst")
    assert ("build", "long.bst") in [(e.action, e.element) for e in events if isinstance(e, ElementStarted)]
    assert not reader.casd_died
    assert not [e for e in events if isinstance(e, Notice)]


def test_a_casd_that_died() -> None:
    reader, _ = read("casd-killed", "long.bst")
    assert reader.casd_died


def test_another_mark_is_no_message() -> None:
    reader = Reader(mark="@another:", logs=LOGS, targets=(), counts="build")
    events = [event for line in (DATA / "build.log").read_text().split("\n") for event in reader.line(line)]
    assert events == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [("--:--:--.------", 0), ("00:00:01.500000", 1.5), ("01:02:03.000001", 3723.000001), ("123:00:00", 442800)],
)
def test_elapsed_time(text: str, expected: float) -> None:
    assert seconds(text) == pytest.approx(expected)


def element(name: str, state: str, *, build: tuple[str, ...] = (), run: tuple[str, ...] = ()) -> ElementState:
    return ElementState(
        name=name,
        kind="manual",
        key="0" * 64,
        state=state,  # type: ignore[arg-type]
        build_depends=build,
        runtime_depends=run,
    )


def test_a_cached_element_needs_no_build_dependencies() -> None:
    elements = (
        element("base.bst", "buildable"),
        element("lib.bst", "cached", build=("base.bst",)),
        element("app.bst", "waiting", build=("tool.bst",), run=("lib.bst",)),
        element("tool.bst", "fetch needed", run=("data.bst",)),
        element("data.bst", "cached"),
        element("other.bst", "buildable"),
        element("sub.bst", "junction"),
    )
    needed = [e.name for e in required(elements, ["app.bst"])]
    assert needed == ["lib.bst", "app.bst", "tool.bst", "data.bst"]
    assert plan_of(elements, ["app.bst"]) == Plan(total=4, cached=2, to_fetch=1, to_build=2)
    assert plan_of(elements, ["lib.bst"]) == Plan(total=1, cached=1, to_fetch=0, to_build=0)
    # a target under another name, such as a path: all of them
    assert plan_of(elements, ["./app.bst"], build=False) == Plan(total=6, cached=2, to_fetch=4, to_build=0)


def test_an_action_that_goes_on_is_told_once_a_minute() -> None:
    clock, kernel, libc = Clock(), ("linux.bst", "build"), ("musl.bst", "build")
    told = {now: clock.due([kernel] if now < 100 else [libc], float(now)) for now in range(0, 200, 10)}
    assert {now: [(each.element, each.elapsed) for each in events] for now, events in told.items() if events} == {
        60: [("linux.bst", 60.0)],
        160: [("musl.bst", 60.0)],
    }
    long = [each.elapsed for now in range(200, 400, 20) for each in clock.due([libc], float(now))]
    assert long == [120.0, 180.0, 240.0]
