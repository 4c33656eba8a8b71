"""Where in system.yaml something was asked for that could not be had: a package, a suite, an address, a unit.

What went wrong names what it is about, or the element that it happened in; the words are looked for in the
systems that need this element. The file is read again, since this is only wanted when something failed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rootstream.description.yaml_nodes import MappingNode, Node, ScalarNode, SequenceNode, parse
from rootstream.engine.faults import ElementError
from rootstream.errors import Problems, UserError, Where
from rootstream.host.file_text import text_of
from rootstream.plan.model import Plan
from rootstream.plan.sources import UPDATES

# Words of a source that a user may have written, the most particular first.
WRITTEN = ("version", "package", "track", "url", "packages", "suites", "components")
# Where the words of a system are that ask for something, and what is looked at before all else.
FIRST = ("root", "kernel", "layers", "images")


@contextmanager
def told(plan: Plan, description: Path) -> Iterator[None]:
    """Give an error of an element the place in the description that asked for what it lacks."""
    try:
        yield
    except Problems as error:
        raise Problems(tuple(placed(each, plan, description) for each in error.problems)) from error
    except ElementError as error:
        raise placed(error, plan, description) from error


def placed(error: UserError, plan: Plan, description: Path) -> UserError:
    """Return an error at its place in a description; what is asked for on several lines is an error on each."""
    if not isinstance(error, ElementError):
        return error
    try:
        top, _ = parse(description.read_bytes(), description)
    except (OSError, UserError):
        return error
    targets = [name for name, top_element in plan.targets.items() if error.element in plan.closure(top_element)]
    nodes = tuple(_nodes(top, targets))
    found: list[UserError] = []
    for name, text in error.asked:
        where = next((place for each in _named(name) for node in nodes for place in _places(node, each)), None)
        where = where or next((place for node in nodes for place in _listed(node, name, description.parent)), None)
        if where is not None:
            detail = error.detail if len(error.asked) == 1 else None
            found.append(UserError(error.reason, text, where=where, hint=error.hint, detail=detail))
    if len(found) == len(error.asked) and found:
        return found[0] if len(found) == 1 else Problems(tuple(found))
    if error.where is None and (error.asks or error.asked):
        words = (place for word in _asked(plan, error.element) for node in nodes for place in _places(node, word))
        came_along = any(not name.startswith("/") for name, _ in error.asked)  # a path came from a table
        error.where = next(words, None) or (_fallback(top, targets, asks=error.asks) if came_along else None)
    return error


def asked_for(description: Path, target: str, names: Sequence[str]) -> Where | None:
    """Return the first place in a description that names one of some packages, folders or requirements."""
    try:
        top, _ = parse(description.read_bytes(), description)
    except (OSError, UserError):
        return None
    nodes = tuple(_nodes(top, [target]))
    for name in names:
        for node in nodes:
            found = next(_places(node, name), None) or next(_listed(node, name, description.parent), None)
            if found is not None:
                return found
    return None


def key_of(description: Path, target: str, key: str) -> Where | None:
    """Return the place of a key of a system, or of the last of its layers that has it."""
    try:
        top, _ = parse(description.read_bytes(), description)
    except (OSError, UserError):
        return None
    systems = top.get("systems") if isinstance(top, MappingNode) else None
    name, _, variant = target.partition("@")
    system = systems.get(name) if isinstance(systems, MappingNode) else None
    variants = system.get("variants") if isinstance(system, MappingNode) else None
    chosen = variants.get(variant) if isinstance(variants, MappingNode) and variant else None
    for node in (chosen, system):
        found = _key(node, key) if isinstance(node, MappingNode) else None
        if found is not None:
            return found
    return None


def _key(system: MappingNode, key: str) -> Where | None:
    layers = system.get("layers")
    items = layers.items if isinstance(layers, SequenceNode) else ()
    for node in (*reversed(items), system):
        entry = node.entries.get(key) if isinstance(node, MappingNode) else None
        if entry is not None:
            return entry.key.where
    return None


def _asked(plan: Plan, element: str) -> Iterator[str]:
    """Yield the words of an element's sources that a description may hold."""
    sources = plan.elements[element].sources if element in plan.elements else ()
    for word in WRITTEN:
        for source in sources:
            value = source.words.get(word, ())
            yield from (str(each) for each in (value if isinstance(value, list | tuple) else (value,)) if each)


def _nodes(top: Node, targets: list[str]) -> Iterator[Node]:
    """Yield the parts of a description to look at, the likeliest first."""
    systems = top.get("systems") if isinstance(top, MappingNode) else None
    names = dict.fromkeys(target.partition("@")[0] for target in targets)
    written = [systems.get(name) for name in names] if isinstance(systems, MappingNode) else []
    for word in FIRST:
        for node in written:
            found = node.get(word) if isinstance(node, MappingNode) else None
            if found is not None:
                yield found
    yield from (node for node in written if node is not None)
    debian = top.get("debian") if isinstance(top, MappingNode) else None
    if debian is not None:
        yield debian


def _named(name: str) -> tuple[str, ...]:
    """Return what may be written: a release stands for the suites of its updates, too."""
    release, _, kind = name.rpartition("-")
    return (name, release) if kind in UPDATES and release else (name,)


def _is(text: str, name: str) -> bool:
    """Tell whether a text is a name, alone or with a version, extras or a marker behind it."""
    pattern = re.escape(name) + r"\s*(\[[^]]*\]\s*)?([=<>!~;@#].*)?"
    return re.fullmatch(pattern, text.strip(), re.IGNORECASE) is not None


def _places(node: Node, name: str) -> Iterator[Where]:
    """Yield the places where a name stands."""
    if isinstance(node, ScalarNode):
        if _is(node.text, name):
            yield node.where
    elif isinstance(node, SequenceNode):
        for item in node.items:
            yield from _places(item, name)
    else:
        for entry in node.entries.values():
            if name.startswith("/") and _is(entry.key.text, name):  # other words are Rootstream's own
                yield entry.key.where
            yield from _places(entry.value, name)


def _listed(node: Node, name: str, folder: Path) -> Iterator[Where]:
    """Yield the lines of the files of requirements below a node that ask for a name."""
    if isinstance(node, SequenceNode):
        for item in node.items:
            yield from _listed(item, name, folder)
    elif isinstance(node, MappingNode):
        files = node.get("requirements")
        for each in files.items if isinstance(files, SequenceNode) else ():
            path = folder / (each.text if isinstance(each, ScalarNode) else "")
            lines = text_of(path).splitlines() if path.is_file() else []
            yield from (Where(path=path, line=number) for number, line in enumerate(lines, 1) if _is(line, name))
        for entry in node.entries.values():
            yield from _listed(entry.value, name, folder)


def _fallback(top: Node, targets: list[str], *, asks: bool) -> Where:
    """Return the place of what needs something that the description does not spell out.

    What a set lacks (`asks`) is not in its suites; what is wrong with a package came with those that are named.
    """
    systems = [("systems", target.partition("@")[0]) for target in targets[:1]]
    packages = [(*system, "root", "debian", "packages") for system in systems]
    for steps in (*(() if asks else packages), ("debian", "suites"), *systems):
        node: Node | None = top
        for step in steps:
            node = node.get(step) if isinstance(node, MappingNode) else None
        if node is not None:
            return node.where
    return top.where
