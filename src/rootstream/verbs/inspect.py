"""Looking into a project: what its elements are and whether they are cached, logs, shells, cleaning."""

from __future__ import annotations

import difflib
import json
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rootstream.description.model import Description
from rootstream.engine import ElementState, Engine
from rootstream.errors import UserError
from rootstream.events import ignore
from rootstream.host import nofollow
from rootstream.plan.model import Element, Json, Plan, PreparedPlan
from rootstream.plan.roots.debian import CONFIGURED
from rootstream.project.project import Project, reading
from rootstream.verbs import build, selection, shared_cache, update

if TYPE_CHECKING:
    from rootstream.verbs.buildroot import Work


def _elements(project: Project, wanted: tuple[str, ...]) -> dict[str, str]:
    """Return the engine's element for each wanted target; writes the plan, where the project has one."""
    if project.kind == "plain":
        build.require_target(project, wanted)
        build.require_accepted(project)
        return {name: name for name in wanted}
    prepared = build.read(project, wanted)
    build.write_plan(prepared)
    return {target: outputs.element for target, outputs in prepared.outputs.items()}


def show(project: Project, wanted: tuple[str, ...], engine: Engine, *, as_json: bool) -> str:
    """Return the elements of targets with their keys and states, as text or JSON; nothing is fetched."""
    with reading(project) as looked:
        found = _workspaces(looked, wanted, engine)
        if looked.kind == "plain" or selection.native(*_chosen(looked, wanted)):
            for target, element in _elements(looked, wanted).items():
                states = engine.show(looked.plan, (element,))
                there = shared_cache.look(engine, looked.plan, states)
                found[target] = _native(looked, target, states, element, there)
    return _shown(found, as_json=as_json)


def why(project: Project, wanted: tuple[str, ...], name: str, engine: Engine, *, as_json: bool) -> str:
    """Return what changed of a package, or of all of a system, since its last build: why it would be built.

    `name` is SYSTEM, PACKAGE or SYSTEM:PACKAGE, `wanted` the systems to look at. Raises `UserError` not-possible.
    """
    from rootstream.verbs import buildroot_graph, graph_system  # noqa: PLC0415  (only these projects wait for it)

    with reading(project) as looked:
        system, _, package = name.rpartition(":")
        description, chosen = (looked.read(), ()) if looked.kind == "plain" else _chosen(looked, wanted)
        found = [each for each in description.systems if each.target in (system, name)] or [
            each for each in description.systems if each.target in chosen and not system
        ]
        graphs = [each for each in found if graph_system.wanted(each)]
        if not graphs:
            text = "only systems that are built with `graph: true` note what each package was made of"
            hint = "`rootstream build -n` says what would be built; for a workspace, it also says why."
            raise UserError("not-possible", text, hint=hint)
        changed: dict[str, dict[str, list[str]]] = {}
        for described in graphs:
            pinned = update.known(looked)
            update.require(looked, description, described, pinned)
            asked = "" if described.target == name else package
            opened = graph_system.GraphSystem(
                looked, described, description.debian, pinned, engine, os.environ, ignore
            )
            changed[described.target] = buildroot_graph.why(opened, asked)
    if as_json:
        return json.dumps({"systems": changed}, indent=1) + "\n"
    return "".join(f"{line}\n" for target, told in changed.items() for line in _reasons(target, told))


def _reasons(target: str, told: dict[str, list[str]]) -> list[str]:
    lines = []
    for name, changes in told.items():
        lines += [f"{target}: {name}:", *(f"  {each}" for each in changes)] if changes else []
    return lines or [f"{target}: nothing of it has changed since its last build"]


def _chosen(project: Project, wanted: tuple[str, ...]) -> tuple[Description, tuple[str, ...]]:
    description = project.read()
    return description, selection.choose(description, wanted, project.description)


