"""The source packages of Debian's packages that images have, as the lock pins them: for `rootstream sources`.

Each set of packages has a second entry beside its own: of each source package the version, the packages that are
built from it or have parts of it (`Built-Using`), and the files by hash. Builds need none of it.
"""

from __future__ import annotations

import fnmatch
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rootstream.description.model import Description
from rootstream.events import Notice, Reporter, Step
from rootstream.fetch import mirrors
from rootstream.formats.apt_index import SourceOf, SourcePackage
from rootstream.formats.faults import Fault
from rootstream.plan import inputs, make
from rootstream.plan.model import Plan
from rootstream.project.lock_entries import CORRESPONDING
from rootstream.project.project import Project
from rootstream.verbs.selection import native
from rootstream_bst.debian import apt

Name = tuple[str, str]
"""Name and version of a package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipped:
    """The packages of a set that images have, or parts of them; `foreign` are of other repositories."""

    request: str
    packages: tuple[Name, ...]
    foreign: tuple[Name, ...]

    @property
    def key(self) -> str:
        """Return the request of the entry with their sources."""
        words = {**json.loads(self.request), "kind": CORRESPONDING}
        return json.dumps(words, sort_keys=True, separators=(",", ":"))


def shipped(plan: Plan, targets: Iterable[str]) -> tuple[Shipped, ...]:
    """Return the packages of Debian that the images of some elements have, of sets that the plan has refs for."""
    found: dict[str, dict[Name, bool]] = {}
    for target in targets:
        elements = [plan.elements[name] for name in plan.closure(target)]
        links = tuple(pattern for element in elements for pattern in element.links)
        for element in elements:
            for source in element.sources:
                request = source.request()
                if source.kind != "debian_packages" or request not in plan.refs:
                    continue
                for row in plan.refs[request]:
                    if element.ships or any(fnmatch.fnmatchcase(row["name"], each) for each in links):
                        told = (row["name"], row["version"])
                        found.setdefault(request, {})[told] = row.get("repository") is not None
    return tuple(
        Shipped(
            request=request,
            packages=tuple(sorted(each for each, foreign in packages.items() if not foreign)),
            foreign=tuple(sorted(each for each, foreign in packages.items() if foreign)),
        )
        for request, packages in sorted(found.items())
    )


def covered(rows: Sequence[Mapping[str, Any]]) -> frozenset[Name]:
    """Return the packages whose sources an entry pins."""
    names = (each.partition("=") for row in rows for each in row["binaries"])
    return frozenset((name, version) for name, _, version in names)


def pins(where: Project, targets: tuple[str, ...], refs: Mapping[str, Any], report: Reporter) -> dict[str, Any]:
    """Return entries with the sources of what the images of some systems have; `refs` is the lock as it is now.

    What an entry has already is not looked for again. A mirror without sources is a warning.
    """
    description = where.read()
    ours = native(description, targets)
    if not ours:
        return {}
    every = native(description)  # several systems have parts of one set
    plan = _plan(where, description, every, refs)
    wanted = {each.request: each for each in shipped(plan, _elements(plan, every))}
    asked = {each.request for each in shipped(plan, _elements(plan, ours))}
    found: dict[str, Any] = {}
    for request in sorted(asked):
        entry = wanted[request]
        old = refs.get(entry.key, [])
        if not entry.packages:
            continue
        if covered(old) >= set(entry.packages) and all(row["files"] for row in old):
            found[entry.key] = _only(old, frozenset(entry.packages))
            continue
        report(Step(name="update", text=f"pinning the sources of {len(entry.packages)} packages"))
        try:
            found[entry.key] = _looked_for(entry, description, old)
        except Fault as fault:
            text = f"the sources of {len(entry.packages)} packages could not be pinned: {fault.message}"
            report(Notice(level="warning", text=f"{text}; `rootstream sources` will lack them"))
            if old:
                found[entry.key] = list(old)
    return found


def _plan(where: Project, description: Description, targets: tuple[str, ...], refs: Mapping[str, Any]) -> Plan:
    read = inputs.gather(description, where.folder, only=targets)
    plan, _ = make.plan(description, read, None, only=targets)
    known = {source.request() for element in plan.elements.values() for source in element.sources}
    return Plan(
        elements=plan.elements,
        files=plan.files,
        targets=plan.targets,
        refs={request: ref for request, ref in refs.items() if request in known},
    )


def _elements(plan: Plan, targets: Iterable[str]) -> tuple[str, ...]:
    return tuple(plan.targets[target] for target in targets)


def _only(rows: Sequence[Mapping[str, Any]], packages: frozenset[Name]) -> list[dict[str, Any]]:
    """Return the rows of an entry without what no image has any more."""
    found = []
    for row in rows:
        kept = [each for each in row["binaries"] if tuple(each.split("=", 1)) in packages]
        if kept:
            found.append({**row, "binaries": kept})
    return found


def _looked_for(
    entry: Shipped, description: Description, old: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Ask apt for the sources of packages. Raises `Fault`."""
    words = json.loads(entry.request)
    of, there = _asked(words, entry.packages, description)
    binaries: dict[Name, list[str]] = {}
    for package, origin in of.items():
        for source in ((origin.name, origin.version), *origin.using):
            binaries.setdefault(source, []).append("=".join(package))
    kept = {(row["name"], row["version"]): row for row in old if row["files"]}
    lost = sorted(set(entry.packages) - of.keys() - covered([*kept.values()]))
    if lost:
        raise Fault("unknown-package", f"the index no longer has {' '.join(lost[0])}; run `rootstream update`")
    for source, row in kept.items():  # what the index has no longer is known from before
        before = [each for each in row["binaries"] if tuple(each.split("=", 1)) in entry.packages]
        if before:
            binaries[source] = [*dict.fromkeys([*binaries.get(source, []), *before])]
    return [
        {
            "name": name,
            "version": version,
            "binaries": sorted(names),
            "files": _files(there.get((name, version))) or list(kept.get((name, version), {}).get("files", [])),
        }
        for (name, version), names in sorted(binaries.items())
    ]


def _asked(
    words: Mapping[str, Any], packages: Sequence[Name], description: Description
) -> tuple[dict[Name, SourceOf], dict[Name, SourcePackage]]:
    archive = apt.Archive(
        suites=tuple(words["suites"]),
        components=tuple(words["components"]),
        architecture=words["architecture"],
        mirrors=mirrors.find(description.debian.mirrors, os.environ),
        keyring=apt.keyring(""),
    )
    with apt.opened(archive) as binary:
        of = binary.sources_of(packages)
    names = {(each.name, each.version) for each in of.values()} | {
        two for each in of.values() for two in each.using
    }
    if not names:
        return of, {}
    with apt.opened(apt.of_sources(archive)) as sources:
        return of, sources.source_packages(sorted(names))


def _files(package: SourcePackage | None) -> list[dict[str, Any]]:
    if package is None:
        return []
    return [{"path": each.path, "size": each.size, "sha256": each.sha256} for each in package.items]
