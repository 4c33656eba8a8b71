"""Code that a project has this machine run outside of a sandbox: plugins of BuildStream, QEMU arguments.

Commands that only read run none of it before the user has accepted it, by `rootstream accept` or by a command that
builds or boots, which says once what it runs. What was accepted is noted outside of the project, by the project's
folder and the content of what was accepted, so that a changed plugin is told again.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rootstream import events
from rootstream.description import yaml_nodes
from rootstream.description.yaml_nodes import Node, ScalarNode, SequenceNode
from rootstream.errors import UserError, Where
from rootstream.project.lock import write_atomically

CONF = "project.conf"
OWN = ("local", "junction")  # origins of plugins that come with the project, or with one that it fetches
SKIPPED = ("out", ".rootstream", ".bst", ".git")
MOST_TOLD = 5
# What an element that leads to another project has in it; most others need not be parsed.
_HINTS = (b"junction", b"(@)", b"\\")
_WORDS = {
    "origin": "BuildStream plugins in the project",
    "kind": "another project, whose plugins are loaded",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCode:
    """What would run here: where the project says so, in words, and a SHA-256 of what it is."""

    where: Where
    text: str
    digest: str


def plugins(folder: Path) -> tuple[HostCode, ...]:
    """Return what BuildStream would load of a project of its own: its plugins, and projects that it fetches.

    Without running any of it. What cannot be read counts as code.
    """
    found: list[HostCode] = []
    sources = functools.cache(lambda: _sources(folder))
    for path in _files(folder):
        if path.name == CONF:
            found += _declared(path, folder, "origin", OWN, sources)
        elif path.suffix == ".bst":
            found += _declared(path, folder, "kind", ("junction",), sources)
    return tuple(found)


def arguments(description: Path, systems: Iterable[str]) -> tuple[HostCode, ...]:
    """Return the QEMU arguments that some systems of a description (without variants) give themselves."""
    data = description.read_bytes()
    node, _ = yaml_nodes.parse(data, description)
    found: list[HostCode] = []
    every = node.get("systems") if isinstance(node, yaml_nodes.MappingNode) else None
    for name in systems:
        system = every.get(name) if isinstance(every, yaml_nodes.MappingNode) else None
        for value, where in _named(system, "extra_args") if system is not None else ():
            content = json.dumps(yaml_nodes.plain(value), default=str).encode()
            found.append(_code(where, "QEMU arguments", content))
    return tuple(found)


def require(folder: Path, found: tuple[HostCode, ...], env: Mapping[str, str]) -> None:
    """Raise `UserError` host-code for what the user has not accepted yet."""
    asked = _unknown(folder, found, env)
    if asked:
        raise UserError(
            "host-code",
            "this project runs code of its own on this host, outside of a sandbox",
            where=asked[0].where,
            detail="\n".join(_lines(asked)),
            hint=f"Review it, then run `rootstream accept` in {folder}; this accepts it until it changes.",
        )


def tell(
    folder: Path, found: tuple[HostCode, ...], env: Mapping[str, str], report: events.Reporter = events.ignore
) -> None:
    """Warn of what is about to run and was not accepted yet, and note it as accepted: it is told once."""
    asked = _unknown(folder, found, env)
    if not asked:
        return
    text = "this project runs code of its own on this host, outside of a sandbox: " + "; ".join(_lines(asked))
    report(events.Notice(level="warning", text=text))
    with contextlib.suppress(UserError):  # where nothing can be noted it is told each time
        accept(folder, found, env)


def _unknown(folder: Path, found: tuple[HostCode, ...], env: Mapping[str, str]) -> list[HostCode]:
    known = _accepted(folder, env) if found else frozenset()
    return [each for each in found if each.digest not in known]


def _lines(asked: list[HostCode]) -> list[str]:
    lines = [f"{each.where}: {each.text}" for each in asked[:MOST_TOLD]]
    return lines + ([f"and {len(asked) - MOST_TOLD} more"] if len(asked) > MOST_TOLD else [])


def accept(folder: Path, found: tuple[HostCode, ...], env: Mapping[str, str]) -> Path:
    """Note that what was found may run, and return the file that says so. Raises `UserError` cannot-write."""
    place = _place(folder, env)
    digests = sorted(_accepted(folder, env) | {each.digest for each in found})
    try:
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        message = f"cannot be created: {error.strerror}"
        raise UserError("cannot-write", message, where=Where(path=place.parent)) from error
    content = json.dumps({"project": str(folder.resolve()), "accepted": digests}, indent=1) + "\n"
    write_atomically(place, content.encode(), mode=0o600)
    return place


def _place(folder: Path, env: Mapping[str, str]) -> Path:
    given = Path(env.get("XDG_STATE_HOME", ""))
    base = given if given.is_absolute() else Path(env.get("HOME") or Path.home()) / ".local" / "state"
    real = folder.resolve()
    place = base / "rootstream" / "accepted" / f"{hashlib.sha256(os.fsencode(real)).hexdigest()[:32]}.json"
    if place.resolve().is_relative_to(real):
        hint = "Set XDG_STATE_HOME to a folder outside of it: files of a clone are not trusted."
        raise UserError("state-in-project", "is inside the project", where=Where(path=place), hint=hint)
    return place


def _accepted(folder: Path, env: Mapping[str, str]) -> frozenset[str]:
    place = _place(folder, env)
    try:
        told = json.loads(place.read_text(encoding="utf-8"))
        right = told["project"] == str(folder.resolve()) and place.stat().st_uid == os.geteuid()
        return frozenset(map(str, told["accepted"])) if right else frozenset()
    except (OSError, ValueError, KeyError, TypeError):
        return frozenset()


def _files(folder: Path) -> Iterator[Path]:
    for place, names, files in os.walk(folder):
        inner = Path(place)
        names[:] = sorted(name for name in names if inner != folder or name not in SKIPPED)
        yield from (path for name in sorted(files) if (path := inner / name).is_file())


def _code(where: Where, text: str, content: bytes) -> HostCode:
    digest = hashlib.sha256(f"{where.path}\0{where.line}\0".encode("utf-8", "surrogateescape") + content)
    return HostCode(where=where, text=text, digest=digest.hexdigest())


def _declared(
    path: Path,
    root: Path,
    word: str,
    values: tuple[str, ...],
    sources: Callable[[], bytes],
    above: frozenset[Path] = frozenset(),
) -> Iterator[HostCode]:
    """Yield where a file of BuildStream, with those that it includes, gives one of some values to a word."""
    data = path.read_bytes()
    if path.suffix == ".bst" and not any(hint in data for hint in _HINTS):
        return
    try:
        node, _ = yaml_nodes.parse(data, path)
    except UserError:
        yield _code(Where(path=path), "cannot be read, so it is unknown what it loads", data)
        return
    for value, where in _named(node, word):
        if isinstance(value, ScalarNode) and value.text in values:
            yield _code(where, _WORDS[word], data + sources())
    for value, where in _named(node, "(@)"):
        for each in value.items if isinstance(value, SequenceNode) else (value,):
            inner = root / each.text if isinstance(each, ScalarNode) else root
            if inner in above or not inner.is_file():
                yield _code(where, "includes files outside of this project", data)
            else:
                yield from _declared(inner, root, word, values, sources, above | {path})


def _sources(root: Path) -> bytes:
    """Return what stands for the Python and YAML of all plugins: a plugin may import what lies beside it."""
    found = hashlib.sha256()
    for path in _files(root):
        if path.suffix in (".py", ".yaml", ".so", ".conf"):
            found.update(os.fsencode(path.relative_to(root)) + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return found.digest()


def _named(node: Node, word: str) -> Iterator[tuple[Node, Where]]:
    """Yield what stands after a word, wherever it is."""
    if isinstance(node, yaml_nodes.MappingNode):
        for key, entry in node.entries.items():
            if str(key) == word:
                yield entry.value, entry.key.where
            yield from _named(entry.value, word)
    elif isinstance(node, SequenceNode):
        for item in node.items:
            yield from _named(item, word)
