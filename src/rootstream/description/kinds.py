"""Kinds of one thing (an image, a check, a power control): a class each, found by its word in system.yaml.

Rootstream's own are the modules of one package, so that another one is another module; installed packages bring
theirs through an entry point, whose value is the class.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Annotated, Any, ClassVar, TypeVar, Union, cast

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    SerializationInfo,
    create_model,
)

from rootstream.description.system import Model, OneOf, first_of
from rootstream.errors import UserError


class Kind(Model):
    """One kind; a subclass with a `word` of its own is one that descriptions may name."""

    word: ClassVar[str]
    """What system.yaml calls it."""

    @property
    def kind(self) -> str:
        """The word of its kind."""
        return type(self).word


K = TypeVar("K", bound=Kind)


def found(base: type[K], package: str, order: Sequence[str], group: str) -> dict[str, type[K]]:
    """Return the kinds that are subclasses of `base`, by word: a package's modules, then an entry-point group.

    `order` are words that come first where kinds are listed. Raises `UserError` bad-plugin.
    """
    ours: dict[str, type[K]] = {}
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__, f"{package}."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and issubclass(value, base) and "word" in vars(value):
                ours[value.word] = value
    kinds = {name: ours[name] for name in (*order, *sorted(ours.keys() - set(order)))}
    for point in _entry_points().select(group=group):
        kind = _loaded(point, group)
        if not isinstance(kind, type) or not issubclass(kind, base) or getattr(kind, "word", None) != point.name:
            raise UserError(
                "bad-plugin", f"{point.value} ({group}): no subclass of {base.__name__} for {point.name!r}"
            )
        if point.name in kinds:
            raise UserError("bad-plugin", f"{point.value} ({group}): a kind {point.name!r} already exists")
        kinds[point.name] = kind
    return kinds


@cache
def _entry_points() -> Any:  # noqa: ANN401  (of different types in Python 3.11 and later)
    """Return those of all groups, to select from: finding them takes a while."""
    return entry_points()


def _loaded(point: EntryPoint, group: str) -> object:
    try:
        return point.load()
    except Exception as error:  # whatever a module does when it is imported
        why = f"{type(error).__name__}: {error}"
        raise UserError(
            "bad-plugin",
            f"{point.value} ({group}) cannot be loaded: {why}",
            hint=f"It is part of the package {point.dist.name}." if point.dist else None,
        ) from error


def module(kind: Kind, name: str, *functions: str) -> ModuleType:
    """Return the module that does what a kind is for, which has these functions. Raises `UserError` bad-plugin."""
    try:
        found = importlib.import_module(name)
    except ImportError as error:
        raise UserError("bad-plugin", f"{kind.kind}: {name} cannot be imported: {error}") from error
    missing = [each for each in functions if not callable(getattr(found, each, None))]
    if missing:
        raise UserError("bad-plugin", f"{kind.kind}: {name} has no function {', '.join(missing)}")
    return found


def when_asked(namespace: dict[str, Any], **tables: Callable[[], object]) -> Callable[[str], object]:
    """Return a package's `__getattr__`, which makes each of its tables when it is asked for.

    A package that brings kinds can then be imported before: its modules import bases, which are in these packages.
    """

    def get(name: str) -> object:
        if name not in tables:
            raise AttributeError(f"no {name!r} in {namespace['__name__']}", name=name)
        return namespace.setdefault(name, tables[name]())

    return get


def choice(kinds: Mapping[str, type[Kind]]) -> Any:  # noqa: ANN401  (a type for pydantic)
    """Return the type of what is `{word: {...}}` or `word` in YAML, and an instance of its kind here."""
    wrapped = [_wrapped(kind) for kind in kinds.values()]
    return Annotated[
        _either(kinds, wrapped),
        BeforeValidator(_written),
        AfterValidator(lambda value: getattr(value, next(iter(type(value).model_fields)))),
        PlainSerializer(_dumped),
    ]


def flat_choice(kinds: Mapping[str, type[Kind]]) -> Any:  # noqa: ANN401  (a type for pydantic)
    """Return the type of a mapping that has the word of its kind among its words, as checks have."""
    return _either(kinds, tuple(kinds.values()))


def _either(kinds: Mapping[str, type[Kind]], models: Sequence[type[Model]]) -> Any:  # noqa: ANN401
    return Annotated[
        Union[tuple(models)],  # noqa: UP007  (of as many as there are)
        OneOf(words=tuple(kinds), choose=_word_of(kinds), short=True),
    ]


def _word_of(kinds: Mapping[str, type[Kind]]) -> Callable[[Any], str | None]:
    """Return a discriminator: the word of an instance, or the first one that is a key of the mapping."""
    first = first_of(*kinds)
    return lambda value: value.kind if isinstance(value, Kind) else first(value)


def _wrapped(kind: type[Kind]) -> type[Model]:
    """Return the model of a mapping whose only word is that of a kind."""
    about = " ".join((kind.__doc__ or "").split())
    fields = cast("Mapping[str, Any]", {kind.word: (kind, Field(description=about))})
    return create_model(f"{kind.__name__}Word", __base__=Model, **fields)


def _written(value: object) -> object:
    return {value.kind: value} if isinstance(value, Kind) else value


def _dumped(value: Kind, info: SerializationInfo) -> dict[str, Any]:
    dumped = value.model_dump(mode=info.mode, exclude_unset=info.exclude_unset, exclude_none=info.exclude_none)
    return {value.kind: dumped}
