"""What a build reads beside what the description names: by local.mk, the configuration, rules of packages.

Make itself expands their names (info.py). What cannot be known from names, what scripts and `$(shell ...)` of the
project read, is taken to be any file of the project.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from rootstream.archives import digests
from rootstream.buildroot import mounts
from rootstream.buildroot.generate import completed
from rootstream.buildroot.workspace import Workspace
from rootstream.formats.kconfig.fragment import config_values

_OVERRIDE = re.compile(r"\s*[A-Z0-9_]+_OVERRIDE_SRCDIR\s*[:?]?=\s*(\S+)\s*")
_SPLIT = re.compile(r"[\s'\"`:;,()<>|&=]+")
_VARIABLE = re.compile(r"\$[({](\w+)[)}]")
# Symbols that name folders which a build takes as they are.
_TAKEN = re.compile(r"BR2_TOOLCHAIN_EXTERNAL_PATH$")
_SCRIPT = re.compile(r"BR2_ROOTFS_(PRE|POST)_\w+_SCRIPT$")
# Symbols that name what a build writes, what it takes as a whole (a toolchain), or where this very file is.
_NOT_READ = re.compile(
    r"BR2_(DL_DIR|HOST_DIR|CCACHE_DIR|TOOLCHAIN_EXTERNAL_PATH|DEFCONFIG|CONFIG|PACKAGE_OVERRIDE_FILE|EXTERNAL\w*"
    r"|SYSTEM_DEFAULT_PATH|PRIMARY_SITE|BACKUP_SITE|INSTRUMENTATION_SCRIPTS|\w+_MIRROR|\w+_LOCALDIR)$"
)
# Symbols that name folders which are read as a whole, wherever they are.
_FOLDERS = re.compile(
    r"BR2_(ROOTFS_OVERLAY|GLOBAL_PATCH_DIR|ROOTFS_SKELETON_CUSTOM_PATH"
    r"|\w+_(DTS_(PATH|DIR)|PATCH(_DIR)?|CUSTOM_\w*(PATH|DIR)))$"
)
# Symbols whose words are for the user's own scripts: folders among them are read, where they may be shown.
_ARGUMENTS = re.compile(r"BR2_ROOTFS_POST_\w*SCRIPT_ARGS$")
_SOURCES = re.compile(r"_OVERRIDE_SRCDIR$")
# Folders of the system: paths of the target, or programs of the host, whose files decide nothing.
_SYSTEM = ("/usr/", "/bin/", "/sbin/", "/lib", "/etc/", "/dev/", "/proc/", "/sys/", "/run/", "/var/", "/boot/")
_RELATIVE = ("board/", "package/", "boot/", "linux/", "fs/", "configs/")
_SHELL = re.compile(r"\$[({](shell|wildcard|file)\b")
_OWN_RULES = re.compile(r"\$[({]wildcard \$[({]BR2_EXTERNAL_\w+_PATH[)}]/[\w/*.-]+[)}]")
_PROJECT = (".rootstream", "out", ".git")
MAKEFILES = "ROOTSTREAM_MAKEFILES"  # the make files that Buildroot has read, beside symbols


def override_file(space: Workspace) -> Path | None:
    """Return where the configuration says that Buildroot's local.mk is."""
    if not space.config.is_file():
        return None
    values = config_values(space.config.read_text("utf-8", "surrogateescape"), "")
    named = expanded(space, values.get("BR2_PACKAGE_OVERRIDE_FILE", '""')[1:-1])
    if not named:
        return None
    return space.original(Path(os.path.normpath(space.tree / named)))  # make reads it in the tree's folder


def _overrides(space: Workspace) -> tuple[Path, ...]:
    """Return local.mk and the source folders that it names."""
    file = override_file(space)
    found = [] if file is None else [file]
    if found and found[0].is_file():
        for line in found[0].read_text("utf-8", "replace").splitlines():
            match = _OVERRIDE.fullmatch(line)
            place = expanded(space, match[1]) if match else ""
            if place.startswith("/"):
                found.append(Path(os.path.normpath(place)))
    return tuple(found)


