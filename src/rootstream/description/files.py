"""The files and folders that a description names: they must be there, and in the project's own folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from rootstream.description.grammar import AnyOf, Leaf, ListOf, Shape, Table, below, record
from rootstream.description.validation_messages import nearest
from rootstream.description.variants import narrow
from rootstream.description.yaml_nodes import MappingNode, Node, ScalarNode, SequenceNode
from rootstream.errors import UserError

_NEAR = 1000


def paths_of(model: BaseModel) -> tuple[str, ...]:
    """Return the paths of all files and folders that a part of a description names, in its order."""
    return tuple(dict.fromkeys(_paths(record(type(model)), model)))


def _paths(shape: Shape, value: object) -> Iterator[str]:  # noqa: C901  (a table of shapes)
    if isinstance(value, BaseModel):
        for name, each in record(type(value)).fields.items():
            yield from _paths(each.shape, getattr(value, name))
    elif isinstance(value, dict) and isinstance(shape, Table):
        for inner in value.values():
            yield from _paths(shape.value, inner)
    elif isinstance(shape, AnyOf):
        for option in shape.options:
            if isinstance(option, ListOf) == isinstance(value, tuple):
                yield from _paths(option, value)
    elif isinstance(shape, ListOf) and isinstance(value, tuple):
        for inner in value:
            yield from _paths(shape.item, inner)
    elif isinstance(shape, Leaf) and shape.path and isinstance(value, str):
        yield value


def check(shape: Shape, node: Node, folder: Path) -> list[UserError]:
    """Return what is wrong with the files that a valid, settled description names."""
    found = (_problem(leaf, scalar, folder) for leaf, scalar in _named(shape, node))
    return [problem for problem in found if problem]


def _named(shape: Shape | None, node: Node) -> Iterator[tuple[Leaf, ScalarNode]]:
    """Return every value that names a file or folder."""
    shape = narrow(shape, node) or shape
    if isinstance(shape, AnyOf) and isinstance(node, ScalarNode):
        shape = next((each for each in shape.options if isinstance(each, Leaf) and each.path), None)
    if isinstance(shape, Leaf) and shape.path and isinstance(node, ScalarNode) and isinstance(node.value, str):
        yield shape, node
    elif isinstance(shape, ListOf) and isinstance(node, SequenceNode):
        for item in node.items:
            yield from _named(shape.item, item)
    elif shape and isinstance(node, MappingNode):
        for key, entry in node.entries.items():
            yield from _named(below(shape, key), entry.value)


def _problem(leaf: Leaf, named: ScalarNode, folder: Path) -> UserError | None:
    path = folder / named.text
    try:
        real = path.resolve()
        if not real.is_relative_to(folder.resolve()):
            message = f"{named.text!r} leads out of the project's folder, to {str(real)!r}"
            hint = "Copy it into the project: builds read nothing else."
            return UserError("outside-project", message, where=named.where, hint=hint)
        mode = real.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return _missing(leaf, named, folder)
    except (OSError, RuntimeError, ValueError) as error:
        # a loop of links is a RuntimeError before Python 3.13
        reason = error.strerror if isinstance(error, OSError) else "the symbolic link points to itself"
        return UserError("file-unreadable", f"{named.text!r} cannot be read: {reason}", where=named.where)
    right = stat.S_ISDIR(mode) if leaf.path == "folder" else stat.S_ISREG(mode)
    if not right:
        message = f"{named.text!r} is not a {leaf.path}"
        return UserError(f"not-a-{leaf.path}", message, where=named.where)
    if not os.access(real, os.R_OK):
        return UserError("file-unreadable", f"{named.text!r} cannot be read: permission denied", where=named.where)
    return None


def _missing(leaf: Leaf, named: ScalarNode, folder: Path) -> UserError:
    """Return the mistake of a name that is not there, with the nearest one that is."""
    above = folder
    guess = ""
    for part in Path(named.text).parts:
        if not (above / part).exists():
            names = [each for each, _ in zip(_entries(above), range(_NEAR), strict=False)]
            guess = nearest(part, names)
            break
        above /= part
    return UserError(
        "missing-file",
        f"there is no {leaf.path} {named.text!r}{guess}",
        where=named.where,
        hint="Paths are relative to the folder of system.yaml.",
    )


def _entries(folder: Path) -> Iterator[str]:
    try:
        yield from sorted(each.name for each in folder.iterdir())
    except OSError:
        return
