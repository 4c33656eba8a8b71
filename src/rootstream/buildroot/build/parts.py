"""What Buildroot knows of the packages that it has built, and which of them its files come from, for an export."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rootstream.buildroot import info, overrides
from rootstream.buildroot.build import installed
from rootstream.buildroot.info import BuildrootPackage
from rootstream.buildroot.sources import downloads
from rootstream.buildroot.workspace import Workspace
from rootstream.description import layers
from rootstream.host import nofollow
from rootstream.sandbox.buildroot import inventory

Applied = Mapping[str, Sequence[str]]


def contents(space: Workspace, applied: Applied | None) -> dict[str, Any]:
    """Return what a manifest has under `contents` for a system that Buildroot builds.

    `applied` are the patches that packages were built with, if that was not in the workspace.
    """
    system = space.described.system
    known = info.known(space)
    paths = [layer.overlay for layer in system.layers if isinstance(layer, layers.OverlayLayer)]
    own = {
        each.name: {"kind": "package", "name": each.name, "folder": each.source}
        | each.model_dump(include={"version", "supplier", "license"}, exclude_none=True)
        for layer in system.layers
        if isinstance(layer, layers.PackagesLayer)
        for each in layer.packages
    }
    return {
        "product": system.product.model_dump(exclude_none=True),
        "own": [*({"kind": "overlay", "name": path.rstrip("/"), "folder": path} for path in paths), *own.values()],
        "graph": applied is not None,
        "buildroot": [_package(space, each, applied) for each in known.values() if each.name not in own],
        "origins": {f"overlay {path}": {"overlay": path, "component": path.rstrip("/")} for path in paths},
    }


def _package(space: Workspace, package: BuildrootPackage, applied: Applied | None) -> dict[str, Any]:
    told = info.variables(space, package.name)
    strong = downloads.hashes_of(package, space.tree, space.pins)

    def word(name: str) -> str:
        return " ".join(told.get(f"{package.prefix}{name}", "").split())

    files = [
        {"name": name, "url": _url(word("SITE"), source), "sha256": strong.get(name, {}).get("sha256")}
        for source, _ in package.downloads
        for name in (source.rpartition("/")[2],)
    ]
    found: dict[str, Any] = {
        "name": package.name,
        "version": package.version,
        "host": package.kind == "host",
        "license": word("LICENSE"),
        "cpe": word("CPE_ID") if word("CPE_ID_VALID") == "YES" else None,
        "ignored": word("IGNORE_CVES").split(),
        "patches": _patches(space, package, applied),
        "downloads": [{key: value for key, value in each.items() if value} for each in files],
        "virtual": word("IS_VIRTUAL") == "YES",
        "override": overrides.source_of(space, package),
    }
    return {key: value for key, value in found.items() if value}


def _url(site: str, source: str) -> str | None:
    """Return where upstream has a file of a package's site; of the places to download from, some are mirrors."""
    plain = site.startswith(("https://", "http://", "ftp://"))
    return f"{site.rstrip('/')}/{source}" if plain and "://" not in source else None


def _patches(space: Workspace, package: BuildrootPackage, applied: Applied | None) -> Sequence[str]:
    """Return the patches that were applied, as Buildroot has noted them or, without its folder, as it would."""
    if applied is not None:
        noted = applied.get(package.name)
    else:
        noted = inventory.applied(space.output / package.build) if package.build else None
    if noted is not None:
        return noted
    if not package.folder:
        return []
    folder = space.tree / package.folder
    found = [*folder.glob("*.patch"), *folder.glob(f"{package.version}/*.patch")] if package.version else []
    return sorted(path.name for path in found)


def overlays(space: Workspace) -> dict[str, Path]:
    """Return the folders of overlays by what is listed as the layer of their files, the last of them on top."""
    found = (layer.overlay for layer in space.described.system.layers if isinstance(layer, layers.OverlayLayer))
    return {f"overlay {path}": space.project / path for path in found}


def packages(space: Workspace) -> dict[str, inventory.Package]:
    """Return the packages with their build folders, those for the target with their license files."""
    return {
        name: inventory.Package(
            build=each.build,
            licenses=() if each.kind == "host" else licenses(each, info.variables(space, name)),
        )
        for name, each in info.known(space).items()
    }


def licenses(package: BuildrootPackage, variables: Mapping[str, str]) -> tuple[str, ...]:
    """Return the license files of a package by their paths in its build folder."""
    names = variables.get(f"{package.prefix}LICENSE_FILES", "").split()
    return tuple(name for name in names if ".." not in Path(name).parts and not name.startswith("/"))


def write(space: Workspace, path: Path) -> bool:
    """Write the list of the files of target/ of the workspace, and say whether there is such a folder."""
    if not nofollow.check(space.output.parent, space.output / "target"):
        return False
    claims = installed.claims(space)["target"]
    names = {Path(each.build).name: each.name for each in info.known(space).values() if each.build}
    owners: dict[str, list[str]] = {}
    for folder, paths in sorted(claims.items()):
        for each in paths:
            owners.setdefault(each, []).append(names.get(folder, folder))
    built = inventory.Built(
        output=space.output,
        packages=packages(space),
        owners=owners,
        overlays=overlays(space),
        project=space.project,
    )
    inventory.write(built, path)
    return True
