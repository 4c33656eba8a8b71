"""Kconfig fragments and the command that configures a tree with them in the sandbox."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Literal

from rootstream.description.system import ConfigBase, ConfigFile, NamedDefconfig
from rootstream.plan import programs
from rootstream.plan.sources import WORK


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment:
    """A Kconfig fragment: how messages call it, its file name in the sandbox, its text."""

    shown: str
    file: str
    content: bytes


BASE_FILE = "base.config"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked of a source tree with Kconfig.

    `words` are those of `make` that decide what the tree finds its compiler to be able to. `modules` says whether
    modules are built, where there can be some: if not, a request for one is an error, and if so, a configuration
    without any is one. With `static` programs that want a C library are one.
    """

    kind: Literal["linux", "busybox"]
    arch: str
    base: ConfigBase
    fragments: tuple[Fragment, ...]
    optional: tuple[str, ...]
    words: tuple[str, ...] = ()
    modules: bool | None = None
    static: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """An element of the plan that configures a source tree, and what it asks of it."""

    element: str
    asked: Asked


def arguments(asked: Asked, *, folder: str, report: str) -> tuple[str, ...]:
    """Return the arguments of the program that configures the tree and proves that it has what is asked for.

    `folder` is where the fragments are, `report` the file that it writes.
    """
    told = ["configure", "--kind", asked.kind, "--tree", f"{WORK}/tree"]
    told += ["--arch", asked.arch, "--base", _base(asked.base, folder)]
    for word in asked.words:
        told += ["--make-arg", word]
    for fragment in asked.fragments:
        if fragment.file != BASE_FILE:
            told += ["--fragment", f"{fragment.shown}={folder}/{fragment.file}"]
    for symbol in sorted(asked.optional):
        told += ["--optional", symbol]
    if isinstance(asked.base, ConfigFile):
        told += ["--shown-base", asked.base.file]
    if asked.modules is not None:
        told += ["--modules" if asked.modules else "--no-modules"]
    told += ["--static"] if asked.static else []
    return (*told, "--report", report)


def configure(asked: Asked) -> str:
    """Return the shell command that configures the tree in the sandbox."""
    words = (
        "python3",
        "-m",
        programs.module("kconfig.configure"),
        *arguments(asked, folder="fragments", report="kconfig.json"),
    )
    return f"PYTHONPATH={programs.FOLDER} " + shlex.join(words)


def still_right() -> str:
    """Return the shell command that proves, after `make`, that it changed nothing of what was asked for."""
    words = ["python3", "-m", programs.module("kconfig.configure"), "check", "--report", "kconfig.json"]
    return f"PYTHONPATH={programs.FOLDER} " + shlex.join([*words, "--config", f"{WORK}/tree/.config"])


def _base(base: ConfigBase, folder: str) -> str:
    if isinstance(base, NamedDefconfig):
        return base.defconfig
    if isinstance(base, ConfigFile):
        return f"file:{folder}/{BASE_FILE}"
    return base
