"""What is to be taken away before make runs, and the reasons that are told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from rootstream.buildroot.build.keys import Key, some
from rootstream.buildroot.build.notes import Outside
from rootstream.buildroot.info import BuildrootPackage

Action = Literal["scratch", "reconfigure", "remove", "reinstall"]
NOTHING = Outside()


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
    again; `planned` are the keys that all build folders will have afterwards. `writers` are host packages that
    write into these folders, too, as part of their host installation.
    """

    clean: str | None
    target: str | None
    packages: tuple[Stale, ...]
    added: tuple[str, ...]
    writers: frozenset[str] = frozenset()
    outside: Outside = NOTHING
    planned: Mapping[str, Key]
    built: Mapping[str, BuildrootPackage]
    inputs: str
    first: bool


def causes(stale: Iterable[Stale], names: Iterable[str] = ()) -> str:
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
    return f" ({some([f'{some(each)}: {reason}' for reason, each in first.items()], '; ')})" if first else ""


def explain(decision: Decision) -> tuple[str, ...]:
    """Return a decision as lines for people."""
    if decision.clean:
        return (f"building from clean: {decision.clean}",)
    words = {
        "scratch": "is rebuilt",
        "reconfigure": "is reconfigured and rebuilt",
        "remove": "is removed",
        "reinstall": "is reinstalled",
    }
    lines = [f"{each.name} {words[each.action]}: {each.reason}" for each in decision.packages]
    if decision.added and not decision.first:
        lines.append(f"new: {', '.join(decision.added)}")
    if decision.target:
        lines.append(f"target/ and images/ are recreated from the packages: {decision.target}")
    return tuple(lines)
