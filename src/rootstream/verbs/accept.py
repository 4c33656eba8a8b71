"""`rootstream accept`: all the code of a project that would run outside of a sandbox, shown and accepted."""

from __future__ import annotations

from collections.abc import Mapping

from rootstream.project import host_code
from rootstream.project.project import Project
from rootstream.verbs import build


def found(project: Project) -> tuple[host_code.HostCode, ...]:
    """Return the code of a project that would run here. Raises `UserError` for a description with mistakes."""
    if project.kind == "plain":
        return build.host_code(project)
    description = project.read()
    names = dict.fromkeys(each.name for each in description.systems if each.system.machine.extra_args)
    return (
        *build.host_code(project, description.systems),
        *host_code.arguments(project.description, names),
    )


def accept(project: Project, env: Mapping[str, str]) -> tuple[str, ...]:
    """Accept all of it, and return what was accepted, a line each. Raises `UserError` cannot-write."""
    code = found(project)
    if not code:
        return ("nothing in this project runs outside of a sandbox",)
    host_code.accept(project.folder, code, env)
    return tuple(f"accepted: {each.where}: {each.text}" for each in code)
