"""A Buildroot system built package by package: what Buildroot is asked, the plan, the build, the images."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rootstream import events
from rootstream.buildroot import info, overrides
from rootstream.buildroot.build import build as workspaces
from rootstream.buildroot.build import opening, stale
from rootstream.buildroot.build.notes import Outside
from rootstream.buildroot.config import configuration
from rootstream.buildroot.graph import elements, inputs, linking, lookups, private, question, reasons, staging
from rootstream.buildroot.graph.draft import Different, GraphDraft
from rootstream.buildroot.graph.places import SandboxPlaces
from rootstream.buildroot.sources import fetching
from rootstream.buildroot.workspace import Workspace, workspace
from rootstream.description.model import Debian, Described
from rootstream.description.roots import FromBuildroot
from rootstream.engine import ElementState, Engine
from rootstream.errors import UserError, Where
from rootstream.host import nofollow, process, temporary
from rootstream.plan import base, programs, text
from rootstream.plan.model import Element, Plan
from rootstream.project import export, project
from rootstream.project.lock import Lock, write_atomically
from rootstream.verbs import changes, shared_cache
from rootstream.verbs.graph_failures import Failures

# What is kept of a system's last answer and build, beside info.json.
DIFFERENT, READ, MADE = "different.json", "read.json", "made.json"
PLAN = "graph/plan"
_ROUNDS = 10


def wanted(described: Described) -> bool:
    """Say whether a system is built package by package."""
    return isinstance(described.system.root, FromBuildroot) and described.system.root.buildroot.graph


def base_plan(debian: Debian, refs: Mapping[str, object]) -> Plan:
    """Return the base that packages are built in as a plan of its own."""
    element = base.for_buildroot(debian)
    request = element.sources[0].request()
    pinned = {request: refs[request]} if request in refs else {}
    return Plan(elements={element.name: element}, files={}, targets={}, refs=pinned)


@dataclass(frozen=True, slots=True)
class GraphSystem:
    """A system to build package by package, and what it is built with."""

    project: project.Project
    described: Described
    debian: Debian
    pinned: Lock
    engine: Engine
    env: Mapping[str, str]
    report: events.Reporter

    @property
    def base(self) -> Plan:
        """Return the pinned base that its packages are built in."""
        return base_plan(self.debian, self.pinned.refs)

    def digest(self) -> tuple[str, str]:
        """Return what stands for all that decides its result, and the identity of its Buildroot tree."""
        key, identity = opening.digest(self.project, self.described, self.pinned)
        return hashlib.sha256(json.dumps([key, self.base.refs]).encode()).hexdigest(), identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """A system ready to be planned: its workspace, the engine, the pinned base, and the places in the sandbox."""

    ready: opening.Opened
    engine: Engine
    base: Plan
    places: SandboxPlaces
    trees: staging.Trees
    whole: str
    """The .config, its secrets included."""
    hidden: private.HiddenSecrets
    config: str
    """The .config that Buildroot is asked with, with the paths of the sandbox."""
    report: events.Reporter

    @property
    def folder(self) -> Path:
        """Return the folder of the BuildStream project."""
        return self.ready.workspace.folder / PLAN

    @property
    def question(self) -> str:
        """Return what stands for all that decides what Buildroot and we say of its packages, the base included."""
        asked = question.key(self.ready.workspace, self.ready.identity, self.config)
        _, files = programs.of_buildroot(programs.PROOF)
        files |= staging.rules_of_ours()  # another Rootstream may stage less for a package
        ours = {path: hashlib.sha256(content).hexdigest() for path, content in sorted(files.items())}
        return hashlib.sha256(json.dumps([asked, self.base.refs, ours]).encode()).hexdigest()

    def shown(self, line: str) -> str:
        """Return a line with the paths of this machine, those of the project below it."""
        return self.places.here(line).replace(f"{self.ready.workspace.project}/", "")

    def write(self, draft: GraphDraft) -> None:
        """Put the BuildStream project where the engine reads it."""
        draft.elements |= self.base.elements
        linking.sync(self.folder, text.render(draft.plan(self.base.refs)), draft.all_linked())

    def write_system(self, different: Different) -> GraphDraft:
        """Put the project of the whole system where the engine reads it and return it."""
        draft = GraphDraft()
        space = self.ready.workspace
        elements.system(draft, inputs.gather(space, self.places, self.trees, self.hidden, different))
        self.write(draft)
        return draft

    def record(self, draft: GraphDraft, key: str) -> reasons.Composition:
        """Return what a project is made of; `key` stands for all that decides the result."""
        packages = (each for ref in self.base.refs.values() for each in ref)
        return reasons.record(draft, key, {each["name"]: each["version"] for each in packages})

    def fetch(self, images: Element) -> None:
        """Fetch what those packages are made from that are in no cache."""
        if inputs.is_fetched(self.ready.workspace):
            return
        whole = (images.name,) if not self.hidden.secrets else tuple(each.element for each in images.builds_with)
        built = shared_cache.to_build(self.engine, self.folder, whole, self.report)
        names = [name for name in info.known(self.ready.workspace) if elements.element_of(name) in built]
        if names:
            fetching.bring(self.ready.workspace, names, self.report)

    def made(self, images: Element, into: Path) -> None:
        """Build what the images are made of, and make them: the new folder `into` gets the one that has them.

        Those with secrets are made outside the cache (private.py).
        """
        if not self.hidden.secrets:
            states = self.engine.build(self.folder, (images.name,), self.report)
            key = next((each.key for each in states if each.name == images.name), "")
            name = self.ready.workspace.described.target
            self.report(events.Step(name="checkout", text=f"taking the images of {name} from the cache"))
            self.engine.checkout(self.folder, images.name, into, self.report, key=key)
            return
        self.engine.build(self.folder, tuple(each.element for each in images.builds_with), self.report)
        space, name = self.ready.workspace, self.ready.workspace.described.target
        space.folder.chmod(0o700)
        self.report(
            events.Step(name="images", text=f"making the images of {name}, which no cache keeps: passwords")
        )
        given = private.archive(
            self.whole, self.ready.generated, self.trees, lambda text: inputs.inside(self.places, text)
        )
        log = space.folder / "logs" / "images.log"
        log.parent.mkdir(exist_ok=True)
        into.mkdir()
        argv = ("sh", "-c", private.commands(self.trees))
        status, said = self.engine.isolated(self.folder, images.name, argv, given, into)
        nofollow.write(space.project, log, private.redacted(said).encode(), 0o600)
        if status:
            raise UserError(
                "buildroot-failed",
                f"the images of {name} could not be made: {process.ending(status)}",
                where=Where(path=log),
                detail=process.tail(private.redacted(said)),
            )

    def cached(self, element: str, into: Path) -> bool:
        """Write the files of an element into a new folder if it is cached, and say whether it is."""
        try:
            self.engine.checkout(self.folder, element, into, self.report)
        except UserError as error:
            if error.reason != "artifact-missing":
                raise
            shutil.rmtree(into, ignore_errors=True)
            return False
        return True

    def result(self, element: str, file: str) -> str:
        """Build an element whose result is a file with text, if it is not cached, and return that."""
        with temporary.folder("answer-", self.folder.parent) as scratch:
            if not self.cached(element, scratch / "files"):
                self.engine.build(self.folder, (element,), self.report)
                self.engine.checkout(self.folder, element, scratch / "files", self.report)
            return nofollow.read_bytes(scratch, scratch / "files" / file).decode("utf-8", "surrogateescape")


def build(system: GraphSystem) -> Mapping[str, tuple[str, ...]]:
    """Bring out/SYSTEM up to date and return what its elements are built from, nothing if it was up to date.

    Raises what a build in a workspace and the engine raise.
    """
    where, name, report = system.project, system.described.target, system.report
    key, identity = system.digest()
    if _is_current(system, key):
        return {}
    graph = _opened(system, identity)
    different = _asked(graph)
    space = graph.ready.workspace
    overrides.tell(space, report)
    fetching.bring(space, inputs.unpinned(space), report)
    for line in reasons.of_whole(different):
        report(events.Notice(level="info", text=line))
    if inputs.reads_project(space):
        but = " but those with its passwords" if graph.hidden.secrets else ""
        text = f"{name}: its scripts may read any file of the project, so all{but} are copied into the cache"
        report(events.Notice(level="warning", text=text))
    read = stale.outside_of(space, info.ask(space, graph.question, report))
    with temporary.folder("checkout-", where.work) as scratch:
        made = _made(graph, different, key, scratch)
        if made.changed:  # what was taken of them is not known: the next build has to be another one
            names = changes.some(made.changed)
            text = f"{name}: {names} changed while it was built: build again to have what is there now"
            report(events.Notice(level="warning", text=text))
            key = hashlib.sha256(f"{key} changed".encode()).hexdigest()
        files = scratch / "files"
        workspaces.exported(
            where,
            graph.ready,
            key,
            files / "images",
            report,
            listed=files / elements.INVENTORY,
            applied=json.loads(nofollow.read_bytes(scratch, files / elements.APPLIED)),
        )
    write_atomically(space.state / READ, json.dumps(asdict(read)).encode())
    write_atomically(space.state / MADE, json.dumps(made.composition.data()).encode("utf-8", "surrogateescape"))
    plan = made.plan
    return {name: tuple(plan.elements[name].uses()) for name in plan.closure(elements.IMAGES)}


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeImages:
    """What images were made of, the plan for that, and the inputs that changed meanwhile."""

    composition: reasons.Composition
    plan: Plan
    changed: tuple[str, ...]


def _made(graph: Graph, different: Different, key: str, scratch: Path) -> MadeImages:
    """Make the images, in `files` of a folder.

    Packages that looked for a file in vain which is there, outside of their sandbox, are built again with it.
    """
    for _ in range(_ROUNDS):
        draft = graph.write_system(different)
        before = linking.stamps(draft.all_linked().values())
        shutil.rmtree(scratch / "files", ignore_errors=True)
        space, failed, failures = graph.ready.workspace, None, Failures(graph.report)
        try:
            _fetched_and_made(replace(graph, report=failures.tell), draft, scratch / "files")
            found = json.loads(nofollow.read_bytes(scratch, scratch / "files" / elements.MISSED))
        except UserError as error:
            failed, found = error, failures.looked_for(error)
        new = lookups.keep(space, lookups.there(space, graph.places, found))
        if failed and not new:
            raise failed
        if not new:
            lookups.finish(space, graph.places, found)
            stamps = linking.stamps(before)
            return MadeImages(
                composition=graph.record(draft, key),
                plan=draft.plan(graph.base.refs),
                changed=tuple(graph.shown(str(path)) for path in before if stamps[path] != before[path]),
            )
        for package, path in new:
            name = package or "what makes the images"
            text = f"{name} looks for {path}, which was not in its sandbox: it is built again with it"
            graph.report(events.Notice(level="info", text=text))
    name = graph.ready.workspace.described.target
    text = f"{name}: after {_ROUNDS} builds, its packages still look for files that are not in their sandboxes"
    raise UserError("not-possible", text, hint="Set `graph: false`.")


def _fetched_and_made(graph: Graph, draft: GraphDraft, into: Path) -> None:
    images, space = draft.elements[elements.IMAGES], graph.ready.workspace
    first = not (space.state / MADE).exists()
    if first and not graph.hidden.secrets and graph.cached(images.name, into):  # as another clone has built it
        return
    try:
        graph.fetch(images)
        graph.made(images, into)
    except UserError as error:
        if error.reason != "fetch-failed":  # a server that had a package has gone: it is built here
            raise
        fetching.bring(space, info.packages(space), graph.report)
        graph.made(images, into)


def look(system: GraphSystem) -> tuple[ElementState, ...]:
    """Return the elements of a system that a build would look at, none if it would do nothing or is not known yet.

    The project is only read.
    """
    if _is_current(system, system.digest()[0]):
        return ()
    found = states(system)
    if not found:
        text = f"{system.described.target}: would be built: Buildroot has to be queried for its packages first"
        system.report(events.Notice(level="info", text=text))
    return found


def states(system: GraphSystem) -> tuple[ElementState, ...]:
    """Return the elements of a system with their states, none if Buildroot was not asked for its packages yet."""
    graph = _opened(system)
    different = _known(graph)
    if different is None:
        return ()
    overrides.require_known(graph.ready.workspace)
    graph.write_system(different)
    return system.engine.show(graph.folder, (elements.IMAGES,))


def why(system: GraphSystem, package: str = "") -> dict[str, list[str]]:
    """Return what has changed since the last build, by package: of one, or of all and of the images.

    Raises `UserError` not-built, no-package.
    """
    graph, name = _opened(system), system.described.target
    different, note = _known(graph), graph.ready.workspace.state / MADE
    try:
        before = reasons.restored(json.loads(note.read_text("utf-8", "surrogateescape")))
        last = _last(graph)
    except (OSError, ValueError, KeyError, TypeError):
        before = None
    if before is None:
        text = f"it is not known what {name} was made of: it was not built in this folder yet"
        raise UserError("not-built", text, hint=f"`rootstream build {name}` notes it.")
    now = graph.record(graph.write_system(last if different is None else different), system.digest()[0])
    found = {each: reasons.changes(each, before, now) for each in now.made}
    if different is None:
        found[elements.IMAGES].append("Buildroot has to be queried again: what else changes is known after that")
    element = elements.element_of(package)
    if package and element not in found:
        text = f"{name} has no package {package}"
        raise UserError("no-package", text, hint=f"`rootstream show {name}` lists its packages.")
    chosen = (element,) if package else tuple(found)
    told = {reasons.package_of(each): found[each] for each in chosen}
    return {each: [graph.shown(line) for line in lines] for each, lines in told.items()}


def listings(system: GraphSystem, names: Sequence[str]) -> tuple[str, ...]:
    """Return what the elements list that `elements.listings` has added to those of a system."""
    graph = _opened(system)
    different = _asked(graph)
    draft = GraphDraft()
    space = graph.ready.workspace
    fetching.bring(space, info.packages(space), graph.report)
    gathered = inputs.gather(space, graph.places, graph.trees, graph.hidden, different)
    elements.system(draft, gathered)
    elements.listings(draft, gathered)
    graph.write(draft)
    return tuple(graph.result(name, elements.LISTING) for name in names)


def fetch(system: GraphSystem) -> tuple[tuple[str, Path], ...]:
    """Fetch what all of a system is made from; return the downloads by their paths on a mirror of Buildroot's."""
    graph = _opened(system)
    _asked(graph)
    space = graph.ready.workspace
    fetching.bring(space, info.packages(space), system.report)
    return fetching.files(space)


