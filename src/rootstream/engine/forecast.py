"""How long a build will take: what each of its elements took when it was built last, and what waits for what.

BuildStream keeps a log of each build of an element: it is named after when that began, and written until it ends.
"""

from __future__ import annotations

import heapq
import re
import time
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rootstream.engine.elements import ElementState, plan_of, required
from rootstream.events import Plan

_LOG = re.compile(r"[0-9a-f]{64}-build\.(\d{8}-\d{6})\.log")
_SUCCESS = re.compile(rb"\] SUCCESS .*: Build\s*$")
_END = 1024  # bytes
_MUCH = 0.1
_SHORT = 1.0  # seconds: of an element that was never built here


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """The seconds that a build takes, how many of its elements never were built here, and why not fewer seconds.

    `chain` are elements that wait for each other and take most of the time that at least is needed.
    """

    seconds: float
    unknown: int
    chain: tuple[str, ...]


def planned(
    elements: Sequence[ElementState],
    targets: Iterable[str],
    logs: Path,
    builders: int,
    remote: Container[str] = (),
) -> Plan:
    """Return the plan of a build with how long it will take, if most of its elements were built here before.

    `logs` is the folder of BuildStream's, `remote` as in `plan_of`.
    """
    wanted = tuple(targets)
    plan = plan_of(elements, wanted, remote=remote)
    there = [replace(each, state="cached") if each.name in remote else each for each in elements]
    built = [each for each in required(there, wanted) if each.state not in ("cached", "junction")]
    times = {each.name: took(logs, each.name) for each in built}
    if sum(each is None for each in times.values()) * 2 >= len(times):
        return plan  # more is unknown than known
    found = forecast(built, times, builders)
    return replace(plan, seconds=found.seconds, unknown=found.unknown, chain=found.chain)


def took(logs: Path, element: str) -> float | None:
    """Return how many seconds the last build of an element took that succeeded, None if no log has one."""
    name = element.rpartition(":")[2].removesuffix(".bst").replace("/", "-")
    newest: tuple[float, float] | None = None
    for folder in logs.glob("*/"):
        for path in (folder / name).glob("*-build.*.log"):
            match = _LOG.fullmatch(path.name)
            if match is None:
                continue
            try:
                if not _succeeded(path):
                    continue
                end = path.stat().st_mtime
                begin = time.mktime(time.strptime(match[1], "%Y%m%d-%H%M%S"))
            except (OSError, ValueError, OverflowError):
                continue
            newest = max(newest, (end, begin)) if newest else (end, begin)
    return max(0.0, newest[0] - newest[1]) if newest else None


def _succeeded(log: Path) -> bool:
    """Say whether a log ends well: that of an interrupted build may be short. Raises `OSError`."""
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, 2) - _END))
        return _SUCCESS.search(file.read()) is not None


def forecast(built: Sequence[ElementState], times: Mapping[str, float | None], builders: int) -> Forecast:
    """Return how long so many builders take for elements, which are in the order in which they can be built."""
    need = {each.name: _SHORT if times[each.name] is None else float(times[each.name] or 0) for each in built}
    below = {
        each.name: [name for name in (*each.build_depends, *each.runtime_depends) if name in need]
        for each in built
    }
    users: dict[str, list[str]] = {name: [] for name in need}
    for name, names in below.items():
        for each in names:
            users[each].append(name)
    rest: dict[str, float] = {}  # from the begin of an element to the end of the build
    for name in reversed(need):
        rest[name] = need[name] + max((rest.get(each, 0.0) for each in users[name]), default=0.0)
    return Forecast(
        seconds=_simulated(need, below, rest, builders),
        unknown=sum(each is None for each in times.values()),
        chain=tuple(name for name in _chain(rest, users) if need[name] >= _MUCH * max(rest.values(), default=0.0)),
    )


def _chain(rest: Mapping[str, float], users: Mapping[str, list[str]]) -> tuple[str, ...]:
    """Return the elements that decide how long a build takes at least, one after the other."""
    found: list[str] = []
    candidates = list(rest)
    while candidates:
        found.append(max(candidates, key=lambda name: rest.get(name, 0.0)))
        candidates = users[found[-1]]
    return tuple(found)


def _simulated(
    need: Mapping[str, float], below: Mapping[str, list[str]], rest: Mapping[str, float], builders: int
) -> float:
    """Return when the last element ends if a free builder takes the one that most depends on."""
    waiting, done, now = dict(below), set[str](), 0.0
    running: list[tuple[float, str]] = []
    while waiting or running:
        ready = sorted((name for name in waiting if done.issuperset(waiting[name])), key=lambda name: -rest[name])
        for name in ready[: max(0, builders - len(running))]:
            heapq.heappush(running, (now + need[name], name))
            del waiting[name]
        if not running:  # a ring: BuildStream refuses those itself
            break
        now, name = heapq.heappop(running)
        done.add(name)
    return now
