"""What of a workspace is stale, why, and taking it away, so that `make` builds exactly that again.

Every package has a key (keys.py). The keys under which the build folders were made are noted before make runs, and
what is stale is removed before they are noted: whatever ends a run, a build folder that exists fits its noted key.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rootstream import events
from rootstream.buildroot import contents, info, keys, target, tree
from rootstream.buildroot.info import Info, Package
from rootstream.buildroot.keys import Key
from rootstream.buildroot.workspace import Workspace
from rootstream.lock import write_atomically
from rootstream.sandbox.kconfig_fragment import config_values

NOTE = "packages.json"
FORMAT = 2
BUILT = ("build", "target", "host", "images", "staging", "per-package", "graphs", "legal-info")
Action = Literal["scratch", "reconfigure", "remove"]
# A configuration that is built on: kbuild and its like see themselves what has to be compiled again.
_RECONFIGURED = (
    ".stamp_dotconfig",
    ".stamp_kconfig_fixup_done",
    ".stamp_configured",
    ".stamp_built",
    ".stamp_host_installed",
    ".stamp_staging_installed",
    ".stamp_images_installed",
    ".stamp_target_installed",
    ".stamp_installed",
)
# Packages whose change changes everything.
_ALL = ("toolchain", "skeleton", "host-skeleton")
_OVERRIDE = re.compile(r"\s*[A-Z0-9_]+_OVERRIDE_SRCDIR\s*[:?]?=\s*(/\S+)\s*")
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
class _Known:
    """What was noted before the last make."""

    keys: dict[str, Key] = field(default_factory=dict)
    builds: dict[str, str] = field(default_factory=dict)
    inputs: str = ""
    outside: str = ""


def _read(space: Workspace) -> _Known | None:
    try:
        data = json.loads((space.state / NOTE).read_text("utf-8"))
        if data["format"] != FORMAT:
            return None
        return _Known(
            keys={name: Key(base=told["base"], kconfig=told["kconfig"]) for name, told in data["keys"].items()},
            builds=dict(data["builds"]),
            inputs=data["inputs"],
            outside=data["outside"],
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def question(space: Workspace, tree_identity: str) -> str:
    """Return what stands for all that decides what Buildroot says of its packages."""
    text = space.config.read_text("utf-8", "surrogateescape")
    externals = contents.digest((*space.own_trees, *space.externals))
    return keys.digest(tree_identity, text, externals, str(space.output), outside_digest(space))


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
    inputs = keys.digest(contents.digest((*watched, space.generated)), text)
    listed = tree.listing(space.tree, space.caches) if listed is None else listed
    told = info.ask(space, question(space, tree_identity), report)
    planned = keys.compute(
        told,
        config=config,
        core=tree.core(listed),
        files=_files(space, listed),
        named=lambda name: keys.symbols_in(_place(space, name)),
        hide={space.env.get("PATH", ""): "PATH"} if space.env.get("PATH") else {},
    )
    known = _read(space)
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
    return space.tree / name  # an absolute path stays one


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
        if path.is_dir():
            note = space.state / "folders" / f"{keys.digest(str(path))}.json"
            return contents.together(contents.listing(path, note, skip=(".git",)))
        return contents.digest([path])

    def of(name: str) -> str:
        if name not in found:
            found[name] = one(name)
        return found[name]

    return of


def compare(
    planned: Mapping[str, Key],
    told: Info,
    known: _Known | None,
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
        return _clean(f"{words} changed", planned, told, inputs, first=first)
    scratch = [each for each in stale if each.action == "scratch"]
    if there and len(scratch) > MOST * max(1, len(known.keys)):
        return _clean(f"{len(scratch)} of {len(known.keys)} packages changed", planned, told, inputs, first=first)
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
    known: _Known,
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
            reason = f"{', '.join(because)} changed" if because else "its rules, options, patches or files changed"
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


def apply(space: Workspace, decision: Decision, report: events.Reporter = events.ignore) -> None:
    """Take away what is stale, then note the keys that everything has from now on."""
    if decision.clean or decision.target:
        kept = target.keep(space, target.by_hand(space))
        if kept:
            text = f"what was put into target/ by hand is kept in {kept}"
            report(events.Notice(level="warning", text=text))
    known = _read(space) or _Known()
    if decision.clean:
        _empty(space)
    else:
        others = _claims(space, {known.builds.get(each.name, "") for each in decision.packages})
        for each in decision.packages:
            _take_away(space, known.builds.get(each.name, ""), decision, each, others)
        if decision.target:
            make_target_again(space)
    data = {
        "format": FORMAT,
        "keys": {name: {"base": key.base, "kconfig": key.kconfig} for name, key in decision.planned.items()},
        "builds": {name: Path(each.build).name for name, each in decision.built.items() if each.build},
        "inputs": decision.inputs,
        "outside": outside_digest(space),
    }
    space.state.mkdir(parents=True, exist_ok=True)
    write_atomically(space.state / NOTE, json.dumps(data, indent=0).encode())


def _empty(space: Workspace) -> None:
    """Delete all that was built; the configuration stays."""
    target.forget(space)
    # what marks packages as built goes first, in one step
    for name in BUILT:
        place = space.output / name
        if place.is_symlink():
            place.unlink()
        elif place.is_dir():
            doomed = space.folder / f".doomed-{name}"
            shutil.rmtree(doomed, ignore_errors=True)
            place.rename(doomed)
            shutil.rmtree(doomed)


def _claims(space: Workspace, going: set[str]) -> dict[str, set[str]]:
    """Return the files of staging and host that packages which stay have installed."""
    found: dict[str, set[str]] = {"staging": set(), "host": set()}
    build = space.output / "build"
    for folder in build.iterdir() if build.is_dir() else ():
        if folder.name not in going:
            for place, files in found.items():
                files |= set(_installed(folder, place))
    return found


def _installed(folder: Path, place: str) -> Iterable[str]:
    """Return what a package installed into staging or host, by the lists that Buildroot keeps (pkg-generic.mk)."""
    try:
        lines = (folder / f".files-list-{place}.txt").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return []
    return [line.partition(",")[2].removeprefix("./") for line in lines if "," in line]


def _take_away(
    space: Workspace, old: str, decision: Decision, each: Stale, others: Mapping[str, set[str]]
) -> None:
    names = {old, Path(decision.built[each.name].build).name if each.name in decision.built else ""} - {""}
    for name in names:
        folder = space.output / "build" / name
        if not folder.is_dir():
            continue
        if each.action == "reconfigure":
            for stamp in _RECONFIGURED:
                (folder / stamp).unlink(missing_ok=True)
            continue
        for place, root in (("staging", space.output / "staging"), ("host", space.output / "host")):
            base = root.resolve()
            for path in _installed(folder, place):
                full = base / path
                if path not in others[place] and full.parent.resolve().is_relative_to(base):
                    _unlink(full)
        doomed = space.folder / ".doomed-package"
        shutil.rmtree(doomed, ignore_errors=True)
        folder.rename(doomed)
        shutil.rmtree(doomed)


def _unlink(path: Path) -> None:
    if os.path.lexists(path) and not (path.is_dir() and not path.is_symlink()):
        path.unlink()


def make_target_again(space: Workspace) -> None:
    """Empty target/ and images/ and have every package install into them again; nothing is compiled.

    The stamps go first: without them, make installs whatever else is still there (Buildroot, pkg-generic.mk). The
    last compiler of an internal toolchain installs its libraries into target/ as part of its host installation.
    """
    target.forget(space)
    build = space.output / "build"
    for folder in build.iterdir() if build.is_dir() else ():
        stamps = [".stamp_target_installed", ".stamp_images_installed"]
        stamps += [".stamp_host_installed"] if folder.name.startswith("host-gcc-final-") else []
        there = [folder / stamp for stamp in stamps if (folder / stamp).exists()]
        for stamp in (folder / ".stamp_installed", *there) if there else ():
            stamp.unlink(missing_ok=True)
    for place in (target.folder(space), space.images):
        if place.is_dir():
            doomed = space.folder / f".doomed-{place.name}"
            shutil.rmtree(doomed, ignore_errors=True)
            place.rename(doomed)
            shutil.rmtree(doomed)


def note(space: Workspace, by_hand: tuple[str, ...] = ()) -> None:
    """Remember, after a build, what is in target/, and what of it was put there by hand."""
    target.note(space, by_hand)


def outside(space: Workspace) -> tuple[Path, ...]:
    """Return what decides a build and is in neither the project nor its trees: local.mk and its folders."""
    values = config_values(space.config.read_text("utf-8", "surrogateescape"), "")
    named = values.get("BR2_PACKAGE_OVERRIDE_FILE", '""')[1:-1].replace("$(CONFIG_DIR)", str(space.output))
    found = [Path(named)] if named.startswith("/") else []
    if found and found[0].is_file():
        for line in found[0].read_text("utf-8", "replace").splitlines():
            match = _OVERRIDE.fullmatch(line)
            if match:
                found.append(Path(match[1]))
    return tuple(found)


def outside_digest(space: Workspace) -> str:
    """Return what stands for the present content of all that is outside."""
    parts = []
    for path in outside(space) if space.config.is_file() else ():
        if path.is_dir():
            note = space.state / "folders" / f"{keys.digest(str(path))}.json"
            parts.append(contents.together(contents.listing(path, note, skip=(".git",))))
        else:
            parts.append(contents.digest([path]))
    return keys.digest(parts)


def untouched(space: Workspace) -> bool:
    """Say whether what is outside is as it was before the last build."""
    known = _read(space)
    return known is not None and known.outside == outside_digest(space)
