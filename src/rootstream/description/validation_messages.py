"""What pydantic has to say about a description, as messages for its author: where, what, and what was expected."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, replace

from pydantic_core import ErrorDetails

from rootstream.description.grammar import AnyOf, Choice, Leaf, ListOf, Record, Shape, Table, below, expected
from rootstream.description.variants import container
from rootstream.description.word_paths import right_places
from rootstream.description.yaml_nodes import MappingNode, Node, ScalarNode, SequenceNode
from rootstream.errors import UserError, Where

_SWITCH = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
_LONGEST = 60
MOST = 200  # mistakes of one system that are told; nobody reads more


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spot:
    """A place in the description and what may stand there; `node` is None where nothing was written."""

    shape: Shape
    node: Node | None
    where: Where
    begin: Where  # the word before it, if there is one
    title: str
    above: _Spot | None = None
    also: tuple[str, ...] = ()  # further words that are allowed, but have been taken out


def nearest(word: str, allowed: Iterable[str]) -> str:
    """Return `; did you mean ...?`, or nothing if no word is near."""
    known = {each.lower().replace("_", "-"): each for each in allowed}
    found = difflib.get_close_matches(word[:_LONGEST].lower().replace("_", "-"), known, n=1)
    return f"; did you mean {known[found[0]]!r}?" if found else ""


def show(node: Node | None) -> str:
    """Return what was written, briefly and with control characters escaped."""
    match node:
        case ScalarNode(value=None):
            return "nothing"
        case ScalarNode(value=str()):
            return repr(node.text if len(node.text) <= _LONGEST else node.text[:_LONGEST] + "...")
        case ScalarNode():
            return node.text
        case SequenceNode():
            return "a list"
        case MappingNode():
            return "a mapping"
        case None:
            return "nothing"


def mistakes(
    errors: list[ErrorDetails],
    shape: Shape,
    node: Node,
    *,
    title: str,
    begin: Where | None = None,
    also: tuple[str, ...] = (),
) -> list[UserError]:
    """Return what a user did wrong in `node`, which has been settled and was validated as `shape`.

    `title` is what to call the node, `begin` the place of its name, `also` names words that it may have beside
    those of its shape.
    """
    begin = begin or node.where
    start = _Spot(shape=shape, node=node, where=node.where, begin=begin, title=title, also=also)
    unknown = {error["loc"] for error in errors if error["type"] == "extra_forbidden"}
    found: dict[tuple[Where | None, str], UserError] = {}
    for error in errors[:MOST]:
        kind, loc = error["type"], error["loc"]
        if kind in ("too_short", "too_long") and any(_inside(other["loc"], loc) for other in errors):
            continue
        if kind == "missing" and any(_slip(other, loc) for other in unknown):
            continue
        problem = _mistake(error, start)
        if problem is not None:
            found.setdefault(identity(problem), problem)
    return list(found.values())


def identity(problem: UserError) -> tuple[Where | None, str]:
    """Return what is equal for two mistakes that are one."""
    return problem.where, problem.message


def _inside(loc: tuple[int | str, ...], outer: tuple[int | str, ...]) -> bool:
    return len(loc) > len(outer) and loc[: len(outer)] == outer


def _slip(unknown: tuple[int | str, ...], missing: tuple[int | str, ...]) -> bool:
    """Say whether the unknown word is the missing one, misspelt."""
    return unknown[:-1] == missing[:-1] and bool(nearest(str(unknown[-1]), [str(missing[-1])]))


def _mistake(error: ErrorDetails, start: _Spot) -> UserError | None:
    kind, loc = error["type"], error["loc"]
    about_word = kind in ("extra_forbidden", "missing", "invalid_key") or loc[-1:] == ("[key]",)
    spot = _follow(start, loc[:-1] if about_word else loc)
    if spot is None:
        return None
    return _word(kind, spot, loc) if about_word else _wrong(error, spot)


def _word(kind: str, spot: _Spot, loc: tuple[int | str, ...]) -> UserError | None:
    if kind == "missing":
        return _missing(spot, str(loc[-1]))
    return _key(spot, loc[-2]) if loc[-1] == "[key]" else _unknown(spot, loc[-1])


def _wrong(error: ErrorDetails, spot: _Spot) -> UserError:
    kind = error["type"]
    if kind in ("choice", "union_tag_not_found", "union_tag_invalid") and isinstance(spot.shape, Choice):
        return _choice(spot, spot.shape)
    if kind in ("too_short", "too_long") and isinstance(spot.shape, ListOf | Table):
        return _count(spot)
    if kind == "value_error":
        message = f"{spot.title}: {error['ctx']['error']}"
        if isinstance(spot.shape, Record):
            return UserError("bad-value", message, where=spot.begin)
        if isinstance(spot.node, ScalarNode) and spot.node.value is not None and len(spot.node.text) <= _LONGEST:
            return UserError("bad-value", message, where=spot.where)
    return _value(spot, wrong_type=kind.endswith("_type"))


def _follow(spot: _Spot, loc: tuple[int | str, ...]) -> _Spot | None:
    """Return the place that pydantic's `loc` means; None if it speaks of an option that was not chosen."""
    for step in loc:
        match spot.shape:
            case AnyOf():
                inner = container(spot.shape, spot.node)
                if inner is None:
                    return spot
                if not _labelled(inner, str(step)):
                    return None
                spot = replace(spot, shape=inner)
            case Choice():
                spot = replace(spot, shape=spot.shape.options[str(step)], above=spot)
            case _:
                spot = _down(spot, step)
    return spot


