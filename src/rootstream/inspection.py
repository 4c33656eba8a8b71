"""Looking into a project: what its elements are and whether they are cached, logs, shells, cleaning."""

from __future__ import annotations

import difflib
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rootstream import export, selection, workflow
from rootstream.engine import ElementState, Engine
from rootstream.errors import UserError
from rootstream.events import ignore
from rootstream.load import load
from rootstream.plan.model import Element, Prepared
from rootstream.project import Project


def _targets(project: Project, wanted: tuple[str, ...], engine: Engine) -> dict[str, str]:
    """Return the engine's element for each wanted target; writes the plan."""
    if project.kind == "plain":
        if not wanted:
            raise UserError("no-target", "a plain BuildStream project: name an element")
        return {name: name for name in wanted}
    prepared = workflow.prepare(project, wanted, engine, ignore)
    workflow.write_plan(prepared)
    return {target: outputs.element for target, outputs in prepared.outputs.items()}


def show(project: Project, wanted: tuple[str, ...], engine: Engine, *, as_json: bool) -> str:
    """Return the elements of targets with their keys and states, as text or JSON."""
    found: dict[str, dict[str, Any]] = {}
    found |= _workspaces(project, wanted, engine)
    if found and not selection.native(load(project.description), wanted or None):
        return _shown(found, as_json=as_json)
    for target, element in _targets(project, wanted, engine).items():
        states = engine.show(project.plan, (element,))
        found[target] = {
            "element": element,
            "out": str(project.out(workflow.plain_target(target)))
            if project.kind == "plain"
            else str(project.out(target)),
            "elements": [
                {"name": state.name, "kind": state.kind, "key": state.key, "state": state.state}
                for state in states
            ],
        }
    return _shown(found, as_json=as_json)


def _workspaces(project: Project, wanted: tuple[str, ...], engine: Engine) -> dict[str, dict[str, Any]]:
    """Return what is known of the systems that Buildroot builds."""
    if project.kind == "plain":
        return {}
    description = load(project.description)
    targets = selection.choose(description, wanted, project.description, variants=True)
    named = [each.target for each in selection.of_buildroot(description, targets)]
    if not named:
        return {}
    from rootstream import workspaces  # noqa: PLC0415  (only these projects wait for it)

    return {target: workspaces.show(workspaces.choose(project, target, engine, ignore)) for target in named}


def _shown(found: dict[str, dict[str, Any]], *, as_json: bool) -> str:
    if as_json:
        return json.dumps({"systems": found}, indent=1) + "\n"
    return "".join(_table(target, told) for target, told in found.items())


def _table(target: str, told: dict[str, Any]) -> str:
    rows = told["elements"]
    width = max((len(row["name"]) for row in rows), default=0)
    cached = sum(row["state"] == "cached" for row in rows)
    lines = [f"{target}: {cached} of {len(rows)} elements cached"]
    lines += [
        f"  {row['state']:<12} {row['key'][:12] or '-':<12}  {row['name']:<{width}}  {row['kind']}" for row in rows
    ]
    return "\n".join(lines) + "\n"


def _element(project: Project, name: str, engine: Engine) -> str:
    """Return the full name of an element that the user may have given in part (`linux`)."""
    if project.kind == "plain":
        return name if name.endswith(".bst") else name + ".bst"
    targets = _targets(project, (), engine)
    states: tuple[ElementState, ...] = engine.show(project.plan, tuple(targets.values()))
    names = [state.name for state in states]
    for match in (name, name + ".bst", targets.get(name, "")):
        if match in names:
            return match
    begins = [each for each in names if each.startswith(name)]
    if len(begins) == 1:
        return begins[0]
    stems = {each.removesuffix(".bst").split("-")[0]: each for each in names}
    near = begins or [stems[stem] for stem in difflib.get_close_matches(name, stems, 3)]
    raise UserError(
        "unknown-element",
        f"{'several elements begin with' if begins else 'no element'} {name!r}",
        hint=f"Near it: {', '.join(near)}" if near else "`rootstream show` lists them all.",
    )


