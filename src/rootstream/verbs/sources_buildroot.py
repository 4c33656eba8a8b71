"""The sources of a system that Buildroot builds: its tree, downloads, configuration, and `legal-info`."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from rootstream.buildroot import info, outside, overrides
from rootstream.buildroot.build import build, opening
from rootstream.buildroot.sources import fetching, tree
from rootstream.buildroot.workspace import Workspace
from rootstream.description.model import Described
from rootstream.engine import Engine
from rootstream.errors import UserError
from rootstream.events import Notice, Reporter, Step
from rootstream.plan.software import packages
from rootstream.project.project import Project
from rootstream.verbs import collection, python_wheels, sources_page, update
from rootstream.verbs.sources_page import Collected

_PASSWORD = re.compile(r"^(BR2_TARGET_GENERIC_ROOT_PASSWD=).*$", re.MULTILINE)
_OWN = "project"
_FOR_IMAGES = "BR2_ROOTFS_"  # overlays, tables and scripts are the user's own, and no source of a package
_LEGAL = re.compile(r"^legal-info:", re.MULTILINE)


def collect(where: Project, described: Described, engine: Engine, new: Path, tell: Reporter) -> Collected:
    """Write the sources of a Buildroot system into a folder. Raises `UserError` lock-outdated, not-fetched ..."""
    pinned = update.known(where)
    update.require(where, where.read(), described, pinned)
    found = Collected()
    python_wheels.prepare(where, described, pinned, engine, tell)
    files = fetching.fetch(where, described, pinned, os.environ, tell)
    ready = opening.opened(where, described, pinned, os.environ, tell)
    space = ready.workspace
    collection.write((collection.Stored(source=path, place=f"dl/{name}") for name, path in files), new, tell)
    tell(Step(name="sources", text="copying the tree of Buildroot"))
    shutil.copytree(space.tree, new / "tree", symlinks=True, ignore=shutil.ignore_patterns(".git", "output", "dl"))
    externals = []
    for number, external in enumerate(space.externals[:-1], 1):  # the last is generated, and may hold passwords
        name = f"external-{number}"
        shutil.copytree(external, new / name, symlinks=True)
        externals.append(f"$PWD/{name}")
    config = _with_own_files(space, new, space.config.read_text("utf-8", "surrogateescape"))
    (new / "config").write_text(_PASSWORD.sub(r'\1""', config), "utf-8", "surrogateescape")
    found.left_out += [package.name for package in packages.wanted(described.system.layers)]
    _legal_info(where, ready, new, found, tell)
    told = ":".join(externals)
    release = tree.version(space.tree) or None
    found.rows.append(
        sources_page.Row(name="buildroot", version=release, kind="buildroot", folder="tree", more=told)
    )
    found.beside += _beside(space)
    for name, package in sorted(info.known(space).items()):
        if name.startswith("host-") or name in found.left_out:
            continue
        source_folder = overrides.folder_of(space, package)
        if source_folder is not None:
            _of_folder(space, package, source_folder, told, found)
            continue
        if not package.downloads:
            continue
        folder = f"dl/{package.download_folder}"
        found.rows.append(
            sources_page.Row(
                name=name, version=package.version or None, kind="buildroot", folder=folder, more=told
            )
        )
        for source, _ in package.downloads:
            place = f"{folder}/{source.rpartition('/')[2]}"
            if not (new / place).is_file():
                found.missing.append((place, "Buildroot did not keep it as one file"))
    return found


def _with_own_files(space: Workspace, new: Path, config: str) -> str:
    """Copy what packages are configured and patched with of the project; return the .config with these places."""
    values = outside.named_values(space)
    for symbol, paths in outside.of_configuration(space, values).items():
        own = [path for path in paths if _is_own(space, path)]
        if not own or symbol.startswith(_FOR_IMAGES):
            continue
        for path in own:
            place = new / _OWN / path.relative_to(space.project)
            place.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                shutil.copytree(path, place, symlinks=True, dirs_exist_ok=True)
            else:
                shutil.copyfile(path, place)
        line = f'{symbol}="{" ".join(_moved(space, word) for word in values[symbol].strip(chr(34)).split())}"'
        lines = config.split("\n")
        config = "\n".join(line if each.startswith(f"{symbol}=") else each for each in lines)
    return config


def _is_own(space: Workspace, path: Path) -> bool:
    trees = (*space.own_trees, space.original(space.folder))
    return path.is_relative_to(space.project) and not any(path.is_relative_to(each) for each in trees)


def _moved(space: Workspace, word: str) -> str:
    path = Path(os.path.normpath(space.tree / word))
    return f"$(TOPDIR)/../{_OWN}/{path.relative_to(space.project)}" if _is_own(space, path) else word


def _beside(space: Workspace) -> Iterator[str]:
    """Yield what the configuration names that is in no tree: what is needed, too, to build from the folder."""
    for symbol, path in outside.named_by(space):
        if not any(path.is_relative_to(each) for each in (space.tree, *space.own_trees, *space.externals)):
            yield f"{path} ({symbol})"


def _of_folder(
    space: Workspace, package: info.BuildrootPackage, source: Path, told: str, found: Collected
) -> None:
    """List a package that is built from a folder: one of a tree is there, another one is the user's."""
    trees = {"tree": space.tree} | {f"external-{at}": each for at, each in enumerate(space.externals[:-1], 1)}
    for place, root in trees.items():
        if source.is_relative_to(root.resolve()):
            folder = f"{place}/{source.relative_to(root.resolve())}"
            version = package.version or None
            found.rows.append(
                sources_page.Row(name=package.name, version=version, kind="buildroot", folder=folder, more=told)
            )
            return
    shown = os.path.relpath(source, space.project)
    found.missing.append((package.name, f"it is built from a folder of yours, {shown}: add that yourself"))


def _legal_info(where: Project, ready: opening.Opened, new: Path, found: Collected, tell: Reporter) -> None:
    """Have Buildroot collect its own list of licenses and sources, where it can."""
    space: Workspace = ready.workspace
    makefile = (space.tree / "Makefile").read_text("utf-8", "replace")
    if not _LEGAL.search(makefile):
        tell(Notice(level="info", text="legal-info is left out: this tree has no such target"))
        return
    try:
        status = build.hand_to_make(ready, where, ("legal-info",), tell)
    except UserError as error:
        found.missing.append(("legal-info", error.message))
        return
    made = space.output / "legal-info"
    if status != 0 or not made.is_dir():
        found.missing.append(("legal-info", f"make legal-info ended with status {status}"))
        return
    shutil.copytree(made, new / "legal-info", symlinks=True)
