"""What happened in the last build of a system and when, kept for `rootstream report`.

Kept beside the state of exports: times differ from build to build, so they are no part of what is exported.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from rootstream.events import ElementFinished, Event, Reporter
from rootstream.host import nofollow
from rootstream.project.project import Project
from rootstream.report.timeline import FORMAT, MOST, path_of


@dataclass(slots=True, kw_only=True)
class Recorder:
    """A reporter that passes events on, and notes the actions on elements that ended.

    `clock` counts seconds, `now` is the time of day in seconds since 1970.
    """

    report: Reporter
    clock: Callable[[], float]
    now: float
    began: float = field(init=False)
    actions: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.began = self.clock()

    def __call__(self, event: Event) -> None:
        """Note an event, and pass it on."""
        if isinstance(event, ElementFinished) and event.result != "skipped":
            end = self._elapsed()
            self._note(event.element, event.action, end - event.elapsed, end, event.result)
        self.report(event)

    def write(self, project: Project, target: str, uses: Mapping[str, Sequence[str]]) -> None:
        """Keep what happened to the elements of a target; `uses` has what each is built from, if that is known."""
        actions = [each for each in self.actions if not uses or each["element"] in uses]
        if not actions and not uses:
            return
        record = {
            "format": FORMAT,
            "system": target,
            "began": datetime.fromtimestamp(self.now, UTC).isoformat(timespec="seconds"),
            "elapsed": round(self._elapsed(), 3),
            "elements": {name: list(uses[name]) for name in sorted(uses)},
            "actions": actions,
        }
        nofollow.write(project.folder, path_of(project, target), json.dumps(record).encode() + b"\n")

    def _elapsed(self) -> float:
        return self.clock() - self.began

    def _note(self, element: str, action: str, begin: float, end: float, result: str) -> None:
        if len(self.actions) < MOST:
            times = {"begin": round(max(0.0, begin), 3), "end": round(end, 3)}
            self.actions.append({"element": element, "action": action, **times, "result": result})
