"""Whether a package's make variables are the same in the part of the tree that it is built from as in the whole.

    python3 -m rootstream.sandbox.buildroot.variables ROOT ANSWER STAGED RESULT -- MAKE...

STAGED names for each package, level by level, the files and folders below ROOT that it is built from, and a file
with its part of the configuration: `fewest` without the symbols that only images are made from (the host name and
more), `released` with the release, `fuller` with all symbols that its rules name, `wider` with the packages
that name its variables or whose variables it names. Of the files a copy of ROOT is made, of links, which make
reads (0.5 s) and prints the variables of the package from.
ANSWER has what make printed of the whole tree.

RESULT gets what packages need beyond the fewest, by name: the first level that is enough, or `whole` for the whole
tree, with the variables for which. A variable that only a symbol of images changes counts where Buildroot's rules
for all packages use it: what these do not use, directly or in the value of another one, matters only when images
are made.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rootstream.formats import make_variables
from rootstream.sandbox.program import Mistake, run_main

TAIL = 2000
MAKE = "make:"  # before what make said, where it cannot read a part of the tree
# What depends on a package, and what make has computed by chance (pkg-generic.mk)
_LAST = ("_TARGET_FINALIZE_HOOKS", "_ROOTFS_PRE_CMD_HOOKS")
_OF_RULES = re.compile(r"\$\((?:PKG|[1-4])\)_([A-Z0-9_]+)")
_HASHES = "_HASH_FILES"
_OF_OTHERS = re.compile(r"_(R|FINAL_RECURSIVE_R?)DEPENDENCIES(__X)?$")


def linked(root: Path, paths: Iterable[str], into: Path) -> None:
    """Make links to some files and folders below `root` at the same places below another folder."""
    for path in paths:
        place = into / Path(path).relative_to(root)
        if Path(path).exists() and not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(path)


def compared(
    package: str, levels: Mapping[str, Mapping[str, Any]], options: argparse.Namespace, answer: MakeAnswer
) -> dict[str, list[str]]:
    """Return what a package needs beyond its part of tree and configuration, with the variables for which."""
    before: dict[str, list[str]] = {}
    for level, staged in levels.items():
        try:
            found = differing_of(package, staged, options, answer)
        except subprocess.CalledProcessError as error:
            found = [f"{MAKE} {error.stderr[-TAIL:].strip()}"]
        if found:
            before[level] = found
            continue
        if level == "fuller":  # of what differed before, some matters only when images are made
            before = {each: _before_images(package, told, answer) for each, told in before.items()}
        enough = next((each for each, told in before.items() if not told), level)
        why = [told for each, told in before.items() if each != enough]
        return {enough: why[-1]} if why and enough != next(iter(levels)) else {}
    return {"whole": list(before.values())[-1]}


def differing_of(
    package: str, staged: Mapping[str, Any], options: argparse.Namespace, answer: MakeAnswer
) -> list[str]:
    """Return the variables of a package that differ with what is staged.

    Raises `subprocess.CalledProcessError`.
    """
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for path, other in staged["instead"].items():
            place = root / Path(path).relative_to(options.root)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(other)
        linked(options.root, sorted(staged["paths"]), root)
        return _differing(package, printed(package, root, staged["config"], options), answer)


def _before_images(package: str, variables: list[str], answer: MakeAnswer) -> list[str]:
    """Return those of some variables that are used before images are made."""
    hooks, early = answer.hooks_of(package), (each for each in variables if not each.endswith(_LAST))
    return [each for each in early if each.startswith(MAKE) or each in hooks or answer.is_used(each, package)]


def printed(package: str, root: Path, config: str, options: argparse.Namespace) -> dict[str, str]:
    """Return the variables that make prints of a package. Raises `subprocess.CalledProcessError`."""
    output = root / "output"
    shutil.rmtree(output, ignore_errors=True)
    auto = output / "build" / "buildroot-config" / "auto.conf"
    auto.parent.mkdir(parents=True)
    shutil.copyfile(config, output / ".config")
    os.utime(output / ".config", (0, 0))
    auto.touch()
    words = [word.replace(str(options.root), str(root)) for word in options.make]
    argv = [*words, f"ROOTSTREAM_ASKED={package}", "rootstream-variables"]
    done = subprocess.run(argv, capture_output=True, text=True, errors="surrogateescape", check=True)
    return dict(make_variables.read(done.stdout.replace(str(root), str(options.root))))


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeAnswer:
    """What make printed of the whole tree, and the parts of variables' names that rules for all packages use."""

    variables: Mapping[str, str]
    used: frozenset[str]

    def hooks_of(self, package: str) -> set[str]:
        """Return the names of what a package's own steps run as hooks."""
        own = (each for each in self.variables if _belongs(each, package, self.variables))
        names = (each for each in own if each.endswith("_HOOKS") and not each.endswith(_LAST))
        return {word for each in names for word in self.variables[each].split()}

    def is_used(self, variable: str, package: str) -> bool:
        """Say whether rules for all packages use a variable of a package."""
        return variable.removeprefix(f"{_prefix(package)}_") in self.used


