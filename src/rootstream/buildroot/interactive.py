"""What the verbs do in a workspace: pass targets to Buildroot's make, open a shell, find a log, fetch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from rootstream.buildroot import confined, info
from rootstream.buildroot.build import failure, notes
from rootstream.buildroot.config import kconfig
from rootstream.buildroot.info import BuildrootPackage
from rootstream.buildroot.workspace import Workspace
from rootstream.errors import UserError, Where

# Targets that write a configuration, of Buildroot (its Makefile, noconfig_targets) and of packages with Kconfig.
_CONFIGURES = re.compile(
    r"(?:(?P<package>.+)-)?(?P<verb>menuconfig|nconfig|xconfig|gconfig|config|oldconfig|olddefconfig|syncconfig"
    r"|defconfig|savedefconfig|update-defconfig|update-config|rand(?:package)?config"
    r"|all(?:yes|no|mod|def)(?:package)?config)"
)
_NAMED = re.compile(r".+_defconfig|defconfig_.+")
_BEFORE_A_MENU = tuple(f"{step}_DEPENDENCIES" for step in ("KCONFIG", "DOWNLOAD", "EXTRACT", "PATCH"))
# Targets that need no configuration, or only look at it: nothing is brought up to date before them.
_LOOKING = re.compile(
    r"help|list-defconfigs|print-version|printvars|show-vars|show-targets|show-build-order|show-info|show-info-all"
    r"|.+-(?:show-info|show-version|show-depends|show-recursive-depends|show-rdepends|show-recursive-rdepends"
    r"|show-build-order|graph-depends|graph-rdepends|graph-both-depends)"
    r"|graph-(?:depends|build|size)|(?:external|all)?-?source(?:-check)?|external-deps|check-package|manual(?:-.*)?"
    r"|pkg-stats|missing-cpe"
)
_DOWNLOADS = re.compile(r"(?:.+-)?(?:external|all|legal)?-?source(?:-check)?|pkg-stats|missing-cpe")
_GIVEN = re.compile(
    r"(O|BR2_EXTERNAL|BR2_DL_DIR|BR2_CCACHE_DIR|BR2_DEFCONFIG|TOPDIR|BR2_CONFIG)[+:?]?=.*", re.DOTALL
)
_OPTION = re.compile(r"-(s|n|k|i|w|d|p|q|r|B|-silent|-quiet|-dry-run|-just-print|-keep-going|-trace|-question)")


def checked(words: Iterable[str]) -> tuple[str, ...]:
    """Return words for make that change no configuration and nothing that Rootstream decides.

    Raises `UserError` config-target, make-variable, make-option.
    """
    found = tuple(words)
    for word in found:
        _check(word)
    return found


def _check(word: str) -> None:
    if word.startswith("-"):
        if not _OPTION.fullmatch(word):
            hint = "Packages are compiled in parallel anyway; set the number of jobs with `jobs:` of the root."
            raise UserError(
                "make-option",
                f"{word} is not an option of this make",
                hint=hint if word.startswith(("-j", "--jobs", "-l")) else "Supported: -s, -n, -k, -w, -d and V=1.",
            )
        return
    if _GIVEN.fullmatch(word):
        name = word.partition("=")[0]
        raise UserError("make-variable", f"{name} is set by Rootstream", hint="Remove it.")
    match = _CONFIGURES.fullmatch(word)
    if match or _NAMED.fullmatch(word):
        raise _configures(word, match)


def _configures(word: str, match: re.Match[str] | None) -> UserError:
    package, verb = (match["package"], match["verb"]) if match else (None, "defconfig")
    kind = f" {package}" if package else ""
    if verb in kconfig.TOOLS:
        tool = "" if verb == "menuconfig" else f" --tool {verb}"
        hint = f"`rootstream config{kind or ' buildroot'}{tool}` opens it, and saves your changes in the project."
    elif verb in ("savedefconfig", "update-defconfig", "update-config"):
        hint = "`rootstream config` saves automatically; `rootstream config save` saves changes made by hand."
    else:
        hint = "Change the project's files, for example with `rootstream config set SYMBOL=VALUE`."
    return UserError(
        "config-target", f"{word} would change a configuration without the project's files", hint=hint
    )


def looks_only(words: Iterable[str]) -> bool:
    """Say whether these targets build nothing."""
    targets = _targets(words)
    return bool(targets) and all(_LOOKING.fullmatch(target) for target in targets)


def downloads_only(words: Iterable[str]) -> bool:
    """Say whether all that these targets do is to ask the network for something."""
    targets = _targets(words)
    return bool(targets) and all(_DOWNLOADS.fullmatch(target) for target in targets)


def wanted_by(words: Iterable[str], known: Mapping[str, BuildrootPackage]) -> frozenset[str]:
    """Return the packages that targets name, and all that those depend on; all of them where in doubt."""
    targets = _targets(words)
    waiting = []
    for target in targets:
        name = _package_of(target, known)
        if name is None:
            return frozenset(known)
        waiting.append(name)
    found: set[str] = set() if targets else set(known)
    while waiting:
        name = waiting.pop()
        if name not in found and name in known:
            found.add(name)
            waiting += known[name].dependencies
    return frozenset(found)


def worked_on(words: Iterable[str], known: Mapping[str, BuildrootPackage]) -> tuple[str, ...]:
    """Return the packages of which targets name a step: busybox of busybox-rebuild."""
    found = {_package_of(target, known): target for target in _targets(words)}
    return tuple(name for name, target in found.items() if name is not None and name != target)


def _targets(words: Iterable[str]) -> list[str]:
    return [word for word in words if not word.startswith("-") and "=" not in word]


def _package_of(target: str, known: Mapping[str, BuildrootPackage]) -> str | None:
    parts = target.split("-")
    names = ("-".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((each for each in names if each in known), None)


def wanted_by_menu(
    name: str, known: Mapping[str, BuildrootPackage], variables: Mapping[str, str]
) -> frozenset[str]:
    """Return the packages that must be there to edit the configuration of one; `variables` are those of that one.

    It is unpacked and patched itself, and what its Kconfig runs is built; all else that it needs comes later
    (Buildroot, package/pkg-kconfig.mk, package/pkg-generic.mk).
    """
    if name not in known:
        return wanted_by((name,), known)
    needs = {each for step in _BEFORE_A_MENU for each in variables.get(f"{known[name].prefix}{step}", "").split()}
    return frozenset({name}) | (wanted_by(sorted(needs), known) if needs else frozenset())


def hand_to_make(space: Workspace, words: tuple[str, ...], *, network: bool = False) -> int:
    """Run make on our own terminal and return its exit status."""
    command = confined.make(space, *words)
    network = network or space.root.network == "build"
    return confined.hand_over(
        space, command, env=space.environment(), network=network, visible=notes.visible(space)
    )


def build_folder(space: Workspace, package: str) -> Path:
    """Return where a package is built, as Buildroot said. Raises `UserError` not-built."""
    folder = space.output / "build"
    known = info.known(space).get(package)
    found = space.output / known.build if known and known.build else folder
    if found.parent != folder or not found.is_dir():
        raise UserError(
            "not-built",
            f"{package} has no build folder in this workspace",
            where=Where(path=folder),
            hint=f"`rootstream make {package}-extract` creates one; `rootstream show` lists the packages.",
        )
    return found


def log(space: Workspace, package: str | None) -> Path:
    """Return the newest log of a package, or of the whole last build. Raises `UserError` no-log."""
    name = f"{package}.log" if package else failure.WHOLE
    found = sorted(path for path in space.logs.glob(f"*/{name}") if path.parent.name != "latest")
    if not found:
        raise UserError(
            "no-log",
            f"no log of {package or 'a build'} exists",
            where=Where(path=space.logs),
            hint=f"`rootstream build {space.described.target}` builds what is not built yet.",
        )
    return found[-1]
