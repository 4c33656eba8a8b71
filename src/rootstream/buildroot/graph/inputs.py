"""What a system's elements are made of, found in its workspace and its project."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rootstream.buildroot import info, mounts, outside
from rootstream.buildroot.build import parts
from rootstream.buildroot.config import package_check
from rootstream.buildroot.generate import external
from rootstream.buildroot.generate.draft import Generated
from rootstream.buildroot.graph import lookups, places, private, staging
from rootstream.buildroot.graph.draft import Different, GraphInputs, Requests
from rootstream.buildroot.graph.places import OUTPUT, SandboxPlaces
from rootstream.buildroot.info import BuildrootPackage
from rootstream.buildroot.sources import downloads, tree, unhashed
from rootstream.buildroot.workspace import Workspace
from rootstream.description.files import paths_of
from rootstream.errors import UserError, Where
from rootstream.formats.kconfig.fragment import config_values
from rootstream.host.content import Content, Program
from rootstream.project import project

TOOLCHAIN = "BR2_TOOLCHAIN_EXTERNAL_PATH"
PYTHON = "/usr/bin/python3"
_LEFT_OUT = (".rootstream", "out", ".git")
_INITRAMFS = "BR2_TARGET_ROOTFS_INITRAMFS"
_MODULES = re.compile(r"_(KERNEL_MODULES_(BUILD|INSTALL)|MODULE_MAKE_OPTS)$")  # package/pkg-kernel-module.mk
_BUILD = re.compile(rf"{OUTPUT}/(build/[^\s/'\"();:]+)")


def require_possible(space: Workspace, config: Mapping[str, str]) -> None:
    """Make sure that all can be built package by package. Raises `UserError` not-possible."""
    root = space.root
    reasons = {
        "`network: build` cannot be kept: the sandboxes have no network": root.network == "build",
        "BR2_PER_PACKAGE_DIRECTORIES=y needs one output folder": config.get("BR2_PER_PACKAGE_DIRECTORIES") == "y",
    }
    for reason, holds in reasons.items():
        if holds:
            line = space.described.lines.get("root")
            raise UserError(
                "not-possible",
                f"{space.described.target}: `graph: true`: {reason}",
                where=Where(path=space.project / project.DESCRIPTION, line=line),
                hint="Without `graph: true`, Buildroot's make builds it in the workspace.",
            )


def without_effect(space: Workspace) -> Iterator[str]:
    """Yield a warning for each key of the description that only a build in the workspace heeds."""
    where = Where(path=space.project / project.DESCRIPTION, line=space.described.lines.get("root"))
    ours = {"jobs": space.root.jobs, "ccache": space.root.ccache}
    for key in (key for key, value in ours.items() if value):
        yield f"{where}: {space.described.target}: `{key}` has no effect with `graph: true`"


def inside(known: SandboxPlaces, text: str) -> str:
    """Return a text of the generated tree with the paths of the sandbox."""
    return known.inside(text).replace(str(mounts.interpreter()), PYTHON)  # which its scripts are run by


def trees(space: Workspace, known: SandboxPlaces, generated: Generated) -> staging.Trees:
    """Return the trees as they are in the sandbox: the generated one is written with the paths of the sandbox."""
    mapped = space.folder / "graph" / "generated"
    files: dict[str, Content] = {}
    for path, content in external.files(generated).items():
        text = inside(known, content.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        program = path in generated.files and bool(generated.files[path].mode & 0o100)
        files[path] = Program(text) if program else text
    project.sync(mapped, files)
    found = {known.inside(str(space.original(path))): path for path in space.externals}
    return staging.Trees(
        tree=space.tree,
        digest=tree.folder_digest(space.tree, space.caches),
        externals={**found, known.inside(str(space.original(space.generated))): mapped},
    )


def asked(space: Workspace, known: SandboxPlaces) -> dict[str, Path]:
    """Return what of the project decides what Buildroot says of its packages, by its place in the sandbox."""
    paths = outside.of_configuration(space, outside.named_values(space)).get("BR2_GLOBAL_PATCH_DIR", ())
    return {known.inside(str(path)): path for path in paths}


def override(space: Workspace, known: SandboxPlaces) -> dict[str, bytes]:
    """Return Buildroot's local.mk, if the configuration names one, by its place in the sandbox."""
    path = outside.override_file(space)
    if path is None or not path.is_file():
        return {}
    text = known.inside(path.read_text("utf-8", "surrogateescape"))
    return {known.inside(str(path)): text.encode("utf-8", "surrogateescape")}


