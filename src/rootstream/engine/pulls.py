"""What a build pulls from servers: known before it begins, and told when it has ended."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from rootstream.engine.messages import Reader
from rootstream.engine.remote_artifacts import on_servers
from rootstream.engine.remotes import Remote
from rootstream.engine.transfer_watch import Traffic
from rootstream.engine.trust import Trust
from rootstream.events import ElementFinished, ElementStarted, Event, Notice, Plan, Reporter
from rootstream.formats.units import duration, size


class Pulls:
    """Follows the events of one build; its plan says what servers have."""

    def __init__(
        self,
        *,
        report: Reporter,
        project: Path,
        remotes: Sequence[Remote],
        reader: Reader,
        trust: Trust | None,
    ) -> None:
        self._trust = trust
        self._report = report
        self._project = project
        self._remotes = remotes
        self._reader = reader
        self._wanted = 0
        self._pulled: set[str] = set()
        self._running: dict[str, float] = {}
        self._since = 0.0
        self._elapsed = 0.0  # seconds in which at least one element was pulled

    def tell(self, event: Event) -> None:
        """Pass an event on; a plan with what the servers have."""
        if isinstance(event, Plan):
            event = self._plan(event)
            self._wanted = event.to_pull + event.to_build
        elif isinstance(event, ElementStarted | ElementFinished) and event.action == "pull":
            self._follow(event, time.monotonic())
        self._report(event)

    def _follow(self, event: ElementStarted | ElementFinished, now: float) -> None:
        if isinstance(event, ElementStarted):
            self._since = self._since if self._running else now
            self._running[event.element] = now
            return
        if self._running.pop(event.element, None) is not None and not self._running:
            self._elapsed += now - self._since
        if event.result == "success":
            self._pulled.add(event.element)

    def _plan(self, event: Plan) -> Plan:
        absent = [each for each in self._reader.elements if each.state != "cached"]
        try:
            there = on_servers(self._project, absent, self._remotes, self._trust)
        except (OSError, ValueError):
            return event  # what cannot be asked is found out by the build
        return self._reader.plan(there)

    def summarize(self, traffic: Traffic) -> None:
        """Tell what was pulled, of what was not here."""
        if not self._wanted:
            return
        names = ", ".join(each.name for each in self._remotes)
        took = duration(self._elapsed)
        sizes = f" ({size(traffic.total)}, {took})" if traffic.total and self._pulled else ""
        elements = f"{self._wanted} element{'' if self._wanted == 1 else 's'}"
        self._report(Notice(level="info", text=f"pulled {len(self._pulled)} of {elements} from {names}{sizes}"))
