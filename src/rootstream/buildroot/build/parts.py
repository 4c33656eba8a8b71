"""What Buildroot knows of the packages that it has built, and which of them its files come from, for an export."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rootstream.buildroot import info
from rootstream.buildroot.build import installed
from rootstream.buildroot.info import BuildrootPackage
from rootstream.buildroot.sources import downloads
from rootstream.buildroot.workspace import Workspace
from rootstream.description import layers
from rootstream.host import nofollow

FORMAT = 1
APPLIED = ".applied_patches_list"  # Buildroot, support/scripts/apply-patches.sh
MOST_LIST = 1 << 20
MOST_TEXT = 4 << 20
CHUNK = 1 << 20
KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "symlink",
    stat.S_IFCHR: "character device",
    stat.S_IFBLK: "block device",
    stat.S_IFIFO: "fifo",
}


def contents(space: Workspace) -> dict[str, Any]:
    """Return what a manifest has under `contents` for a system that Buildroot builds."""
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
        "buildroot": [_package(space, each) for each in known.values() if each.name not in own],
        "origins": {f"overlay {path}": {"overlay": path, "component": path.rstrip("/")} for path in paths},
    }


def _package(space: Workspace, package: BuildrootPackage) -> dict[str, Any]:
    told = info.variables(space, package.name)
    strong = downloads.hashes_of(package, space.tree)

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
        "patches": _patches(space, package),
        "downloads": [{key: value for key, value in each.items() if value} for each in files],
        "virtual": word("IS_VIRTUAL") == "YES",
    }
    return {key: value for key, value in found.items() if value}


def _url(site: str, source: str) -> str | None:
    """Return where upstream has a file of a package's site; of the places to download from, some are mirrors."""
    plain = site.startswith(("https://", "http://", "ftp://"))
    return f"{site.rstrip('/')}/{source}" if plain and "://" not in source else None


def _patches(space: Workspace, package: BuildrootPackage) -> list[str]:
    """Return the patches that were applied, as Buildroot has noted them or, without its folder, as it would."""
    noted = space.output / package.build / APPLIED
    if package.build and noted.is_file() and not noted.is_symlink():
        lines = noted.read_text("utf-8", "replace")[:MOST_LIST].splitlines()
        return [line.strip().rpartition("/")[2] for line in lines if line.strip()]
    if not package.folder:
        return []
    folder = space.tree / package.folder
    found = [*folder.glob("*.patch"), *folder.glob(f"{package.version}/*.patch")] if package.version else []
    return sorted(path.name for path in found)


def write(space: Workspace, path: Path) -> bool:
    """Write the list of the files of target/, and say whether there is such a folder.

    Owners are left out: Buildroot gives files theirs only while it writes an image.
    """
    root = space.output / "target"
    if not nofollow.check(space.output.parent, root):
        return False
    claims = installed.claims(space)["target"]
    names = {Path(each.build).name: each.name for each in info.known(space).values() if each.build}
    owners: dict[str, list[str]] = {}
    for folder, paths in sorted(claims.items()):
        for each in paths:
            owners.setdefault(each, []).append(names.get(folder, folder))
    with path.open("w", encoding="ascii") as file:
        head = {"record": "format", "format": FORMAT}
        for row in (head, *_texts(space), *_configurations(space), *_rows(space, root, owners)):
            file.write(json.dumps(row, separators=(",", ":")) + "\n")
    return True


def _rows(space: Workspace, root: Path, owners: Mapping[str, list[str]]) -> Iterator[dict[str, Any]]:
    overlays = [layer.overlay for layer in space.described.system.layers if isinstance(layer, layers.OverlayLayer)]
    found = sorted((entry for entry in _below(os.fsencode(root))), key=lambda entry: entry[0])
    for raw, status in found:
        name = raw.decode("utf-8", "surrogateescape")
        row: dict[str, Any] = {
            "record": "file",
            "path": _text(raw),
            "kind": KINDS.get(stat.S_IFMT(status.st_mode), "?"),
        }
        row["mode"] = stat.S_IMODE(status.st_mode)
        row["uid"] = row["gid"] = None
        over = next((each for each in reversed(overlays) if os.path.lexists(space.project / each / name)), None)
        row["layer"] = f"overlay {over}" if over else "buildroot"
        if name in owners and not stat.S_ISDIR(status.st_mode):
            row["replaces" if over else "packages"] = owners[name]
        place = os.path.join(os.fsencode(root), raw)  # noqa: PTH118  (bytes)
        if stat.S_ISREG(status.st_mode):
            row |= {"size": status.st_size, "sha256": _digest(place)}
        elif stat.S_ISLNK(status.st_mode):
            row["target"] = _text(os.readlink(place))  # noqa: PTH115  (Path would tidy it)
        yield row


def _below(root: bytes, inner: bytes = b"") -> Iterator[tuple[bytes, os.stat_result]]:
    with os.scandir(os.path.join(root, inner)) as entries:  # noqa: PTH118  (bytes)
        found = list(entries)
    for entry in found:
        path = inner + b"/" + entry.name if inner else entry.name
        yield path, entry.stat(follow_symlinks=False)
        if entry.is_dir(follow_symlinks=False):
            yield from _below(root, path)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


def _digest(place: bytes) -> str:
    state = hashlib.sha256()
    handle = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(handle, "rb", buffering=0) as file:
        while piece := file.read(CHUNK):
            state.update(piece)
    return state.hexdigest()


def _texts(space: Workspace) -> Iterator[dict[str, Any]]:
    """Give the license files of the packages for the target, as Buildroot names them, each text once."""
    seen: set[str] = set()
    for each in info.known(space).values():
        told = info.variables(space, each.name)
        for name in (
            told.get(f"{each.prefix}LICENSE_FILES", "").split() if each.kind != "host" and each.build else ()
        ):
            path = space.output / each.build / name
            if ".." in Path(name).parts or not _is_plain(space, path):
                continue
            data = path.read_bytes()
            digest = hashlib.sha256(data).hexdigest()
            row = {"record": "text", "kind": "buildroot", "component": each.name, "path": name, "sha256": digest}
            yield row | ({} if digest in seen else {"text": _text(data)})
            seen.add(digest)


def _is_plain(space: Workspace, path: Path) -> bool:
    """Say whether a file of a build folder is a regular one that no link leads to, and not too large."""
    try:
        status = path.lstat()
    except OSError:
        return False
    inside = path.parent.resolve().is_relative_to(space.output.resolve())
    return inside and stat.S_ISREG(status.st_mode) and status.st_size <= MOST_TEXT


def _configurations(space: Workspace) -> Iterator[dict[str, Any]]:
    """Give the configuration of Buildroot itself, and those of packages that have one in their build folder."""
    places = {"buildroot": space.output / ".config"}
    for each in info.known(space).values():
        if each.name in ("linux", "busybox", "uclibc", "uboot", "barebox") and each.build:
            places[each.name] = space.output / each.build / ".config"
    for name, path in sorted(places.items()):
        if path.is_file() and not path.is_symlink():
            lines = (line.partition("=") for line in path.read_text("utf-8", "replace").splitlines())
            symbols = {
                key.removeprefix("CONFIG_"): value for key, equals, value in lines if equals and key[:1] != "#"
            }
            yield {"record": "config", "tree": name, "release": None, "symbols": symbols}