def _native(
    project: Project, target: str, states: Sequence[ElementState], element: str, looked: shared_cache.Looked | None
) -> dict[str, Any]:
    place = project.out(build.plain_target(target) if project.kind == "plain" else target)
    rows: list[dict[str, Any]] = [
        {"name": each.name, "kind": each.kind, "key": each.key, "state": each.state} for each in states
    ]
    found: dict[str, Any] = {"element": element, "out": str(place), "elements": rows}
    if looked is not None:
        for row in rows:
            row["cache"] = looked.there.get(row["name"])
        found["caches"] = dict(looked.servers)
    return found


def _workspaces(project: Project, wanted: tuple[str, ...], engine: Engine) -> dict[str, dict[str, Any]]:
    """Return what there is of the systems that Buildroot builds."""
    if project.kind == "plain":
        return {}
    named = [each.target for each in selection.of_buildroot(*_chosen(project, wanted))]
    if not named:
        return {}
    from rootstream.buildroot.graph import elements  # noqa: PLC0415  (only these projects wait for it)
    from rootstream.buildroot.workspace import FOLDER  # noqa: PLC0415
    from rootstream.verbs import buildroot, buildroot_graph, graph_system  # noqa: PLC0415

    description, found = project.read(), {}
    for described in selection.of_buildroot(description, tuple(named)):
        if not graph_system.wanted(described):
            found[described.target] = buildroot.show(buildroot.looked_at(project, described.target), ignore)
            continue
        pinned = update.known(project)
        update.require(project, description, described, pinned)
        states = buildroot_graph.states(
            graph_system.GraphSystem(project, described, description.debian, pinned, engine, os.environ, ignore)
        )
        folder = project.work / FOLDER / described.slug / graph_system.PLAN
        there = shared_cache.look(engine, folder, states)
        found[described.target] = _native(project, described.target, states, elements.IMAGES, there)
    return found


def _shown(found: dict[str, dict[str, Any]], *, as_json: bool) -> str:
    if as_json:
        return json.dumps({"systems": found}, indent=1) + "\n"
    return "".join(table(target, told) for target, told in found.items())


def table(target: str, told: dict[str, Any]) -> str:
    """Return what `show` tells people of a target."""
    rows = told["elements"]
    if not rows:
        return f"{target}: its elements are not known: a build has to query Buildroot for its packages first\n"
    width = max((len(row["name"]) for row in rows), default=0)
    cached = sum(row["state"] == "cached" for row in rows)
    remote = [row for row in rows if row["state"] != "cached" and row.get("cache")]
    more = f", {len(remote)} more on {', '.join(sorted({row['cache'] for row in remote}))}" if remote else ""
    lines = [f"{target}: {cached} of {len(rows)} elements cached{more}"]
    lines += [
        f"  {'remote' if row in remote else row['state']:<12} {row['key'][:12] or '-':<12}"
        f"  {row['name']:<{width}}  {row['kind']}"
        for row in rows
    ]
    lines += [
        f"  what {name} has is not known: it {text}" for name, text in told.get("caches", {}).items() if text
    ]
    return "\n".join(lines) + "\n"


def _meant(project: Project, name: str) -> tuple[tuple[str, ...], str]:
    """Return the systems that a name is about, and what remains of it: an element or a package of theirs."""
    system, colon, package = name.partition(":")
    described = project.read()
    if colon and system in described.names():
        return (system,), package
    wanted = selection.native(described, selection.choose(described, (), project.description))
    if not wanted:
        raise unknown_element(name, ())
    return wanted, name


def _element(project: Project, name: str, engine: Engine) -> str:
    """Return the full name of the element that a user means: whole, its package (`linux`), or SYSTEM:PACKAGE.

    A package of Debian stands for the element that unpacks or configures it.
    """
    if project.kind == "plain":
        build.require_accepted(project)
        return name if name.endswith(".bst") else name + ".bst"
    wanted, rest = _meant(project, name)
    prepared = build.read(project, wanted)
    build.write_plan(prepared)
    targets = {target: outputs.element for target, outputs in prepared.outputs.items()}
    states = engine.show(project.plan, tuple(targets.values()))
    names = tuple(state.name for state in states)
    try:
        return found_element(rest, names, targets)
    except UserError as error:
        holding = with_package(prepared.plan, rest) if error.reason == "unknown-element" else ()
        if not holding:
            raise
        if len(holding) > 1:
            raise _several(f"several elements have the package {rest!r}", holding, rest, targets) from error
        return holding[0]


