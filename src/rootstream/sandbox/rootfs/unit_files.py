"""Units of systemd enabled, disabled and masked in a finished root, as `systemctl` does it in a booted one.

It is done when all layers are laid, so that a unit of an overlay or of a package counts like one of Debian's.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rootstream.sandbox.program import Mistake, asked_for
from rootstream.sandbox.rootfs.services import UNIT, UnitChoice
from rootstream.sandbox.rootfs.settings import read_text
from rootstream.sandbox.tree import Inode, InodeKind, Tree, shown

UNITS = "etc/systemd/system"
# systemd.unit(5): the first that has a unit wins.
FOLDERS = (UNITS, "usr/local/lib/systemd/system", "usr/lib/systemd/system")
OF_USERS = ("etc/systemd/user", "usr/local/lib/systemd/user", "usr/lib/systemd/user")
MANAGER = "usr/lib/systemd/systemd"
NOTHING = "/dev/null"
# Words of [Install] and the folders that they put links in.
WANTED = {"WantedBy": "wants", "RequiredBy": "requires", "UpheldBy": "upholds"}
INSTALL = (*WANTED, "Alias", "Also", "DefaultInstance")
SCRIPTS = "etc/init.d"
LEVELS = re.compile(r"[0-6S]")
MOST_ALSO = 100
NEAREST = 3


def choose(tree: Tree, choice: UnitChoice) -> tuple[str, ...]:
    """Enable, disable and mask units; return what to warn of. Raises `Mistake` with each unit that is at fault."""
    if not choice.any():
        return ()
    if tree.find(MANAGER) is None:
        lacking = "this root has no systemd"
        raise Mistake(*(asked_for(name, f"{verb}: {name}: {lacking}") for verb, name in _each(choice)))
    does: dict[str, Callable[[Tree, str], tuple[str, ...]]] = {"enable": enable, "disable": disable, "mask": mask}
    warned: list[str] = []
    problems: list[str] = []
    for verb, name in _each(choice):
        try:
            warned += [f"{verb}: {name}: {text}" for text in does[verb](tree, name)]
        except Mistake as mistake:
            problems += [asked_for(name, f"{verb}: {name}: {problem}") for problem in mistake.problems]
    if problems:
        raise Mistake(*problems)
    return tuple(warned)


def _each(choice: UnitChoice) -> Iterator[tuple[str, str]]:
    for verb, names in (("enable", choice.enable), ("disable", choice.disable), ("mask", choice.mask)):
        for name in names:
            yield verb, name


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unit:
    """A unit by the name that was asked for; `path` is its file, `install` the words of its [Install]."""

    name: str
    path: str
    install: dict[str, list[str]]

    @property
    def prefix(self) -> str:
        return self.name.rpartition(".")[0].partition("@")[0]

    @property
    def instance(self) -> str:
        return self.name.rpartition(".")[0].partition("@")[2]

    @property
    def template(self) -> bool:
        return "@." in self.name

    def expanded(self, text: str) -> str:
        """Return a word with its specifiers (systemd.unit(5)) replaced."""
        known = {"%": "%", "n": self.name, "N": self.name.rpartition(".")[0]}
        known |= {"p": self.prefix, "i": self.instance, "I": self.instance}

        def put(match: re.Match[str]) -> str:
            if match[1] not in known:
                raise Mistake(f"{shown(self.path)}: [Install] has %{match[1]}, which is only known at run time")
            return known[match[1]]

        return re.sub("%(.?)", put, text)

    def named(self, instance: str) -> _Unit:
        """Return an instance of a template."""
        prefix, _, suffix = self.name.partition("@")
        return _Unit(name=f"{prefix}@{instance}{suffix}", path=self.path, install=self.install)


def _generic(name: str) -> str:
    """Return the template of an instance, or the name."""
    prefix, at, rest = name.partition("@")
    return f"{prefix}@.{rest.rpartition('.')[2]}" if at else name


def _file(tree: Tree, name: str) -> str | None:
    """Return the path of a unit's file, the way to it resolved."""
    for wanted in dict.fromkeys((name, _generic(name))):
        for folder in FOLDERS:
            path = tree.resolve(f"{folder}/{wanted}")
            if tree.get(path) is not None:
                return path
    return None


