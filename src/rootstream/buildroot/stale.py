"""What of a workspace is stale, and why.

Every package has a key (keys.py), noted before the make that builds it: the noted ones are compared with those of
now.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rootstream import events
from rootstream.buildroot import contents, info, keys, tree
from rootstream.buildroot.info import Info, Package
from rootstream.buildroot.keys import Key, Parts
from rootstream.buildroot.outside import digest_of, outside_digest
from rootstream.buildroot.workspace import Workspace
from rootstream.sandbox.kconfig_fragment import config_values

NOTE = "packages.json"
FORMAT = 2
BUILT = ("build", "target", "host", "images", "staging", "per-package", "graphs", "legal-info")
Action = Literal["scratch", "reconfigure", "remove"]
# Packages whose change changes everything.
_ALL = ("toolchain", "skeleton", "host-skeleton")
MOST = 0.6  # of the packages: from here on a build from clean costs hardly more


@dataclass(frozen=True, slots=True, kw_only=True)
class Stale:
    """A package to build again, and why; `because` are the packages whose change it follows."""

    name: str
    action: Action
    reason: str
    because: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to take away before make runs.

    `clean` is the reason to begin with an empty output folder, `target` the reason to make target/ and images/
    again; `planned` are the keys that all build folders will have afterwards.
    """

    clean: str | None
    target: str | None
    packages: tuple[Stale, ...]
    added: tuple[str, ...]
    planned: Mapping[str, Key]
    built: Mapping[str, Package]
    inputs: str
    first: bool


@dataclass(slots=True, kw_only=True)
class Known:
    """What was noted before the last make."""

    keys: dict[str, Key] = field(default_factory=dict)
    builds: dict[str, str] = field(default_factory=dict)
    inputs: str = ""
    outside: str = ""


