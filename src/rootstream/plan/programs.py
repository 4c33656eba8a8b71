"""Rootstream's own programs for the sandbox, as elements: a change of one rebuilds only what runs it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib import resources
from importlib.abc import Traversable

from rootstream.plan import base
from rootstream.plan.model import Dependency, Element
from rootstream.plan.sources import local

FOLDER = "/rootstream"
BYTECODE = "/bytecode"
KCONFIG = "programs-kconfig.bst"
IMAGES = "programs-images.bst"
BUILDROOT = "programs-buildroot.bst"
PROOF = "programs-proof.bst"
REQUESTS = "programs-requests.bst"
LISTING = "programs-listing.bst"
FILLING = "programs-filling.bst"
CONTENTS = "programs-contents.bst"
MISSED = "programs-missed.bst"
INVENTORY = "programs-inventory.bst"
COMPILED = "programs-compiled.bst"
MISSED_LIBRARY = f"{FOLDER}/missed.so"
PACKAGE = "rootstream.sandbox"
# What each element holds: programs, or packages that hold programs, and files beside modules that they read.
PROGRAMS = {
    KCONFIG: ("kconfig",),
    IMAGES: ("images", "rootfs"),
    BUILDROOT: ("buildroot.additions",),
    PROOF: ("buildroot.variables",),
    REQUESTS: ("buildroot.requests",),
    LISTING: ("buildroot.listing",),
    FILLING: ("buildroot.filling",),
    CONTENTS: ("buildroot.inventory",),
    INVENTORY: ("inventory",),
}
_EXPLAIN = ("rootstream/formats/kconfig/explain.c",)
DATA = {KCONFIG: _EXPLAIN, REQUESTS: _EXPLAIN}
# As the formatter writes them: nothing else on the line, no comments between the names.
_IMPORT = re.compile(r"^from (rootstream[a-z0-9_.]*) import (\([^)#]*\)|[^(\n#]+)", re.MULTILINE)
CONFIG_EDIT = "kconfig.config_edit"  # for whoever changes a configuration: no build runs it


def module(name: str) -> str:
    """Return the name of a program for `python3 -m` with PYTHONPATH at `FOLDER`."""
    return f"{PACKAGE}.{name}"


def command(name: str) -> str:
    """Return the beginning of a command that runs a program of `needs`."""
    return f"PYTHONPATH={FOLDER} PYTHONPYCACHEPREFIX={BYTECODE} python3 -m {module(name)}"


def needs() -> tuple[Dependency, ...]:
    """Return the programs for images with their byte code."""
    return (Dependency(element=IMAGES), Dependency(element=COMPILED))


def _compiled() -> Element:
    """Return the byte code of the programs for images."""
    words = [f"PYTHONPATH={FOLDER}", f'PYTHONPYCACHEPREFIX="%{{install-root}}{BYTECODE}"']
    return Element(
        name=COMPILED,
        kind="manual",
        description="Byte code of Rootstream's programs, and of what they take of Python",
        builds_with=(Dependency(element=base.NAME), Dependency(element=IMAGES)),
        commands=(" ".join([*words, "python3 -m", module("bytecode")]),),
        variables={"strip-binaries": ""},
    )


def elements() -> tuple[tuple[Element, ...], dict[str, bytes]]:
    """Return the elements that hold the programs for Kconfig, images and inventories, and their files."""
    made, files = _imports(KCONFIG, IMAGES, INVENTORY)
    return (*made, _compiled()), files


def of_buildroot(name: str = BUILDROOT) -> tuple[Element, dict[str, bytes]]:
    """Return the element of the programs for Buildroot's packages, or of those of `name`, and its files."""
    (made,), files = _imports(name)
    return made, files


def of_missed(built_with: str) -> tuple[Element, dict[str, bytes]]:
    """Return the element with a library that notes what is looked for in vain, and its source."""
    folder = f"files/{MISSED.removesuffix('.bst')}"
    place = f"%{{install-root}}{FOLDER}"
    compile_it = f'gcc -O2 -Wall -shared -fPIC -o "%{{install-root}}{MISSED_LIBRARY}" missed.c'
    made = Element(
        name=MISSED,
        kind="manual",
        description="What notes which files are looked for in vain",
        sources=(local(folder),),
        builds_with=(Dependency(element=built_with),),
        commands=(f'mkdir -p "{place}"', compile_it),
        variables={"strip-binaries": ""},
    )
    return made, {f"{folder}/missed.c": _file("rootstream/sandbox/buildroot/missed.c").read_bytes()}


def _imports(*names: str) -> tuple[tuple[Element, ...], dict[str, bytes]]:
    files = {
        f"files/{name.removesuffix('.bst')}/{path}": content
        for name in names
        for path, content in _files(name).items()
    }
    made = tuple(
        Element(
            name=name,
            kind="import",
            description="Programs of Rootstream that run in the sandbox",
            sources=(local(f"files/{name.removesuffix('.bst')}", directory=FOLDER.lstrip("/")),),
        )
        for name in names
    )
    return made, files


def for_config_edit() -> dict[str, bytes]:
    """Return the programs that change a configuration, by their path in a folder of PYTHONPATH."""
    return _files(KCONFIG, module(CONFIG_EDIT))


@cache
def _files(name: str, *more: str) -> dict[str, bytes]:
    """Return the programs of an element with the modules that they import, by their paths below `FOLDER`."""
    wanted = [*_programs(name), *more]
    found: dict[str, bytes] = {}
    for each in wanted:
        path, content = _source(each)
        if path in found:
            continue
        found[path] = content
        wanted += _imported(content)
        folders = path.split("/")[:-1]
        found |= {"/".join([*folders[:depth], "__init__.py"]): b"" for depth in range(1, len(folders) + 1)}
    for path in DATA.get(name, ()):
        found[path] = _file(path).read_bytes()
    return dict(sorted(found.items()))


def _programs(name: str) -> Iterator[str]:
    if name == IMAGES:
        yield module("bytecode")
    for package in PROGRAMS[name]:
        if _exists(module(package)):
            yield module(package)
            continue
        for item in sorted((resources.files(PACKAGE) / package).iterdir(), key=lambda item: item.name):
            program = f"{package}.{item.name.removesuffix('.py')}"
            if item.name.endswith(".py") and item.name != "__init__.py" and program != CONFIG_EDIT:
                yield module(program)


def _source(name: str) -> tuple[str, bytes]:
    path = f"{name.replace('.', '/')}.py"
    return path, _file(path).read_bytes()


def _imported(content: bytes) -> Iterator[str]:
    """Return the modules of Rootstream that a module imports; parsing it would be half of a build of nothing."""
    for module_name, names in _IMPORT.findall(content.decode()):
        for alias in names.strip("()").split(","):
            if words := alias.split():
                name = f"{module_name}.{words[0]}"
                yield name if _exists(name) else module_name


@cache
def _exists(name: str) -> bool:
    return _file(f"{name.replace('.', '/')}.py").is_file()


def _file(path: str) -> Traversable:
    """Return a file of this package by its path below the folder that the package is in."""
    return _package() / path.removeprefix("rootstream/")


@cache
def _package() -> Traversable:
    return resources.files("rootstream")