def _unit(tree: Tree, name: str) -> _Unit:
    path = _file(tree, name)
    if path is None:
        raise Mistake(f"there is no such unit in the finished root{_near(tree, name)}")
    inode = tree.get(path)
    if inode is not None and inode.kind is InodeKind.SYMLINK:
        if inode.target == NOTHING:
            raise Mistake(f"it is masked: {shown(path)} is a link to {NOTHING}")
        other = inode.target.rpartition("/")[2]
        if _generic(other) != _generic(name):
            raise Mistake(f"it is an alias of {other}; use that name")
    return _Unit(name=name, path=path, install=_install(tree, name, path))


def _install(tree: Tree, name: str, path: str) -> dict[str, list[str]]:
    """Return what [Install] says, drop-ins after the unit's own file."""
    drops: dict[str, str] = {}
    for wanted in dict.fromkeys((_generic(name), name)):
        for folder in reversed(FOLDERS):
            place = tree.resolve(f"{folder}/{wanted}.d", follow=True)
            drops |= {each: f"{place}/{each}" for each in tree.children(place) if each.endswith(".conf")}
    found: dict[str, list[str]] = {}
    for each in (path, *(drops[key] for key in sorted(drops))):
        for key, value in _section(read_text(tree, each) or ""):
            found[key] = [*found.get(key, []), *value.split()] if value else []
    return found


def _section(text: str) -> Iterator[tuple[str, str]]:
    """Yield the words of [Install] with their values (systemd.syntax(7))."""
    here = False
    for line in re.sub(r"\\\n", " ", text).splitlines():
        stripped = line.strip()
        if stripped.startswith("["):
            here = stripped == "[Install]"
        elif here and stripped and stripped[0] not in "#;":
            key, _, value = stripped.partition("=")
            if key.strip() in INSTALL:
                yield key.strip(), value.strip()


def enable(tree: Tree, name: str) -> tuple[str, ...]:
    """Make the links that [Install] of a unit asks for, and those of the units that it names with Also."""
    if _file(tree, name) is None and _script(tree, name):
        _levels(tree, _script(tree, name), start=True)
        return ()
    todo, done = [name], set[str]()
    while todo and len(done) < MOST_ALSO:
        each = todo.pop(0)
        done.add(each)
        unit = _unit(tree, each)
        if not any(unit.install.get(key) for key in (*WANTED, "Alias", "Also")):
            raise Mistake(
                f"{shown(unit.path)} has no [Install] section that says what starts it; "
                "add one, such as `WantedBy=multi-user.target`"
            )
        _link(tree, unit)
        todo += [other for other in map(unit.expanded, unit.install.get("Also", [])) if other not in done]
    return ()


def _link(tree: Tree, unit: _Unit) -> None:
    started = any(unit.install.get(key) for key in WANTED)
    if unit.template and started:
        if not unit.install.get("DefaultInstance"):
            raise Mistake(f"it is a template: name an instance, such as {unit.named('NAME').name}")
        unit = unit.named(unit.expanded(unit.install["DefaultInstance"][-1]))
    link = Inode(kind=InodeKind.SYMLINK, mode=0o777, target=f"/{unit.path}", origin="the description")
    for key, folder in WANTED.items():
        for other in map(unit.expanded, unit.install.get(key, [])):
            tree.put(f"{UNITS}/{_checked(other)}.{folder}/{unit.name}", link)
    for other in map(unit.expanded, unit.install.get("Alias", [])):
        tree.put(f"{UNITS}/{_checked(other)}", link)


def _checked(name: str) -> str:
    if not UNIT.fullmatch(name):
        raise Mistake(f"[Install] names {name!r}, which is not a unit")
    return name


