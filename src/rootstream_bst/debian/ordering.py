"""Which packages of a set are configured before the scripts of others run that come before unpacking.

dpkg runs a package's `preinst` when what it pre-depends on is configured, and all may rely on what is essential
(Debian policy 3.8 and 7.2).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from rootstream_bst.debian.dpkg import UnpackedPackage

PRIORITIES = ("required", "important", "standard", "optional", "extra")
_NAME = re.compile(r"\s*([a-z0-9][a-z0-9.+-]*)")


def first(packages: Sequence[UnpackedPackage]) -> tuple[str, ...]:
    """Return the names of the packages to configure first, with all that they depend on, in the set's order."""
    known = {package.field("Package"): package for package in packages}
    providers: dict[str, list[str]] = {}
    for name, package in known.items():
        for virtual in _clauses(package.field("Provides")):
            providers.setdefault(virtual[0], []).append(name)
    for names in providers.values():
        names.sort(key=lambda name: (_rank(known[name]), name))
    todo = [name for name, package in known.items() if package.field("Essential") == "yes"]
    for package in packages:
        if "preinst" in package.control:
            todo += _chosen(package.field("Pre-Depends"), known.keys(), providers)
    found: set[str] = set()
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            for field in ("Pre-Depends", "Depends"):
                todo += _chosen(known[name].field(field), known.keys(), providers)
    return tuple(name for name in known if name in found)


def _rank(package: UnpackedPackage) -> int:
    priority = package.field("Priority")
    return PRIORITIES.index(priority) if priority in PRIORITIES else len(PRIORITIES)


def _clauses(field: str) -> Iterator[tuple[str, ...]]:
    """Yield the alternatives of each part of a field, versions and architectures left out (deb-control(5))."""
    for clause in field.split(",") if field.strip() else ():
        names = tuple(match[1] for each in clause.split("|") if (match := _NAME.match(each)))
        if names:
            yield names


def _chosen(field: str, known: Collection[str], providers: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield the package of the set that stands for each part of a field: itself, or the first that provides it."""
    for names in _clauses(field):
        named = [name for name in names if name in known]
        provided = [other for name in names for other in providers.get(name, ())]
        yield from [*named, *provided][:1]
