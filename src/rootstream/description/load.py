"""`system.yaml`, read and checked: the description of a project, or every mistake in it with its place."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from rootstream.description import files
from rootstream.description.grammar import record
from rootstream.description.model import (
    MOST_VARIANTS,
    Debian,
    Described,
    Description,
    ProjectFile,
    System,
    Variants,
)
from rootstream.description.rules import machines as machine_rules
from rootstream.description.rules import own_elements
from rootstream.description.rules import systems as system_rules
from rootstream.description.system import Model
from rootstream.description.validation_messages import identity, mistakes
from rootstream.description.variants import ADD, resolve, settle
from rootstream.description.yaml_nodes import (
    MAX_BYTES,
    MappingEntry,
    MappingNode,
    Node,
    ScalarNode,
    lines,
    parse,
    places,
    plain,
)
from rootstream.errors import Caution, Problems, UserError, Where

VARIANTS = "variants"
M = TypeVar("M", bound=Model)


def load(path: Path) -> Description:
    """Return what a `system.yaml` describes; what it names must be there, below its folder.

    Raises `UserError` no-project or file-unreadable, and `Problems` with every mistake, in the order of the file.
    """
    node, found = parse(_read(path), path)
    if isinstance(node, ScalarNode) and node.value is None:
        hint = "Run `rootstream init` in an empty folder to create a first one."
        raise Problems((UserError("empty-file", "the file is empty", where=node.where, hint=hint),))
    reading = _Reading(folder=path.parent, problems=list(found))
    description = reading.project(node)
    if reading.problems:
        raise Problems(tuple(sorted(reading.problems, key=_order)))
    return description


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise UserError(
            "no-project",
            f"no {path.name} here",
            where=Where(path=path.parent),
            hint="Run `rootstream init` to create one.",
        ) from error
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
        raise UserError("file-unreadable", message, where=Where(path=path)) from error


def _order(problem: UserError | Caution) -> tuple[int, int]:
    return (problem.where.line or 0, problem.where.column or 0) if problem.where else (0, 0)


@dataclass(slots=True, kw_only=True)
class _Reading:
    """One pass over a description, collecting what is wrong with it."""

    folder: Path
    problems: list[UserError] = field(default_factory=list)
    told: set[tuple[Where | None, str]] = field(default_factory=set)

    def project(self, node: Node) -> Description:
        node = settle(record(ProjectFile), node)
        project = self._valid(ProjectFile, node, title="system.yaml")
        systems: list[Described] = []
        named = node.get("systems") if isinstance(node, MappingNode) else None
        begins: dict[str, Where] = {}
        for entry in named.entries.values() if isinstance(named, MappingNode) else ():
            begins[entry.key.text] = entry.key.where
            if isinstance(entry.value, MappingNode):
                systems += self._systems(entry.key, entry.value)
        self.problems += system_rules.names(systems, begins)
        machines = (node.get("machines") if isinstance(node, MappingNode) else None) or MappingNode(
            where=node.where, entries={}
        )
        if project is None:
            return Description.model_construct(debian=Debian(), systems=tuple(systems))
        self.problems += machine_rules.check(project, tuple(systems), node)
        self.problems += files.check(record(ProjectFile).fields["machines"].shape, machines, self.folder)
        reporting = {machine.system for machine in project.machines.values() if machine.phone_home}
        told = (each.model_copy(update={"reports": each.target in reporting}) for each in systems)
        return Description.model_construct(
            debian=project.debian,
            systems=tuple(told),
            machines=project.machines,
            serve=project.serve,
            cache=project.cache,
        )

    def _systems(self, name: ScalarNode, written: MappingNode) -> list[Described]:
        """Return a system and its variants, as far as they are right."""
        own: dict[str | int, MappingEntry] = {
            key: entry for key, entry in written.entries.items() if key != VARIANTS
        }
        system = settle(record(System), MappingNode(where=written.where, entries=own))
        found = [self._system(name, None, system, places(system))]
        for entry in self._variants(written):
            if not isinstance(entry.value, MappingNode):
                continue
            resolved, problems = resolve(system, entry.value, record(System))
            self.problems += problems
            found.append(self._system(name, entry.key, resolved, places(entry.value)))
        return [described for described in found if described]

    def _variants(self, written: MappingNode) -> tuple[MappingEntry, ...]:
        only: dict[str | int, MappingEntry] = {
            key: entry for key, entry in written.entries.items() if key == VARIANTS
        }
        node = settle(record(Variants), MappingNode(where=written.where, entries=only))
        self._valid(Variants, node, title=VARIANTS)
        variants = node.get(VARIANTS)
        return tuple(variants.entries.values())[:MOST_VARIANTS] if isinstance(variants, MappingNode) else ()

    def _system(
        self, name: ScalarNode, variant: ScalarNode | None, node: MappingNode, own: set[Where]
    ) -> Described | None:
        """Return one target; a mistake that its base made already is not told again."""
        reading = _Reading(folder=self.folder)
        also = (ADD,) if variant else (VARIANTS,)
        system = reading._valid(System, node, title=name.text, begin=name.where, also=also)
        described = None
        if system:
            variant_name = variant.text if variant else None
            reading.problems += system_rules.check(system, node)
            missing = files.check(record(System), node, self.folder)
            reading.problems += missing or own_elements.check(system, node, self.folder)
            cautions = () if reading.problems else system_rules.cautions(system, node, self.folder)
            described = Described.model_construct(
                name=name.text,
                variant=variant_name,
                system=system,
                lines=lines(node),
                cautions=tuple(sorted(cautions, key=_order)),
            )
        for problem in reading.problems:
            if identity(problem) in self.told:
                continue
            if variant and problem.where not in own:
                problem.message += f" (in {name.text}@{variant.text})"
            self.told.add(identity(problem))
            self.problems.append(problem)
        return described

    def _valid(
        self,
        model: type[M],
        node: Node,
        *,
        title: str,
        begin: Where | None = None,
        also: tuple[str, ...] = (),
    ) -> M | None:
        try:
            return model.model_validate(plain(node))
        except ValidationError as error:
            errors = error.errors(include_url=False)
            self.problems += mistakes(errors, record(model), node, title=title, begin=begin, also=also)
            return None