def disable(tree: Tree, name: str) -> tuple[str, ...]:
    """Remove all links that start a unit, and other names of it; return why it may start all the same."""
    if _file(tree, name) is None and _script(tree, name):
        _levels(tree, _script(tree, name), start=False)
        return ()
    unit = _unit(tree, name)
    for each in (unit.name, *map(unit.expanded, unit.install.get("Also", []))):
        for path in _links(tree, UNITS, each):
            tree.remove(path)
    for other in map(unit.expanded, unit.install.get("Alias", [])):
        path = tree.resolve(f"{UNITS}/{_checked(other)}")
        if (inode := tree.get(path)) and inode.kind is InodeKind.SYMLINK and inode.target == f"/{unit.path}":
            tree.remove(path)
    left = [
        path for folder in FOLDERS[1:] for path in _links(tree, folder, name) if "/" in path[len(folder) + 1 :]
    ]
    return tuple(f"{shown(path)} still starts it; only `mask` prevents that" for path in left)


def _links(tree: Tree, folder: str, name: str) -> Iterator[str]:
    """Yield the links to a unit, or to all instances of a template, in a folder of units and its .wants."""
    top = tree.resolve(folder, follow=True)
    for path in list(tree.below(top)):
        inode = tree.get(path)
        parent, _, base = path.rpartition("/")
        if inode is None or inode.kind is not InodeKind.SYMLINK or inode.target == NOTHING:
            continue
        own = base if parent != top else inode.target.rpartition("/")[2]
        if own == name or ("@." in name and _generic(own) == name):
            yield path


def mask(tree: Tree, name: str) -> tuple[str, ...]:
    """Keep a unit from ever starting; return a warning if there is none of that name."""
    known = _file(tree, name) is not None or _script(tree, name)
    warned = () if known else (f"there is no such unit in the finished root{_near(tree, name)}",)
    path = f"{UNITS}/{name}"
    there = tree.get(tree.resolve(path))
    if there is not None and there.kind is not InodeKind.SYMLINK:
        raise Mistake(f"{shown(path)} is a {there.kind.value} ({there.origin}); remove it there instead")
    tree.put(path, Inode(kind=InodeKind.SYMLINK, mode=0o777, target=NOTHING, origin="the description"))
    return warned


def _near(tree: Tree, name: str) -> str:
    if any(tree.find(f"{folder}/{name}") for folder in OF_USERS):
        return "; it is one of users' own, started by a link in an overlay's etc/systemd/user/default.target.wants"
    known = {
        unit
        for folder in FOLDERS
        for unit in tree.children(tree.resolve(folder, follow=True))
        if "." in unit and not unit.endswith((".d", ".wants", ".requires", ".upholds"))
    }
    near = difflib.get_close_matches(name, sorted(known), n=NEAREST, cutoff=0.6)
    if "." not in name and f"{name}.service" in known:
        near = [f"{name}.service"]
    return f" (did you mean {', '.join(near)}?)" if near else ""


def _script(tree: Tree, name: str) -> str:
    """Return the name of the init script that systemd makes a service of, or nothing."""
    base = name.removesuffix(".service")
    return base if name.endswith(".service") and tree.find(f"{SCRIPTS}/{base}") is not None else ""


def _levels(tree: Tree, script: str, *, start: bool) -> None:
    """Link an init script into the folders of its run levels, as update-rc.d(8) does."""
    text = read_text(tree, f"{SCRIPTS}/{script}") or ""
    words = {key: re.search(rf"^#\s*{key}:(.*)$", text, re.MULTILINE) for key in ("Default-Start", "Default-Stop")}
    levels = {key: LEVELS.findall(found[1]) if found else [] for key, found in words.items()}
    for level in {*levels["Default-Start"], *levels["Default-Stop"]}:
        folder = tree.resolve(f"etc/rc{level}.d", follow=True)
        for old in [each for each in tree.children(folder) if each[3:] == script]:
            tree.remove(f"{folder}/{old}")
        letter = "S" if start and level in levels["Default-Start"] else "K"
        link = Inode(kind=InodeKind.SYMLINK, mode=0o777, target=f"../init.d/{script}", origin="the description")
        tree.put(f"{folder}/{letter}01{script}", link)
