"""Pushing what was built to the servers that are set so: after a build, apart from it, and never instead of it.

What a server has afterwards is asked, not assumed: one whose disk or quota is too small takes an artifact and
drops parts of it at once.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rootstream.engine import signing, stored
from rootstream.engine.bst import Engine
from rootstream.engine.remote_api import Api
from rootstream.engine.remotes import Remote
from rootstream.engine.stored import Artifact, Digest
from rootstream.engine.trust import Trust
from rootstream.errors import Interrupted, UserError
from rootstream.events import Notice, Reporter
from rootstream.formats.units import duration, size

MOST_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What became of a push to one server: how many artifacts it has of how many there are, and which it lacks."""

    remote: Remote
    there: int
    total: int
    lacking: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Say whether the server has all of them."""
        return not self.lacking


def push(engine: Engine, report: Reporter, *, verbose: bool = False) -> tuple[Pushed, ...]:
    """Push what the last builds of an engine have in the cache and servers lack; failed elements never.

    Whatever goes wrong is a warning. `verbose` also tells of servers that had everything. Raises `Interrupted`.
    """
    elements = {project: {*each.items()} for project, each in engine.built.items()}
    before = dict(engine.replaced)
    engine.built.clear()
    engine.replaced.clear()
    try:
        if not elements or not engine.has_push_remotes():
            return ()
        wanted = {project: each | before.get(project, set()) for project, each in elements.items()}
        built = {project: found for project, each in wanted.items() if (found := _found(engine, each))}
        remotes = engine.usable(report, push=True) if built else ()
    except UserError as error:
        report(Notice(level="warning", text=f"nothing is pushed: {error.message}"))
        return ()
    pushed = []
    for remote in remotes:
        for project, found in built.items():
            stale = frozenset(each.name for each in _found(engine, before.get(project, set())))
            told = _push(engine, project, found, remote, report, stale=stale, verbose=verbose)
            pushed.append(told)
            if engine.trust and engine.trust.signer:
                there = [each for each in found if each.element not in told.lacking]
                signing.sign(engine.trust, remote, there, report)
    return tuple(pushed)


def _found(engine: Engine, elements: Iterable[tuple[str, str]]) -> tuple[Artifact, ...]:
    found = (stored.artifact(engine.settings.cache, name, key) for name, key in sorted(elements) if key)
    return tuple(each for each in found if each is not None and each.succeeded)


def _push(
    engine: Engine,
    project: Path,
    found: Sequence[Artifact],
    remote: Remote,
    report: Reporter,
    *,
    stale: frozenset[str],
    verbose: bool,
) -> Pushed:
    """Push what a server lacks; those that are `stale` by their own names, since the project has others now."""
    began = time.monotonic()
    total = len(found)
    signs = engine.trust if engine.trust and engine.trust.signer else None
    try:
        needed = lacking(engine.settings.cache, found, remote, signs)
    except (OSError, ValueError) as error:
        report(Notice(level="warning", text=f"nothing was pushed to {remote.name}, which {error}"))
        return Pushed(remote=remote, there=0, total=total, lacking=tuple(each.element for each in found))
    if not needed:
        if verbose:
            report(Notice(level="info", text=f"{remote.name} has all {_elements(total)} already"))
        return Pushed(remote=remote, there=total, total=total, lacking=())
    names = [each.element for each in found if each.name in needed]
    said = ""
    counted = 0

    def count(sent: int) -> None:
        nonlocal counted
        counted = sent

    try:
        wanted = [each.name if each.name in stale else each.element for each in found if each.name in needed]
        engine.push(project, wanted, remote, report, count)
    except Interrupted:
        raise
    except UserError as error:
        said = f": {error.message.partition(chr(10))[0]}"
    try:
        left = lacking(engine.settings.cache, [each for each in found if each.name in needed], remote, signs)
    except (OSError, ValueError) as error:
        report(Notice(level="warning", text=f"the push to {remote.name} was broken off: it {error}"))
        return Pushed(remote=remote, there=total - len(names), total=total, lacking=tuple(names))
    took = duration(time.monotonic() - began)
    done = len(names) - len(left)
    sent = f"{size(counted)}, {took}" if counted else took
    if done:
        text = f"pushed {done} of {_elements(total)} to {remote.name} ({sent})"
        report(Notice(level="info", text=text))
    lost = tuple(each.element for each in found if each.name in left)
    if lost:
        some = ", ".join(lost[:MOST_NAMED]) + (f" and {len(lost) - MOST_NAMED} more" if lost[MOST_NAMED:] else "")
        hint = said or "; its disk or quota may be too small"
        report(Notice(level="warning", text=f"{remote.name} does not keep {some}{hint}"))
    return Pushed(remote=remote, there=total - len(lost), total=total, lacking=lost)


def lacking(cache: Path, found: Sequence[Artifact], remote: Remote, signs: Trust | None) -> frozenset[str]:
    """Return the names of the artifacts that a server does not have whole.

    One that somebody else has built, and is there, is as good as ours; for who `signs`, if it is signed. Raises
    `OSError` if it does not answer, `ValueError` for a damaged artifact here.
    """
    with Api(remote) as api:
        answer = api.answer(api.probe(), time.monotonic())  # a server that has gone costs no more than this
        if not answer.ok:
            raise OSError(answer.text)
        entries = api.entries([each.name for each in found])
        if signs:
            signed = signs.digests()
            own = {each.name: each.digest for each in found}
            entries = {name: each for name, each in entries.items() if each in (own[name], signed.get(name))}
        others = [entries[each.name] for each in found if entries.get(each.name, each.digest) != each.digest]
        read = api.read(others) if others else {}
        parts: dict[str, set[Digest]] = {}
        for each in found:
            entry = entries.get(each.name)
            if entry == each.digest:
                parts[each.name] = stored.blobs(cache, each.data, ours=True) | {entry}
            elif entry is not None and entry.hash in read:
                parts[each.name] = stored.blobs(cache, read[entry.hash], ours=False)
        missing = api.missing(tuple(set().union(*parts.values())))
    whole = {name for name, digests in parts.items() if not any(each.hash in missing for each in digests)}
    return frozenset(each.name for each in found if each.name not in whole)


def _elements(count: int) -> str:
    return f"{count} element{'' if count == 1 else 's'}"
