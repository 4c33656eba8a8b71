"""Takes away what of a workspace is stale, so that `make` builds exactly that again.

The keys of packages are noted before make runs, and what is stale is removed before they are noted: whatever ends
a run, a build folder that exists fits its noted key.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

from rootstream import events
from rootstream.buildroot import target
from rootstream.buildroot.outside import outside_digest
from rootstream.buildroot.stale import BUILT, FORMAT, NOTE, Decision, Known, Stale, read
from rootstream.buildroot.workspace import Workspace
from rootstream.lock import write_atomically

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


def apply(space: Workspace, decision: Decision, report: events.Reporter = events.ignore) -> None:
    """Take away what is stale, then note the keys that everything has from now on."""
    if decision.clean or decision.target:
        kept = target.keep(space, target.by_hand(space))
        if kept:
            text = f"what was put into target/ by hand is kept in {kept}"
            report(events.Notice(level="warning", text=text))
    known = read(space) or Known()
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
        "keys": {name: asdict(key) for name, key in decision.planned.items()},
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
