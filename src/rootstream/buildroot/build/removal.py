"""Takes away what of a workspace is stale, so that `make` builds exactly that again.

The keys of packages are noted before make runs, and what is stale is removed before they are noted: whatever ends
a run, a build folder that exists fits its noted key.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from rootstream import events
from rootstream.buildroot import info
from rootstream.buildroot.build import installed, notes, target
from rootstream.buildroot.build.decision import Decision, Stale
from rootstream.buildroot.build.stale import BUILT
from rootstream.buildroot.workspace import Workspace

_OWN = (".stamp_images_installed", ".stamp_target_installed")
# `.stamp_installed` goes first: without it make goes on wherever this ends
_INSTALLED = (".stamp_installed", ".stamp_host_installed", ".stamp_staging_installed", *_OWN)
# a configuration that is built on: kbuild and its like see themselves what has to be compiled again
_RECONFIGURED = (*_INSTALLED, ".stamp_dotconfig", ".stamp_kconfig_fixup_done", ".stamp_configured", ".stamp_built")


def apply(space: Workspace, decision: Decision, report: events.Reporter = events.ignore) -> None:
    """Take away what is stale, then note the keys that everything has from now on."""
    if decision.clean or decision.target:
        kept = target.keep(space, target.by_hand(space))
        if kept:
            text = f"files added to target/ by hand are kept in {kept}"
            report(events.Notice(level="warning", text=text))
    known = notes.read(space) or notes.Known()
    if decision.clean:
        _empty(space)
    elif not decision.first:
        installed.keep(space)
        found = installed.claims(space)
        if decision.target:
            make_target_again(space, decision.writers)
        # what shares files comes first: whatever ends this, the next run finds it stale, or its stamps gone
        for each in sorted(decision.packages, key=lambda each: each.action != "reinstall"):
            _take_away(space, known.builds.get(each.name, ""), decision, each, found)
        for place in (target.folder(space), space.images):  # as from clean: rules of packages count on them
            place.mkdir(parents=True, exist_ok=True)
    builds = {name: Path(each.build).name for name, each in decision.built.items() if each.build}
    notes.write(
        space,
        notes.Known(keys=dict(decision.planned), builds=builds, inputs=decision.inputs, outside=decision.outside),
    )


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


def _take_away(space: Workspace, old: str, decision: Decision, each: Stale, found: installed.Claims) -> None:
    names = {old, Path(decision.built[each.name].build).name if each.name in decision.built else ""} - {""}
    for name in names:
        folder = space.output / "build" / name
        if not folder.is_dir():
            continue
        if each.action == "reinstall":
            _drop(folder, _INSTALLED)
            continue
        _take_out(space, name, found)
        if each.action == "reconfigure":
            installed.forget(folder)
            _drop(folder, _RECONFIGURED)
            continue
        doomed = space.folder / ".doomed-package"
        shutil.rmtree(doomed, ignore_errors=True)
        folder.rename(doomed)
        shutil.rmtree(doomed)


def take_out_vanished(space: Workspace, before: installed.Claims) -> None:
    """Take out what packages had installed whose build folders are gone since `before` (`make NAME-dirclean`)."""
    there = {folder.name: folder for folder in installed.folders(space)}
    gone = {name for place in installed.SHARED for name in before[place]} - there.keys()
    for name in installed.sharing(before, gone):
        _drop(there[name], _INSTALLED)
    for name in gone:
        _take_out(space, name, before)


def _take_out(space: Workspace, name: str, found: installed.Claims) -> None:
    """Delete what the package of a build folder has installed into host/ and staging/."""
    for place in installed.SHARED:
        base = (space.output / place).resolve()
        if not base.is_relative_to(space.output.resolve()):
            continue  # a link out of the output folder: nothing of ours
        for path in found[place].get(name, ()):
            full = base / path
            if full.parent.resolve().is_relative_to(base):
                _unlink(full)


def _drop(folder: Path, stamps: Iterable[str]) -> None:
    for stamp in stamps:
        (folder / stamp).unlink(missing_ok=True)


def _unlink(path: Path) -> None:
    if os.path.lexists(path) and not (path.is_dir() and not path.is_symlink()):
        path.unlink()


def make_target_again(space: Workspace, writers: frozenset[str] = frozenset()) -> None:
    """Empty target/ and images/ and have every package install into them again; nothing is compiled.

    The stamps go first: without them, make installs whatever else is still there (Buildroot, pkg-generic.mk). Host
    packages that have written there install again, too: `writers`, and those whose lists name a file there (the
    last compiler of an internal toolchain its libraries, boot loaders' tools their environment).
    """
    target.forget(space)
    found = installed.claims(space)
    ours = {info.known(space)[name].build.rpartition("/")[2] for name in writers}
    ours |= found["target"].keys() | found["images"].keys()
    for folder in installed.folders(space):
        there = [stamp for stamp in _OWN if (folder / stamp).exists()]
        if not there and folder.name in ours:
            there = [stamp for stamp in _INSTALLED if (folder / stamp).exists()]
        if there:
            _drop(folder, (".stamp_installed", *there))
    for place in (target.folder(space), space.images):
        if place.is_dir():
            doomed = space.folder / f".doomed-{place.name}"
            shutil.rmtree(doomed, ignore_errors=True)
            place.rename(doomed)
            shutil.rmtree(doomed)