def with_package(plan: Plan, package: str) -> tuple[str, ...]:
    """Return the elements that configure a package of Debian or, if none does, those that unpack it."""
    unpacked = [
        name
        for name, element in plan.elements.items()
        if any(_pins(plan.refs.get(source.request()), package) for source in element.sources)
    ]
    configured = [
        name
        for name, element in plan.elements.items()
        if name.endswith(CONFIGURED) and any(each.element in unpacked for each in element.builds_with)
    ]
    return tuple(sorted(configured or unpacked))


def _pins(ref: Json, package: str) -> bool:
    rows = ref if isinstance(ref, list) else ()
    return any(isinstance(row, dict) and row.get("name") == package for row in rows)


def _several(message: str, names: Sequence[str], name: str, targets: Mapping[str, str]) -> UserError:
    hint = f"Name one of them, or one of {', '.join(f'{target}:{name}' for target in targets)}."
    return UserError(
        "several-elements",
        f"{message}: {', '.join(names)}",
        hint=hint if len(targets) > 1 else "Name one of them.",
    )


def found_element(name: str, names: tuple[str, ...], targets: Mapping[str, str]) -> str:
    """Return the element of a name among all: its own, a target's, or a package's (linux of linux-x86_64-1f2e).

    Raises `UserError` unknown-element, several-elements.
    """
    for match in (name, name + ".bst", targets.get(name, "")):
        if match in names:
            return match
    for prefix in (f"{name}-", f"package-{name}-", name):
        begins = sorted({each for each in names if each.startswith(prefix)})
        if len(begins) == 1:
            return begins[0]
        if begins:
            raise _several(f"several elements begin with {name!r}", begins, name, targets)
    raise unknown_element(name, names)


def unknown_element(name: str, names: tuple[str, ...]) -> UserError:
    """Return the error of a name that is no element's, with those that it is near to."""
    stems = {each.removesuffix(".bst").split("-")[0]: each for each in names}
    near = [stems[stem] for stem in difflib.get_close_matches(name, stems, 3)]
    return UserError(
        "unknown-element",
        f"no element {name!r}",
        hint=f"Similar names: {', '.join(near)}" if near else "`rootstream show` lists them all.",
    )


def log(project: Project, name: str, engine: Engine) -> Path:
    """Return the log of the last build of an element or package. Raises `UserError` no-log, unknown-element."""
    graph = _of_graph(project, name)
    ours = _of_package(project, name) if graph is None else None
    if ours:
        from rootstream.verbs import buildroot  # noqa: PLC0415  (only these projects wait for it)

        return buildroot.log(*ours)
    if graph:
        element = graph[1]
        path = engine.log(*graph)
    else:
        with reading(project) as looked:
            element = _element(looked, name, engine)
            path = engine.log(looked.plan, element)
    if path is None:
        raise UserError(
            "no-log", f"{element} has not been built on this host", hint="Run `rootstream build` to build it."
        )
    return path


def shell(project: Project, name: str, command: tuple[str, ...], engine: Engine) -> int:
    """Open a shell (or run a command) in an element's build sandbox and return its exit status."""
    graph = _of_graph(project, name)
    if graph:
        from rootstream.verbs import graph_elements  # noqa: PLC0415  (only these projects wait for it)

        made = graph_elements.prepared(*graph)
        argv = in_prepared_tree(*made, command) if made else command or None
        return engine.shell(*graph, argv, stage="build" if made else "auto")
    ours = _of_package(project, name)
    if ours:
        from rootstream.verbs import buildroot  # noqa: PLC0415  (only these projects wait for it)

        return buildroot.shell(*ours, command)
    with reading(project) as looked:
        element = _element(looked, name, engine)
        planned = None
        if project.kind == "described":
            planned = build.read(looked, _meant(looked, name)[0]).plan.elements.get(element)
        if planned is None or planned.prepared is None:
            return engine.shell(looked.plan, element, command or None)
        return engine.shell(
            looked.plan, element, in_prepared_tree(planned, planned.prepared, command), stage="build"
        )


