"""The JSON Schema of `system.yaml`, for editors: every word with its meaning, made from the models.

It accepts what `load` accepts. Rules that go across words, and files that must be there, are left to `load`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeAlias

from pydantic import BaseModel, TypeAdapter

from rootstream.description.grammar import AnyOf, Choice, Field, Leaf, ListOf, Record, Shape, Table, grows, record
from rootstream.description.kinds import Kind
from rootstream.description.model import ProjectFile, System, Variants
from rootstream.description.system import Duration, Mode, Size
from rootstream.description.variants import ADD

Schema: TypeAlias = dict[str, Any]
DIALECT = "http://json-schema.org/draft-07/schema#"  # what the YAML language servers know best
_UNITS = (("T", 40), ("G", 30), ("M", 20), ("K", 10))


class _Form(Enum):
    """A system in full, what a variant may change of it, or what a variant may add to its lists."""

    FULL = ""
    CHANGE = "Change"
    ADDITION = "Addition"


def json_schema() -> Schema:
    """Return the schema of a whole file."""
    writer = _Writer()
    project = record(ProjectFile).fields
    names = project["systems"].shape
    variants = record(Variants).fields["variants"]
    if not isinstance(names, Table) or not isinstance(variants.shape, Table):
        raise TypeError("systems and variants are mappings with names of the user")
    system = writer.record(record(System), _Form.FULL)
    change = writer.record(record(System), _Form.CHANGE)
    addition = writer.record(record(System), _Form.ADDITION)
    writer.definitions["System"]["properties"]["variants"] = {
        "type": ["object", "null"],
        "description": variants.description,
        "maxProperties": variants.shape.most,
        "propertyNames": _leaf(variants.shape.key),
        "additionalProperties": change,
    }
    writer.definitions["SystemChange"]["properties"][ADD] = addition
    return {
        "$schema": DIALECT,
        "title": "system.yaml of Rootstream",
        "description": "Bootable Linux images: what they are made of, what boots them, and what they must show.",
        "type": "object",
        "additionalProperties": False,
        "required": ["systems"],
        "properties": {
            "debian": writer.field(project["debian"], _Form.FULL),
            "systems": {
                "type": "object",
                "description": project["systems"].description,
                "minProperties": 1,
                "propertyNames": _leaf(names.key),
                "additionalProperties": system,
            },
            "machines": writer.field(project["machines"], _Form.FULL),
            "serve": writer.field(project["serve"], _Form.FULL),
            "cache": writer.field(project["cache"], _Form.FULL),
        },
        "definitions": dict(sorted(writer.definitions.items())),
    }


def written(shape: Shape, value: Any) -> Any:  # noqa: ANN401  (any default of a model)
    """Return a default as a user would write it: `256M`, `debian`, `[{filesystem: vfat}]`."""
    if isinstance(value, BaseModel):
        return _written_model(shape, value)
    if isinstance(value, tuple):
        item = shape.item if isinstance(shape, ListOf) else shape
        return [written(item, each) for each in value]
    if isinstance(shape, Leaf) and isinstance(value, int | float) and not isinstance(value, bool):
        if shape.annotation == Size:
            unit, bits = next(((unit, bits) for unit, bits in _UNITS if not value % (1 << bits)), ("", 0))
            return f"{int(value) >> bits}{unit}"
        if shape.annotation == Duration:
            return f"{value:g}s"
        if shape.annotation == Mode:
            return f"{value:04o}"
    return value


def _written_model(shape: Shape, value: BaseModel) -> Any:  # noqa: ANN401
    """Return the words of a model that are not its defaults; a choice with defaults only is its word."""
    if (
        isinstance(value, Kind)
        and isinstance(shape, Choice)
        and type(value) is not shape.options[value.kind].model
    ):
        inner = _written_model(record(type(value)), value)
        return {value.kind: inner} if inner else value.kind
    if isinstance(shape, Choice):
        shape = record(type(value))
        inner = {name: written(each.shape, getattr(value, name)) for name, each in shape.fields.items()}
        return next(iter(inner)) if list(inner.values()) == [{}] else inner
    fields = record(type(value)).fields
    return {
        name: written(each.shape, getattr(value, name))
        for name, each in fields.items()
        if each.required or getattr(value, name) != each.default
    }


def _leaf(leaf: Leaf) -> Schema:
    """Return the schema of a single value; the words of a mapping are text in JSON, whatever they are in YAML."""
    found: Schema = TypeAdapter(leaf.annotation).json_schema(mode="validation")
    found.pop("title", None)
    return found


@dataclass(slots=True)
class _Writer:
    """Collects the definitions that the schema refers to."""

    definitions: dict[str, Schema] = field(default_factory=dict)
    models: dict[str, type[BaseModel]] = field(default_factory=dict)

    def record(self, shape: Record, form: _Form) -> Schema:
        """Return a reference to the definition of a model."""
        name = self._name(shape.model) + form.value
        if name not in self.definitions:
            self.definitions[name] = {}  # so that it ends
            self.definitions[name] = self._define(shape, form)
        return {"$ref": f"#/definitions/{name}"}

    def _name(self, model: type[BaseModel]) -> str:
        """Return a model's name, with its module's where a plugin has called one as another is called."""
        name = model.__name__
        if self.models.setdefault(name, model) is not model:
            name = f"{model.__module__.replace('.', '_')}_{name}"
        return name

    def _define(self, shape: Record, form: _Form) -> Schema:
        fields = {
            name: each for name, each in shape.fields.items() if form is not _Form.ADDITION or grows(each.shape)
        }
        required = [name for name, each in fields.items() if each.required] if form is _Form.FULL else []
        found: Schema = {
            "type": "object" if required else ["object", "null"],
            "description": " ".join((shape.model.__doc__ or "").split()),
            "additionalProperties": False,
            "properties": {name: self.field(each, form) for name, each in fields.items()},
        }
        if required:
            found["required"] = required
        return found

    def field(self, each: Field, form: _Form) -> Schema:
        """Return the schema of a word."""
        found = self.shape(each.shape, form)
        if each.nullable and form is not _Form.ADDITION:
            found = {"anyOf": [found, {"type": "null"}]}
        if "$ref" in found:
            found = {"allOf": [found]}  # beside a reference, this dialect reads nothing
        found["description"] = each.description
        if not each.required and each.default is not None and form is _Form.FULL:
            found["default"] = written(each.shape, each.default)
        return found

    def shape(self, shape: Shape, form: _Form) -> Schema:
        """Return the schema of what stands after a word."""
        match shape:
            case Leaf():
                return _leaf(shape)
            case ListOf():
                return self._list(shape, form)
            case Table():
                return self._table(shape)
            case Record():
                return self.record(shape, form)
            case Choice():
                return {"oneOf": [*self._short(shape), *self._long(shape, form)]}
            case AnyOf():
                options = [each for each in shape.options if form is not _Form.ADDITION or grows(each)]
                return {"anyOf": [self.shape(option, form) for option in options]}

    def _list(self, shape: ListOf, form: _Form) -> Schema:
        least = 0 if form is _Form.ADDITION else shape.least
        found: Schema = {
            "type": "array" if least else ["array", "null"],
            "items": self.shape(shape.item, _Form.FULL),
        }
        if least:
            found["minItems"] = least
        if shape.most is not None:
            found["maxItems"] = shape.most
        return found

    def _table(self, shape: Table) -> Schema:
        key = {"pattern": "^[0-9]+$"} if shape.key.kind is int else _leaf(shape.key)
        return {
            "type": ["object", "null"],
            "propertyNames": key,
            "additionalProperties": self.shape(shape.value, _Form.FULL),
        }

    def _short(self, shape: Choice) -> list[Schema]:
        """Return the words that may stand alone: those that need nothing more."""
        words = [word for word, option in shape.options.items() if _empty(option.fields[word].shape)]
        if not shape.short or not words:
            return []
        return [{"title": "word", "description": "The word alone, with its defaults.", "enum": words}]

    def _long(self, shape: Choice, form: _Form) -> list[Schema]:
        found = []
        for word, option in shape.options.items():
            if form is _Form.ADDITION and not grows(option):
                continue
            fields = option.fields
            one: Schema = {
                "title": word,
                "description": fields[word].description,
                "type": "object",
                "additionalProperties": False,
                "required": [word],
                "properties": {name: self.field(each, form) for name, each in fields.items()},
            }
            found.append(one)
        return found


def _empty(shape: Shape) -> bool:
    """Say whether nothing need be written."""
    if isinstance(shape, Record):
        return not any(each.required for each in shape.fields.values())
    return isinstance(shape, ListOf | Table) and not (isinstance(shape, ListOf) and shape.least)
