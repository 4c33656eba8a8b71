"""`vex.yaml` beside `system.yaml`: what was decided of vulnerabilities in the systems of a project.

A file of its own, because who decides on vulnerabilities is often not who writes systems, and because decisions
change without a build.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from pydantic import Field, ValidationError

from rootstream.description.audit import Decision
from rootstream.description.grammar import record
from rootstream.description.system import Model, OneLine
from rootstream.description.validation_messages import mistakes, nearest
from rootstream.description.variants import settle
from rootstream.description.yaml_nodes import MappingNode, Node, SequenceNode, parse, plain
from rootstream.errors import Problems, UserError, Where

FILE = "vex.yaml"
MOST = 10_000


class SystemDecision(Decision):
    """A decision on a vulnerability in some systems."""

    systems: tuple[OneLine, ...] = ("*",)
    """Names of the systems that it is about, or patterns; by default all."""


class VexFile(Model):
    """The top level of `vex.yaml`."""

    decisions: tuple[SystemDecision, ...] = Field(default=(), max_length=MOST)
    """Decisions, the first that fits counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A decision with its place."""

    decision: SystemDecision
    where: Where

    def is_about(self, target: str) -> bool:
        """Say whether a system is among its own."""
        return any(fnmatchcase(target, each) for each in self.decision.systems)


def load(data: bytes, path: Path, targets: Sequence[str]) -> tuple[Placed, ...]:
    """Return the decisions of a file; `targets` are the systems of the project, none if they cannot be known.

    Raises `Problems` with every mistake, in the order of the file.
    """
    try:
        node, found = parse(data, path)
    except Problems as error:
        if any(each.reason == "empty-file" for each in error.problems):
            return ()
        raise
    problems = list(found)
    node = settle(record(VexFile), node)
    try:
        told = VexFile.model_validate(plain(node))
    except ValidationError as error:
        problems += mistakes(error.errors(include_url=False), record(VexFile), node, title=FILE)
        raise Problems(tuple(sorted(problems, key=_order))) from error
    nodes = _items(node, "decisions")
    placed = tuple(Placed(decision=each, where=at.where) for each, at in zip(told.decisions, nodes, strict=True))
    problems += [*_twice(placed), *_unknown(nodes, placed, targets)]
    if problems:
        raise Problems(tuple(sorted(problems, key=_order)))
    return placed


def _order(problem: UserError) -> tuple[int, int]:
    return (problem.where.line or 0, problem.where.column or 0) if problem.where else (0, 0)


def _items(node: Node | None, key: str) -> tuple[Node, ...]:
    found = node.get(key) if isinstance(node, MappingNode) else None
    return found.items if isinstance(found, SequenceNode) else ()


def _twice(placed: Sequence[Placed]) -> Iterator[UserError]:
    """Give an error for each decision that never counts, because another one says something of the same."""
    seen: dict[tuple[str, str, frozenset[str]], Where] = {}
    for each in placed:
        own = (each.decision.vulnerability, each.decision.component, frozenset(each.decision.systems))
        first = seen.setdefault(own, each.where)
        if first is not each.where:
            yield UserError(
                "decided-twice",
                f"{own[0]} of the component {own[1]!r} is decided in line {first.line} already",
                where=each.where,
                hint="The first decision that fits counts. Keep one of them.",
            )


def _unknown(nodes: Sequence[Node], placed: Sequence[Placed], targets: Sequence[str]) -> Iterator[UserError]:
    for node, each in zip(nodes, placed, strict=True):
        for at, name in zip(_items(node, "systems"), each.decision.systems, strict=False):
            if targets and not any(fnmatchcase(target, name) for target in targets):
                yield UserError(
                    "unknown-system",
                    f"there is no system {name!r}{nearest(name, targets)}",
                    where=at.where,
                    hint=f"There are: {', '.join(targets)}",
                )
