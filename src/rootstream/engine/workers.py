"""The machines that build for this one: whether they are used, and for what."""

from __future__ import annotations

from rootstream.engine import remote_api
from rootstream.engine.remotes import Workers
from rootstream.engine.settings import Settings
from rootstream.engine.trust import Trust
from rootstream.events import Notice, Reporter


def building(
    settings: Settings, trust: Trust | None, dropped: set[tuple[str, str]], report: Reporter
) -> Workers | None:
    """Return the workers if they answer; warn once if they do not: what they would build is built here.

    `dropped` has what was given up in this command.
    """
    workers = settings.workers
    if workers is None or ("build", workers.remote.url) in dropped:
        return None
    why = _fault(workers, trust)
    if not why:
        return workers
    dropped.add(("build", workers.remote.url))
    text = f"the workers of {workers.remote.name} are not used: {why}; building here"
    report(Notice(level="warning", text=text))
    return None


def storage(settings: Settings, trust: Trust | None, dropped: set[tuple[str, str]]) -> Workers | None:
    """Return the workers if files are to stay on their server, and it answers."""
    workers = settings.workers
    if workers is None or not workers.thin or ("build", workers.remote.url) in dropped:
        return None
    return None if _fault(workers, trust) else workers


def _fault(workers: Workers, trust: Trust | None) -> str:
    """Return why workers cannot be used, empty if they can."""
    if trust and not workers.unsigned:
        return "nobody signs what they build, and `cache: signed_by` demands it (see `workers: unsigned`)"
    answer = remote_api.probe_workers(workers.remote)
    return "" if answer.ok else f"it {answer.text}"
