"""The models of the description read as data: which words stand where, and what each may hold.

Messages, variants, the JSON Schema and the reference page go by it, so that none of them repeats the models.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Le, MaxLen, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from rootstream.description.system import Means, OneOf


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A single value; `expected` says in a user's words what it must be."""

    annotation: Any
    expected: str
    words: tuple[str | int, ...] = ()
    kind: type | None = None
    path: Literal["file", "folder"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOf:
    """A list of `least` to `most` items."""

    item: Shape
    least: int = 0
    most: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A mapping whose words are the user's own."""

    key: Leaf
    value: Shape
    most: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A mapping with the words of one model."""

    model: type[BaseModel]

    @property
    def fields(self) -> dict[str, Field]:
        """Return its words."""
        return _fields(self.model)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A mapping with one of several words; `short` allows the word alone in place of `{word: {}}`."""

    options: dict[str, Record]
    short: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyOf:
    """A value of one of several shapes."""

    options: tuple[Shape, ...]


_BOUNDS = {
    MinLen: ("least", "min_length"),
    MaxLen: ("most", "max_length"),
    Ge: ("low", "ge"),
    Le: ("high", "le"),
}

Shape: TypeAlias = Leaf | ListOf | Table | Record | Choice | AnyOf


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A word of a model."""

    model: type[BaseModel]
    word: str
    shape: Shape
    required: bool
    nullable: bool
    default: Any

    @property
    def description(self) -> str:
        """Return the text below the word."""
        return self.model.model_fields[self.word].description or _texts(self.model).get(self.word, "")


@cache
def record(model: type[BaseModel]) -> Record:
    """Return the shape of a model."""
    return Record(model=model)


def expected(shape: Shape) -> str:
    """Return what a value of this shape must be, in a user's words."""
    match shape:
        case Leaf():
            return shape.expected
        case ListOf():
            return "a list"
        case Table():
            return f"a mapping ({shape.key.expected}: {expected(shape.value)})"
        case Record():
            return f"a mapping (keys: {', '.join(shape.fields)})"
        case Choice():
            return f"one of: {', '.join(shape.options)}"
        case AnyOf():
            return _either(shape)


def below(shape: Shape, key: str | int) -> Shape | None:
    """Return the shape of what stands after a word of a mapping, or None where that word has no meaning."""
    match shape:
        case Record():
            field = shape.fields.get(str(key))
            return field.shape if field else None
        case Table():
            return shape.value
        case _:
            return None


def grows(shape: Shape) -> bool:
    """Say whether there is a list in it that a variant can add to."""
    match shape:
        case ListOf():
            return True
        case Record():
            return any(grows(each.shape) for each in shape.fields.values())
        case Choice() | AnyOf():
            options = shape.options.values() if isinstance(shape, Choice) else shape.options
            return any(grows(option) for option in options)
        case _:
            return False


def _either(shape: AnyOf) -> str:
    """Return the options in one sentence, words before mappings."""
    words: list[str] = []
    others: list[str] = []
    for option in shape.options:
        if isinstance(option, Leaf) and option.words:
            words += [str(value) for value in option.words]
        elif isinstance(option, Leaf) and option.kind is bool:
            words += ["true", "false"]
        elif isinstance(option, Choice):
            others.append("a mapping with one of: " + ", ".join(option.options))
        elif isinstance(option, Record):
            others.append("a mapping with: " + ", ".join(option.fields))
        else:
            others.append(expected(option))
    if words:
        others.insert(0, "one of: " + ", ".join(words))
    return "; or ".join(others)


@cache
def _fields(model: type[BaseModel]) -> dict[str, Field]:
    """Return the words of a model, its own before those that it inherits."""
    hints = get_type_hints(model, include_extras=True)
    own = [name for name in inspect.get_annotations(model) if name in model.model_fields]
    return {name: _field(model, name, hints[name]) for name in dict.fromkeys((*own, *model.model_fields))}


@cache
def _texts(model: type[BaseModel]) -> dict[str, str]:
    """Return the text below each word, read from the source: only those who show it pay for that.

    Pydantic's `use_attribute_docstrings` does so for every model at every start: 0.1 s.
    """
    found: dict[str, str] = {}
    for part in reversed(model.__mro__):
        if issubclass(part, BaseModel) and part is not BaseModel:
            body = ast.parse(textwrap.dedent(inspect.getsource(part))).body[0]
            for statement, after in pairwise(getattr(body, "body", ())):
                match statement, after:
                    case (ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text)))):
                        found[name] = " ".join(text.split())
    return found


