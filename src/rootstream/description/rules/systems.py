"""Rules of whole systems: their names, their processor, and all rules of their parts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rootstream.architectures import ARCHITECTURES, HOST
from rootstream.description.model import Described, System
from rootstream.description.roots import FromDebianPackages
from rootstream.description.rules import accounts, booting, budgets, debian, images, layers, logins, starting
from rootstream.description.yaml_nodes import Node, at
from rootstream.errors import Caution, UserError, Where


def names(systems: list[Described], begins: dict[str, Where]) -> list[UserError]:
    """Return names that become one: SYSTEM@VARIANT is SYSTEM--VARIANT in elements. `begins` has their places."""
    taken: dict[str, str] = {}
    found = []
    for described in systems:
        first = taken.setdefault(described.slug, described.target)
        if first != described.target:
            message = f"{described.target} and {first} would have the same element names: rename one of them"
            found.append(UserError("duplicate-name", message, where=begins.get(described.name)))
    return found


def check(system: System, node: Node) -> list[UserError]:
    """Return every rule that a valid system breaks; `node` is its settled YAML."""
    rules = (
        _architecture,
        layers.check,
        images.check,
        starting.check,
        booting.check,
        accounts.check,
        debian.check,
        budgets.check,
    )
    return [problem for rule in rules for problem in rule(system, node)]


def cautions(system: System, node: Node, folder: Path) -> tuple[Caution, ...]:
    """Return what the author of a system without mistakes should know; `folder` is that of its files."""
    return (*logins.cautions(system, node, folder), *debian.cautions(system, node))


def _architecture(system: System, node: Node) -> Iterator[UserError]:
    """Yield an instruction set for a processor that has no such choice, and programs that do not run here."""
    if isinstance(system.root, FromDebianPackages) and system.arch != HOST:
        message = f"arch: a debian root for {system.arch} cannot be configured on {HOST} yet"
        hint = (
            "The maintainer scripts of its packages have to run on the build host. "
            "A busybox root is available for every architecture."
        )
        yield UserError("not-available", message, where=at(node, "arch"), hint=hint)
    choices = tuple(name for name, row in ARCHITECTURES.items() if row.has_isas)
    if system.isa and system.arch not in choices:
        message = f"isa: only allowed for {' and '.join(choices)}, not for {system.arch}"
        yield UserError("bad-value", message, where=at(node, "isa"))
