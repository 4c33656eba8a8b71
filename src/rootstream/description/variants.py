"""A variant laid over its system, in YAML's own terms, so that every value keeps the place where it was written.

Mappings merge, all else is replaced, and lists below `add` are appended. A choice (`root`, a `source`) merges with
the same choice only.
"""

from __future__ import annotations

from typing import overload

from rootstream.description.grammar import AnyOf, Choice, ListOf, Record, Shape, Table, below, grows
from rootstream.description.yaml_nodes import MappingEntry, MappingNode, Node, ScalarNode, SequenceNode
from rootstream.errors import UserError

ADD = "add"


@overload
def settle(shape: Shape | None, node: MappingNode) -> MappingNode: ...
@overload
def settle(shape: Shape | None, node: Node) -> Node: ...
def settle(shape: Shape | None, node: Node) -> Node:
    """Return the long form of a node: `tar` becomes `{tar: {}}`, a word left empty an empty mapping or list."""
    if isinstance(shape, Choice) and shape.short and isinstance(node, ScalarNode) and isinstance(node.value, str):
        entry = MappingEntry(key=node, value=MappingNode(where=node.where, entries={}))
        return MappingNode(where=node.where, entries={node.value: entry})
    if isinstance(node, ScalarNode) and node.value is None:
        if isinstance(shape, ListOf):
            return SequenceNode(where=node.where)
        return MappingNode(where=node.where, entries={}) if isinstance(shape, Record | Table) else node
    shape = narrow(shape, node)
    if isinstance(shape, ListOf) and isinstance(node, SequenceNode):
        return SequenceNode(where=node.where, items=tuple(settle(shape.item, item) for item in node.items))
    if isinstance(node, MappingNode) and shape is not None:
        entries = {key: _settled(shape, key, entry) for key, entry in node.entries.items()}
        return MappingNode(where=node.where, entries=entries)
    return node


def _settled(shape: Shape, key: str | int, entry: MappingEntry) -> MappingEntry:
    empty = isinstance(entry.value, ScalarNode) and entry.value.value is None
    if empty and isinstance(shape, Record) and str(key) in shape.fields and shape.fields[str(key)].nullable:
        return entry
    return MappingEntry(key=entry.key, value=settle(below(shape, key), entry.value))


def container(shape: AnyOf, node: Node | None) -> Shape | None:
    """Return the option that can hold a mapping or list such as this one."""
    for option in shape.options:
        if isinstance(node, MappingNode) and isinstance(option, Record | Choice | Table):
            return option
        if isinstance(node, SequenceNode) and isinstance(option, ListOf):
            return option
    return None


def narrow(shape: Shape | None, node: Node | None) -> Shape | None:
    """Return the shape that a node chose: the option of a choice by the word in it."""
    if isinstance(shape, AnyOf):
        shape = container(shape, node)
    if isinstance(shape, Choice):
        # in the order of the model, as validation chooses
        chosen = (word for word in shape.options if isinstance(node, MappingNode) and word in node.entries)
        word = next(chosen, None)
        return shape.options[word] if word else None
    return shape


def resolve(system: MappingNode, change: MappingNode, shape: Shape) -> tuple[MappingNode, list[UserError]]:
    """Return a settled system with a variant's changes laid over it, and the mistakes made below `add`."""
    own = {key: entry for key, entry in change.entries.items() if key != ADD}
    settled = settle(shape, MappingNode(where=change.where, entries=own))
    merged = _merge(system, settled, shape)
    problems: list[UserError] = []
    addition = change.get(ADD)
    if isinstance(addition, ScalarNode) and addition.value is None:
        addition = None
    if isinstance(addition, MappingNode):
        merged = _append(merged, settle(shape, addition), shape, problems)
    elif addition is not None:
        message = "add: expected a mapping of lists to append to those of the system"
        problems.append(UserError("wrong-type", message, where=addition.where))
    return merged, problems


def _merge(node: MappingNode, change: MappingNode, shape: Shape | None) -> MappingNode:
    """Return `change` laid over `node`; another choice than the node's takes its place."""
    chosen = narrow(shape, change)
    if chosen != narrow(shape, node):
        return change
    entries = dict(node.entries)
    for key, entry in change.entries.items():
        old = entries.get(key)
        if old is not None and isinstance(old.value, MappingNode) and isinstance(entry.value, MappingNode):
            inner = below(chosen, key) if chosen else None
            entries[key] = MappingEntry(key=old.key, value=_merge(old.value, entry.value, inner))
        else:
            entries[key] = entry
    return MappingNode(where=node.where, entries=entries)


def _append(
    node: MappingNode, addition: MappingNode, shape: Shape | None, problems: list[UserError]
) -> MappingNode:
    chosen = narrow(shape, node)
    entries = dict(node.entries)
    for key, entry in addition.entries.items():
        old = entries.get(key)
        try:
            value = _longer(old.value if old else None, entry, chosen, problems)
        except UserError as error:
            problems.append(error)
        else:
            entries[key] = MappingEntry(key=old.key if old else entry.key, value=value)
    return MappingNode(where=node.where, entries=entries)


def _longer(old: Node | None, entry: MappingEntry, shape: Shape | None, problems: list[UserError]) -> Node:
    """Return a value with what `add` says appended to it."""
    name, more = entry.key.text, entry.value
    inner = below(shape, name) if shape else None
    where = entry.key.where
    if isinstance(more, ScalarNode) or (inner is not None and not grows(inner)):
        message = f"{name}: `add` accepts lists only"
        hint = f"To replace {name}, put it directly in the variant, not below `add`."
        raise UserError("wrong-type", message, where=more.where, hint=hint)
    if old is None:
        field = shape.fields.get(name) if isinstance(shape, Record) else None
        if isinstance(more, SequenceNode) and field and field.default:
            message = f"{name}: cannot append, because the system does not set this list and it has a default"
            hint = f"Write the whole list in the variant, or set `{name}` in the system."
            raise UserError("add-to-default", message, where=where, hint=hint)
        return more if isinstance(more, SequenceNode) else _append(_empty(more), more, inner, problems)
    if isinstance(old, SequenceNode) and isinstance(more, SequenceNode):
        return SequenceNode(where=old.where, items=old.items + more.items)
    if isinstance(old, MappingNode) and isinstance(more, MappingNode):
        if narrow(inner, old) != narrow(inner, more):
            words = ", ".join(map(str, old.entries))
            raise UserError(
                "bad-value",
                f"{name}: the system has {words} here, so the variant cannot add to another choice",
                where=more.where,
            )
        return _append(old, more, inner, problems)
    raise UserError("wrong-type", f"{name}: there is no list to append to", where=where)


def _empty(node: MappingNode) -> MappingNode:
    return MappingNode(where=node.where, entries={})
