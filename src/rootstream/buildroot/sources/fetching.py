"""Everything that a Buildroot system is built from, fetched before: by hash, and the rest as Buildroot does it."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

from rootstream import events
from rootstream.buildroot import info
from rootstream.buildroot.build import make_run, notes, opening
from rootstream.buildroot.sources import downloads, pins, unhashed
from rootstream.buildroot.workspace import Workspace
from rootstream.description.model import Described
from rootstream.errors import UserError
from rootstream.project import project
from rootstream.project.lock import Lock


def fetch(
    where: project.Project,
    described: Described,
    pinned: Lock,
    env: Mapping[str, str],
    report: events.Reporter,
) -> tuple[tuple[str, Path], ...]:
    """Fetch everything that a system is built from; return the files by their paths on a mirror of Buildroot's.

    Raises `UserError` not-fetched for what is nowhere.
    """
    ready = opening.opened(where, described, pinned, env, report)
    opening.configured(ready, report)
    opening.decide(ready, where, report)
    summary = by_hash(ready.workspace, report)
    if summary.packages:
        _apart(ready.workspace, summary.packages, report)
    pins.verify(ready.workspace)
    return files(ready.workspace)


def by_hash(space: Workspace, report: events.Reporter, names: Collection[str] | None = None) -> downloads.Summary:
    """Bring what has a hash to its place, of all packages or of `names`, and say where it was found."""
    summary = downloads.fetch(space, report=report, names=names)
    for line in downloads.lines(summary):
        report(events.Notice(level="info", text=line))
    return summary


def rest(space: Workspace, names: tuple[str, ...], report: events.Reporter) -> None:
    """Have Buildroot download what is left to it: it builds without a network afterwards.

    Raises `UserError` not-fetched, and hash-mismatch where the lock has another content.
    """
    as_buildroot_does(space, names, report, output=space.output)
    pins.verify(space)


def bring(space: Workspace, names: Collection[str], report: events.Reporter) -> None:
    """Bring everything that packages are made from. Raises `UserError` not-fetched for what is nowhere."""
    rest(space, by_hash(space, report, names).packages, report)


def files(space: Workspace) -> tuple[tuple[str, Path], ...]:
    """Return the downloads of all packages by their paths on a mirror of Buildroot's."""
    names = {
        f"{package.download_folder}/{source.rpartition('/')[2]}"
        for package in info.known(space).values()
        for source, _ in package.downloads
    }
    places = ((name, space.caches.downloads / name) for name in sorted(names))
    return tuple((name, path) for name, path in places if path.is_file())


def _apart(space: Workspace, names: tuple[str, ...], report: events.Reporter) -> None:
    """Have Buildroot download what packages need, in a folder of its own: the system's would look half built."""
    place = space.folder / "fetching"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    shutil.copyfile(space.config, place / ".config")
    try:
        as_buildroot_does(space, names, report, output=place)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def as_buildroot_does(
    space: Workspace, names: tuple[str, ...], report: events.Reporter, *, output: Path, legal: bool = False
) -> None:
    """Have Buildroot download what packages need, its own way and with a network; `legal`: for `legal-info`, too.

    Raises `UserError` not-fetched.
    """
    if not names:
        return
    targets = ("-k", *(f"{name}-{'legal-source' if legal else 'source'}" for name in names))
    visible = (*notes.visible(space), *unhashed.local_files(space, names))
    try:
        make_run.run(
            space,
            targets,
            report,
            what="the download",
            action="fetch",
            output=output,
            network=True,
            visible=visible,
        )
    except UserError as error:
        if error.reason != "buildroot-failed":
            raise
        known = info.known(space)
        missing = [name for name in names if not (output / known[name].build / ".stamp_downloaded").exists()]
        missing = missing or list(names)
        raise UserError(
            "not-fetched",
            f"{space.described.target}: the sources of these packages were not found: {', '.join(missing)}",
            where=error.where,
            detail=error.detail,
            hint=f"Put the files below {space.caches.downloads}, or add a mirror with them to `mirrors:`.",
        ) from error
