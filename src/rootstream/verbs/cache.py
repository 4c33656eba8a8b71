"""`rootstream cache`: how the caches are, pushing what is here, finding damaged blobs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from rootstream.description.model import Description
from rootstream.engine import ElementState, Engine, pushing, signing
from rootstream.errors import UserError, Where
from rootstream.events import Notice, Reporter, ignore
from rootstream.formats.units import size
from rootstream.host import blob_check
from rootstream.project.project import Project, reading
from rootstream.verbs import build, cache_health, selection, update

OBJECTS = Path("cas", "objects")
TOLD = 5_000  # blobs between two lines on them


def status(engine: Engine, *, as_json: bool) -> tuple[str, bool]:
    """Return the local cache and all servers as text or JSON, and whether each can be used as it is set."""
    settings = engine.settings
    found = cache_health.examined(engine)
    signatures = cache_health.signatures(engine)
    well = all(each.met for each in found) and all(each.met for each in signatures)
    if as_json:
        rows: list[dict[str, Any]] = [
            {
                "url": each.remote.url,
                "set_in": str(each.remote.where or "the environment"),
                "push": each.remote.push,
                "usable": each.met,
                "found": each.found,
                "fix": each.fix,
            }
            for each in found
        ]
        data: dict[str, Any] = {"local": {"path": str(settings.cache), "quota": settings.quota}, "servers": rows}
        data["signatures"] = [{"key": each.name, "usable": each.met, "found": each.found} for each in signatures]
        return json.dumps(data, indent=1) + "\n", well
    quota = size(int(settings.quota)) if settings.quota.isdigit() else settings.quota
    lines = [f"local  {settings.cache} (at most {quota})"]
    for each in found:
        where = each.remote.where or "the environment"
        push = ", push: true" if each.remote.push else ""
        lines.append(f"{'ok' if each.met else 'FAULT':<5}  {each.remote.url} (set in {where}{push})")
        lines.append(f"       {each.found}")
        lines += [f"       -> {each.fix}"] if each.fix else []
    for need in signatures:
        lines.append(f"{'ok' if need.met else 'FAULT':<5}  {need.name}: {need.found}")
        lines += [f"       -> {need.fix}"] if need.fix else []
    if not found:
        lines.append("no shared cache is set; see docs/how-to/share-a-cache.md")
    return "\n".join(lines) + "\n", well


def push(project: Project, wanted: tuple[str, ...], engine: Engine, report: Reporter) -> bool:
    """Push all of some systems that is in the local cache, and say whether the servers have all of that now.

    Raises `UserError` no-cache where nothing is set to push to, cache-unusable where none can be pushed to.
    """
    _require_push(engine)
    pushed: list[pushing.Pushed] = []
    with reading(project) as looked:
        for folder, states in _states(looked, wanted, engine):
            engine.built[folder] = {each.name: each.key for each in states if each.state == "cached"}
            pushed += pushing.push(engine, report, verbose=True)
    if not pushed:
        raise UserError(
            "nothing-pushed",
            "nothing was pushed: no server could be pushed to, or nothing has been built here",
            hint="`rootstream cache status` looks at the servers, `rootstream show` at what is built.",
        )
    return all(each.complete for each in pushed)


def _states(
    project: Project, wanted: tuple[str, ...], engine: Engine
) -> list[tuple[Path, tuple[ElementState, ...]]]:
    """Return the folders of BuildStream projects with their elements."""
    if project.kind == "plain":
        build.require_target(project, wanted)
        build.require_accepted(project)
        return [(project.plan, engine.show(project.plan, wanted))]
    description = project.read()
    targets = selection.choose(description, wanted, project.description)
    found = list(_of_graphs(project, description, targets, engine))
    if native := selection.native(description, targets):
        prepared = build.read(project, native)
        build.write_plan(prepared)
        elements = tuple(each.element for each in prepared.outputs.values())
        found.append((project.plan, engine.show(project.plan, elements)))
    return found


def _of_graphs(
    project: Project, description: Description, targets: tuple[str, ...], engine: Engine
) -> list[tuple[Path, tuple[ElementState, ...]]]:
    of_buildroot = selection.of_buildroot(description, targets)
    if not of_buildroot:
        return []
    from rootstream.verbs import buildroot_graph, graph_system  # noqa: PLC0415  (only these projects wait for it)

    found = []
    for described in of_buildroot:
        if graph_system.wanted(described):
            pinned = update.known(project)
            update.require(project, description, described, pinned)
            system = graph_system.GraphSystem(
                project, described, description.debian, pinned, engine, os.environ, ignore
            )
            found.append(buildroot_graph.for_others(system))
    return found


def sign(engine: Engine, report: Reporter, *, days: int, revoke: tuple[str, ...]) -> bool:
    """Renew the lists of the own key on all servers that are pushed to; say whether all that was meant is revoked.

    Raises `UserError` no-key, no-cache, cache-unusable.
    """
    trust = engine.trust
    if trust is None or trust.signer is None:
        hint = "Set `sign_with` of the cache in config.yaml, or ROOTSTREAM_CACHE_SIGN_WITH, to a private key."
        raise UserError("no-key", "no key is set to sign with", hint=hint)
    _require_push(engine)
    remotes = engine.usable(report, push=True)
    if not remotes:
        hint = "`rootstream cache status` looks at the servers."
        raise UserError("cache-unusable", "no server can be pushed to", hint=hint)
    done = True
    for remote in remotes:
        try:
            done &= signing.renew(trust, remote, days=days, revoke=revoke, report=report)
        except OSError as error:
            text = f"nothing was signed on {remote.name}: it {error.strerror or error}"
            raise UserError("cache-unusable", text) from error
    return done


def _require_push(engine: Engine) -> None:
    if not engine.has_push_remotes():
        hint = "Set `push: true` of the cache in config.yaml, or ROOTSTREAM_CACHE_PUSH=true."
        raise UserError("no-cache", "no cache is set to push to", hint=hint)


def check(folder: Path, report: Reporter, *, delete: bool) -> bool:
    """Read every blob of a cache and say whether all are sound now; with `delete`, damaged ones are deleted.

    `folder` is that of a local cache, or of a server on this host. Raises `UserError` no-cache, cannot-write.
    """
    objects = folder / OBJECTS
    if not objects.is_dir():
        text = "is not the folder of a cache: it has no cas/objects/"
        raise UserError("no-cache", text, where=Where(path=folder))

    def tell(count: int, done: int) -> None:
        if not count % TOLD:
            report(Notice(level="info", text=f"{count} blobs, {size(done)} ..."))

    found = blob_check.check(objects, tell)
    for path in found.damaged:
        text = f"damaged: {path}"
        if delete:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                message = f"cannot be deleted: {error.strerror}"
                raise UserError("cannot-write", message, where=Where(path=path)) from error
            text += ", deleted"
        report(Notice(level="warning", text=text))
    damaged = f"{len(found.damaged)} damaged" if found.damaged else "none damaged"
    report(Notice(level="info", text=f"{found.count} blobs, {size(found.size)}: {damaged}"))
    return delete or not found.damaged
