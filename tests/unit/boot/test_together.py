"""Boots that go on at once: how many, and in which order their events are heard."""

from __future__ import annotations

import os

from rootstream import events
from rootstream.boot.together import Turns, at_once
from rootstream.description.machine import Machine


def step(text: str) -> events.Step:
    return events.Step(name="boot", text=text)


def test_events_come_one_boot_after_the_other() -> None:
    heard: list[events.Event] = []
    turns = Turns(heard.append, 3)
    first, second, third = (turns.of(number) for number in range(3))
    third(step("3a"))
    first(step("1a"))
    second(step("2a"))
    assert heard == [step("1a")]
    turns.end(1)
    first(step("1b"))
    assert heard == [step("1a"), step("1b")]
    turns.end(0)
    assert heard[2:] == [step("2a"), step("3a")]
    third(step("3b"))
    turns.end(2)
    assert heard[4:] == [step("3b")]


def test_nothing_is_heard_after_the_end() -> None:
    heard: list[events.Event] = []
    turns = Turns(heard.append, 2)
    turns.of(1)(step("2a"))
    turns.close()
    turns.of(0)(step("1a"))
    turns.end(0)
    turns.end(1)
    assert heard == []


def test_a_console_that_waits_is_kept_within_bounds() -> None:
    heard: list[events.Event] = []
    turns = Turns(heard.append, 2)
    text = events.Console(machine="two", text="x" * 100_000)
    for _ in range(100):
        turns.of(1)(text)
    turns.of(1)(step("2a"))
    turns.end(0)
    assert heard == [text] * 10 + [step("2a")]


def test_how_many_boot_at_once() -> None:
    cores = len(os.sched_getaffinity(0))
    assert at_once(Machine(memory=1 << 20), 1) == 1
    assert at_once(Machine(memory=1 << 20), 200) == min(cores + 1, 200)
    assert at_once(Machine(memory=1 << 20, cores=cores), 3) == 2
    assert at_once(Machine(memory=1 << 45), 2) == 1