def read(space: Workspace) -> Known | None:
    """Return what was noted before the last make, if anything was."""
    try:
        data = json.loads((space.state / NOTE).read_text("utf-8"))
        if data["format"] != FORMAT:
            return None
        return Known(
            keys={
                name: Key(base=told["base"], kconfig=told["kconfig"], parts=_parts(told.get("parts", {})))
                for name, told in data["keys"].items()
            },
            builds=dict(data["builds"]),
            inputs=data["inputs"],
            outside=data["outside"],
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _parts(told: Mapping[str, Any]) -> Parts:
    return Parts(**{**told, "dependencies": tuple(told.get("dependencies", ()))})


def question(space: Workspace, tree_identity: str) -> str:
    """Return what stands for all that decides what Buildroot says of its packages."""
    text = space.config.read_text("utf-8", "surrogateescape")
    externals = contents.digest((*space.own_trees, *space.externals), space.original)
    return keys.digest(tree_identity, text, externals, str(space.original(space.output)), outside_digest(space))


def is_empty(space: Workspace) -> bool:
    """Say whether nothing was built in the output folder, or all of it is gone."""
    return not any((space.output / name).exists() for name in BUILT)


def decide(
    space: Workspace,
    *,
    tree_identity: str,
    watched: tuple[Path, ...],
    report: events.Reporter = events.ignore,
    listed: Mapping[str, str] | None = None,
) -> Decision:
    """Compare what decides every package now with what the build folders were made from.

    `watched` are the project's files and folders that the description names, `listed` is the listing of the tree
    where it is known already. Raises what `info.ask` raises.
    """
    text = space.config.read_text("utf-8", "surrogateescape")
    config = config_values(text, "")
    # with what is generated: a service or key that goes leaves no trace in the .config
    inputs = keys.digest(contents.digest((*watched, space.generated), space.original), text)
    listed = tree.listing(space.tree, space.caches) if listed is None else listed
    told = info.ask(space, question(space, tree_identity), report)
    planned = keys.compute(
        told,
        config=config,
        core=tree.core(listed),
        files=_files(space, listed),
        named=lambda name: keys.symbols_in(_place(space, name)),
    )
    known = read(space)
    there = frozenset(path.name for path in (space.output / "build").glob("*") if path.is_dir())
    left = any((space.output / name).exists() for name in ("target", "host", "per-package"))
    return compare(
        planned,
        told,
        known,
        there,
        inputs,
        left=left,
        per_package=config.get("BR2_PER_PACKAGE_DIRECTORIES") == "y",
    )


def _place(space: Workspace, name: str) -> Path:
    return space.here(space.tree / name)  # an absolute path stays one


def _files(space: Workspace, listed: Mapping[str, str]) -> Callable[[str], str]:
    """Return a function that gives the digest of a file or folder that Buildroot names."""
    found: dict[str, str] = {}

    def one(name: str) -> str:
        path = _place(space, name.strip())
        if path.is_relative_to(space.tree):
            inner = str(path.relative_to(space.tree))
            below = {
                each: value for each, value in listed.items() if each == inner or each.startswith(inner + "/")
            }
            above = inner.rpartition("/")[0]
            if above.count("/") >= 1:  # what sibling packages share: package/gcc/gcc.mk
                shared = f"{above}/"
                below |= {
                    each: value
                    for each, value in listed.items()
                    if each.startswith(shared) and each.endswith(".mk") and each.count("/") == shared.count("/")
                }
            return contents.together(below)
        return digest_of(space, path)

    def of(name: str) -> str:
        if name not in found:
            found[name] = one(name)
        return found[name]

    return of


def compare(
    planned: Mapping[str, Key],
    told: Info,
    known: Known | None,
    there: frozenset[str],
    inputs: str,
    *,
    left: bool = False,
    per_package: bool = False,
) -> Decision:
    """Return what is stale; `there` are the names of the build folders that exist. Pure.

    `left`: there is something installed. `per_package`: Buildroot keeps a target/ for each package.
    """
    builds = {name: Path(each.build).name for name, each in told.packages.items() if each.build}
    first = not there
    if first and left:
        return _clean("an earlier cleaning was interrupted", planned, told, inputs, first=first)
    if known is None:
        reason = None if first else "nothing is known about what is in the output folder"
        return _clean(reason, planned, told, inputs, first=first)
    fundamental = [name for name in _ALL if name in known.keys and planned.get(name) != known.keys[name]]
    stale = _changed(planned, told, known, builds, there)
    if fundamental and not first:
        words = "the toolchain or how it compiles" if "toolchain" in fundamental else "Buildroot's core"
        reason = f"{words} changed{_causes(stale, fundamental)}"
        return _clean(reason, planned, told, inputs, first=first)
    scratch = [each for each in stale if each.action == "scratch"]
    if there and len(scratch) > MOST * max(1, len(known.keys)):
        reason = f"{len(scratch)} of {len(known.keys)} packages changed{_causes(scratch)}"
        return _clean(reason, planned, told, inputs, first=first)
    if per_package and stale:
        return _clean(
            "with BR2_PER_PACKAGE_DIRECTORIES a package cannot be taken out", planned, told, inputs, first=first
        )
    added = tuple(name for name in planned if name not in known.keys)
    again = None
    if stale and not first:
        again = "packages changed or went"
    elif known.inputs != inputs and not first:
        again = "the configuration or files of the project changed"
    return Decision(
        clean=None,
        target=again,
        packages=tuple(stale),
        added=added,
        planned=planned,
        built=told.packages,
        inputs=inputs,
        first=first,
    )


def _clean(reason: str | None, planned: Mapping[str, Key], told: Info, inputs: str, *, first: bool) -> Decision:
    return Decision(
        clean=reason,
        target=None,
        packages=(),
        added=(),
        planned=planned,
        built=told.packages,
        inputs=inputs,
        first=first,
    )


def _changed(
    planned: Mapping[str, Key],
    told: Info,
    known: Known,
    builds: Mapping[str, str],
    there: frozenset[str],
) -> list[Stale]:
    found: dict[str, Stale] = {}
    for name in keys.in_order(told.packages):
        new, old = planned[name], known.keys.get(name)
        if old is None:
            if builds.get(name) in there:
                found[name] = Stale(name=name, action="scratch", reason="it was built under another configuration")
            continue
        if known.builds.get(name) not in there and builds.get(name) not in there:
            continue
        because = tuple(each for each in told.packages[name].dependencies if each in found)
        if new.base != old.base:
            own = keys.difference(old.parts, new.parts) if old.parts != Parts() else ""
            reason = f"{', '.join(because)} changed" if because else "its make variables or files changed"
            reason, because = (own, ()) if own else (reason, because)
            if known.builds.get(name) != builds.get(name):
                reason = f"{known.builds.get(name)} becomes {builds.get(name)}"
            found[name] = Stale(name=name, action="scratch", reason=reason, because=because)
        elif new.kconfig != old.kconfig:
            found[name] = Stale(name=name, action="reconfigure", reason="its configuration changed")
    gone = [name for name in known.keys if name not in planned and known.builds.get(name) in there]
    return [
        *found.values(),
        *(Stale(name=name, action="remove", reason="it is not in the configuration any more") for name in gone),
    ]


def _causes(stale: Iterable[Stale], names: Iterable[str] = ()) -> str:
    """Return with which packages it began that `names`, or all, are built again: those that follow no other."""
    found = {each.name: each for each in stale}
    seen: list[str] = []
    waiting = [name for name in names or found if name in found]
    while waiting:
        name = waiting.pop(0)
        if name not in seen:
            seen.append(name)
            waiting += [each for each in found[name].because if each in found]
    first: dict[str, list[str]] = {}
    for name in seen:
        if not found[name].because:
            first.setdefault(found[name].reason, []).append(name)
    return (
        f" ({keys.some([f'{keys.some(each)}: {reason}' for reason, each in first.items()], '; ')})"
        if first
        else ""
    )


def explain(decision: Decision) -> tuple[str, ...]:
    """Return a decision as lines for people."""
    if decision.clean:
        return (f"building from clean: {decision.clean}",)
    words = {"scratch": "is built again", "reconfigure": "is configured and built again", "remove": "goes"}
    lines = [f"{each.name} {words[each.action]}: {each.reason}" for each in decision.packages]
    if decision.added and not decision.first:
        lines.append(f"new: {', '.join(decision.added)}")
    if decision.target:
        lines.append(f"target/ and images/ are made again from the packages: {decision.target}")
    return tuple(lines)


def untouched(space: Workspace) -> bool:
    """Say whether what is outside is as it was before the last build."""
    known = read(space)
    return known is not None and known.outside == outside_digest(space)
