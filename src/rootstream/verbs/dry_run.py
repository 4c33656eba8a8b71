"""`build -n`: what would be built, and why, in a project that is only read."""

from __future__ import annotations

import os

from rootstream import events
from rootstream.engine import ElementState, Engine
from rootstream.project import export
from rootstream.project.project import Project, read_state, reading
from rootstream.verbs import build, changes, python_wheels, update
from rootstream.verbs.selection import caution, choose, native, of_buildroot


def look(where: Project, wanted: tuple[str, ...], engine: Engine, report: events.Reporter) -> None:
    """Say for each wanted system (or element of a plain project) what a build would do, and why."""
    with reading(where) as project:
        if project.kind == "plain":
            _plain(project, wanted, engine, report)
            return
        description = project.read()
        targets = choose(description, wanted, project.description)
        caution(description, targets, project.folder, report)
        pinned = update.known(project)
        if native(description, targets):
            _native(build.planned(project, description, targets, pinned), engine, report)
        for described in of_buildroot(description, targets):
            from rootstream.buildroot.build import build as buildroot  # noqa: PLC0415
            from rootstream.verbs import buildroot_graph, graph_elements, graph_system  # noqa: PLC0415  (only these wait for them)

            update.require(project, description, described, pinned)
            if not python_wheels.is_prepared(project, described, pinned):
                report(_info(f"{described.target}: the packages of `python:` would be installed again"))
            if graph_system.wanted(described):
                states = buildroot_graph.look(
                    graph_system.GraphSystem(
                        project, described, description.debian, pinned, engine, os.environ, report
                    )
                )
                if states:
                    report(_info(f"{described.target}: {graph_elements.due(states)}"))
            else:
                buildroot.look(project, described, pinned, os.environ, report)


def _info(text: str) -> events.Notice:
    return events.Notice(level="info", text=text)


def _native(prepared: build.PreparedProject, engine: Engine, report: events.Reporter) -> None:
    where = prepared.project
    todo = []
    for target in prepared.outputs:
        if export.is_current(where, target, prepared.mark(target)):
            report(_info(f"{target}: nothing to do, {where.shown(target)} is up to date"))
        else:
            todo.append(target)
    if not todo:
        return
    build.write_plan(prepared)
    states = engine.show(where.plan, tuple(prepared.outputs[target].element for target in todo))
    for target in todo:
        names = prepared.plan.closure(prepared.outputs[target].element)
        own = tuple(state for state in states if state.name in names or ":" in state.name)
        report(_info(f"{target}: would be built: {_reason(prepared, target)}"))
        report(_info(f"{target}: {_elements(own)}"))


def _reason(prepared: build.PreparedProject, target: str) -> str:
    """Return why a system is due: it is new, its results are not what was exported, or what decides it changed."""
    where = prepared.project
    state = read_state(where, target)
    if "digest" not in state:
        return "new: it has not been built here yet"
    if state["digest"] == prepared.mark(target):
        return f"{where.shown(target)} was deleted or changed since it was exported"
    before = state.get("noted")
    now = prepared.noted(target)
    found = (
        *(changes.differences(before, now) if isinstance(before, dict) else ()),
        *changes.of_inputs(where.out(target), prepared.inputs(target)),
    )
    return changes.some(found) or "how it is built has changed"


def _elements(states: tuple[ElementState, ...]) -> str:
    due = [state.name for state in states if state.state != "cached"]
    if not due:
        return f"all of its {len(states)} elements are cached; it would be exported"
    return f"{len(due)} of {len(states)} elements are not cached and would be built: {changes.some(due)}"


def _plain(where: Project, wanted: tuple[str, ...], engine: Engine, report: events.Reporter) -> None:
    build.require_target(where, wanted)
    build.require_accepted(where)
    for element in wanted:
        states = engine.show(where.plan, (element,))
        key = next((state.key for state in states if state.name == element), "")
        target = build.plain_target(element)
        if key and export.is_current(where, target, key):
            report(_info(f"{element}: nothing to do, {where.shown(target)} is up to date"))
            continue
        new = "digest" not in read_state(where, target)
        reason = "new: it has not been built here yet" if new else "its key or the files of its export changed"
        report(_info(f"{element}: would be built: {reason}"))
        report(_info(f"{element}: {_elements(states)}"))
