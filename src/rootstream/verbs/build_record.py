"""What happened in the last build of a system and when, kept for `rootstream report`.

Kept beside the state of exports: times differ from build to build, so they are no part of what is exported.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from rootstream.engine.elements import ElementState
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

    def write(
        self, project: Project, target: str, uses: Mapping[str, Sequence[str]], *, asked: bool = False
    ) -> None:
        """Keep what happened to the elements of a target; `uses` has what each is built from, if that is known.

        `asked`: elements that are not in it were asked before it was known.
        """
        if asked and uses:
            uses = _with_questions(uses, self.actions)
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


def below(states: Sequence[ElementState], element: str) -> dict[str, tuple[str, ...]]:
    """Return what the elements of a build that one is built from, itself included, are built from."""
    known = {each.name: (*each.build_depends, *each.runtime_depends) for each in states}
    found: dict[str, tuple[str, ...]] = {}
    todo = [element]
    while todo:
        name = todo.pop()
        if name in known and name not in found:
            found[name] = known[name]
            todo += known[name]
    return found


def _with_questions(
    uses: Mapping[str, Sequence[str]], actions: Sequence[Mapping[str, Any]]
) -> dict[str, tuple[str, ...]]:
    """Return `uses` with the elements whose results the others were planned by, each after the one before it.

    What was done after the last of them waited for it, unless it waited for something else that was done.
    """
    found = {name: tuple(each) for name, each in uses.items()}
    ended: dict[str, float] = {}
    began: dict[str, float] = {}
    for each in actions:
        name = each["element"]
        began[name] = min(each["begin"], began.get(name, each["begin"]))
        if name not in uses:
            ended[name] = max(each["end"], ended.get(name, 0.0))
    questions = sorted(ended, key=lambda name: ended[name])
    for before, name in pairwise(("", *questions)):
        found[name] = (before,) if before else ()
    for name, needs in uses.items():
        waited = name in began and not any(other in began for other in needs)
        if questions and waited and began[name] >= ended[questions[-1]]:
            found[name] = (*needs, questions[-1])
    return found
