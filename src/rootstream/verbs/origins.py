"""Where in system.yaml something was asked for that could not be had: a package, a suite, an address, a unit.

What went wrong names what it is about, or the element that it happened in; the words are looked for in the
systems that need this element. The file is read again, since this is only wanted when something failed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rootstream.description.yaml_nodes import MappingNode, Node, parse
from rootstream.engine.faults import ElementError
from rootstream.errors import Problems, UserError, Where
from rootstream.plan.model import Plan
from rootstream.plan.sources import UPDATES
from rootstream.verbs.places import listed, nodes_of, places

# Words of a source that a user may have written, the most particular first.
WRITTEN = ("version", "package", "track", "url", "packages", "suites", "components")


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
    nodes = tuple(nodes_of(top, targets))
    found: list[UserError] = []
    for name, text in error.asked:
        where = next((place for each in _named(name) for node in nodes for place in places(node, each)), None)
        where = where or next((place for node in nodes for place in listed(node, name, description.parent)), None)
        if where is not None:
            detail = error.detail if len(error.asked) == 1 else None
            found.append(UserError(error.reason, text, where=where, hint=error.hint, detail=detail))
    if len(found) == len(error.asked) and found:
        return found[0] if len(found) == 1 else Problems(tuple(found))
    if error.where is None and (error.asks or error.asked):
        words = (place for word in _asked(plan, error.element) for node in nodes for place in places(node, word))
        came_along = any(not name.startswith("/") for name, _ in error.asked)  # a path came from a table
        error.where = next(words, None) or (_fallback(top, targets, asks=error.asks) if came_along else None)
    return error


def _asked(plan: Plan, element: str) -> Iterator[str]:
    """Yield the words of an element's sources that a description may hold."""
    sources = plan.elements[element].sources if element in plan.elements else ()
    for word in WRITTEN:
        for source in sources:
            value = source.words.get(word, ())
            yield from (str(each) for each in (value if isinstance(value, list | tuple) else (value,)) if each)


def _named(name: str) -> tuple[str, ...]:
    """Return what may be written: a release stands for the suites of its updates, too."""
    release, _, kind = name.rpartition("-")
    return (name, release) if kind in UPDATES and release else (name,)


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
