"""What brought a file of an image: its component, its layer, and by what way a package came into the root."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rootstream.report.components import System
from rootstream.report.contents import Contents, Origin, Told
from rootstream.report.inventory import Deb, File, Inventory
from rootstream.report.model import Component

BASE = "the root"  # as sandbox/tree.py calls what no layer brought
MOST_LINKS = 40
_OURS = ("usr/lib/rootstream/", "usr/share/rootstream/", "etc/rootstream/")
_MODULES = re.compile(r"(?:usr/)?lib/modules/([^/]+)(?:/|$)")
_ALTERNATIVE = re.compile(r"\s*([a-z0-9][a-z0-9+.-]*)")
SCRIPTS = "made while the packages of Debian were configured; which one's script made it is not recorded"
UNKNOWN_BUILDROOT = "in no package's list: Buildroot's skeleton, a hook, or a script made it"
DESCRIBED = "written by Rootstream, for what system.yaml says"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Where a path comes from.

    `asked` are words of the description that may have asked for it, in the order in which to look for them; `key`
    is the key of a layer instead. `chain` leads from a package that is named there to the one that has the file.
    """

    path: str
    row: File | None
    layer: str
    components: tuple[Component, ...] = ()
    replaces: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    key: str | None = None
    chain: tuple[str, ...] = ()
    below: tuple[tuple[str, int], ...] = field(default=())


# Which layer writes the files that are made of a description.
_KEYS: Mapping[str, str] = {
    "etc/hostname": "hostname",
    "etc/hosts": "hostname",
    "etc/issue": "issue",
    "etc/passwd": "users",
    "etc/shadow": "users",
    "etc/group": "users",
    "etc/gshadow": "users",
    "etc/subuid": "users",
    "etc/subgid": "users",
}
_KEY_FOLDERS = (
    ("home/", "users"),
    ("etc/sudoers.d/", "users"),
    ("root/.ssh/", "root_login"),
    ("etc/ssh/", "sshd"),
    ("etc/systemd/", "services"),
    ("usr/lib/systemd/", "services"),
    ("etc/init.d/", "services"),
    ("dev/", "devices"),
)


_WITHOUT: Mapping[str, str] = {
    "secrets.tar": "a secret, injected into the exported files",
    "the description": DESCRIBED,
    "identities": DESCRIBED,
    "": DESCRIBED,
}


class Names:
    """The components of a system's images by their names."""

    def __init__(self, system: System) -> None:
        self._known: dict[str, list[Component]] = {}
        for each in system.of("image"):
            self._known.setdefault(each.name, []).append(each)

    def named(self, names: Iterable[str], kind: str | None = None) -> tuple[Component, ...]:
        """Return those with some names, of a kind if there is one."""
        found = (each for name in dict.fromkeys(names) for each in self._known.get(name, ()))
        return tuple(each for each in found if kind is None or each.kind == kind)


class Owners:
    """Which component has brought each file of a root, as a name for people."""

    def __init__(self, system: System, told: Told) -> None:
        self._names = Names(system)
        self._contents = told.contents
        self._found: dict[tuple[str, tuple[str, ...], str], tuple[str, Component | None]] = {}

    def of(self, row: File) -> tuple[str, Component | None]:
        """Return the name of a file's component, or else of its layer."""
        match = _MODULES.match(row.path)
        place = match.group(0) if match else str(row.path.startswith(_OURS))
        key = (row.layer, row.packages, place)
        if key not in self._found:
            layer, components, _ = _layer(self._names, self._contents, row)
            first = components[0] if components else None
            self._found[key] = (first.name if first else layer, first)
        return self._found[key]


def real(inventory: Inventory, path: str) -> str:
    """Return a path with the symlinks in its folders followed, as the booted system would."""
    links = {row.path: row.target for row in inventory.files if row.kind == "symlink" and row.target}
    todo = [part for part in reversed(path.split("/")) if part not in ("", ".")]
    done: list[str] = []
    hops = 0
    while todo:
        part = todo.pop()
        if part == "..":
            done = done[:-1]
            continue
        here = "/".join([*done, part])
        if todo and here in links and hops < MOST_LINKS:
            hops += 1
            done = [] if links[here].startswith("/") else done
            todo += [step for step in reversed(links[here].split("/")) if step not in ("", ".")]
            continue
        done.append(part)
    return "/".join(done)


def explain(
    system: System, told: Told, inventory: Inventory | None, path: str, row: File | None = None
) -> Explanation | None:
    """Return where a path of the root, or a file of the export, comes from; None if there is nothing there.

    `row` is that of the path, if it is known already; then, only a folder needs the list of all files.
    """
    image = next((each for each in system.images if each.name == path.removeprefix("/")), None)
    if image is not None:
        return _image(system, told, path.removeprefix("/"), image.kind)
    if inventory is None:
        return None
    wanted = real(inventory, path) if row is None else row.path
    row = row or next((each for each in inventory.files if each.path == wanted), None)
    if row is None:
        return None
    known = Names(system)
    found = _of_row(known, told, inventory, row)
    if row.kind == "directory":
        counted = _below(known, told, inventory, wanted)
        return Explanation(
            path=wanted, row=row, layer=found.layer, asked=found.asked, key=found.key, below=counted
        )
    return found


