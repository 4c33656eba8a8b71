"""Events in words: the same sentences for the terminal and for plain lines."""

from __future__ import annotations

from rootstream.events import (
    CacheTransfer,
    Checked,
    Done,
    ElementFinished,
    ElementRunning,
    ElementStarted,
    Event,
    Exported,
    Notice,
    Plan,
    Step,
    Transfer,
)
from rootstream.formats.units import duration, size
from rootstream.host.escape import escaped

LONG = 10.0  # seconds: of a shorter build it is not said how long it will take
SHORT = 1.0  # seconds: a fetch below is of local files or cached, and not worth a line
DONE_WORDS = {
    "build": "built",
    "install": "installed",
    "fetch": "fetched",
    "pull": "pulled",
    "push": "pushed",
    "track": "tracked",
}


def transferred(event: Transfer) -> str:
    """Return what arrived so far: files, bytes, speed."""
    files = f"{event.files_done}/{event.files_total} files, " if event.files_total > 1 else ""
    return f"{files}{size(event.bytes_done)} of {size(event.bytes_total)}, {size(event.rate)}/s"


def exchanged(event: CacheTransfer) -> str:
    """Return what was exchanged with a shared cache so far: bytes and speed."""
    word = "from" if event.direction == "pull" else "to"
    return f"{word} {event.server}: {size(event.bytes_done)}, {size(event.rate)}/s"


def planned(event: Plan) -> str:
    """Return the counts of a plan, without those that are nothing."""
    noun = "element" if event.total == 1 else "elements"
    parts = [
        f"{count} {word}"
        for count, word in (
            (event.cached, "cached"),
            (event.to_pull, "to pull"),
            (event.to_fetch, "to fetch"),
            (event.to_build, "to build"),
        )
        if count
    ]
    text = f"{event.total} {noun}: " + (", ".join(parts) or "nothing to do")
    if event.seconds < LONG:
        return text
    new = f", {event.unknown} of them for the first time" if event.unknown else ""
    longest = f", most of it for {', then '.join(event.chain)}" if event.chain else ""
    return f"{text}{new}; estimated {duration(event.seconds)} from earlier builds{longest}"


def worth_a_line(event: ElementFinished) -> bool:
    """Whether the end of an action is news."""
    return event.result == "failure" or (
        event.result == "success" and (event.action != "fetch" or event.elapsed >= SHORT)
    )


def sentence(event: Event) -> str | None:  # noqa: C901  (one case for each event)
    """Return the line that says what happened, or None if it is no news by itself."""
    match event:
        case Step():
            text = f"{event.text} ..."
        case Plan():
            text = planned(event)
        case ElementStarted():
            return escaped(f"{event.action} {event.element} ...") if event.action != "fetch" else None
        case ElementRunning():
            text = f"{event.action} {event.element} ... {duration(event.elapsed)}"
        case ElementFinished():
            return _finished(event) if worth_a_line(event) else None
        case Transfer():
            text = f"fetch {event.element}: {transferred(event)}"
        case CacheTransfer():
            text = f"{event.direction} {exchanged(event)}"
        case Notice():
            about = f"{event.element}: " if event.element else ""
            text = f"{'' if event.level == 'info' else event.level + ': '}{about}{event.text}"
        case Exported():
            stored = f" ({size(event.stored)} on disk)" if event.stored < event.size * 0.9 else ""
            text = f"{event.path}  {size(event.size)}{stored}"
        case Checked():
            detail = f": {event.detail}" if event.detail and not event.passed else ""
            verdict = "passed" if event.passed else "FAILED"
            text = f"{event.machine}: {event.name}: {verdict} ({duration(event.elapsed)}){detail}"
        case Done():
            text = f"{event.text} ({duration(event.elapsed)})"
        case _:  # console text is passed on, not said
            return None
    return escaped(text)


def _finished(event: ElementFinished) -> str:
    took = duration(event.elapsed)
    if event.result == "failure":
        return escaped(f"FAILED: {event.action} of {event.element} after {took}")
    return escaped(f"{DONE_WORDS.get(event.action, event.action)} {event.element} ({took})")
