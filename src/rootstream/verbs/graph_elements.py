"""The elements of Buildroot systems that are built package by package, by the names that people give."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ruamel.yaml import YAML

from rootstream.buildroot.graph import elements, reasons
from rootstream.buildroot.graph.places import OUTPUT
from rootstream.buildroot.workspace import FOLDER
from rootstream.description.model import Description
from rootstream.engine import ElementState
from rootstream.errors import UserError
from rootstream.host import nofollow
from rootstream.plan.model import Element, PreparedPlan
from rootstream.project import project
from rootstream.verbs import changes
from rootstream.verbs.graph_system import PLAN, wanted

_PACKAGE = elements.element_of("").removesuffix(".bst")


def found(where: project.Project, description: Description, name: str) -> tuple[Path, str] | None:
    """Return the project and the element that SYSTEM, SYSTEM:PACKAGE, PACKAGE or ELEMENT.bst names, or None.

    Raises `UserError` several-systems where several have it.
    """
    system, _, package = name.rpartition(":")
    found: dict[str, tuple[Path, str]] = {}
    for described in description.systems:
        if wanted(described) and system in ("", described.target):
            element = package if package.endswith(".bst") else elements.element_of(package)
            element = elements.IMAGES if name == described.target else element
            folder = where.work / FOLDER / described.slug / PLAN
            if "/" not in element and nofollow.check(where.folder, folder / "elements" / element):
                found[described.target] = folder, element
    if len(found) > 1:
        hint = " or ".join(f"`{target}:{package}`" for target in found)
        raise UserError("several-systems", f"several systems have {package}", hint=f"Write {hint}.")
    return next(iter(found.values()), None)


def due(states: Sequence[ElementState]) -> str:
    """Return what a build would do: of packages and images, not of the elements that only hold their inputs."""
    packages = {reasons.package_of(each.name): each for each in states if each.name.startswith(_PACKAGE)}
    missing = [name for name, each in packages.items() if each.state != "cached"]
    if missing:
        named = changes.some(missing)
        return f"would be built: {len(missing)} of {len(packages)} packages ({named}), then the images"
    if any(each.state != "cached" for each in states):
        return f"would be built: only the images; all {len(packages)} packages are cached"
    return f"all packages ({len(packages)}) and the images are cached; it would be exported"


def prepared(folder: Path, element: str) -> tuple[Element, PreparedPlan] | None:
    """Return an element that make builds something in, and how to get to where it does, or None for others."""
    data = YAML(typ="safe").load((folder / "elements" / element).read_text())
    commands = tuple(data.get("config", {}).get("install-commands", ()))
    commands = tuple(map(elements.without_notes, commands))
    number = next((number for number, each in enumerate(commands) if each.startswith("make ")), 0)
    if not number:
        return None
    make = next(each for each in reversed(commands) if each.startswith("make "))
    planned = PreparedPlan(commands=number, folder=OUTPUT, make=make)
    return Element(name=element, kind="manual", description="", commands=commands), planned