def _labelled(shape: Shape, label: str) -> bool:
    """Say whether pydantic's name for a member of a union is that of this shape."""
    if isinstance(shape, Record):
        return label == shape.model.__name__
    return label.startswith({Choice: "tagged-union", ListOf: "tuple", Table: "dict"}.get(type(shape), " "))


def _down(spot: _Spot, step: int | str) -> _Spot:
    inner: Shape | None
    if isinstance(spot.shape, ListOf) and isinstance(step, int):
        inside = isinstance(spot.node, SequenceNode) and step < len(spot.node.items)
        item = spot.node.items[step] if inside and isinstance(spot.node, SequenceNode) else None
        where = item.where if item else spot.where
        title = f"{spot.title}[{step}]"
        return _Spot(shape=spot.shape.item, node=item, where=where, begin=where, title=title, above=spot)
    inner = below(spot.shape, step)
    if inner is None:
        return spot
    entry = spot.node.entries.get(step) if isinstance(spot.node, MappingNode) else None
    return _Spot(
        shape=inner,
        node=entry.value if entry else None,
        where=entry.value.where if entry else spot.where,
        begin=entry.key.where if entry else spot.begin,
        title=str(step),
        above=spot,
    )


def _unknown(spot: _Spot, key: int | str) -> UserError | None:
    """Return the mistake of a word that has no meaning where it stands."""
    if not isinstance(spot.node, MappingNode):
        return None
    entry = spot.node.entries.get(key)
    where = entry.key.where if entry else spot.where
    fields = spot.shape.fields if isinstance(spot.shape, Record) else {}
    choice = spot.above.shape if spot.above else None
    if isinstance(choice, Choice):
        chosen = next(iter(fields))
        if key in choice.options:
            return UserError(
                "several-choices",
                f"{chosen!r} and {key!r} cannot be in one item",
                where=where,
                hint=f"Start a new item with `- {key}:`.",
            )
        if any(word in spot.node.entries and key in option.fields for word, option in choice.options.items()):
            return None  # it belongs to the other word, which is told already
        inner = below(spot.shape, chosen)
        if isinstance(inner, Record) and key in inner.fields:
            hint = f"Indent it further than `{chosen}:`."
            return UserError("unknown-key", f"{key!r} belongs below {chosen!r}", where=where, hint=hint)
    allowed = (*fields, *spot.also)
    message = f"unknown key {show_word(key)}{nearest(str(key), allowed)}{_belongs(str(key), spot)}"
    return UserError("unknown-key", message, where=where, hint=f"Allowed here: {', '.join(allowed)}.")


def _belongs(word: str, spot: _Spot) -> str:
    """Return `; it belongs into ...` for a word that the description knows in another place."""
    top = spot
    while top.above is not None:
        top = top.above
    if not isinstance(top.shape, Record) or top.node is None:
        return ""
    places = right_places(word, top.shape.model, top.node)
    return f"; it belongs in {' or '.join(places)}" if places else ""


def _missing(spot: _Spot, key: str) -> UserError:
    """Return the mistake of a word that is not there; its place is where the mapping begins."""
    message = f"{spot.title}: the required key {key!r} is missing"
    hint = None
    if isinstance(spot.shape, Record):
        field = spot.shape.fields[key]
        hint = f"{key}: {field.description} Expected {expected(field.shape)}."
    return UserError("missing-key", message, where=spot.begin, hint=hint)


def _key(spot: _Spot, key: int | str) -> UserError | None:
    """Return the mistake of a word that a user chose, such as the name of a system."""
    if not isinstance(spot.above, _Spot) or not isinstance(spot.above.shape, Table):
        return None
    table, node = spot.above.shape, spot.above.node
    entry = node.entries.get(key) if isinstance(node, MappingNode) else None
    where = entry.key.where if entry else spot.where
    shown = show(entry.key) if entry else show_word(key)
    message = f"{spot.above.title}: expected {table.key.expected}, not {shown}"
    hint = _quotes(entry.key) if entry and table.key.kind is str else None
    return UserError("bad-value", message, where=where, hint=hint)