def of_configuration(space: Workspace, values: Mapping[str, str]) -> dict[str, tuple[Path, ...]]:
    """Return the files and folders that symbols name, by symbol; `values` are as make expands them.

    They may be anywhere, in the tree, too: make begins relative paths there.
    """
    found: dict[str, tuple[Path, ...]] = {}
    for symbol, value in values.items():
        if symbol.startswith("BR2_") and not _NOT_READ.match(symbol):
            given = bool(_ARGUMENTS.match(symbol))
            folders = given or bool(_FOLDERS.search(symbol))
            words = _SPLIT.split(space.of_project(value))
            paths = tuple(path for word in words for path in _named(space, word, folders=folders))
            if given:
                paths = tuple(path for path in paths if path.is_file() or _may_be_shown(space, path))
            if paths:
                found[symbol] = paths
    return found


def _named(space: Workspace, word: str, *, folders: bool) -> Iterator[Path]:
    """Yield what a word of a symbol's value names: nothing, a path, or all that fits a pattern."""
    if "/" not in word or word.strip("/") == "":
        return
    path = Path(os.path.normpath(space.tree / word))
    if "*" in word:
        above = next(each for each in path.parents if "*" not in str(each))
        if "**" not in word and is_near(space, above):
            found = above.glob(str(path.relative_to(above)))
            yield from sorted(each for each in found if _is_input(space, each, folders=folders))
    elif _is_input(space, path, folders=folders) or (
        folders and word.startswith(str(space.project)) and not _is_ours(space, path)
    ):
        yield path


def _may_be_shown(space: Workspace, folder: Path) -> bool:
    home = Path(space.env.get("HOME") or Path.home())
    return folder.is_dir() and (is_near(space, folder) or mounts.is_allowed(folder, home))


def _is_ours(space: Workspace, path: Path) -> bool:
    """Say whether a path is below what a build writes, or above what is looked at by other means."""
    written = (space.original(space.folder), space.caches.downloads, space.caches.ccache)
    above = (space.project, space.tree, *space.own_trees)
    return any(path.is_relative_to(each) for each in written) or any(each.is_relative_to(path) for each in above)


def is_near(space: Workspace, path: Path) -> bool:
    """Say whether a path is in the project or in a tree."""
    return any(path.is_relative_to(each) for each in (space.project, space.tree, *space.own_trees))


def _is_input(space: Workspace, path: Path, *, folders: bool) -> bool:
    try:
        if _is_ours(space, path):
            return False
        near = is_near(space, path)
        if path.is_dir():
            return near or (folders and not f"{path}/".startswith(_SYSTEM))
        return path.is_file() and (near or not str(path).startswith(_SYSTEM))
    except OSError:
        return False


def named(space: Workspace) -> tuple[Path, ...]:
    """Return what the present configuration names outside of the project and the trees, wherever it is.

    Beside files and folders that decide results these are toolchains, and the source folders of local.mk.
    """
    return tuple(dict.fromkeys(path for _, path in named_by(space)))


def named_by(space: Workspace) -> Iterator[tuple[str, Path]]:
    """Yield what `named` returns, each with the symbol that names it."""
    if not space.config.is_file():
        return
    values = named_values(space)
    found = [("BR2_PACKAGE_OVERRIDE_FILE", path) for path in _overrides(space)]
    for symbol, paths in of_configuration(space, values).items():
        found += [(symbol, path) for path in paths]
    found += [
        (name, Path(value[1:-1])) for name, value in values.items() if _TAKEN.match(name) and value[1:2] == "/"
    ]
    yield from (each for each in found if not is_near(space, each[1]))


def named_values(space: Workspace) -> dict[str, str]:
    """Return the values of the .config that name paths, as make expands them."""
    text = space.config.read_text("utf-8", "surrogateescape")
    return {name: expanded(space, value) for name, value in config_values(text, "").items() if "/" in value}


def expanded(space: Workspace, value: str) -> str:
    """Return a value of the .config with the variables that name folders in it, as make knows them."""
    known = {
        "HOME": space.env.get("HOME", ""),
        "TOPDIR": str(space.tree),
        "CONFIG_DIR": str(space.output),
        "BASE_DIR": str(space.output),
    }
    known |= {f"BR2_EXTERNAL_{completed.name_of(each)}_PATH": str(each) for each in space.own_trees}
    return _VARIABLE.sub(lambda match: known.get(match[1], match[0]), value)