def log(project: Project, name: str, engine: Engine) -> Path:
    """Return the log of the last build of an element. Raises `UserError` no-log."""
    if project.kind == "described" and selection.of_buildroot(load(project.description)):
        from rootstream import workspaces  # noqa: PLC0415  (only these projects wait for it)

        ours = workspaces.of_package(project, name, engine)
        if ours:
            return workspaces.log(*ours)
    element = _element(project, name, engine)
    path = engine.log(project.plan, element)
    if path is None:
        raise UserError(
            "no-log", f"{element} has not been built on this machine", hint="`rootstream build` builds it."
        )
    return path


def shell(project: Project, name: str, command: tuple[str, ...], engine: Engine) -> int:
    """Open a shell (or run a command) in an element's build sandbox and return its exit status."""
    if project.kind == "described" and selection.of_buildroot(load(project.description)):
        from rootstream import workspaces  # noqa: PLC0415  (only these projects wait for it)

        ours = workspaces.of_package(project, name, engine)
        if ours:
            return workspaces.shell(*ours, command)
    element = _element(project, name, engine)
    planned = None
    if project.kind == "described":
        planned = workflow.prepare(project, (), engine, ignore).plan.elements.get(element)
    if planned is None or planned.prepared is None:
        return engine.shell(project.plan, element, command or None)
    return engine.shell(project.plan, element, in_prepared_tree(planned, planned.prepared, command), stage="build")


def in_prepared_tree(element: Element, prepared: Prepared, command: tuple[str, ...]) -> tuple[str, ...]:
    """Return what, in the sandbox of an element with its sources, makes its source tree and runs a command there.

    The sources of such an element stay a tarball in the cache, whether its build failed or not. Without a command
    it is a shell.
    """
    preparing = shlex.quote("\n".join(element.commands[: prepared.commands]))
    hint = shlex.quote(f"The source tree is here, configured; to go on: {prepared.make}")
    failed = shlex.quote("The source tree is here, but not configured as it was asked for.")
    script = f"if sh -ec {preparing} >&2; then echo {hint} >&2; else echo {failed} >&2; fi\n"
    return ("sh", "-c", f'{script}cd {prepared.folder} && exec "$@"', "sh", *(command or ("sh", "-i")))


def doomed(*, out: bool, cache: bool) -> Iterator[str]:
    """Name what a clean would delete beside the project's derived files."""
    if out:
        yield "out/ with all its images"
    if cache:
        yield "the cache shared by all projects of this user"


def _by_hand(project: Project) -> tuple[str, ...]:
    """Return what was changed by hand in the output folders of Buildroot systems and is not in the project."""
    if project.kind == "plain" or not (project.work / "buildroot").is_dir():
        return ()
    try:
        description = load(project.description)
    except UserError:
        return ()
    from rootstream import workspaces  # noqa: PLC0415  (only these projects wait for it)

    found: list[str] = []
    for described in selection.of_buildroot(description):
        found += workspaces.by_hand(project, described)
    return tuple(found)


def clean(project: Project, engine: Engine, *, out: bool, cache: bool, force: bool = False) -> tuple[str, ...]:
    """Delete what is derived; return a line for each folder that went.

    Raises `UserError` by-hand, unless with `force`, if something that people made by hand would go.
    """
    by_hand = () if force else _by_hand(project)
    if by_hand:
        raise UserError(
            "by-hand",
            "something made by hand would be lost",
            detail="\n".join(by_hand),
            hint="`rootstream config save` takes configurations into the project; copy files, or `clean --yes`.",
        )
    folders = [project.work]
    if out:
        folders.append(project.folder / "out")
    lines = []
    if cache:
        engine.clean()
        lines.append(f"deleted {engine.settings.cache}")
    for folder in folders:
        if folder.exists():
            export.remove(folder)
            lines.append(f"deleted {folder}")
    return tuple(lines) or ("nothing to delete",)