def gather(
    space: Workspace,
    known: SandboxPlaces,
    above: staging.Trees,
    hidden: private.HiddenSecrets,
    different: Different,
) -> GraphInputs:
    """Return what all elements are made of; Buildroot's answer and the downloads are there."""
    packages = {name: replace(each, folder=known.inside(each.folder)) for name, each in info.known(space).items()}
    told = {name: info.variables(space, name) for name in packages}
    named = tuple(outside.named_by(space))
    files = {name: dict(_files(space, known, packages[name], told[name])) for name in packages}
    wanted = lookups.known(space)
    for name, paths in wanted.items():
        if name in files:
            files[name] |= {known.inside(str(path)): path for path in paths}
    return GraphInputs(
        trees=above,
        config=known.inside(hidden.config),
        packages=packages,
        different=different,
        files={name: each for name, each in files.items() if each},
        downloads={name: dict(_downloads(space, each)) for name, each in packages.items()},
        downloaded=space.caches.downloads,
        kept=_kept(known, packages, told, config_values(hidden.config, "")),
        for_images={
            **dict(_for_images(space, known, hidden.secrets)),
            **{known.inside(str(path)): path for path in wanted.get("", ())},
        },
        toolchain={known.inside(str(path)): path for symbol, path in named if symbol == TOOLCHAIN},
        override=override(space, known),
        patched={os.path.normpath(place): path for place, path in asked(space, known).items()},
        requests=_requests(space),
        parts=parts.packages(space),
        overlays={layer: known.inside(str(path)) for layer, path in parts.overlays(space).items()},
    )


def _requests(space: Workspace) -> dict[str, Requests]:
    return {
        name: Requests(
            kind=package_check.KINDS[name],
            fragments={path: (space.project / path).read_bytes() for path in each.fragments},
            optional=package_check.optional(each),
            make_words=package_check.make_words(space, name),
        )
        for name, each in package_check.wanted(space).items()
        if each.fragments
    }


def _files(
    space: Workspace, known: SandboxPlaces, package: BuildrootPackage, variables: Mapping[str, str]
) -> Iterator[tuple[str, Path]]:
    """Yield files and folders that a package's rules name, by where they are in the sandbox."""
    own = {Path(known.here(package.folder)), space.tree / package.folder}
    patches = (Path(each) for each in (*package.patches, *package.hashes))
    fetched = {path.resolve() for path in unhashed.local_files(space, (package.name,))}
    for path in (*outside.of_rules(space, variables), *outside.sources(space, variables), *patches):
        full = space.tree / path
        if not full.exists() or full.resolve() in fetched:
            continue
        if not any(full.is_relative_to(each) for each in own):
            # make finds EXTERNAL/../patches in the sandbox where its folders are, whatever links there are here
            yield os.path.normpath(known.inside(str(full))), full


def unpinned(space: Workspace) -> tuple[str, ...]:
    """Return the packages with a download that has no strong hash: the file itself decides what is built."""
    return tuple(name for name, each in info.known(space).items() if "" in dict(_pinned(space, each)).values())


def is_fetched(space: Workspace) -> bool:
    """Say whether all downloads are there."""
    paths = (path for each in info.known(space).values() for path, _ in _pinned(space, each))
    return all((space.caches.downloads / path).is_file() for path in paths)


def _pinned(space: Workspace, package: BuildrootPackage) -> Iterator[tuple[str, str]]:
    """Yield the downloads of a package, by their path, with the strongest hash that its hash files have."""
    hashes = downloads.hashes_of(package, space.tree, space.pins)
    for source, _ in package.downloads if not info.overridden(space, package) else ():
        name = source.rpartition("/")[2]
        strong = next((word for word in downloads.STRONG if word in hashes.get(name, {})), None)
        yield f"{package.download_folder}/{name}", f"{strong}:{hashes[name][strong]}" if strong else ""


def _downloads(space: Workspace, package: BuildrootPackage) -> Iterator[tuple[str, Path | str]]:
    for path, digest in _pinned(space, package):
        if digest:
            yield path, digest
        elif (space.caches.downloads / path).is_file():
            yield path, space.caches.downloads / path


def _kept(
    known: SandboxPlaces,
    packages: Mapping[str, BuildrootPackage],
    told: Mapping[str, Mapping[str, str]],
    config: Mapping[str, str],
) -> dict[str, str]:
    """Return what stays of the build folders that others name: all, or what modules of a kernel are built with."""
    owners = {each.build: name for name, each in packages.items() if each.build}
    found = {"linux": "kernel"} if "linux" in packages else {}
    for name, variables in told.items():
        for variable, value in variables.items():
            for folder in _BUILD.findall(known.inside(value)):
                owner = owners.get(folder, name)
                if owner != name and not (owner == "linux" and _MODULES.search(variable)):
                    found[owner] = "all"
    if "linux" in packages and config.get(_INITRAMFS) == "y":  # linked once more when the root is there
        found["linux"] = "all"
    return found


def reads_project(space: Workspace) -> bool:
    """Say whether programs of the project run at the end of a build, which may read any of its files."""
    return bool(outside.scripts(space, info.variables(space, info.NO_PACKAGE))) or outside.asks_shell(space)


def _for_images(space: Workspace, known: SandboxPlaces, secrets: Sequence[bytes]) -> Iterator[tuple[str, Path]]:
    symbols = info.variables(space, info.NO_PACKAGE)
    paths = [space.project / path for path in paths_of(space.described.system)]
    paths += [path for several in outside.of_configuration(space, symbols).values() for path in several]
    if reads_project(space):
        paths += [path for path in sorted(space.project.iterdir()) if path.name not in _LEFT_OUT]
    for path in paths:
        for each in private.without(secrets, path) if path.exists() else ():
            yield known.inside(str(each)), each


def places_of(space: Workspace) -> SandboxPlaces:
    """Return where the folders of a system are in the sandbox."""
    return places.of(space, dict.fromkeys(path for _, path in outside.named_by(space)))
