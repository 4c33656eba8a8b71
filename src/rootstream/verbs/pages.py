"""`rootstream report`, and the pages of `audit` and `diff`: what is known of a build, on one page to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rootstream.description.budgets import Budgets
from rootstream.description.licenses import Licenses
from rootstream.description.model import System
from rootstream.project import export
from rootstream.project.project import Project
from rootstream.report import components, contents, difference, inventory, timeline
from rootstream.report.difference import Side
from rootstream.report.page import audits, boots, changes, graphs, page, sizes
from rootstream.report.page import licenses as license_section

Section = dict[str, Any]


def report(project: Project, target: str) -> bytes:
    """Return the page of a system's last build. Raises as `components.find` and the readers of its parts do."""
    folder = project.out(target)
    described = _described(project, target)
    data, listed = components.find(folder)
    known = inventory.read(listed) if listed else None
    place = folder / "manifest.json"
    system, told = components.system(data, known, place), contents.read(data, place)
    record = timeline.read(project, target)
    now = Side(name="this build", system=system, told=told, inventory=known)
    sections = [
        _section("sizes", "Sizes", sizes.data(system, told, known, described.budgets if described else Budgets())),
        _section(
            "changes", "Changes", _changes(project, target, now), "There was no other build before this one."
        ),
        _section("timeline", "Build", graphs.times(record) if record else None, _NO_RECORD.format(target)),
        _section("graph", "Dependencies", _graph(record, known), _NO_GRAPH),
        _section("boots", "Boots", boots.data(folder), f"Not booted yet: rootstream verify {target}"),
        _section("audit", "Vulnerabilities", audits.data(project, target), _NO_AUDIT.format(target)),
        _section(
            "licenses", "Licenses", license_section.data(system, described.licenses if described else Licenses())
        ),
    ]
    named = system.product.name or target
    title = f"{named} {system.product.version}" if system.product.version else named
    words = [f"System {target}", system.arch, f"{len(system.of('image'))} components"]
    return page(title, " · ".join(filter(None, words)), sections)


_NO_RECORD = "The build was made elsewhere, or by an older version. The next build of {} records its times."
_NO_GRAPH = "Neither the elements of the build nor packages of Debian with their dependencies are recorded."
_NO_AUDIT = "Not audited yet: rootstream audit {} --feed FILE"


def audit(title: str, found: Section) -> bytes:
    """Return the page of an audit, whose JSON is given."""
    return page(
        f"Vulnerabilities of {title}", f"Audit of {found['date']}", [_section("audit", "Vulnerabilities", found)]
    )


def diff(before: Side, after: Side, found: difference.Difference) -> bytes:
    """Return the page of a comparison."""
    data = changes.data(before, after, found)
    return page("Comparison", f"{before.name} and {after.name}", [_section("changes", "Changes", data)])


def default(project: Project, target: str) -> Path:
    """Return where the page of a build is written: beside its images, with which it is replaced."""
    return project.out(target) / "report.html"


def _section(kind: str, title: str, data: Section | None, missing: str = "") -> Section:
    return {"kind": kind, "title": title, "data": data, "missing": missing}


def _graph(record: timeline.Record | None, known: inventory.Inventory | None) -> Section | None:
    found = {"elements": graphs.elements(record), "packages": graphs.packages(known)}
    return found if any(found.values()) else None


def _changes(project: Project, target: str, now: Side) -> Section | None:
    folder = export.previous(project, target)
    if not (folder / "manifest.json").is_file():
        return None
    before = difference.side("the build before", folder)
    return changes.data(before, now, difference.difference(before, now))


def _described(project: Project, target: str) -> System | None:
    if project.kind == "plain":
        return None
    return next(each.system for each in project.read().systems if each.target == target)
