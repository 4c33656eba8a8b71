"""Writes down, while `bst` builds, what was built here and from what, and what was pulled: see `origins`."""

from __future__ import annotations

from rootstream.engine import origins, said
from rootstream.engine.messages import Reader
from rootstream.engine.settings import Settings, foreign_sources
from rootstream.engine.trust import Trust
from rootstream.events import ElementFinished, Event, Notice, Reporter


def recorded(report: Reporter, settings: Settings, reader: Reader, trust: Trust | None, *, here: bool) -> Reporter:
    """Return a reporter that also writes down the origin of each element that was built, `here` or by workers.

    Where a server may provide sources that nobody signs, nothing is: what is built of them may be anything.
    """
    if not origins.knows_sources(settings.cache, foreign=foreign_sources(settings)):
        return report
    digests = trust.digests() if trust else {}

    def tell(event: Event) -> None:
        if isinstance(event, ElementFinished) and event.result != "skipped":
            if event.action == "build":
                origins.record_built(settings.cache, reader.elements, event.element, here=here)
            elif event.action == "pull" and trust:
                found = origins.current(settings.cache, reader.elements, event.element)
                if found:
                    trust.record_signed(found, digests)
        report(event)

    return tell


def with_warnings(report: Reporter) -> Reporter:
    """Return a reporter that also tells what a finished element's log warns of."""

    def tell(event: Event) -> None:
        report(event)
        if isinstance(event, ElementFinished) and event.action == "build" and event.result == "success":
            for each in said.in_log(event.log):
                report(Notice(level="warning", text=each.text, element=event.element))

    return tell
