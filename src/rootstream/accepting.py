"""`rootstream accept`: all the code of a project that would run outside of a sandbox, shown and accepted."""

from __future__ import annotations

from collections.abc import Mapping

from rootstream import hostcode
from rootstream.load import load
from rootstream.project import Project
from rootstream.roots import FromElements


def found(project: Project) -> tuple[hostcode.HostCode, ...]:
    """Return the code of a project that would run here. Raises `UserError` for a description with mistakes."""
    if project.kind == "plain":
        return hostcode.plugins(project.folder)
    description = load(project.description)
    roots = [each.system.root for each in description.systems]
    folders = dict.fromkeys(root.elements.project for root in roots if isinstance(root, FromElements))
    names = dict.fromkeys(each.name for each in description.systems if each.system.machine.extra_args)
    plugins = (each for folder in folders for each in hostcode.plugins(project.folder / folder))
    return (*plugins, *hostcode.arguments(project.description, names))


def accept(project: Project, env: Mapping[str, str]) -> tuple[str, ...]:
    """Accept all of it, and return what was accepted, a line each. Raises `UserError` cannot-write."""
    code = found(project)
    if not code:
        return ("nothing of this project runs outside of a sandbox",)
    hostcode.accept(project.folder, code, env)
    return tuple(f"accepted: {each.where}: {each.text}" for each in code)
