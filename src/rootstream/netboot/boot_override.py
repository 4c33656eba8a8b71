"""What people choose from the command line: builds to go back to, and what a machine boots."""

from __future__ import annotations

from pathlib import Path

from rootstream import events
from rootstream.description.model import Description
from rootstream.netboot.service import BootService
from rootstream.netboot.store import state_folder
from rootstream.netboot.store.builds import Builds
from rootstream.netboot.store.state import State
from rootstream.project.project import Project


def builds(project: Project) -> Builds:
    """Return the builds of a project."""
    return Builds(state_folder.builds(project), state_folder.content(project))


def ramdisk(service: BootService, name: str) -> Path | None:
    """Return the file of the root that a machine boots next, if it is one that is unpacked into memory."""
    target, wanted, _ = service.wanted(name)
    build = service.build(target, wanted)
    file = build.file("initramfs") if build else None
    return service.builds.path(build, file) if build and file else None


def choose(
    project: Project, description: Description, name: str, *, system: str | None, build: str | None, once: bool
) -> None:
    """Have a machine boot something else. Raises `UserError` unknown-system, unknown-build."""
    state_folder.made(project)
    state = State(state_folder.state(project))
    try:
        BootService(description, builds(project), state, events.ignore).choose(
            name, system=system, build=build, once=once
        )
    finally:
        state.close()
