"""The list of a root that Buildroot has built: its files, the packages they are of, licenses, configurations.

    python3 -m rootstream.sandbox.buildroot.inventory OUTPUT SPEC RESULT APPLIED

SPEC is JSON: of each package its build folder and license files, of each overlay its folder. RESULT gets lines of
JSON, as other roots have them (inventory/root.py); APPLIED the patches of each package, as Buildroot has noted
them. Buildroot gives files their owners, and makes devices, only while it writes an image: they are read from
images/rootfs.tar, if the configuration has it made, and are unknown without it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import posixpath
import stat
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from rootstream.sandbox.buildroot.additions import RECORDS
from rootstream.sandbox.program import CHUNK, run_main

FORMAT = 1
APPLIED = ".applied_patches_list"  # Buildroot, support/scripts/apply-patches.sh
MOST_LIST = 1 << 20
MOST_TEXT = 4 << 20
PACKED, PACKS = "images/rootfs.tar", "BR2_TARGET_ROOTFS_TAR=y"
_IN_TAR = {tarfile.CHRTYPE: "character device", tarfile.BLKTYPE: "block device", tarfile.FIFOTYPE: "fifo"}
_CONFIGURED = ("linux", "busybox", "uclibc", "uboot", "barebox")
KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "symlink",
    stat.S_IFCHR: "character device",
    stat.S_IFBLK: "block device",
    stat.S_IFIFO: "fifo",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package: its build folder below the output folder, and its license files below that."""

    build: str
    licenses: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What Buildroot has built: its output folder, what `packages` there are, and who installed which path.

    `overlays` are folders by what is listed as the layer of their files, the last of them on top. Paths in
    configurations are told from the folder `project`, if it is given: where a project is decides nothing.
    """

    output: Path
    packages: Mapping[str, Package]
    owners: Mapping[str, Sequence[str]]
    overlays: Mapping[str, Path]
    project: Path | None = None


def write(built: Built, path: Path) -> None:
    """Write the list of what is in target/."""
    with path.open("w", encoding="ascii") as file:
        head = {"record": "format", "format": FORMAT}
        for row in (head, *_texts(built), *_configurations(built), *_rows(built)):
            file.write(json.dumps(row, separators=(",", ":")) + "\n")


def applied(folder: Path) -> list[str] | None:
    """Return the patches that Buildroot has applied in a build folder, None where it has not noted that."""
    noted = folder / APPLIED
    if not noted.is_file() or noted.is_symlink():
        return None
    lines = noted.read_text("utf-8", "replace")[:MOST_LIST].splitlines()
    return [line.strip().rpartition("/")[2] for line in lines if line.strip()]


def packed(output: Path) -> dict[str, tarfile.TarInfo]:
    """Return what the tar that Buildroot makes of the root has, by path; nothing without one."""
    config, path = output / ".config", output / PACKED
    if path.is_symlink() or not path.is_file() or not config.is_file():
        return {}
    if PACKS not in config.read_text("utf-8", "replace").splitlines():
        return {}  # an earlier configuration has left it
    try:
        with tarfile.open(path, "r:") as archive:
            return {posixpath.normpath(each.name): each for each in archive}
    except (tarfile.TarError, OSError, EOFError):
        return {}


def _made(raw: bytes, each: tarfile.TarInfo) -> dict[str, Any]:
    """Return the row of a device that is made while the image is written."""
    row: dict[str, Any] = {"record": "file", "path": _text(raw), "kind": _IN_TAR[each.type]}
    row |= {"mode": stat.S_IMODE(each.mode), "uid": each.uid, "gid": each.gid, "layer": "buildroot"}
    return row | ({} if each.isfifo() else {"device": [each.devmajor, each.devminor]})


def _rows(built: Built) -> Iterator[dict[str, Any]]:
    root = os.fsencode(built.output / "target")
    members = packed(built.output)
    there: dict[bytes, os.stat_result | None] = dict(_below(root))
    for made, each in members.items():
        if each.type in _IN_TAR:
            there.setdefault(os.fsencode(made), None)
    for raw, status in sorted(there.items(), key=lambda entry: entry[0]):
        name = raw.decode("utf-8", "surrogateescape")
        if status is None:
            yield _made(raw, members[name])
            continue
        row: dict[str, Any] = {
            "record": "file",
            "path": _text(raw),
            "kind": KINDS.get(stat.S_IFMT(status.st_mode), "?"),
        }
        member = members.get(name)
        row["mode"] = stat.S_IMODE(member.mode if member else status.st_mode)
        row["uid"], row["gid"] = (member.uid, member.gid) if member else (None, None)
        over = [layer for layer, folder in built.overlays.items() if os.path.lexists(folder / name)]
        row["layer"] = over[-1] if over else "buildroot"
        if name in built.owners and not stat.S_ISDIR(status.st_mode):
            row["replaces" if over else "packages"] = built.owners[name]
        place = os.path.join(root, raw)  # noqa: PTH118  (bytes)
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


def _texts(built: Built) -> Iterator[dict[str, Any]]:
    """Give the license files of packages, each text once."""
    seen: set[str] = set()
    for package, each in built.packages.items():
        for name in each.licenses if each.build else ():
            path = built.output / each.build / name
            if ".." in PurePosixPath(name).parts or not _is_plain(built.output, path):
                continue
            data = path.read_bytes()
            digest = hashlib.sha256(data).hexdigest()
            row = {"record": "text", "kind": "buildroot", "component": package, "path": name, "sha256": digest}
            yield row | ({} if digest in seen else {"text": _text(data)})
            seen.add(digest)


def _is_plain(output: Path, path: Path) -> bool:
    """Say whether a file of a build folder is a regular one that no link leads to, and not too large."""
    try:
        status = path.lstat()
    except OSError:
        return False
    inside = path.parent.resolve().is_relative_to(output.resolve())
    return inside and stat.S_ISREG(status.st_mode) and status.st_size <= MOST_TEXT


def _configurations(built: Built) -> Iterator[dict[str, Any]]:
    """Give the configuration of Buildroot itself, and those of packages that have one in their build folder."""
    places = {"buildroot": built.output / ".config"}
    for name, each in built.packages.items():
        if name in _CONFIGURED and each.build:
            places[name] = built.output / each.build / ".config"
    for name, path in sorted(places.items()):
        if path.is_file() and not path.is_symlink():
            lines = (line.partition("=") for line in path.read_text("utf-8", "replace").splitlines())
            above = f"{built.project}/" if built.project else ""
            symbols = {
                key.removeprefix("CONFIG_"): value.replace(above, "") if above else value
                for key, equals, value in lines
                if equals and key[:1] != "#"
            }
            yield {"record": "config", "tree": name, "release": None, "symbols": symbols}


def _owners(output: Path) -> dict[str, list[str]]:
    """Return the packages that have installed each path of target/, as their records say (additions.py)."""
    found: dict[str, list[str]] = {}
    for path in sorted((output / RECORDS).iterdir()):
        for each in json.loads(path.read_text())["files"]:
            if each.startswith("target/"):
                found.setdefault(each.removeprefix("target/"), []).append(path.stem)
    return found


def main(options: argparse.Namespace) -> None:
    """Write the list, and the patches."""
    spec = json.loads(options.spec.read_text())
    packages = {name: Package(**each) for name, each in spec["packages"].items()}
    overlays = {layer: Path(folder) for layer, folder in spec["overlays"].items()}
    write(
        Built(output=options.output, packages=packages, owners=_owners(options.output), overlays=overlays),
        options.result,
    )
    found = {name: applied(options.output / each.build) for name, each in packages.items() if each.build}
    options.applied.write_text(json.dumps({name: each for name, each in found.items() if each is not None}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="inventory")
    for argument in ("output", "spec", "result", "applied"):
        parser.add_argument(argument, type=Path)
    raise SystemExit(run_main(main, parser))
