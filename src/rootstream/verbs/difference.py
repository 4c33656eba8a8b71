"""`rootstream diff`: two exports, builds of the boot server or Git revisions compared."""

from __future__ import annotations

import json
import os
import sys
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rootstream.buildroot.sources import worktree
from rootstream.engine import Engine
from rootstream.errors import UserError, Where
from rootstream.events import Event, Exported, Reporter
from rootstream.host import temporary
from rootstream.netboot import boot_override
from rootstream.netboot.store.builds import ID
from rootstream.project import project as projects
from rootstream.project.project import Project
from rootstream.report import difference
from rootstream.verbs import build, pages

MOST = 30
"""Lines of a list that are shown without `--all`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Two sides, and what they differ in."""

    before: difference.Side
    after: difference.Side
    found: difference.Difference

    def json(self) -> str:
        """Return all of it as JSON."""
        return json.dumps(difference.data(self.found), indent=1) + "\n"

    def text(self, *, whole: bool) -> str:
        """Return it as text; long lists are cut unless it is to be the `whole`."""
        lines = difference.lines(self.found, sys.maxsize if whole else MOST)
        return "".join(f"{line}\n" for line in lines)

    def html(self) -> bytes:
        """Return it as a page."""
        return pages.diff(self.before, self.after, self.found)


def diff(project: Project, names: tuple[str, str], engine: Engine, report: Reporter) -> Compared:
    """Return what two sides differ in.

    Raises `UserError` unknown-side, unknown-build, several-builds, no-contents, unknown-revision, and what reading
    exports and building raises.
    """
    with ExitStack() as stack:
        sides = [
            difference.side(name, stack.enter_context(_folder(project, name, engine, report))) for name in names
        ]
    return Compared(before=sides[0], after=sides[1], found=difference.difference(sides[0], sides[1]))


@contextmanager
def _folder(project: Project, name: str, engine: Engine, report: Reporter) -> Iterator[Path]:
    """Give the folder of the export that a side names."""
    target, slash, last = name.rpartition("/")
    revision, colon, system = name.rpartition(":")
    if ID.fullmatch(last if slash else name):
        yield _served(project, target, last if slash else name)
    elif project.kind == "described" and name in project.read().names():
        yield project.out(name)
    elif Path(name).is_dir():
        yield Path(name).absolute()
    elif colon and revision and system:
        with _of_revision(project, revision, system, engine, report) as folder:
            yield folder
    else:
        raise UserError(
            "unknown-side",
            f"{name!r} is no system, folder of an export, build of the boot server, or REVISION:SYSTEM",
            hint="`rootstream show` lists systems, `rootstream builds` builds.",
        )


def _served(project: Project, target: str, name: str) -> Path:
    """Return what the boot server has kept of the export of a build."""
    builds = boot_override.builds(project)
    found = [each for each in ([target] if target else builds.targets()) if builds.get(each, name)]
    if not found:
        raise UserError(
            "unknown-build", f"the boot server has no build {name!r}", hint="`rootstream builds` lists them."
        )
    if len(found) > 1:
        raise UserError(
            "several-builds",
            f"several systems have a build {name!r}: {', '.join(found)}",
            hint=f"Write {found[0]}/{name}.",
        )
    folder = builds.contents(found[0], name)
    if not folder.is_dir():
        raise UserError(
            "no-contents",
            "this build was kept by an older version, without the list of what is in it",
            where=Where(path=folder.parent),
            hint="Builds that are made from now on can be compared.",
        )
    return folder


@contextmanager
def _of_revision(project: Project, revision: str, system: str, engine: Engine, report: Reporter) -> Iterator[Path]:
    """Give the export of a system as its project was at a revision of Git, built in a temporary folder."""
    with temporary.folder("rootstream-diff-") as scratch:
        where = scratch.resolve() / "project"
        where.mkdir()
        _extract(project, revision, scratch / "project.tar", where)
        found = projects.find(where)
        build.build(found, (system,), engine, without_paths(report), locked=True)
        yield found.out(system)


def without_paths(report: Reporter) -> Reporter:
    """Return a reporter that does not name files of a folder that will be gone."""

    def tell(event: Event) -> None:
        if not isinstance(event, Exported):
            report(event)

    return tell


def _extract(project: Project, revision: str, tar: Path, where: Path) -> None:
    if not worktree.archive(project.folder, revision, tar, os.environ):
        raise UserError(
            "unknown-revision",
            f"Git knows no revision {revision!r} of this project",
            where=Where(path=project.folder),
            hint="`git log` lists them; the project has to be in a Git repository, and committed.",
        )
    with tarfile.open(tar, "r:") as archive:
        archive.extractall(where, filter="tar")