def _is_current(system: GraphSystem, key: str) -> bool:
    where, name = system.project, system.described.target
    space = workspace(where, system.described, where.folder, system.env)
    if export.is_current(where, name, key) and configuration.untouched(space) and _as_before(space):
        text = f"{name}: nothing to do, {where.shown(name)} is up to date"
        system.report(events.Notice(level="info", text=text))
        return True
    return False


def _as_before(space: Workspace) -> bool:
    """Say whether what the last build read beside what the description names is as it was."""
    try:
        told = json.loads((space.state / READ).read_text())
        known = Outside(**{**told, "paths": tuple(told["paths"])})
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return stale.is_as_before(space, known) and lookups.is_as_before(space)


def _opened(system: GraphSystem, identity: str | None = None) -> Graph:
    where, described, report = system.project, system.described, system.report
    ready = opening.opened(where, described, system.pinned, system.env, report, identity)
    composed = opening.configured(ready, report)
    inputs.require_possible(ready.workspace, composed.result)
    for warning in inputs.without_effect(ready.workspace):
        report(events.Notice(level="warning", text=warning))
    places = inputs.places_of(ready.workspace)
    hidden = private.hide(ready.workspace, composed.text)
    trees = inputs.trees(ready.workspace, places, hidden.generated)
    return Graph(
        ready=ready,
        engine=system.engine,
        base=system.base,
        places=places,
        trees=trees,
        whole=composed.text,
        hidden=hidden,
        config=places.inside(question.config(trees, hidden.config)),
        report=report,
    )