def _differing(package: str, found: Mapping[str, str], answer: MakeAnswer) -> list[str]:
    whole = answer.variables
    names = {each for each in whole.keys() | found.keys() if _belongs(each, package, whole)}
    last = {*whole.get(make_variables.HOOKS, "").split()} - answer.hooks_of(package)
    return sorted(each for each in names - last if _meant(each, found) != _meant(each, whole))


def _meant(variable: str, values: Mapping[str, str]) -> str | list[str] | None:
    """Return the value of a variable; of files with hashes elsewhere, only those that are there."""
    value = values.get(variable)
    if value is None or not variable.endswith(_HASHES):
        return value
    return [each for each in value.split() if not each.startswith("/") or Path(each).exists()]


def rules(root: Path) -> frozenset[str]:
    """Return what Buildroot's rules for all packages append to a package's prefix, as BUILD_CMDS."""
    files = [
        path
        for folder in ("package", "fs", "linux", "boot", "support")
        for path in (root / "tree" / folder).glob("*.mk")
    ]
    return frozenset(name for path in files for name in _OF_RULES.findall(path.read_text(errors="replace")))


def _prefix(package: str) -> str:
    return package.upper().replace("-", "_").replace(".", "_")


def _belongs(variable: str, package: str, whole: Mapping[str, str]) -> bool:
    """Say whether a variable is a package's own: SKELETON_CUSTOM_SITE is not one of skeleton."""
    prefix = _prefix(package)
    if not variable.startswith(f"{prefix}_") or _OF_OTHERS.search(variable):
        return False
    parts = variable.split("_")
    longer = ("_".join(parts[:length]) for length in range(prefix.count("_") + 2, len(parts)))
    return all(f"{each}_PKGDIR" not in whole for each in longer)


def main(options: argparse.Namespace) -> None:
    """Compare all packages."""
    variables = dict(make_variables.read(options.answer.read_text(errors="surrogateescape")))
    staged: dict[str, Mapping[str, Any]] = json.loads(options.staged.read_text())
    if not variables:
        raise Mistake(f"{options.answer} has no variables")
    answer = MakeAnswer(variables=variables, used=rules(options.root))
    with ThreadPoolExecutor(int(os.environ.get("JOBS") or 1)) as several:
        waiting = {name: several.submit(compared, name, each, options, answer) for name, each in staged.items()}
        found = {name: each.result() for name, each in waiting.items()}
    options.result.write_text(json.dumps({name: each for name, each in found.items() if each}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="variables")
    for name in ("root", "answer", "staged", "result"):
        parser.add_argument(name, type=Path)
    parser.add_argument("make", nargs="+")
    raise SystemExit(run_main(main, parser))
