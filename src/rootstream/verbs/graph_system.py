"""A Buildroot system ready to be built package by package, and what Buildroot says of its packages."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from rootstream import events
from rootstream.buildroot import info
from rootstream.buildroot.build import opening
from rootstream.buildroot.graph import (
    elements,
    inputs,
    linking,
    private,
    proofs,
    question,
    reasons,
    staging,
)
from rootstream.buildroot.graph.draft import Different, GraphDraft, GraphInputs
from rootstream.buildroot.graph.places import SandboxPlaces
from rootstream.buildroot.sources import fetching, pins
from rootstream.buildroot.workspace import workspace
from rootstream.description.model import Debian, Described
from rootstream.description.roots import FromBuildroot
from rootstream.engine import Engine
from rootstream.errors import UserError, Where
from rootstream.host import nofollow, process, temporary
from rootstream.plan import base, programs, text
from rootstream.plan.model import Element, Plan
from rootstream.project import project
from rootstream.project.lock import Lock, write_atomically
from rootstream.verbs import shared_cache

# What is kept of what packages need, beside info.json.
DIFFERENT = "different.json"
PLAN = "graph/plan"


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
    locked: bool = False
    """The lock must do as it is."""

    @property
    def base(self) -> Plan:
        """Return the pinned base that its packages are built in."""
        return base_plan(self.debian, self.pinned.refs)

    def digest(self) -> tuple[str, str]:
        """Return what stands for all that decides its result but downloads, and the identity of its tree."""
        key, identity = opening.digest(self.project, self.described, self.pinned)
        return hashlib.sha256(json.dumps([key, self.base.refs]).encode()).hexdigest(), identity

    def key(self, digest: str, pinned: Lock | None = None) -> str:
        """Return what stands for a digest and the downloads of the lock, as far as its packages are known."""
        space = workspace(self.project, self.described, self.project.folder, self.env)
        return pins.key(digest, space, pinned or self.pinned)


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

    def with_pins(self, pinned: Lock) -> Graph:
        """Return the same with the downloads that a lock has."""
        space = replace(self.ready.workspace, pins=pins.of_lock(pinned))
        return replace(self, ready=replace(self.ready, workspace=space))

    @property
    def folder(self) -> Path:
        """Return the folder of the BuildStream project."""
        return self.ready.workspace.folder / PLAN

    @property
    def question(self) -> str:
        """Return what stands for all that decides what Buildroot and we say of its packages, the base included."""
        asked = question.key(self.ready.workspace, self.ready.identity, self.config)
        return hashlib.sha256(json.dumps([asked, *self.ours]).encode()).hexdigest()

    @property
    def ours(self) -> list[object]:
        """Return what packages are built and compared in: the base, and our programs and rules for them."""
        _, files = programs.of_buildroot(programs.PROOF)
        files |= staging.rules_of_ours()  # another Rootstream may stage less for a package
        return [
            self.base.refs,
            {path: hashlib.sha256(content).hexdigest() for path, content in sorted(files.items())},
        ]

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


def opened(system: GraphSystem, identity: str | None = None) -> Graph:
    """Return a system with its workspace, configured. Raises what these raise, and `UserError` not-possible."""
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


def known_needs(graph: Graph) -> Different | None:
    """Return what packages need beyond their parts of tree and configuration, if Buildroot was asked already."""
    known = info.is_known(graph.ready.workspace, graph.question)
    return last_needs(graph) if known and (graph.ready.workspace.state / DIFFERENT).is_file() else None


def last_needs(graph: Graph) -> Different:
    """Return what packages needed when Buildroot was asked last."""
    known: Different = json.loads((graph.ready.workspace.state / DIFFERENT).read_text())
    return known


def needs_of(graph: Graph) -> Different:
    """Ask Buildroot for its packages; return what these need beyond their parts of tree and configuration."""
    space = graph.ready.workspace
    known = known_needs(graph)
    if known is not None:
        return known
    graph.report(info.ASKING_STEP)
    draft = GraphDraft()
    asking = _asking(graph, draft)
    graph.write(draft)
    answer = graph.result(asking, elements.ANSWER)
    (space.state / DIFFERENT).unlink(missing_ok=True)
    info.keep(space, graph.question, graph.places.here(answer))
    found = _compared(graph, draft, answer)
    write_atomically(space.state / DIFFERENT, json.dumps(found).encode())
    return found


def write_all(graph: Graph, different: Different) -> tuple[str, ...]:
    """Put the project of the whole system, and of what was asked for it, where the engine reads it.

    Returns the elements that all others are below.
    """
    draft = GraphDraft()
    asked = _gathered(graph)
    above = (_asking(graph, draft), elements.proof(draft, asked, elements.staged_of(asked)))
    elements.system(
        draft, inputs.gather(graph.ready.workspace, graph.places, graph.trees, graph.hidden, different)
    )
    graph.write(draft)
    return (elements.IMAGES, *above)


def _asking(graph: Graph, draft: GraphDraft) -> str:
    space = graph.ready.workspace
    override, asked = inputs.override(space, graph.places), inputs.asked(space, graph.places)
    return elements.questions(draft, graph.trees, graph.config, override, asked)


def _gathered(graph: Graph) -> GraphInputs:
    """Return what packages are compared with: all but what they need beyond their parts."""
    gathered = inputs.gather(graph.ready.workspace, graph.places, graph.trees, graph.hidden, {})
    return replace(gathered, config=graph.config)


def _compared(graph: Graph, draft: GraphDraft, answer: str) -> Different:
    """Return what packages need beyond their parts, from comparisons that are made now or were made before."""
    asked = _gathered(graph)
    space, levels = graph.ready.workspace, elements.staged_of(asked)
    keys = proofs.keys(asked, levels, elements.named_files(asked), answer, graph.ours)
    known = proofs.known(space)
    missing = {name: each for name, each in levels.items() if keys[name] not in known}
    if missing:
        proving = elements.proof(draft, asked, missing)
        graph.write(draft)
        new: Different = json.loads(graph.result(proving, elements.DIFFERENT))
        known |= {keys[name]: new.get(name, {}) for name in missing}
        proofs.keep(space, known)
    return {name: known[key] for name, key in keys.items() if known[key]}
