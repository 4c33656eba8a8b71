"""List the files of a finished root, with the layer and the package that each came with, as lines of JSON.

Run as `python3 -m rootstream.sandbox.inventory.root --base root.tar --layer app.tar --spec spec.json -o FILE`,
with the options of rootfs.assemble. The root is put together once more instead of read from an image: images lose
what brought a file, and an image is not built again because its list has changed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import posixpath
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rootstream.sandbox.inventory import dpkg, texts, wheels
from rootstream.sandbox.program import run_main, whole_file
from rootstream.sandbox.rootfs import assemble
from rootstream.sandbox.rootfs.settings import read_text
from rootstream.sandbox.tree import BASE, Inode, InodeKind, Tree

FORMAT = 1
BUSYBOX_CONFIG = "usr/share/rootstream/busybox.config"
ALWAYS = "init/main.c"  # of every kernel
MUSL_VERSION = "usr/share/rootstream/musl.version"
MOST_VERSION = 100  # characters
_VERSION = re.compile(r"^# Busybox version: (\S+)$", re.MULTILINE | re.IGNORECASE)
_SYMBOL = re.compile(r"CONFIG_([A-Za-z0-9_]+)=(.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Owners:
    """What brought the paths of a tree: packages of Debian what is in the base, wheels what is in a layer."""

    packages: Mapping[str, tuple[str, ...]]
    wheels: Mapping[str, str]

    def of(self, path: str, origin: str) -> tuple[str, ...]:
        """Return the packages of a path that came with a layer."""
        if origin == BASE:
            return self.packages.get(path, ())
        return (self.wheels[path],) if path in self.wheels else ()


def rows(tree: Tree, owners: Owners) -> Iterator[Mapping[str, Any]]:
    """Give a row for everything in a tree, in the order of the paths; the second name of a file has a `link`."""
    first: dict[int, str] = {}
    for path, number, inode in tree.walk():
        row: dict[str, Any] = {"record": "file", "path": path, "kind": inode.kind.value, "mode": inode.mode}
        row |= {"uid": inode.uid, "gid": inode.gid, "layer": inode.origin}
        if inode.kind is not InodeKind.DIRECTORY:
            packages = owners.of(path, inode.origin)
            replaced = owners.packages.get(path, ()) if inode.origin != BASE else ()
            row |= {"packages": packages} if packages else {}
            row |= {"replaces": replaced} if replaced else {}
            if number in first:
                row["link"] = first[number]
            first.setdefault(number, path)
        yield row | _contents(inode)


def _contents(inode: Inode) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if inode.content is not None:
        state = hashlib.sha256()
        for chunk in inode.content.chunks():
            state.update(chunk)
        found |= {"size": inode.content.size, "sha256": state.hexdigest()}
    if inode.kind is InodeKind.SYMLINK:
        found["target"] = inode.target
    if inode.kind in (InodeKind.CHAR, InodeKind.BLOCK):
        found["device"] = inode.device
    if inode.xattrs:
        found["xattrs"] = {name: value.hex() for name, value in inode.xattrs}
    return found


def write(options: argparse.Namespace) -> None:
    """Write the list of the root that the options describe."""
    spec = replace(assemble.spec_of(options), names={})
    epoch = assemble.epoch_of(spec)
    tree = assemble.begun(options.base, options.layer, spec, epoch, runs=options.made)
    packages = dpkg.packages(tree)
    owned = dpkg.owners(tree, packages)
    of_debian = texts.texts_of_debian(tree, packages)
    assemble.complete(tree, options.over, spec, epoch, when_xattrs=options.when_xattrs)
    found = wheels.wheels(tree)
    owners = Owners(packages=owned, wheels={path: each.name for each in found for path in each.paths})
    with whole_file(options.output) as draft, draft.open("w", encoding="ascii") as file:
        for row in (
            {"record": "format", "format": FORMAT},
            *({"record": "deb", **asdict(each)} for each in packages),
            *({"record": "wheel", **each.row()} for each in found),
            *texts.once((*of_debian, *texts.texts_of_wheels(tree, found))),
            *_configurations(tree, options),
            *_sources(options.sources),
            *rows(tree, owners),
        ):
            file.write(json.dumps(_shown(row), separators=(",", ":")) + "\n")


def _shown(value: Any) -> Any:  # noqa: ANN401  (JSON)
    r"""Return JSON in which bytes that are not UTF-8 are written as \xNN: not every reader takes surrogates."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    if isinstance(value, Mapping):
        return {_shown(key): _shown(each) for key, each in value.items()}
    return [_shown(each) for each in value] if isinstance(value, list | tuple) else value


def _configurations(tree: Tree, options: argparse.Namespace) -> Iterator[Mapping[str, Any]]:
    """Give what trees with Kconfig are configured as, symbol by symbol."""
    texts = {
        name: Path(path).read_text("utf-8") for name, _, path in (each.partition("=") for each in options.config)
    }
    own = read_text(tree, BUSYBOX_CONFIG)
    if own is not None:
        texts["busybox"] = own
    version = read_text(tree, MUSL_VERSION)
    if version is not None:
        yield {"record": "config", "tree": "musl", "release": version.strip()[:MOST_VERSION], "symbols": {}}
    for name, text in sorted(texts.items()):
        release = options.release.read_text("utf-8").strip() if name == "linux" and options.release else None
        told = _VERSION.search(text[:1000])
        release = release or (told.group(1) if told else None)
        yield {"record": "config", "tree": name, "release": release, "symbols": _symbols(text)}


def _sources(folder: Path | None) -> Iterator[Mapping[str, Any]]:
    """Give the sources of a kernel's tree by their folders: those that it was compiled from, and the others."""
    if folder is None:
        return
    every = (folder / "sources").read_text("utf-8", "surrogateescape").splitlines()
    compiled = (folder / "compiled").read_text("utf-8", "surrogateescape").splitlines()
    used = {posixpath.normpath(name) for name in compiled}
    if ALWAYS not in used:  # Kbuild's notes are not what they were: who reads the list takes it for unknown
        return
    row: dict[str, Any] = {"record": "sources", "tree": "linux", "compiled": {}, "other": {}}
    for name in every:
        above, _, own = name.rpartition("/")
        row["compiled" if name in used else "other"].setdefault(above, []).append(own)
    yield row


def _symbols(text: str) -> dict[str, str]:
    matches = (_SYMBOL.fullmatch(line) for line in text.splitlines())
    return {match.group(1): match.group(2) for match in matches if match}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="inventory", description=__doc__)
    assemble.add_options(parser)
    parser.add_argument("--config", action="append", default=[], metavar="TREE=FILE", help="a .config; repeatable")
    parser.add_argument("--release", type=Path, metavar="FILE", help="what the kernel calls itself")
    parser.add_argument("--sources", type=Path, metavar="DIR", help="lists of a kernel's sources")
    parser.add_argument("--over", type=Path, action="append", default=[], help="further layer; repeatable")
    return parser


if __name__ == "__main__":
    sys.exit(run_main(write, _parser()))
