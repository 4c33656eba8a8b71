"""What the boot server tells people: at once, and on the status page. A full disk and a flood do not stop it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Literal

from rootstream import events
from rootstream.errors import UserError
from rootstream.netboot.store.state import State

QUIET = 60.0  # seconds in which what anybody can cause is told a number of times
MOST_TOLD = 10  # of each kind
LONGEST = 300  # characters


class Teller:
    """Tells, and notes what it told."""

    def __init__(self, state: State, report: events.Reporter, clock: Callable[[], float]) -> None:
        self._state = state
        self._report = report
        self._clock = clock
        self._fault = ("", 0.0)
        self._some: dict[str, tuple[float, int]] = {}
        self._once: dict[str, float] = {}

    def tell(self, kind: str, text: str, *, machine: str = "") -> None:
        """Tell something that happened."""
        level: Literal["info", "warning"] = "warning" if kind == "warning" else "info"
        self._report(events.Notice(level=level, text=text))
        with self.noting():
            self._state.tell(kind, text, machine=machine)

    def tell_some(self, kind: str, text: str) -> None:
        """Tell what anybody on the network can cause as often as it likes: not more than some of it."""
        began, count = self._some.get(kind, (0.0, 0))
        now = self._clock()
        if now - began > QUIET:
            began, count = now, 0
        self._some[kind] = (began, count + 1)
        if count < MOST_TOLD:
            self.tell("warning" if kind == "http" else kind, text[:LONGEST])
        elif count == MOST_TOLD:
            self.tell("warning", f"more than {MOST_TOLD} of these within {QUIET:g} seconds: the rest is not shown")

    def tell_once(self, text: str) -> None:
        """Tell something that goes on, not more than once a minute."""
        now = self._clock()
        if now - self._once.get(text, 0.0) > QUIET:
            self._once = {text: now}
            self.tell("warning", text)

    @contextlib.contextmanager
    def noting(self) -> Iterator[None]:
        """Note something; that it cannot be noted is told, and is no reason to serve nobody."""
        try:
            yield
        except UserError as error:
            self.cannot_note(error)

    def cannot_note(self, error: UserError) -> None:
        """Tell that the state cannot be written, the same not more than once a minute."""
        said, at = self._fault
        now = self._clock()
        if said != error.message or now - at > QUIET:
            self._fault = (error.message, now)
            self._report(events.Notice(level="warning", text=f"{error.message}; machines can still boot"))