def _known(graph: Graph) -> Different | None:
    """Return what packages need beyond their parts of tree and configuration, if Buildroot was asked already."""
    known = info.is_known(graph.ready.workspace, graph.question)
    return _last(graph) if known and (graph.ready.workspace.state / DIFFERENT).is_file() else None


def _last(graph: Graph) -> Different:
    """Return what packages needed when Buildroot was asked last."""
    known: Different = json.loads((graph.ready.workspace.state / DIFFERENT).read_text())
    return known


def _asked(graph: Graph) -> Different:
    """Ask Buildroot for its packages; return what these need beyond their parts of tree and configuration."""
    space = graph.ready.workspace
    known = _known(graph)
    if known is not None:
        return known
    graph.report(info.ASKING_STEP)
    draft = GraphDraft()
    override, asked = inputs.override(space, graph.places), inputs.asked(space, graph.places)
    asking = elements.questions(draft, graph.trees, graph.config, override, asked)
    graph.write(draft)
    answer = graph.result(asking, elements.ANSWER)
    (space.state / DIFFERENT).unlink(missing_ok=True)
    info.keep(space, graph.question, graph.places.here(answer))
    gathered = inputs.gather(space, graph.places, graph.trees, graph.hidden, {})
    proving = elements.proof(draft, replace(gathered, config=graph.config))
    graph.write(draft)
    found: Different = json.loads(graph.result(proving, elements.DIFFERENT))
    write_atomically(space.state / DIFFERENT, json.dumps(found).encode())
    return found
