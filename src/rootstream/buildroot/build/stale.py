"""What of a workspace is stale, and why.

Every package has a key (keys.py), noted before the make that builds it: the noted ones are compared with those of
now.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from rootstream import events
from rootstream.archives import digests
from rootstream.buildroot import confined, info, outside
from rootstream.buildroot.build import installed, keys
from rootstream.buildroot.build.decision import Decision, Stale, causes
from rootstream.buildroot.build.keys import Key, KeyParts
from rootstream.buildroot.build.notes import Known, Outside, read
from rootstream.buildroot.info import Info
from rootstream.buildroot.sources import tree
from rootstream.buildroot.workspace import Workspace
from rootstream.formats.kconfig.fragment import config_values

BUILT = ("build", "target", "host", "images", "staging", "per-package", "graphs", "legal-info")
# Packages whose change changes everything.
_ALL = ("toolchain", "skeleton", "host-skeleton")
# Variables that every host package has, too, and only a target package uses.
_OF_TARGET = re.compile(r"_INSTALL_(TARGET|STAGING|IMAGES)_\w+$")
MOST = 0.6  # of the packages: from here on a build from clean costs hardly more


def question(space: Workspace, tree_identity: str) -> str:
    """Return what stands for all that decides what Buildroot says of its packages."""
    text = space.config.read_text("utf-8", "surrogateescape")
    externals = digests.digest((*space.own_trees, *space.externals), space.original)
    return keys.digest(tree_identity, text, externals, str(space.original(space.output)))


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
    listed = tree.listing(space.tree, space.caches) if listed is None else listed
    told = info.ask(space, question(space, tree_identity), report)
    symbols = told.variables.get(info.NO_PACKAGE, {})
    named = [path for several in outside.of_configuration(space, symbols).values() for path in several]
    inputs = keys.digest(
        digests.digest((*watched, space.generated), space.original),
        text,
        [outside.digest_of(space, path) for path in named],
    )
    planned = keys.compute(
        told,
        config=config,
        core=tree.core(listed),
        files=_files(space, listed),
        named=lambda name: keys.symbols_in(_place(space, name)),
        reads=lambda variables: map(str, outside.of_rules(space, variables)),
    )
    known = read(space)
    there = frozenset(path.name for path in (space.output / "build").glob("*") if path.is_dir())
    left = any((space.output / name).exists() for name in ("target", "host", "per-package"))
    decision = compare(
        planned,
        told,
        known,
        there,
        inputs,
        left=left,
        per_package=config.get("BR2_PER_PACKAGE_DIRECTORIES") == "y",
        claims=installed.claims(space),
        unknown=installed.unknown(space),
    )
    now = outside_of(space, told)
    scripts = outside.scripts(space, symbols)
    nothing = not (decision.clean or decision.target or decision.first)
    if nothing and known and known.outside.files != now.files:
        reason = f"files of the project changed, and {keys.some(list(scripts)) or 'a script'} may read any of them"
        decision = replace(decision, target=reason)
    writers = _writers(told, tuple(str(space.original(each)) for each in (space.output / "target", space.images)))
    return replace(decision, outside=now, writers=writers)


def outside_of(space: Workspace, told: Info) -> Outside:
    """Return what a build reads beside what the description names, as it is now."""
    symbols = told.variables.get(info.NO_PACKAGE, {})
    of_packages = [variables for name, variables in told.variables.items() if name != info.NO_PACKAGE]
    paths, project = outside.paths(space, symbols, of_packages)
    sources = {path for each in of_packages for path in outside.sources(space, each)}
    confined.allowed(space, sorted(path for path in sources if not outside.is_near(space, path)))
    return Outside(
        paths=tuple(map(str, paths)),
        project=project,
        digest=outside.digest(space, paths, project=project),
        files=outside.project_digest(space, symbols),
    )


def _writers(told: Info, places: tuple[str, ...]) -> frozenset[str]:
    """Return the host packages whose rules name target/ or images/."""
    return frozenset(
        name
        for name, each in told.packages.items()
        if each.kind == "host"
        and any(
            place in value
            for variable, value in told.variables.get(name, {}).items()
            if not _OF_TARGET.search(variable)
            for place in places
        )
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
            return digests.together(below)
        return outside.digest_of(space, path)

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
    claims: installed.Claims | None = None,
    unknown: frozenset[str] = frozenset(),
) -> Decision:
    """Return what is stale; `there` are the names of the build folders that exist. Pure.

    `left`: there is something installed. `per_package`: Buildroot keeps a target/ for each package. `claims` are
    the files that packages have installed, `unknown` the build folders of those of which that is not known.
    """
    builds = {name: Path(each.build).name for name, each in told.packages.items() if each.build}
    first = not there
    if first and left:
        return _clean("an earlier cleanup was interrupted", planned, told, inputs, first=first)
    if known is None:
        reason = None if first else "the contents of the output folder are unknown"
        return _clean(reason, planned, told, inputs, first=first)
    stale = _changed(planned, told, known, builds, there)
    folders = {name: known.builds.get(name) or builds.get(name, "") for name in {*known.builds, *builds}}
    lost = [each.name for each in stale if folders.get(each.name) in unknown]
    reason = None if first else _too_much(stale, planned, known, lost)
    if reason is None and per_package and stale:
        reason = "packages cannot be removed with BR2_PER_PACKAGE_DIRECTORIES"
    if reason:
        return _clean(reason, planned, told, inputs, first=first)
    stale += _again(stale, folders, claims or {})
    added = tuple(name for name in planned if name not in known.keys)
    again = None
    if stale and not first:
        again = "packages changed or were removed"
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


def _too_much(stale: list[Stale], planned: Mapping[str, Key], known: Known, lost: list[str]) -> str | None:
    """Return why all is built from clean although it is known what is stale, if it is."""
    fundamental = [name for name in _ALL if name in known.keys and planned.get(name) != known.keys[name]]
    if fundamental:
        words = "the toolchain or its flags" if "toolchain" in fundamental else "Buildroot's core"
        return f"{words} changed{causes(stale, fundamental)}"
    scratch = [each for each in stale if each.action == "scratch"]
    if len(scratch) > MOST * max(1, len(known.keys)):
        return f"{len(scratch)} of {len(known.keys)} packages changed{causes(scratch)}"
    if lost:
        return f"what {keys.some(lost)} installed is unknown, so it cannot be removed{causes(stale)}"
    return None


def _again(stale: list[Stale], folders: Mapping[str, str], claims: installed.Claims) -> list[Stale]:
    """Return the packages that install again because files of theirs go with those of packages that are stale."""
    names = {folder: name for name, folder in folders.items()}
    shared = installed.sharing(claims, [folders.get(each.name, "") for each in stale])
    return [
        Stale(
            name=names[folder],
            action="reinstall",
            reason=f"it shares files with {names.get(other, other)}",
            because=(names.get(other, other),),
        )
        for folder, other in shared.items()
        if folder in names
    ]


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
                found[name] = Stale(name=name, action="scratch", reason="it was built with another configuration")
            continue
        if known.builds.get(name) not in there and builds.get(name) not in there:
            continue
        because = tuple(each for each in told.packages[name].dependencies if each in found)
        if new.base != old.base:
            own = keys.difference(old.parts, new.parts) if old.parts != KeyParts() else ""
            reason = f"{', '.join(because)} changed" if because else "its make variables or files changed"
            reason, because = (own, ()) if own else (reason, because)
            if known.builds.get(name) != builds.get(name):
                reason = f"changed from {known.builds.get(name)} to {builds.get(name)}"
            found[name] = Stale(name=name, action="scratch", reason=reason, because=because)
        elif new.kconfig != old.kconfig:
            found[name] = Stale(name=name, action="reconfigure", reason="its configuration changed")
    gone = [name for name in known.keys if name not in planned and known.builds.get(name) in there]
    return [
        *found.values(),
        *(Stale(name=name, action="remove", reason="it is no longer in the configuration") for name in gone),
    ]


def untouched(space: Workspace) -> bool:
    """Say whether what is outside is as it was before the last build."""
    known = read(space)
    return known is not None and is_as_before(space, known.outside)


def is_as_before(space: Workspace, known: Outside) -> bool:
    """Say whether what is outside is as it was."""
    paths = [Path(path) for path in known.paths]
    return known.digest == outside.digest(space, paths, project=known.project)