def of_rules(space: Workspace, variables: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the files and folders that a package's expanded variables name."""
    texts = (space.of_project(value) for value in variables.values() if "/" in value)
    words = {word.rstrip("/") for text in texts for word in _SPLIT.split(text) if "/" in word}
    built = str(space.original(space.folder))
    paths = {
        Path(os.path.normpath(space.tree / word))
        for word in words
        if word.startswith(("/", *_RELATIVE)) and not word.startswith(built)
    }
    return tuple(sorted(path for path in paths if _is_input(space, path, folders=False)))


def sources(space: Workspace, variables: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the folder of this machine that a package is built from, by local.mk or its own rules, if it is."""
    named = (space.of_project(value) for name, value in variables.items() if _SOURCES.search(name))
    values = (value.strip(" '\"") for value in named)
    return tuple(Path(os.path.normpath(value)) for value in values if value.startswith("/"))


def scripts(space: Workspace, values: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of the scripts that run at the end of a build, but for those that are generated."""
    generated = space.original(space.generated)
    words = [word for symbol, value in values.items() if _SCRIPT.match(symbol) for word in _SPLIT.split(value)]
    return tuple(Path(word).name for word in words if "/" in word and not word.startswith(f"{generated}/"))


def asks_shell(space: Workspace) -> bool:
    """Say whether make files of external trees read files by themselves while make reads them."""
    found = (path for tree in space.own_trees for path in tree.rglob("*.mk"))
    return any(_SHELL.search(_OWN_RULES.sub("", path.read_text("utf-8", "replace"))) for path in found)


def asked_digest(space: Workspace, told: Mapping[str, str]) -> str:
    """Return what stands for all files outside that decide what Buildroot says of its packages.

    `told` are symbols and MAKEFILES as it said them.
    """
    paths = [*_overrides(space), *of_configuration(space, told).get("BR2_GLOBAL_PATCH_DIR", ())]
    paths += _makefiles(space, told)
    return combined([digest_of(space, path) for path in paths], _project(space) if asks_shell(space) else "")


def _makefiles(space: Workspace, told: Mapping[str, str]) -> Iterator[Path]:
    """Yield the make files that were read from elsewhere than the trees."""
    for word in told.get(MAKEFILES, "").split():
        path = Path(os.path.normpath(space.tree / word))
        trees = (space.tree, *space.own_trees, space.original(space.folder))
        if not any(path.is_relative_to(each) for each in trees):
            yield path


def paths(
    space: Workspace, told: Mapping[str, str], variables: Iterable[Mapping[str, str]]
) -> tuple[tuple[Path, ...], bool]:
    """Return all that is outside and not in Buildroot's tree, and whether any file of the project counts, too."""
    found = {*_overrides(space), *_makefiles(space, told)}
    for several in of_configuration(space, told).values():
        found |= set(several)
    for each in variables:
        found |= {*of_rules(space, each), *sources(space, each)}
    beyond = sorted(path for path in found if not path.is_relative_to(space.tree))
    return tuple(beyond), bool(scripts(space, told)) or asks_shell(space)


def digest(space: Workspace, outside: Iterable[Path], *, project: bool) -> str:
    """Return what stands for the present content of what `paths` gave."""
    return combined([digest_of(space, path) for path in outside], _project(space) if project else "")


def project_digest(space: Workspace, told: Mapping[str, str]) -> str:
    """Return what stands for all files of the project where a script may read them, else an empty text."""
    return _project(space) if scripts(space, told) else ""


def combined(*parts: object) -> str:
    """Return one digest of digests."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _project(space: Workspace) -> str:
    note = space.state / "folders" / "project.json"
    skip = (*_PROJECT, *space.tree.relative_to(space.project).parts[:1]) if _within(space) else _PROJECT
    try:
        return digests.together(digests.listing(space.project, note, skip=skip))
    except OSError:  # what cannot be read, or goes meanwhile, is never the same as before
        return os.urandom(16).hex()


def _within(space: Workspace) -> bool:
    """Say whether Buildroot's tree, which is looked at by itself, is a folder of the project."""
    return space.tree != space.project and space.tree.is_relative_to(space.project)


def digest_of(space: Workspace, path: Path) -> str:
    """Return what stands for a file, or for a folder, of which a note is kept: it may be a whole kernel."""
    if not path.is_dir():
        return digests.digest([path], space.original)
    note = space.state / "folders" / f"{combined(str(space.original(path)))}.json"
    return digests.together(digests.listing(path, note, skip=(".git",)))
