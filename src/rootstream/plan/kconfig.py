"""Kconfig fragments and the command that configures a tree with them in the sandbox."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from rootstream.plan import programs
from rootstream.plan.sources import WORK
from rootstream.system import ConfigBase, ConfigFile, NamedDefconfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment:
    """A Kconfig fragment: how messages call it, its file name in the sandbox, its text."""

    shown: str
    file: str
    content: bytes


BASE_FILE = "base.config"


def configure(
    *,
    kind: str,
    arch: str,
    base: ConfigBase,
    fragments: tuple[Fragment, ...],
    optional: tuple[str, ...],
    words: tuple[str, ...] = (),
    modules: bool = True,
) -> str:
    """Return the shell command that configures `tree` and proves that it has what the fragments ask for.

    `words` are those of `make` that decide what the tree finds its compiler to be able to. Without `modules` none
    are built, and a request for one is an error.
    """
    told = ["python3", "-m", programs.module("kconfig"), "configure", "--kind", kind, "--tree", f"{WORK}/tree"]
    told += ["--arch", arch, "--base", _base(base)]
    for word in words:
        told += ["--make-arg", word]
    for fragment in fragments:
        if fragment.file != BASE_FILE:
            told += ["--fragment", f"{fragment.shown}=fragments/{fragment.file}"]
    for symbol in sorted(optional):
        told += ["--optional", symbol]
    if isinstance(base, ConfigFile):
        told += ["--shown-base", base.file]
    told += [] if modules else ["--no-modules"]
    told += ["--report", "kconfig.json"]
    return f"PYTHONPATH={programs.FOLDER} " + shlex.join(told)


def still_right() -> str:
    """Return the shell command that proves, after `make`, that it changed nothing of what was asked for."""
    words = ["python3", "-m", programs.module("kconfig"), "check", "--report", "kconfig.json"]
    return f"PYTHONPATH={programs.FOLDER} " + shlex.join([*words, "--config", f"{WORK}/tree/.config"])


def _base(base: ConfigBase) -> str:
    if isinstance(base, NamedDefconfig):
        return base.defconfig
    if isinstance(base, ConfigFile):
        return f"file:fragments/{BASE_FILE}"
    return base
