"""What a manifest says that a system is made of: what the lock does not, the project's own software among it."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rootstream.description import layers
from rootstream.description.model import Described, System
from rootstream.description.roots import FromBusybox, FromDebianPackages, FromElements
from rootstream.description.system import FromFolder
from rootstream.errors import UserError, Where
from rootstream.host import nofollow
from rootstream.host.content import Content, chunks
from rootstream.plan.model import Plan
from rootstream.plan.software import packages
from rootstream.sandbox.tree import BASE
from rootstream.verbs import vendored

MOST_LOCK = 16 << 20  # bytes of a Cargo.lock, go.sum or modules.txt
_MODULE = re.compile(r"# (\S+) (v\S+?)(?: => (\S+)(?: (v\S+))?)?")


def contents(described: Described, plan: Plan, target: str, folder: Path) -> dict[str, Any]:
    """Return what a manifest has under `contents` for a system that Rootstream builds itself.

    Raises `UserError` bad-cargo-lock, and what reading its Cargo.lock raises.
    """
    system = described.system
    links = {pattern for name in plan.closure(target) for pattern in plan.elements[name].links}
    texts = vendored.Texts()
    return {
        "product": system.product.model_dump(exclude_none=True),
        "own": [*_own(system, plan.files, _slug(target), folder, texts)],
        "origins": _origins(described),
        "linked": sorted(links),
    } | ({"texts": dict(sorted(texts.found.items()))} if texts.found else {})


def ships(plan: Plan, target: str) -> dict[str, str]:
    """Return what of the lock gets into images: by the request, the name of a tree, or the kind of set."""
    found: dict[str, str] = {}
    for name in plan.closure(target):
        element = plan.elements[name]
        for source in element.sources if element.ships else ():
            if source.locked:
                own = source.directory if source.kind == "git" and element.ships == "python" else None
                found[source.request()] = (own or "").rpartition("/")[2] or str(element.ships)
    return found


def _slug(target: str) -> str:
    return target.removeprefix("system-").removesuffix(".bst")


def _own(
    system: System, files: Mapping[str, Content], slug: str, folder: Path, texts: vendored.Texts
) -> Iterator[dict[str, Any]]:
    """Give the packages, overlays and source trees that are folders of the project, as they were built."""
    overlays = [layer.overlay for layer in system.layers if isinstance(layer, layers.OverlayLayer)]
    for number, path in enumerate(overlays, 1):
        row: dict[str, Any] = {"kind": "overlay", "name": path.rstrip("/"), "folder": path}
        yield row | _digest(files, f"files/root-{slug}/{number}-overlay.tar")
    for carried in dict.fromkeys(folder for image in system.images for folder in image.folders):
        yield {"kind": "payload", "name": carried.rstrip("/"), "folder": carried}
    for package in packages.wanted(system.layers):
        told = package.model_dump(include={"version", "supplier", "license"}, exclude_none=True)
        row = {"kind": "package", "name": package.name, "folder": package.source, **told}
        row |= _digest(files, packages.archive_path(package))
        if package.build == "cargo":
            known = vendored.crates(folder, folder / package.source, texts)
            rows = crates(folder, folder / package.source)
            row["crates"] = [each | known.get((each["name"], each["version"]), {}) for each in rows]
        if package.build == "go":
            rows = modules(folder, folder / package.source)
            source = folder / package.source
            row["modules"] = [vendored.module(folder, source, each, texts) for each in rows]
        yield row
    for name, tree in _trees(system):
        if isinstance(tree, FromFolder):
            row = {"kind": "tree", "name": name, "folder": tree.local}
            yield row | _digest(files, f"files/tree-{name}/source.tar")


def _trees(system: System) -> Iterator[tuple[str, object]]:
    if system.kernel and not system.kernel.package:
        yield "linux", system.kernel.source
    if isinstance(system.root, FromBusybox):
        yield "busybox", system.root.busybox.source
        yield "musl", system.root.busybox.libc_source


def _digest(files: Mapping[str, Content], path: str) -> dict[str, Any]:
    """Return the digest of an archive of the plan, which is of a folder as it was built."""
    if path not in files:
        return {}
    state = hashlib.sha256()
    for piece in chunks(files[path]):
        state.update(piece)
    return {"sha256": state.hexdigest()}


def _origins(described: Described) -> dict[str, dict[str, Any]]:
    """Return what the layers of a root are, by the names that the list of its files gives them."""
    system = described.system
    found: dict[str, dict[str, Any]] = {}
    if isinstance(system.root, FromElements):
        told = system.root.elements
        found[BASE] = {"unknown": f"{told.project}:{told.target}"}
    elif isinstance(system.root, FromBusybox):
        found |= {BASE: {"component": "busybox"}, "0-skeleton.tar": {"component": "rootstream"}}
    elif isinstance(system.root, FromDebianPackages):
        found |= {BASE: {"packages": ["dpkg"]}, "0-netboot.tar": {"component": "rootstream"}}
    if system.kernel is not None:
        kernel = system.kernel.package
        name = (kernel.package or "linux-image") if kernel else None
        found["modules.tar"] = {"packages": [name]} if name else {"component": "linux"}
    found |= {each.name: {"component": each.name} for each in packages.wanted(system.layers)}
    found["when-xattrs"] = {"component": "rootstream"}
    named = [layer.overlay for layer in system.layers if isinstance(layer, layers.OverlayLayer)]
    for number, path in enumerate(named, 1):
        found[f"{number}-overlay.tar"] = {"overlay": path, "component": path.rstrip("/")}
    return found


def crates(base: Path, folder: Path) -> list[dict[str, Any]]:
    """Return the crates of a folder's Cargo.lock that are not in the folder itself. Raises `UserError`."""
    path = folder / "Cargo.lock"
    text = _text(base, path)
    if text is None:
        return []
    try:
        rows = tomllib.loads(text).get("package", [])
        if not isinstance(rows, list):
            raise TypeError("`package` is no list")  # noqa: TRY301  (told like what else is wrong with it)
        found = [
            {"name": str(each["name"]), "version": str(each["version"]), "source": each["source"]}
            | ({"checksum": str(each["checksum"])} if "checksum" in each else {})
            for each in rows
            if "source" in each
        ]
    except (tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(
            "bad-cargo-lock",
            f"is not a Cargo.lock: {error}",
            where=Where(path=path),
            hint="Run `cargo generate-lockfile` in this folder.",
        ) from error
    return found


def modules(base: Path, folder: Path) -> list[dict[str, Any]]:
    """Return the modules of Go that a folder has in vendor/; those that gave no package are left out."""
    listed = _text(base, folder / "vendor" / "modules.txt") or ""
    sums = {
        (words[0], words[1]): words[2]
        for words in (line.split() for line in (_text(base, folder / "go.sum") or "").splitlines())
        if len(words) == 3  # noqa: PLR2004  (module, version, hash)
    }
    found: list[dict[str, Any]] = []
    current: dict[str, Any] | None = None
    for line in listed.splitlines():
        if line.startswith("# "):
            match = _MODULE.fullmatch(line)
            path, version = (
                (match.group(3) or match.group(1), match.group(4) or match.group(2)) if match else ("", "")
            )
            current = {"path": path, "version": version} if match else None
            if current and match and match.group(1) != path:
                current["vendored"] = match.group(1)  # a replaced module lies where the other one would
            if current and (path, version) in sums:
                current["sum"] = sums[path, version]
        elif current and line and not line.startswith("#"):
            found.append(current)
            current = None
    return found


def _text(base: Path, path: Path) -> str | None:
    try:
        return nofollow.read_bytes(base, path, most=MOST_LOCK).decode("utf-8", "replace")
    except FileNotFoundError:
        return None