def _choice(spot: _Spot, choice: Choice) -> UserError:
    """Return the mistake of an item with none of the words that it may begin with."""
    hint = f"Expected {expected(choice)}."
    node = spot.node
    if isinstance(node, ScalarNode) and not choice.short and isinstance(node.value, str):
        if node.text in choice.options:
            return UserError("wrong-type", f"{node.text!r} needs a value: `{node.text}: ...`", where=spot.where)
        message = f"{spot.title}: expected a key with a value, not {show(node)}"
        return UserError("wrong-type", message + nearest(node.text, choice.options), where=spot.where, hint=hint)
    if not isinstance(node, MappingNode) or not node.entries:
        message = f"{spot.title}: expected {expected(choice)}, not {show(node)}"
        return UserError("wrong-type", message, where=spot.where)
    shared = {name for option in choice.options.values() for name in option.fields}
    strange = next((key for key in node.entries if key not in shared), None)
    if strange is None:
        return UserError(
            "missing-key", f"{spot.title}: the key for its kind is missing", where=spot.where, hint=hint
        )
    guess = nearest(str(strange), choice.options) + _belongs(str(strange), spot)
    message = f"unknown key {show_word(strange)}{guess}"
    return UserError("unknown-choice", message, where=node.entries[strange].key.where, hint=hint)


def _count(spot: _Spot) -> UserError:
    node, most = spot.node, spot.shape.most if isinstance(spot.shape, ListOf | Table) else None
    size = (
        len(node.items)
        if isinstance(node, SequenceNode)
        else len(node.entries)
        if isinstance(node, MappingNode)
        else 0
    )
    allowed = f"{size} items, but at most {most} are allowed" if size else "at least one is required"
    return UserError("bad-value", f"{spot.title}: {allowed}", where=spot.where)


def _value(spot: _Spot, *, wrong_type: bool) -> UserError:
    """Return the mistake of a value that is not what it should be."""
    node, shape = spot.node, spot.shape
    words = [str(word) for word in _words(shape)]
    guess = ""
    if isinstance(node, ScalarNode) and isinstance(node.value, str):
        guess = nearest(node.text, words) if len(words) > 1 else ""
        if _is_switch(shape) and node.text.lower() in _SWITCH:
            guess = f"; write {_SWITCH[node.text.lower()]}"
    message = f"{spot.title}: expected {expected(shape)}, not {show(node)}{guess}"
    reason = "wrong-type" if _other_type(shape, node, wrong_type=wrong_type) else "bad-value"
    return UserError(reason, message, where=spot.where, hint=_type_hint(shape, node))


def _other_type(shape: Shape, node: Node | None, *, wrong_type: bool) -> bool:
    """Say whether a value is of another type than any that is expected."""
    if not isinstance(node, ScalarNode) or node.value is None:
        return True
    if isinstance(shape, AnyOf):
        kinds = [option.kind or str for option in shape.options if isinstance(option, Leaf)]
        return not any(isinstance(node.value, kind) for kind in kinds)
    return wrong_type and not _words(shape)


def _words(shape: Shape) -> tuple[str | int, ...]:
    match shape:
        case Leaf():
            return shape.words
        case AnyOf():
            return tuple(word for option in shape.options for word in _words(option))
        case _:
            return ()


def _is_switch(shape: Shape) -> bool:
    options = shape.options if isinstance(shape, AnyOf) else (shape,)
    return any(isinstance(option, Leaf) and option.kind is bool for option in options)


def _type_hint(shape: Shape, node: Node | None) -> str | None:
    """Return how to write what was probably meant."""
    if not isinstance(node, ScalarNode):
        return None
    if isinstance(shape, ListOf) and isinstance(node.value, str):
        return f"Write a list with one item: [{show(node)[1:-1]}]."
    if isinstance(shape, Leaf) and shape.kind is str:
        return _quotes(node)
    if isinstance(shape, Leaf) and shape.kind is int and isinstance(node.value, str) and node.text.isdecimal():
        return "Remove the quotes."
    return None


def _quotes(node: ScalarNode) -> str | None:
    if isinstance(node.value, str) or node.value is None or len(node.text) > _LONGEST:
        return None
    return f'Put it in quotes: "{node.text}".'


def show_word(key: int | str) -> str:
    """Return a word of the file for a message."""
    text = str(key)
    return repr(text if len(text) <= _LONGEST else text[:_LONGEST] + "...")
