"""What two exports differ in: images, components, files of the root, symbols of configurations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from rootstream.project.manifest import ExportedFile
from rootstream.report import components, contents, inventory
from rootstream.report.components import System
from rootstream.report.contents import Told
from rootstream.report.inventory import File, Inventory
from rootstream.report.model import Component

Item = TypeVar("Item")
UNSET = "is not set"
# What of a file in a root can change, with how it is shown.
_ASPECTS: tuple[tuple[str, Callable[[File], object]], ...] = (
    ("kind", lambda row: row.kind),
    ("mode", lambda row: f"{row.mode:04o}"),
    ("owner", lambda row: None if row.uid is None else f"{row.uid}:{row.gid}"),
    ("size", lambda row: row.size),
    ("content", lambda row: row.sha256),
    ("target", lambda row: row.target),
    ("device", lambda row: row.device),
    ("attributes", lambda row: dict(row.xattrs) or None),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of two exports."""

    name: str
    system: System
    told: Told
    inventory: Inventory | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something that is another on the second side: what of it, and the values on both."""

    name: str
    aspects: Mapping[str, tuple[Any, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Things of one kind: those that only one side has, with what is said of them, and those that differ."""

    added: tuple[tuple[str, Any], ...] = ()
    removed: tuple[tuple[str, Any], ...] = ()
    changed: tuple[Change, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """All that is different; `unknown` says what could not be compared."""

    before: str
    after: str
    images: Part
    components: Part
    tools: Part
    files: Part
    symbols: Mapping[str, Part]
    unknown: tuple[str, ...]

    def __bool__(self) -> bool:
        parts = (self.images, self.components, self.tools, self.files, *self.symbols.values())
        return any(parts) or bool(self.unknown)


def side(name: str, folder: Path) -> Side:
    """Read one of two exports. Raises as `components.find`, `components.system` and `inventory.read` do."""
    data, listed = components.find(folder)
    known = inventory.read(listed) if listed else None
    place = folder / "manifest.json"
    system, told = components.system(data, known, place), contents.read(data, place)
    return Side(name=name, system=system, told=told, inventory=known)


def difference(before: Side, after: Side) -> Difference:
    """Return what two exports differ in."""
    unknown = [
        f"the files of {each.name}: it has no list of them" for each in (before, after) if not each.inventory
    ]
    files = Part()
    symbols: dict[str, Part] = {}
    if before.inventory and after.inventory:
        files = _files(before.inventory.files, after.inventory.files)
        symbols = _symbols(before.inventory, after.inventory)
    return Difference(
        before=before.name,
        after=after.name,
        images=_images(before.system.images, after.system.images),
        components=_components(before.system.of("image"), after.system.of("image")),
        tools=_components(before.system.of("build"), after.system.of("build")),
        files=files,
        symbols=symbols,
        unknown=tuple(unknown),
    )


def _compared(
    old: Mapping[str, Item],
    new: Mapping[str, Item],
    told: Callable[[Item], Any],
    aspects: Iterable[tuple[str, Callable[[Item], object]]],
) -> Part:
    """Return what two mappings by name differ in; `told` is what is said of what only one has."""
    wanted = tuple(aspects)
    changed = []
    for name in sorted(old.keys() & new.keys()):
        one, other = old[name], new[name]
        found = {
            aspect: (read(one), read(other))
            for aspect, read in wanted
            if one != other and read(one) != read(other)
        }
        if found:
            changed.append(Change(name=name, aspects=found))
    return Part(
        added=tuple((name, told(new[name])) for name in sorted(new.keys() - old.keys())),
        removed=tuple((name, told(old[name])) for name in sorted(old.keys() - new.keys())),
        changed=tuple(changed),
    )


def _images(old: Sequence[ExportedFile], new: Sequence[ExportedFile]) -> Part:
    aspects: tuple[tuple[str, Callable[[ExportedFile], object]], ...] = (
        ("kind", lambda each: each.kind),
        ("size", lambda each: each.size),
        ("content", lambda each: each.sha256),
    )
    return _compared({each.name: each for each in old}, {each.name: each for each in new}, _size, aspects)


def _size(each: ExportedFile) -> int:
    return each.size


def _components(old: Sequence[Component], new: Sequence[Component]) -> Part:
    aspects: tuple[tuple[str, Callable[[Component], object]], ...] = (
        ("version", lambda each: each.source[1] if each.kind == "source" and each.source else each.version),
        ("license", lambda each: each.license),
        ("sources", lambda each: [file.digest for file in each.files]),
        ("patches", lambda each: list(each.patches)),
    )
    return _compared(_by_name(old), _by_name(new), _version, aspects)


def _version(each: Component) -> str | None:
    return each.version


def _by_name(given: Sequence[Component]) -> dict[str, Component]:
    """Return components by kind and name; of several versions of one, each by its version, too."""
    counted: dict[str, int] = {}
    for each in given:
        counted[f"{each.kind} {each.name}"] = counted.get(f"{each.kind} {each.name}", 0) + 1
    found: dict[str, Component] = {}
    for each in given:
        name = f"{each.kind} {each.name}"
        found[name if counted[name] == 1 else f"{name} {each.version or each.ref}"] = each
    return found


def _files(old: Sequence[File], new: Sequence[File]) -> Part:
    return _compared({row.path: row for row in old}, {row.path: row for row in new}, _bytes, _ASPECTS)


def _bytes(row: File) -> int | None:
    return row.size


def _symbols(old: Inventory, new: Inventory) -> dict[str, Part]:
    one = {each.tree: each.symbols for each in old.configs}
    other = {each.tree: each.symbols for each in new.configs}
    found = {}
    for tree in sorted(one.keys() | other.keys()):
        before, after = one.get(tree, {}), other.get(tree, {})
        part = _compared(before, after, _value, (("value", _value),))
        if part:
            found[tree] = part
    return found


def _value(text: str) -> str:
    return text


def data(found: Difference) -> dict[str, Any]:
    """Return a difference as JSON has it."""
    return {
        "before": found.before,
        "after": found.after,
        "images": _data(found.images),
        "components": _data(found.components),
        "build_tools": _data(found.tools),
        "files": _data(found.files),
        "symbols": {tree: _data(part) for tree, part in found.symbols.items()},
        "not_compared": list(found.unknown),
    }


def _data(part: Part) -> dict[str, Any]:
    return {
        "added": dict(part.added),
        "removed": dict(part.removed),
        "changed": {each.name: {key: list(pair) for key, pair in each.aspects.items()} for each in part.changed},
    }


def lines(found: Difference, most: int) -> Iterator[str]:
    """Give a difference as lines for people, of each list at most so many."""
    yield f"--- {found.before}"
    yield f"+++ {found.after}"
    for title, part in (
        ("images", found.images),
        ("components", found.components),
        ("build tools", found.tools),
        ("files", found.files),
        *((f"{tree} configuration", part) for tree, part in found.symbols.items()),
    ):
        if part:
            counts = (len(part.added), len(part.removed), len(part.changed))
            yield f"{title}: {counts[0]} added, {counts[1]} removed, {counts[2]} changed"
            yield from _limited([*_rows(part, title)], most)
    yield from (f"not compared: {each}" for each in found.unknown)
    if not found:
        yield "no difference"


def _limited(rows: Sequence[str], most: int) -> Iterator[str]:
    yield from rows[:most]
    if len(rows) > most:
        yield f"  and {len(rows) - most} more (`--all` shows them)"


def _rows(part: Part, title: str) -> Iterator[str]:
    unit = " bytes" if title in ("images", "files") else ""
    for sign, rows in (("+", part.added), ("-", part.removed)):
        for name, value in rows:
            yield f"  {sign} {name}" + (f"  {value}{unit}" if value is not None else "")
    for each in part.changed:
        aspects = (f"{key} {shown(key, *pair)}" for key, pair in each.aspects.items())
        yield f"  ~ {each.name}  {', '.join(aspects)}"


def shown(aspect: str, old: object, new: object) -> str:
    """Return a change for people: hashes and lists are only said to be other ones."""
    if aspect in ("content", "sources", "patches", "attributes"):
        return "changed"
    return f"{_text(old)} -> {_text(new)}"


def _text(value: object) -> str:
    return "unknown" if value is None else str(value)
