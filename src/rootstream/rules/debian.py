"""Rules of a Debian root: what is asked of one unit twice."""

from __future__ import annotations

from collections.abc import Iterator

from rootstream.description import System
from rootstream.errors import UserError
from rootstream.located import Node, at
from rootstream.roots import FromDebianPackages


def check(system: System, node: Node) -> Iterator[UserError]:
    """Yield every rule that a Debian root breaks; `node` is its settled YAML."""
    if not isinstance(system.root, FromDebianPackages):
        return
    root = system.root.debian
    taken: dict[str, str] = {}
    for verb, names in (("enable", root.enable), ("disable", root.disable), ("mask", root.mask)):
        for number, name in enumerate(names):
            first = taken.setdefault(name, verb)
            if first != verb:
                where = at(node, "root", "debian", verb, number)
                yield UserError("bad-value", f"{verb}: {name} is in `{first}` too; leave one out", where=where)
