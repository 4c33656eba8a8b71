"""Where each word of the description belongs, read from the models: for a word that stands in the wrong place."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from pydantic import BaseModel

from rootstream.description.grammar import AnyOf, Choice, ListOf, Record, Shape, Table, record
from rootstream.description.model import ProjectFile, System
from rootstream.description.yaml_nodes import MappingNode, Node, SequenceNode

MOST_SHOWN = 3
_ITEM, _NAME = "[]", "NAME"
Path = tuple[str, ...]


def right_places(word: str, model: type[BaseModel], node: Node) -> tuple[str, ...]:
    """Return the places where a word is known that was found elsewhere in `node`, a description of `model`.

    Only those that the description has, if it has one; else at most three, the nearest to what it has first.
    """
    own = {path: _show(path, "the system itself") for path in index(System).get(word, ())}
    top = {path: _show(path, "the top of the file") for path in index(ProjectFile).get(word, ())}
    if model is System:
        top = {path: text if not path else f"{text} at the top of the file" for path, text in top.items()}
        written = [text for path, text in own.items() if _depth(node, path) > len(path)]
        deepest = max((_depth(node, path) for path in own), default=0)
        own = {path: text for path, text in own.items() if _depth(node, path) == deepest}
    else:
        own = {path: _show(("systems", _NAME, *path), "") for path in own}
        written = [text for path, text in top.items() if _depth(node, path) > len(path)]
    near = [text for path, text in own.items() if _NAME not in path]  # not below a name that nobody wrote
    if model is System:
        others = near or list(top.values()) or list(own.values())
    else:
        others = [*top.values(), *own.values()]
    return tuple(written or others)[:MOST_SHOWN]


@cache
def index(model: type[BaseModel]) -> dict[str, tuple[Path, ...]]:
    """Return, for every word of a model, the paths of the mappings that may hold it, shortest first."""
    found: dict[str, list[Path]] = {}
    for word, path in _words(record(model), (), ()):
        found.setdefault(word, []).append(path)
    return {word: tuple(sorted(dict.fromkeys(paths), key=len)) for word, paths in found.items()}


def _words(shape: Shape, path: Path, above: tuple[type[BaseModel], ...]) -> Iterator[tuple[str, Path]]:
    match shape:
        case Record():
            if shape.model in above:
                return
            for word, field in shape.fields.items():
                yield word, path
                yield from _words(field.shape, (*path, word), (*above, shape.model))
        case Choice() | AnyOf():
            for option in shape.options.values() if isinstance(shape, Choice) else shape.options:
                yield from _words(option, path, above)
        case ListOf():
            yield from _words(shape.item, (*path, _ITEM), above)
        case Table():
            yield from _words(shape.value, (*path, _NAME), above)
        case _:
            pass


def _depth(node: Node | None, path: Path) -> int:
    """Return how much of the way along a path a description has; it has more than its length for the whole."""
    if not path:
        return 1 if isinstance(node, MappingNode) else 0
    step, rest = path[0], path[1:]
    if step == _ITEM:
        inner: list[Node | None] = list(node.items) if isinstance(node, SequenceNode) else []
    elif not isinstance(node, MappingNode):
        return 0
    elif step == _NAME:
        inner = [entry.value for entry in node.entries.values()]
    else:
        inner = [node.entries[step].value] if step in node.entries else []
    return max((1 + _depth(each, rest) for each in inner), default=0)


def _show(path: Path, outermost: str) -> str:
    """Return a path as a user may read it: root.debian, layers[].users[]."""
    return ".".join(path).replace(f".{_ITEM}", _ITEM) or outermost
