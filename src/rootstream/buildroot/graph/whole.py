"""Elements that have the whole tree, in which make works on all of a system: comparisons, and the workspace.

They are made of what the packages and the images of a system are made of, at the same paths.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict

from rootstream.buildroot.graph import elements, staging
from rootstream.buildroot.graph.draft import MAY_OVERLAP, GraphDraft, GraphInputs
from rootstream.buildroot.graph.places import OUTPUT, ROOT, SOURCE
from rootstream.plan import base, programs
from rootstream.plan.model import Dependency, Element, Source
from rootstream.plan.sources import local
from rootstream.sandbox.buildroot.filling import Package

BY_PACKAGES, BY_MAKE, WORKSPACE = "listing-by-packages.bst", "listing-by-make.bst", "workspace.bst"
LISTING = "listing.json"
_BUILT = f"{ROOT}/built"
_PACKAGES = "packages.json"


def listings(draft: GraphDraft, inputs: GraphInputs) -> tuple[str, str]:
    """Add elements that list all that comes out: of the packages one by one, and of make alone; `system` is there.

    What they are made of and the paths are the same, so that all that differs is how it was built.
    """
    order = _order(inputs)
    parts = [*elements.for_images(draft, inputs), elements.add_program(draft, programs.LISTING)]
    for name in (BY_PACKAGES, BY_MAKE):
        elements.write_images(draft, inputs, name, order)
    listed = (
        f"{programs.command('buildroot.listing')} {OUTPUT} {SOURCE}/{LISTING}",
        elements.EMPTIED,
        f"mv {SOURCE}/{LISTING} {OUTPUT}/",
    )
    text = "What the packages give, built one by one"
    commands = (*elements.image_commands(inputs.trees), *listed)
    elements.build_element(draft, BY_PACKAGES, text, parts, elements.in_order(order), *commands)
    text = "What Buildroot's make gives of the same"
    commands = (elements.begin(), elements.make(inputs.trees), *listed)
    names, sources = _everything(draft, inputs, parts), _sources(draft, inputs, inputs.downloads)
    elements.build_element(draft, BY_MAKE, text, names, (), *commands, sources=sources)
    return BY_PACKAGES, BY_MAKE


def workspace(
    draft: GraphDraft, inputs: GraphInputs, keys: Mapping[str, str], unpacked: Collection[str]
) -> tuple[str, ...]:
    """Add the element in whose sandbox make works for people; return what has to be built for it.

    `keys` are those of the packages that are there: what they have installed gets into the workspace. The other
    packages and those of `unpacked` have their downloads there.
    """
    parts = [*elements.for_images(draft, inputs), elements.add_program(draft, programs.FILLING)]
    order = _order(inputs)
    elements.write_images(draft, inputs, WORKSPACE, order)
    known = [name for name in sorted(order, key=lambda name: len(order[name])) if name in keys]
    packages = {name: asdict(Package(key=keys[name], build=inputs.packages[name].build)) for name in known}
    draft.written[f"files/{WORKSPACE.removesuffix('.bst')}/{_PACKAGES}"] = json.dumps(packages).encode()
    names = _everything(draft, inputs, parts)
    built = [Dependency(element=elements.element_of(name), location=f"{_BUILT}/{name}") for name in known]
    needs = [name for name in inputs.downloads if name not in keys or name in unpacked]
    element = Element(
        name=WORKSPACE,
        kind="manual",
        description="Where make works for people",
        sources=(local(f"files/{WORKSPACE.removesuffix('.bst')}"), *_sources(draft, inputs, needs)),
        builds_with=(*(Dependency(element=each) for each in (base.FOR_BUILDROOT, *names)), *built),
        variables={"build-root": SOURCE, "install-root": OUTPUT, "strip-binaries": ""},
        environment=elements.ENVIRONMENT,
        public=MAY_OVERLAP,
    )
    draft.add(element)
    return tuple(each.element for each in element.builds_with)


def work(trees: staging.Trees, unpacked: Iterable[str]) -> str:
    """Return the script that brings the workspace in step with its packages and runs make with its arguments."""
    unpack = "".join(f" --unpack {name}" for name in unpacked)
    filled = f"{programs.command('buildroot.filling')} {_BUILT} {OUTPUT} {SOURCE}/{_PACKAGES}{unpack}"
    return f'set -e\nexec 2>&1\nmkdir -p {_BUILT}\n{filled}\n{elements.begin()}\nexec {elements.make(trees)} "$@"'


def _order(inputs: GraphInputs) -> dict[str, tuple[str, ...]]:
    return {name: staging.closure(inputs.packages, name) for name in inputs.packages}


def _everything(draft: GraphDraft, inputs: GraphInputs, parts: Sequence[str]) -> list[str]:
    """Return the elements with all that packages and images are made of, but for downloads."""
    own = [
        each for each in draft.elements if each.startswith("files-") or each in (elements.WHOLE, elements.RULES)
    ]
    whole = elements.whole_tree(draft, inputs.trees)
    names = dict.fromkeys((whole, *own, *parts))
    return [each for each in names if not each.startswith(("tree-", "instead-"))]


def _sources(draft: GraphDraft, inputs: GraphInputs, names: Iterable[str]) -> list[Source]:
    several = [each for name in names for each in elements.downloads_of(draft, name, inputs)]
    return list({json.dumps(dict(each.words)): each for each in several}.values())  # linux-headers has linux's
