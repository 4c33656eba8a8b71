"""What happens during work, as data: the engine and the boot emit these, reporters render them.

Times are seconds on the caller's monotonic clock unless a field says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A part of the work of the tool itself begins (planning, exporting, booting ...)."""

    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the engine is going to do: counts of elements.

    `seconds` is how long all that is built will take by what it took before, as far as that is known: `unknown`
    elements were never built here. `chain` are the elements that wait for each other longest.
    """

    total: int
    cached: int
    to_fetch: int
    to_build: int
    to_pull: int = 0
    seconds: float = 0.0
    unknown: int = 0
    chain: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementStarted:
    """The engine begins `action` (fetch, build, pull, track, push ...) on an element."""

    element: str
    action: str
    key: str
    log: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementRunning:
    """An action still goes on after another minute; `elapsed` in seconds since it began."""

    element: str
    action: str
    elapsed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """What an element (a package of Buildroot) that is being built does now: extracting, configuring ..."""

    element: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementFinished:
    """The action ended; `elapsed` in seconds, `log` is the element's whole log if there is one."""

    element: str
    action: str
    key: str
    result: Literal["success", "failure", "skipped", "cached"]
    elapsed: float
    log: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """Bytes that arrived so far for one element's sources; `rate` in bytes a second."""

    element: str
    files_done: int
    files_total: int
    bytes_done: int
    bytes_total: int
    rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheTransfer:
    """Bytes that came from a shared cache, or went to it, in this run so far; `rate` in bytes a second."""

    server: str
    direction: Literal["pull", "push"]
    bytes_done: int
    rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A text for the user: `info` can be missed, `warning` should not be, `error` stops something."""

    level: Literal["info", "warning", "error"]
    text: str
    element: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """A file of the result is in place; `size` in bytes, `stored` what it occupies on the disk."""

    system: str
    path: Path
    size: int
    stored: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """Text that a booted machine printed."""

    machine: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One check of a booted machine ended; `elapsed` in seconds, `image` what it was booted from."""

    machine: str
    image: str | None = None
    name: str
    passed: bool
    elapsed: float
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The whole command ended well; `elapsed` in seconds."""

    text: str
    elapsed: float


Event = (
    Step
    | Plan
    | ElementStarted
    | ElementRunning
    | Phase
    | ElementFinished
    | Transfer
    | CacheTransfer
    | Notice
    | Exported
    | Console
    | Checked
    | Done
)
Reporter = Callable[[Event], None]


def ignore(_event: Event) -> None:
    """Report nothing: the reporter of callers that need none."""
