"""Rootstream's own programs for the sandbox, as elements: a change of one rebuilds only what runs it."""

from __future__ import annotations

from importlib import resources

from rootstream.plan import base
from rootstream.plan.model import Dependency, Element
from rootstream.plan.sources import local

FOLDER = "/rootstream"
BYTECODE = "/bytecode"
KCONFIG = "programs-kconfig.bst"
IMAGES = "programs-images.bst"
COMPILED = "programs-compiled.bst"
PACKAGE = "rootstream/sandbox"
SESSION = "kconfig_session.py"  # for whoever changes a configuration: no build runs it


def module(name: str) -> str:
    """Return the name of a program for `python3 -m` with PYTHONPATH at `FOLDER`."""
    return f"{PACKAGE.replace('/', '.')}.{name}"


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


def _belongs(name: str) -> str | None:
    if name in ("__init__.py", SESSION):
        return None
    if name.startswith("kconfig") and name.endswith((".py", ".c")):
        return KCONFIG
    return IMAGES if name.endswith(".py") else None


def elements() -> tuple[tuple[Element, ...], dict[str, bytes]]:
    """Return the elements that hold the programs, and their files."""
    files: dict[str, bytes] = {}
    for name in (KCONFIG, IMAGES):
        folder = f"files/{name.removesuffix('.bst')}"
        files[f"{folder}/{PACKAGE}/__init__.py"] = b""
        files[f"{folder}/{PACKAGE.split('/', maxsplit=1)[0]}/__init__.py"] = b""
        for item in resources.files("rootstream.sandbox").iterdir():
            if item.is_file() and _belongs(item.name) == name:
                files[f"{folder}/{PACKAGE}/{item.name}"] = item.read_bytes()
    made = tuple(
        Element(
            name=name,
            kind="import",
            description="Programs of Rootstream that run in the sandbox",
            sources=(local(f"files/{name.removesuffix('.bst')}", directory=FOLDER.lstrip("/")),),
        )
        for name in (KCONFIG, IMAGES)
    )
    return (*made, _compiled()), files


def for_a_session() -> dict[str, bytes]:
    """Return the programs of a session with a configuration, by their path in a folder of PYTHONPATH."""
    files = {f"{PACKAGE}/__init__.py": b"", f"{PACKAGE.split('/', maxsplit=1)[0]}/__init__.py": b""}
    for item in resources.files("rootstream.sandbox").iterdir():
        if item.name == SESSION or _belongs(item.name) == KCONFIG:
            files[f"{PACKAGE}/{item.name}"] = item.read_bytes()
    return files
