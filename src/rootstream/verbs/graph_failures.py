"""Builds of packages that failed: what they looked for in vain may be why."""

from __future__ import annotations

import json
from pathlib import Path

from rootstream.buildroot.graph import elements, reasons
from rootstream.engine import said
from rootstream.errors import Interrupted, UserError
from rootstream.events import ElementFinished, Event, Reporter
from rootstream.sandbox.buildroot.additions import LOOKED_FOR


class Failures:
    """Follows the events of one build; remembers the logs of what failed."""

    def __init__(self, report: Reporter) -> None:
        self._report = report
        self._logs: dict[str, Path] = {}

    def tell(self, event: Event) -> None:
        """Pass an event on."""
        self._report(event)
        if isinstance(event, ElementFinished) and event.result == "failure" and event.log:
            self._logs[event.element] = event.log

    def looked_for(self, error: UserError) -> dict[str, list[str]]:
        """Return what was looked for in vain before a build ended with an error, by package as `keep` wants it.

        After an interrupt that is nothing: whoever stops a build does not want it to go on.
        """
        if isinstance(error, Interrupted):
            return {}
        logs = dict(self._logs)
        if error.reason == "buildroot-failed" and error.where:
            logs[elements.IMAGES] = error.where.path  # made outside the cache
        return {
            "" if element == elements.IMAGES else reasons.package_of(element): [
                path
                for each in said.in_log(log, "note")
                for path in (_paths(each.text) if each.reason == LOOKED_FOR else ())
            ]
            for element, log in logs.items()
        }


def _paths(text: str) -> list[str]:
    """Return the paths of a line of a log, which a package's programs may have written, too."""
    try:
        found = json.loads(text)
    except ValueError:
        return []
    return [path for path in found if isinstance(path, str)] if isinstance(found, list) else []