def _image(system: System, told: Told, name: str, kind: str) -> Explanation:
    layer = f"an image of kind {kind}"
    if kind != "kernel":
        return Explanation(path=name, row=None, layer=layer, key="images")
    origin = told.contents.origins.get("modules.tar", Origin())
    found = Names(system).named((origin.component,) if origin.component else ())
    debs = tuple(each for each in system.components if each.kind == "deb" and each.name.startswith("linux-image-"))
    buildroot = tuple(
        each for each in system.of("image") if each.kind in ("source", "buildroot") and each.name == "linux"
    )
    return Explanation(path=name, row=None, layer=layer, components=found or debs or buildroot, key="kernel")


def _of_row(known: Names, told: Told, inventory: Inventory, row: File) -> Explanation:
    layer, components, words = _layer(known, told.contents, row)
    key = _key(row.path) if layer == DESCRIBED else None
    debs = [each.name for each in components if each.kind == "deb"]
    chain = chain_to(inventory.debs, _requested(told), debs[0]) if debs and row.layer == BASE else ()
    return Explanation(
        path=row.path,
        row=row,
        layer=layer,
        components=components,
        replaces=row.replaces,
        asked=words or tuple(each.name for each in components),
        key=key,
        chain=chain,
    )


_Layer = tuple[str, tuple[Component, ...], tuple[str, ...]]


def _layer(known: Names, contents: Contents, row: File) -> _Layer:
    """Return what a layer is called, the components of a file in it, and words that have asked for them."""
    origin = contents.origins.get(row.layer, Origin())
    if row.layer == BASE:
        return _base(known, origin, row)
    if row.layer == "buildroot":
        found = known.named(row.packages, "buildroot") or known.named(row.packages, "project")
        return ("built by Buildroot" if found else UNKNOWN_BUILDROOT), found, ()
    if row.layer == "python.tar":
        return "wheels of a `python` layer", known.named(row.packages, "pypi"), row.packages
    if row.layer in _WITHOUT:
        return _WITHOUT[row.layer], (), ()
    return _laid(known, origin, row)


def _laid(known: Names, origin: Origin, row: File) -> _Layer:
    if origin.overlay is not None:
        return f"overlay {origin.overlay}", known.named((str(origin.component),), "project"), (origin.overlay,)
    if origin.packages and (match := _MODULES.match(row.path)):
        exact = known.named((f"linux-image-{match.group(1)}", f"linux-image-{match.group(1)}-unsigned"), "deb")
        return "modules of the kernel", exact or known.named(origin.packages, "deb"), origin.packages
    if origin.component is not None:
        return "built for the system", known.named((origin.component,)), (origin.component,)
    return f"{row.layer}: origin unknown", (), ()


def _base(known: Names, origin: Origin, row: File) -> _Layer:
    if row.packages:
        return "packages of Debian", known.named(row.packages, "deb"), row.packages
    if origin.packages:
        return SCRIPTS, (), ()
    if origin.unknown is not None:
        return (
            f"{origin.unknown}, an element of BuildStream: origin unknown",
            known.named((origin.unknown,)),
            (),
        )
    if row.path.startswith(_OURS):
        return "added by Rootstream", known.named(("rootstream",)), ()
    names = (origin.component,) if origin.component else ()
    return ("built for the system" if names else "origin unknown"), known.named(names), names


def _key(path: str) -> str:
    """Return the key of the layer that writes a file, or that of the root, which has some of their own."""
    return _KEYS.get(path) or next((key for folder, key in _KEY_FOLDERS if path.startswith(folder)), "root")


def _below(known: Names, told: Told, inventory: Inventory, folder: str) -> tuple[tuple[str, int], ...]:
    """Return how many files below a folder each component has brought, the most first."""
    counted: dict[str, int] = {}
    for row in inventory.files:
        if row.kind != "directory" and (not folder or row.path.startswith(f"{folder}/")):
            layer, components, _ = _layer(known, told.contents, row)
            for name in [each.name for each in components] or [layer]:
                counted[name] = counted.get(name, 0) + 1
    return tuple(sorted(counted.items(), key=lambda item: (-item[1], item[0])))


def _requested(told: Told) -> frozenset[str]:
    """Return the packages that the request for the root's set names."""
    found: set[str] = set()
    for each in told.inputs:
        names = each.source.get("packages")
        if each.ships and each.source.get("essential") is True and isinstance(names, list):
            found.update(map(str, names))
    return frozenset(found)


def chain_to(debs: Sequence[Deb], named: frozenset[str], wanted: str) -> tuple[str, ...]:
    """Return the shortest way from a package that is named (or else essential) to another, by dependencies."""
    known = {each.name: each for each in debs}
    for begin in (named & known.keys(), {each.name for each in debs if each.essential}):
        before: dict[str, str | None] = dict.fromkeys(sorted(begin))
        todo = list(before)
        for name in todo:  # grows
            if name == wanted:
                return _way(before, wanted)
            for other in dependencies(known[name]):
                if other in known and other not in before:
                    before[other] = name
                    todo.append(other)
    return ()


def _way(before: Mapping[str, str | None], end: str) -> tuple[str, ...]:
    found = [end]
    while (previous := before[found[-1]]) is not None:
        found.append(previous)
    return tuple(reversed(found))


def dependencies(package: Deb) -> tuple[str, ...]:
    """Return the names of the packages that one depends on, of alternatives all."""
    matches = (_ALTERNATIVE.match(each) for part in package.depends.split(",") for each in part.split("|"))
    return tuple(match.group(1) for match in matches if match)
