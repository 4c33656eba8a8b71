"""The cache shared with others, as the verbs have it: what the user set, and what the project only recommends."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rootstream.description import user_file
from rootstream.description.model import Description
from rootstream.engine import ElementState, Engine, Remote, Signatures, Workers
from rootstream.engine.elements import required
from rootstream.errors import Interrupted, UserError
from rootstream.events import Notice, Reporter

if TYPE_CHECKING:
    from rootstream.description.user_settings import ServerSetting


def engine_of(environment: Mapping[str, str]) -> Engine:
    """Return BuildStream as it is set up for a user: in the environment and in files of their own.

    Raises `UserError` setting-invalid, bad-key, file-unreadable, and `Problems` for mistakes in `config.yaml`.
    """
    if not user_file.is_set(environment):
        return Engine.of(environment)
    from rootstream.description import user_settings  # noqa: PLC0415  (only who has set something waits for it)

    cache, set_workers = user_settings.cache(environment), user_settings.workers(environment)
    workers = None
    if set_workers:
        workers = Workers(
            remote=_remote(set_workers),
            at_once=set_workers.at_once,
            jobs=set_workers.jobs,
            thin=set_workers.thin,
            unsigned=set_workers.unsigned,
        )
    keys = user_settings.signatures(environment)
    signatures = Signatures(signed_by=keys.signed_by, sign_with=keys.sign_with) if keys else None
    return Engine.of(environment, _remote(cache) if cache else None, workers, signatures)


def _remote(found: ServerSetting) -> Remote:
    return Remote(
        url=found.url,
        push=found.push,
        token=found.token,
        ca=found.ca,
        client_cert=found.client_cert,
        client_key=found.client_key,
        where=found.where,
    )


def recommend(description: Description, engine: Engine, environment: Mapping[str, str], report: Reporter) -> None:
    """Tell the user of the cache that a project recommends, unless they have decided on one."""
    if description.cache is None or engine.has_remotes() or _is_decided(environment):
        return
    path = user_file.place(environment)
    text = f"this project recommends the cache {description.cache.url}; it is not used"
    words = f'cache: {{url: "{description.cache.url}"}}'
    hint = f"to trust it with all your projects, write `{words}` to {_short(path)}"
    report(Notice(level="info", text=f"{text}; {hint}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What servers have: by element the name of the first that has it; `servers` are all, with what is wrong."""

    there: Mapping[str, str]
    servers: Mapping[str, str]


def look(engine: Engine, project: Path, states: Sequence[ElementState]) -> Looked | None:
    """Ask the servers what they have of some elements; None where there are no servers."""
    remotes = engine.remotes()
    if not remotes:
        return None
    from rootstream.engine import remote_api, remote_artifacts  # noqa: PLC0415  (only who has a cache waits for it)

    answers = remote_api.probe(remotes)
    servers = {remote.name: answer.text for remote, answer in zip(remotes, answers, strict=True)}
    live = [remote for remote in remotes if not servers[remote.name]]
    there: Mapping[str, str] = {}
    try:
        there = remote_artifacts.on_servers(project, states, live, engine.trust)
    except (OSError, ValueError) as error:
        servers |= {each.name: str(error) for each in live}
    return Looked(there=there, servers=servers)


def to_build(engine: Engine, project: Path, targets: Sequence[str], report: Reporter) -> tuple[str, ...]:
    """Return the elements that a build of targets makes, which are neither here nor on a server that answers."""
    states = engine.show(project, targets)
    there: Mapping[str, str] = {}
    absent = [each for each in states if each.state != "cached"]
    live = engine.usable(report) if absent else ()
    if live:
        from rootstream.engine import remote_artifacts  # noqa: PLC0415  (only who has a cache waits for it)

        with contextlib.suppress(OSError, ValueError):  # what cannot be asked is found out by the build
            there = remote_artifacts.on_servers(project, absent, live, engine.trust)
    known = [replace(each, state="cached") if each.name in there else each for each in states]
    return tuple(each.name for each in required(known, targets) if each.state != "cached")


@contextlib.contextmanager
def pushed_afterwards(engine: Engine, report: Reporter) -> Iterator[None]:
    """Push what was built in the block when that has ended, however it ended; it ends as it would have anyway."""
    try:
        yield
    except UserError as error:
        if isinstance(error, Interrupted) and engine.built and engine.has_push_remotes():
            report(Notice(level="info", text="pushing what was built before; interrupt again to leave it out"))
        # a second interrupt ends the push, too: what the build ended with is told in any case
        with contextlib.suppress(Interrupted):
            _push(engine, report)
        raise
    _push(engine, report)


def _push(engine: Engine, report: Reporter) -> None:
    if engine.built and engine.has_push_remotes():
        from rootstream.engine import pushing  # noqa: PLC0415  (only who pushes waits for it)

        pushing.push(engine, report)


def _is_decided(environment: Mapping[str, str]) -> bool:
    """Say whether a cache, or none, was chosen: `url: off` answers the recommendation, too."""
    return bool(environment.get("ROOTSTREAM_CACHE_URL")) or user_file.place(environment).is_file()


def _short(path: Path) -> str:
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)