def in_prepared_tree(element: Element, prepared: PreparedPlan, command: tuple[str, ...]) -> tuple[str, ...]:
    """Return what, in the sandbox of an element with its sources, makes its source tree and runs a command there.

    The sources of such an element stay a tarball in the cache, whether its build failed or not. Without a command
    it is a shell.
    """
    preparing = shlex.quote("\n".join(element.commands[: prepared.commands]))
    hint = shlex.quote(f"The source tree is here, configured; to continue: {prepared.make}")
    failed = shlex.quote("The source tree is here, but its configuration is not as requested.")
    script = f"if sh -ec {preparing} >&2; then echo {hint} >&2; else echo {failed} >&2; fi\n"
    return ("sh", "-c", f'{script}cd {prepared.folder} && exec "$@"', "sh", *(command or ("sh", "-i")))


def _of_graph(project: Project, name: str) -> tuple[Path, str] | None:
    """Return the project and the element that a user means of a system with `graph: true`, or None."""
    if project.kind == "plain" or not selection.of_buildroot(project.read()):
        return None
    from rootstream.verbs import graph_elements  # noqa: PLC0415  (only these projects wait for it)

    return graph_elements.found(project, project.read(), name)


def _of_package(project: Project, name: str) -> tuple[Work, str | None] | None:
    """Return the Buildroot system, and the package of it, that a user means, or None for an element."""
    if project.kind == "plain" or not selection.of_buildroot(project.read()):
        return None
    from rootstream.verbs import buildroot  # noqa: PLC0415  (only these projects wait for it)

    return buildroot.of_package(project, name)


def doomed(*, out: Path | None, cache: bool) -> Iterator[str]:
    """Name what a clean would delete beside the project's derived files."""
    if out:
        yield f"{out} with all images, and the boot server's state for this project"
    if cache:
        yield "the cache shared by all projects of this user"


def _by_hand(project: Project) -> tuple[str, ...]:
    """Return what was changed by hand in the output folders of Buildroot systems and is not in the project."""
    if project.kind == "plain" or not (project.work / "buildroot").is_dir():
        return ()
    try:
        description = project.read()
    except UserError:
        return ()
    from rootstream.verbs import buildroot  # noqa: PLC0415  (only these projects wait for it)

    found: list[str] = []
    for described in selection.of_buildroot(description):
        found += buildroot.by_hand(project, described)
    return tuple(found)


def clean(project: Project, engine: Engine, *, out: bool, cache: bool, force: bool = False) -> tuple[str, ...]:
    """Delete what is derived; return a line for each folder that went.

    Raises `UserError` by-hand, unless with `force`, if something that people made by hand would go.
    """
    by_hand = () if force else _by_hand(project)
    if by_hand:
        raise UserError(
            "by-hand",
            "changes made by hand would be lost",
            detail="\n".join(by_hand),
            hint="`rootstream config save` saves configurations; copy other files, or use `clean --yes`.",
        )
    engine.clear()
    folders = [project.work]
    if out:
        from rootstream.netboot.store import state_folder  # noqa: PLC0415  (only this waits for it)

        folders += [project.results, state_folder.base(project)]
    lines = []
    if cache:
        engine.clean()
        lines.append(f"deleted {engine.settings.cache}")
    for folder in folders:
        base = project.folder if folder.is_relative_to(project.folder) else folder.parent
        if base.is_dir() and nofollow.remove(base, folder):
            lines.append(f"deleted {folder}")
    return tuple(lines) or ("nothing to delete",)
