"""YAML 1.2 whose every key and value knows its place, so that a mistake can be shown where it was made.

ruamel.yaml reads the text; what it reads is put together here, with bounds on depth and size.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn, Self, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)
from ruamel.yaml.reader import ReaderError

from rootstream.errors import Problems, UserError, Where

MAX_BYTES = 1 << 20
MAX_NODES = 50_000
MAX_DEPTH = 40
_MAX_DIGITS = 40

# The core schema: https://yaml.org/spec/1.2.2/#103-core-schema
_NULL = ("", "~", "null", "Null", "NULL")
_BOOL = {word: word.lower() == "true" for word in ("true", "True", "TRUE", "false", "False", "FALSE")}
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_TAG = "tag:yaml.org,2002:"

_PLAIN_WORDS = (
    ("'\\t' that cannot start", "a tab stands where YAML wants spaces"),
    ("cannot start any token", "text that begins with this character must be in quotes"),
    (
        "mapping values are not allowed",
        "one ':' too many: put text with ': ' in it in quotes, or check the indentation",
    ),
    ("expected <block end>, but found '?'", "this line does not fit what is above it: check the indentation"),
    ("expected <block end>", "this does not fit what is above it: check the indentation and the quotes"),
    ("expected ',' or ']'", "a list that began with '[' lacks its ']' (or a ',' between two items)"),
    ("expected ',' or '}'", "a mapping that began with '{' lacks its '}' (or a ',' between two words)"),
    ("found unexpected end of stream", "a quote is opened and never closed"),
    ("could not find expected ':'", "this line has no ':' after its word"),
    (
        "unknown escape character",
        "unknown escape in double quotes: write \\\\ for a backslash, or use single quotes",
    ),
)


class Written(int):
    """A whole number that knows how it was written: `0755` and `0o755` are one mode, but not one number."""

    text: str

    def __new__(cls, value: int, text: str) -> Self:
        """Return `value`, printed as `text`."""
        number = super().__new__(cls, value)
        number.text = text
        return number

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalarNode:
    """A single value; `text` is what was written, without quotes."""

    where: Where
    text: str
    value: str | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceNode:
    """A list."""

    where: Where
    items: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingEntry:
    """A word of a mapping and what stands after it."""

    key: ScalarNode
    value: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingNode:
    """Words with values, in their order."""

    where: Where
    entries: dict[str | int, MappingEntry]

    def get(self, key: str | int) -> Node | None:
        """Return the value of a word, or None."""
        entry = self.entries.get(key)
        return entry.value if entry else None


Node: TypeAlias = ScalarNode | SequenceNode | MappingNode


def plain(node: Node) -> object:
    """Return what a node holds: dict, tuple, str, Written, float, bool or None."""
    match node:
        case MappingNode():
            return {key: plain(entry.value) for key, entry in node.entries.items()}
        case SequenceNode():
            return tuple(plain(item) for item in node.items)
        case ScalarNode():
            return node.value


def parse(data: bytes, path: Path) -> tuple[Node, tuple[UserError, ...]]:
    """Return the only document of a file, and the mistakes that leave it readable (words that stand twice).

    Raises Problems where it cannot be read at all: yaml-syntax, yaml-encoding, yaml-too-large, empty-file.
    """
    if len(data) > MAX_BYTES:
        raise Problems((UserError("yaml-too-large", "more than 1 MiB of YAML", where=Where(path=path)),))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        fault = UserError(
            "yaml-encoding",
            "this is not UTF-8 text",
            where=Where(path=path, line=line, column=column),
            hint="Save the file as UTF-8.",
        )
        raise Problems((fault,)) from error
    return _Composer(text, path).document()


def at(node: Node, *steps: str | int) -> Where:
    """Return the place of what the steps lead to, or of the last of them that is written."""
    where = node.where
    for step in steps:
        if isinstance(node, MappingNode) and step in node.entries:
            node = node.entries[step].value
        elif isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.items):
            node = node.items[step]
        else:
            break
        where = node.where
    return where


def places(node: Node) -> set[Where]:
    """Return the places of everything in a node."""
    found = {node.where}
    if isinstance(node, SequenceNode):
        for item in node.items:
            found |= places(item)
    elif isinstance(node, MappingNode):
        for entry in node.entries.values():
            found |= {entry.key.where} | places(entry.value)
    return found


def lines(node: Node, depth: int = 5) -> dict[str, int]:
    """Return the lines of what is in a node, by path such as `layers/0`, down to a depth."""
    found: dict[str, int] = {}
    if depth and isinstance(node, MappingNode):
        parts = [(str(key), entry.key.where.line, entry.value) for key, entry in node.entries.items()]
    elif depth and isinstance(node, SequenceNode):
        parts = [(str(number), item.where.line, item) for number, item in enumerate(node.items)]
    else:
        return found
    for name, line, value in parts:
        found[name] = line or 0
        found |= {f"{name}/{path}": number for path, number in lines(value, depth - 1).items()}
    return found


class _Composer:
    """Puts one document together from the events of the parser."""

    def __init__(self, text: str, path: Path) -> None:
        self.text = text
        self.path = path
        self.events: Iterator[Any] = iter(YAML(typ="safe", pure=True).parse(text))
        self.anchors: dict[str, tuple[Node, int, int]] = {}  # with the number of nodes and the height
        self.open: set[str] = set()
        self.last = Where(path=path)
        self.nodes = 0
        self.problems: list[UserError] = []

    def document(self) -> tuple[Node, tuple[UserError, ...]]:
        self._next()  # the start of the stream
        first = self._next()
        if isinstance(first, StreamEndEvent):
            hint = "Run `rootstream init` in an empty folder to create a first one."
            self._stop("empty-file", "the file is empty", Where(path=self.path), hint=hint)
        node, _, _ = self._node(self._next(), 0)
        self._next()  # the end of the document
        last = self._next()
        if isinstance(last, DocumentStartEvent):
            self._stop("yaml-syntax", "a second YAML document begins here; only one is allowed", self._where(last))
        return node, tuple(self.problems)

    def _next(self) -> Any:  # noqa: ANN401  (the parser's events are untyped)
        try:
            event = next(self.events)
        except MarkedYAMLError as error:
            unclosed = "end of stream" in str(error.problem)
            mark = error.context_mark if unclosed and error.context_mark else error.problem_mark
            where = Where(path=self.path, line=mark.line + 1, column=mark.column + 1)
            self._stop("yaml-syntax", _explain(error), where, cause=error)
        except ReaderError as error:
            before = self.text[: error.position]
            where = Where(path=self.path, line=before.count("\n") + 1, column=len(before) - before.rfind("\n"))
            self._stop("yaml-syntax", "a control character that YAML does not allow", where, cause=error)
        except (YAMLError, ValueError, OverflowError) as error:
            # such as an escape beyond Unicode, which the parser leaves to chr()
            self._stop("yaml-syntax", "this or what follows is not valid YAML", self.last, cause=error)

        self.last = self._where(event)
        return event

    def _where(self, event: Any) -> Where:  # noqa: ANN401
        return Where(path=self.path, line=event.start_mark.line + 1, column=event.start_mark.column + 1)

    def _stop(
        self,
        reason: str,
        message: str,
        where: Where,
        *,
        hint: str | None = None,
        cause: Exception | None = None,
    ) -> NoReturn:
        fault = UserError(reason, message, where=where, hint=hint)
        raise Problems((*self.problems, fault)) from cause

    def _node(self, event: Any, depth: int) -> tuple[Node, int, int]:  # noqa: ANN401
        """Return a node with the number of nodes in it, aliases counted in full, and its height."""
        if isinstance(event, AliasEvent):
            return self._alias(event, depth)
        anchor = event.anchor
        if anchor is not None:
            self.open.add(anchor)
            self.anchors.pop(anchor, None)
        self._bound(event, size=1, height=depth)
        made: tuple[Node, int, int]
        if isinstance(event, ScalarEvent):
            made = self._scalar(event), 1, 1
        elif isinstance(event, SequenceStartEvent):
            made = self._sequence(event, depth)
        else:
            made = self._mapping(event, depth)
        if anchor is not None:
            self.open.discard(anchor)
            self.anchors[anchor] = made
        return made

    def _alias(self, event: Any, depth: int) -> tuple[Node, int, int]:  # noqa: ANN401
        name = event.anchor
        if name in self.open:
            self._stop("yaml-syntax", f"the alias *{name} is inside its own anchor", self._where(event))
        if name not in self.anchors:
            self._stop("yaml-syntax", f"there is no anchor &{name} before this alias", self._where(event))
        node, size, height = self.anchors[name]
        self._bound(event, size=size, height=depth + height)
        return node, size, height

    def _bound(self, event: Any, *, size: int, height: int) -> None:  # noqa: ANN401
        self.nodes += size
        if self.nodes > MAX_NODES:
            message = f"more than {MAX_NODES} values after expanding aliases"
            self._stop("yaml-too-large", message, self._where(event))
        if height > MAX_DEPTH:
            message = f"more than {MAX_DEPTH} levels of nesting"
            self._stop("yaml-too-large", message, self._where(event))

    def _tag(self, event: Any, allowed: str) -> str | None:  # noqa: ANN401
        """Return the explicit tag of an event without its prefix; all but `allowed` stop the reading."""
        if event.tag is None or event.tag == "!":
            return event.tag  # type: ignore[no-any-return]
        tag = str(event.tag)
        if not tag.startswith(_TAG) or tag.removeprefix(_TAG) not in allowed.split():
            message = f"the tag {tag.replace(_TAG, '!!')!r} is not supported: remove it"
            self._stop("yaml-syntax", message, self._where(event))
        return tag.removeprefix(_TAG)

    def _scalar(self, event: Any) -> ScalarNode:  # noqa: ANN401
        text: str = event.value
        if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
            self._stop("yaml-syntax", "text contains a character that is not allowed", self._where(event))
        tag = self._tag(event, "str int float bool null")
        value: str | float | bool | None = text
        if tag not in ("!", "str") and (event.implicit[0] or tag):
            value = _core(text)
        return ScalarNode(where=self._where(event), text=text, value=value)

    def _sequence(self, event: Any, depth: int) -> tuple[Node, int, int]:  # noqa: ANN401
        self._tag(event, "seq")
        items: list[Node] = []
        size = height = 1
        while not isinstance(found := self._next(), SequenceEndEvent):
            item, inner, below = self._node(found, depth + 1)
            items.append(item)
            size += inner
            height = max(height, below + 1)
        return SequenceNode(where=self._where(event), items=tuple(items)), size, height

    def _mapping(self, event: Any, depth: int) -> tuple[Node, int, int]:  # noqa: ANN401
        self._tag(event, "map")
        entries: dict[str | int, MappingEntry] = {}
        merged: list[MappingNode] = []
        size = height = 1
        while not isinstance(found := self._next(), MappingEndEvent):
            merge = isinstance(found, ScalarEvent) and found.value == "<<" and found.implicit[0]
            key, _, _ = self._node(found, depth + 1)
            value, inner, below = self._node(self._next(), depth + 1)
            if isinstance(value, ScalarNode) and value.value is None and not value.text:
                value = replace(value, where=key.where)  # nothing was written: its place is the word before it
            size += 1 + inner
            height = max(height, below + 1)
            if merge:
                merged += self._merged(value)
            else:
                self._enter(entries, key, value)
        for other in merged:
            entries = {**other.entries, **entries}
        return MappingNode(where=self._where(event), entries=entries), size, height

    def _merged(self, value: Node) -> list[MappingNode]:
        """Return the mappings that `<<` names (https://yaml.org/type/merge.html), the weightiest first."""
        found = value.items if isinstance(value, SequenceNode) else (value,)
        mappings = [item for item in found if isinstance(item, MappingNode)]
        if len(mappings) != len(found):
            self._stop("yaml-syntax", "'<<' takes a mapping, or a list of mappings", value.where)
        return mappings

    def _enter(self, entries: dict[str | int, MappingEntry], key: Node, value: Node) -> None:
        if not isinstance(key, ScalarNode) or isinstance(key.value, bool) or not isinstance(key.value, str | int):
            message = "expected a key before the ':'"
            if isinstance(key, MappingNode):
                message += "; text that begins with '{' must be in quotes"
            self.problems.append(UserError("wrong-type", message, where=key.where))
            return
        if key.value in entries:
            first = entries[key.value].key.where
            message = f"duplicate key {key.text!r}; the first is on line {first.line}"
            self.problems.append(UserError("yaml-duplicate-key", message, where=key.where))
            return
        entries[key.value] = MappingEntry(key=key, value=value)


def _core(text: str) -> str | float | bool | None:
    """Return the value of an unquoted scalar; numbers too long for any use stay text."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if len(text) <= _MAX_DIGITS:
        if _INT.fullmatch(text):
            return Written(int(text, {"0o": 8, "0x": 16}.get(text[:2], 10)), text)
        if _FLOAT.fullmatch(text):
            return float(text.replace(".", "") if text[-1].isalpha() else text)
    return text


def _explain(error: MarkedYAMLError) -> str:
    """Return a parser's complaint in plain words."""
    problem = str(error.problem or error.context or "unreadable")
    for piece, words in _PLAIN_WORDS:
        if piece in problem:
            return words
    return f"this is not valid YAML: {problem}"
