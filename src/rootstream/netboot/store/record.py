"""Keeps what was exported as a build, for projects that have machines."""

from __future__ import annotations

import time

from rootstream import events
from rootstream.description.model import Described, Description
from rootstream.description.rules.machines import netbootable
from rootstream.netboot.store import state_folder
from rootstream.netboot.store.builds import Build, Builds
from rootstream.netboot.store.state import State
from rootstream.project.project import Project

RECENT = 3600.0  # seconds for which the build of a boot is kept in any case


def record(
    project: Project, description: Description, exported: tuple[str, ...], report: events.Reporter
) -> tuple[Build, ...]:
    """Make what was just exported the current builds of their systems, and drop the oldest ones.

    Raises `UserError` cannot-write.
    """
    if not description.machines:
        return ()
    state_folder.tell_former(project, report)
    builds = Builds(state_folder.builds(project), state_folder.content(project))
    found = []
    for described in description.systems:
        if described.target in exported and netbootable(described.system):
            before = builds.current(described.target)
            build = _keep(project, described, builds)
            if build is None:
                continue
            found.append(build)
            if build != before:
                text = f"{described.target}: build {build.id} is what machines boot from now on"
                report(events.Notice(level="info", text=text))
            _prune(project, description, builds, described.target)
    return tuple(found)


def _keep(project: Project, described: Described, builds: Builds) -> Build | None:
    state_folder.made(project)
    args = described.system.machine.kernel_args
    return builds.record(described.target, project.out(described.target), args=args)


def _prune(project: Project, description: Description, builds: Builds, target: str) -> None:
    pinned = {machine.build for machine in description.machines.values() if machine.build}
    path = state_folder.state(project)
    if path.exists():
        state = State(path)
        try:
            pinned |= state.recent_builds(time.time() - RECENT)
        finally:
            state.close()
    builds.prune(target, description.serve.keep, pinned)


def adopt(project: Project, description: Description, builds: Builds, report: events.Reporter) -> None:
    """Keep what is in out/ of systems that there is no build of yet."""
    for described in description.systems:
        place = project.out(described.target)
        known = builds.current(described.target) is not None
        if known or not netbootable(described.system) or not (place / "manifest.json").is_file():
            continue
        build = _keep(project, described, builds)
        if build is not None:
            report(events.Notice(level="info", text=f"{described.target}: build {build.id} is served"))