def _field(model: type[BaseModel], name: str, hint: Any) -> Field:  # noqa: ANN401  (an annotation)
    info = model.model_fields[name]
    default = None if info.default is PydanticUndefined else info.default
    options, metadata = _members(hint)
    nullable = NoneType in options
    if nullable:
        rest = tuple(option for option in options if option is not NoneType)
        left: Any = Union[rest]  # noqa: UP007  (of as many as there are)
        hint = Annotated[(left, *metadata)] if metadata else left
    return Field(
        model=model,
        word=name,
        shape=_shape(hint),
        required=info.is_required(),
        nullable=nullable,
        default=default,
    )


def _members(hint: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:  # noqa: ANN401
    """Return the members of a union (or the type alone) and what is annotated to it."""
    metadata: tuple[Any, ...] = ()
    if get_origin(hint) is Annotated:
        hint, *rest = get_args(hint)
        metadata = tuple(rest)
    if get_origin(hint) in (Union, UnionType):
        return get_args(hint), metadata
    return (hint,), metadata


@cache
def _shape(hint: Any) -> Shape:  # noqa: ANN401
    options, metadata = _members(hint)
    one_of = next((item for item in metadata if isinstance(item, OneOf)), None)
    if one_of is not None:
        models = one_of.models(Union[options])  # noqa: UP007
        return Choice(options={name: record(model) for name, model in models.items()}, short=one_of.short)
    if len(options) > 1:
        return AnyOf(options=tuple(_shape(option) for option in options))
    kind = options[0]
    origin = get_origin(kind)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return record(kind)
    if origin is tuple:
        limits = _limits(metadata)
        return ListOf(item=_shape(get_args(kind)[0]), least=limits.get("least", 0), most=limits.get("most"))
    if origin is dict:
        key = _shape(get_args(kind)[0])
        if not isinstance(key, Leaf):
            raise TypeError(f"{hint}: the words of a mapping are single values")
        return Table(key=key, value=_shape(get_args(kind)[1]), most=_limits(metadata).get("most"))
    return _leaf(hint, kind, metadata)


def _limits(metadata: tuple[Any, ...]) -> dict[str, int]:
    """Return the bounds that pydantic keeps in annotations: least, most, low, high."""
    found: dict[str, int] = {}
    for item in metadata:
        for part in item.metadata if isinstance(item, FieldInfo) else (item,):
            if type(part) in _BOUNDS:
                name, attribute = _BOUNDS[type(part)]
                found[name] = getattr(part, attribute)
    return found


def _leaf(hint: Any, kind: Any, metadata: tuple[Any, ...]) -> Leaf:  # noqa: ANN401
    if get_origin(kind) is Literal:
        words = get_args(kind)
        text = f"one of: {', '.join(map(str, words))}" if len(words) > 1 else str(words[0])
        return Leaf(annotation=hint, expected=text, words=words)
    for item in metadata:
        if isinstance(item, Means):
            return Leaf(annotation=hint, expected=item.text, kind=kind, path=item.path)
    return Leaf(annotation=hint, expected=_plainly(kind, _limits(metadata)), kind=kind)


def _plainly(kind: Any, limits: dict[str, int]) -> str:  # noqa: ANN401
    if kind is Any:
        return "anything"
    if kind is bool:
        return "true or false"
    if kind is int:
        bounds = f" from {limits['low']} to {limits['high']}" if {"low", "high"} <= limits.keys() else ""
        return f"an integer{bounds}"
    if kind is str:
        return "non-empty text" if limits.get("least") else "text"
    raise TypeError(f"{kind} has no words of its own: annotate it with Means")
