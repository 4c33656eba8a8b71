"""What `bst` says about the elements of a pipeline, and what a build of some of them takes."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rootstream.errors import UserError
from rootstream.events import Plan

State = Literal["cached", "buildable", "waiting", "fetch needed", "failed", "no reference", "junction"]
STATES: tuple[State, ...] = (
    "cached",
    "buildable",
    "waiting",
    "fetch needed",
    "failed",
    "no reference",
    "junction",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementState:
    """One element of a pipeline; `key` is the full cache key, empty while it cannot be known.

    `state` is BuildStream's word: cached, buildable, waiting (for elements it depends on), fetch needed,
    failed (the last build is cached as a failure), no reference (its sources were never tracked), junction.
    """

    name: str
    kind: str
    key: str
    state: State
    build_depends: tuple[str, ...] = ()
    runtime_depends: tuple[str, ...] = ()


def element_format(mark: str) -> str:
    """Return the `--format` that `ElementLines` reads; `mark` is a word that begins no other line."""
    return (
        f"{mark}element %{{state}}|%{{full-key}}|%{{kind}}|%{{name}}\n"
        f"{mark}build\n%{{build-deps}}\n"
        f"{mark}runtime\n%{{runtime-deps}}"
    )


class ElementLines:
    """Reads the lines that `element_format` makes, one after the other."""

    def __init__(self, mark: str) -> None:
        self._mark = mark
        self._section = ""
        self._fields: list[str] = []
        self._depends: dict[str, list[str]] = {"build": [], "runtime": []}
        self._done: list[ElementState] = []

    def take(self, line: str) -> bool:
        """Read one line; say whether it belonged to the list."""
        if line.startswith(self._mark):
            word, _, rest = line[len(self._mark) :].partition(" ")
            if word == "element":
                self._end()
                self._fields = rest.split("|", 3)
            elif word not in self._depends:
                return False
            self._section = word
            return True
        if self._section in self._depends and line.startswith("- "):
            self._depends[self._section].append(line[2:].strip().strip("'\""))
            return True
        if self._section in self._depends and line.strip() == "[]":
            return True
        self._end()
        return False

    def elements(self) -> tuple[ElementState, ...]:
        """Return the elements read so far, in BuildStream's staging order."""
        self._end()
        return tuple(self._done)

    def _end(self) -> None:
        if len(self._fields) == 4:  # noqa: PLR2004  (the four fields of the format)
            word, key, kind, name = self._fields
            state: State = next((known for known in STATES if known == word.strip()), "waiting")
            self._done.append(
                ElementState(
                    name=name.strip(),
                    kind=kind,
                    key=key.strip().strip("?"),
                    state=state,
                    build_depends=tuple(self._depends["build"]),
                    runtime_depends=tuple(self._depends["runtime"]),
                )
            )
        self._fields = []
        self._section = ""
        self._depends = {"build": [], "runtime": []}


def required(elements: Sequence[ElementState], targets: Iterable[str]) -> tuple[ElementState, ...]:
    """Return what a build of the targets needs, as BuildStream decides it.

    That is: the targets and what they depend on at run time, and for each of these that is not cached, what
    it depends on at build time, with their run-time dependencies. A cached element needs no build dependencies.
    """
    known: Mapping[str, ElementState] = {element.name: element for element in elements}
    todo = [name for name in targets if name in known] or list(known)
    seen: set[str] = set()
    while todo:
        name = todo.pop()
        if name in seen or name not in known:
            continue
        seen.add(name)
        element = known[name]
        todo += element.runtime_depends
        if element.state != "cached":
            todo += element.build_depends
    return tuple(element for element in elements if element.name in seen)


def plan_of(
    elements: Sequence[ElementState],
    targets: Iterable[str],
    *,
    build: bool = True,
    remote: Container[str] = (),
) -> Plan:
    """Count what a build, or only a fetch, of the targets does at most; `remote` are elements that servers have.

    A fetch does not look at artifacts, nor which sources are there before it begins: all may have to be fetched.
    """
    there = [replace(each, state="cached") if each.name in remote else each for each in elements]
    names = {each.name for each in required(there, targets)}
    needed = [each for each in elements if each.name in names and each.state != "junction"]
    pulled = [each for each in needed if each.state != "cached" and each.name in remote]
    needed = [each for each in needed if each not in pulled]
    cached = sum(element.state == "cached" for element in needed)
    to_fetch = sum(element.state == "fetch needed" for element in needed) if build else len(needed) - cached
    return Plan(
        total=len(needed) + len(pulled),
        cached=cached,
        to_fetch=to_fetch,
        to_build=len(needed) - cached if build else 0,
        to_pull=len(pulled),
    )


def checked(targets: Sequence[str]) -> tuple[str, ...]:
    """Return names of elements; none may be taken for an option of `bst`.

    Raises `UserError` element-name-invalid.
    """
    for target in targets:
        if target.startswith("-") or not target:
            raise UserError("element-name-invalid", f"{target!r} is not the name of an element")
    return tuple(targets)


def stage_of(states: Sequence[ElementState]) -> Literal["tree", "build", "run"]:
    """Return in which sandbox of an element a shell is of use, from the states of it and what is below it."""
    if any(state.state == "failed" for state in states):
        return "tree"
    alone = any(state.state == "cached" and not state.build_depends for state in states)
    return "run" if alone else "build"
