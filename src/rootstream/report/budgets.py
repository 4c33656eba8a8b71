"""Sizes of a new export against the budgets of its system, before it takes the place of the one before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from rootstream.description.budgets import Budgets
from rootstream.errors import Problems, UserError, Where

MOST_SHOWN = 10
Judge = Callable[[Path, Path | None], tuple[str, ...]]
Sizes = Mapping[str, int]


def judge(budgets: Budgets, path: Path, lines: Mapping[str, int]) -> Judge | None:
    """Return what looks at a new export and the one before; None without budgets.

    `path` is the description, `lines` are those of its keys, such as `budgets/root`. What is returned gives
    warnings, and raises `Problems` of over-budget and budget-unknown, and as reading an export does.
    """
    if budgets == Budgets():
        return None

    def look(new: Path, before: Path | None) -> tuple[str, ...]:
        now = _measured(new)
        problems = list(_problems(budgets, path, lines, now, before))
        if problems:
            raise Problems(tuple(problems))
        return tuple(_unused(budgets, path, lines, now))

    return look


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """The sizes of an export; `components` is None where it has no list of the root's files."""

    images: Mapping[str, tuple[str, int]]
    components: Sizes | None


def _measured(folder: Path) -> _Measured:
    from rootstream.report import components, contents, inventory  # noqa: PLC0415  (only who has budgets waits)
    from rootstream.report.page import sizes  # noqa: PLC0415

    data, listed = components.find(folder)
    known = inventory.read(listed) if listed else None
    place = folder / "manifest.json"
    system = components.system(data, known, place)
    shares = sizes.shares(system, contents.read(data, place), known.files) if known else None
    return _Measured(
        images={each.name: (each.kind, each.size) for each in system.images},
        components=None if shares is None else {name: share.size for name, share in shares.items()},
    )


def _problems(
    budgets: Budgets, path: Path, lines: Mapping[str, int], now: _Measured, before: Path | None
) -> Iterator[UserError]:
    """Give what is larger than it may be, each with what grew."""
    old: _Measured | None = None
    for key, label, limit, size, parts in _compared(budgets, now):
        where = Where(path=path, line=lines.get(key))
        if size is None:
            message = f"{label} cannot be checked: this kind of root has no list of its files"
            hint = "Remove this budget; those of images can be checked for every root."
            yield UserError("budget-unknown", message, where=where, hint=hint)
        elif size > limit:
            old = old or _old(before)
            yield UserError(
                "over-budget",
                f"{label}: {_size(size)}, {_size(size - limit)} more than the budget of {_size(limit)}",
                where=where,
                detail="\n".join([*_before(label, old), *_grown(parts, _parts(old, key) if old else None)])
                or None,
                hint="out/ is as it was. With a larger budget, what was built is exported from the cache.",
            )


def _unused(budgets: Budgets, path: Path, lines: Mapping[str, int], now: _Measured) -> Iterator[str]:
    """Give a warning for each budget that is about nothing: it may be misspelt."""
    used = {key for name, (kind, _) in now.images.items() for key in budgets.of_image(name, kind)}
    names = [(f"images/{each}", each in used) for each in budgets.images]
    names += [(f"components/{each}", bool(_fitting(now.components or {}, each))) for each in budgets.components]
    for key, found in names:
        if not found:
            where = Where(path=path, line=lines.get(f"budgets/{key}"))
            kind, _, name = key.partition("/")
            yield f"{where}: the budget of {name!r} fits none of the {kind}"


def _compared(budgets: Budgets, now: _Measured) -> Iterator[tuple[str, str, int, int | None, Sizes]]:
    """Give each budget with its key, what it is about, the limit, the size (None if unknown), and parts of it."""
    inside = now.components or {}
    for name, (kind, size) in now.images.items():
        for key, limit in budgets.of_image(name, kind).items():
            yield f"budgets/images/{key}", name, limit, size, inside
    if budgets.root is not None:
        yield "budgets/root", "files in the root", budgets.root, _sum(now, inside), inside
    for pattern, limit in budgets.components.items():
        parts = _fitting(inside, pattern)
        yield f"budgets/components/{pattern}", f"files of {pattern}", limit, _sum(now, parts), parts


def _sum(now: _Measured, parts: Sizes) -> int | None:
    return None if now.components is None else sum(parts.values())


def _fitting(components: Sizes, pattern: str) -> Sizes:
    return {name: size for name, size in components.items() if fnmatchcase(name, pattern)}


def _old(before: Path | None) -> _Measured | None:
    """Return the sizes of the export before, if there is one that can be read."""
    try:
        return _measured(before) if before else None
    except (UserError, OSError):
        return None


def _parts(old: _Measured, key: str) -> Sizes | None:
    """Return the components of the export before that count for a budget."""
    if old.components is None:
        return None
    pattern = key.removeprefix("budgets/components/")
    if pattern == key:
        return old.components
    return _fitting(old.components, pattern)


def _before(label: str, old: _Measured | None) -> Iterator[str]:
    if old and label in old.images:
        yield f"in the export before, {label} had {_size(old.images[label][1])}"


def _grown(parts: Sizes, old: Sizes | None) -> Iterator[str]:
    """Give lines that say what grew since the export before, or what is largest."""
    if old is None:
        largest = sorted(parts.items(), key=lambda item: (-item[1], item[0]))
        if largest:
            yield "the largest components:"
        yield from (f"  {name}  {_size(size)}" for name, size in largest[:MOST_SHOWN])
        return
    if not parts:
        return
    grown = [(size - old.get(name, 0), name) for name, size in parts.items() if size > old.get(name, 0)]
    yield (
        "since the export before, these grew:"
        if grown
        else "no component of the root grew since the export before"
    )
    for more, name in sorted(grown, key=lambda each: (-each[0], each[1]))[:MOST_SHOWN]:
        yield f"  {name}  +{_size(more)}" + ("" if name in old else ", new")


def _size(count: int) -> str:
    """Return a size with the units that budgets have, and no more exact than people want to know."""
    for factor, unit in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} byte{'s' if count != 1 else ''}"
