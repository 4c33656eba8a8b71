"""What Buildroot says of the packages of a configuration: `make show-info` and all variables, read once.

Buildroot takes 4 to 6 s to read its make files: both questions are put in one call, and the answer is kept until
the configuration, the tree or an external tree changes. A build into an empty folder asks the make that then
builds, which waits for its leave meanwhile (making.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from rootstream.buildroot import confined
from rootstream.buildroot.outside import MAKEFILES, asked_digest
from rootstream.buildroot.workspace import Workspace
from rootstream.errors import UserError
from rootstream.events import Reporter, Step
from rootstream.formats import make_variables
from rootstream.host import process
from rootstream.project.lock import write_atomically

ASKING = 600.0
ASKING_STEP = Step(name="info", text="querying Buildroot for its packages")
NOTE = "info.json"
ASK, VARIABLES, GATE = "rootstream-info", "rootstream-variables", "rootstream-gate"
AT_THE_GATE = "rootstream: all is told"
PIPE = "gate"
HOOKS = make_variables.HOOKS
NO_PACKAGE = ""  # what symbols and MAKEFILES are kept under
# Rules of the generated external tree: all variables of the packages that show-info tells of (Buildroot, Makefile:
# SHOW_INFO_PACKAGES), or of others that the command line names as ROOTSTREAM_ASKED, and a target that waits until
# it is written to a pipe. The names of all variables in one `filter` are too many for make's stack. Of the
# configuration the values that name paths, and what make has read.
RULES = f"""\
ROOTSTREAM_ASKED = $(sort $(foreach each,$(PACKAGES),\\
	$(each) $($(call UPPERCASE,$(each))_FINAL_RECURSIVE_DEPENDENCIES)))
.PHONY: {ASK} {VARIABLES} {GATE}
{ASK}: show-info {VARIABLES}
{VARIABLES}:
	$(eval ROOTSTREAM_PATTERNS := $(foreach each,$(ROOTSTREAM_ASKED),$(call UPPERCASE,$(each))_%))@:
	$(foreach each,$(sort $(foreach each,$(.VARIABLES),$(filter $(ROOTSTREAM_PATTERNS),$(each)))),\\
		$(if $(filter-out environment% default automatic,$(origin $(each))),\\
			$(info $(each)='$(subst ','\\'',$($(each)))')))
	$(foreach each,$(sort $(foreach each,$(.VARIABLES),$(filter BR2_%,$(each)))),\\
		$(if $(and $(filter file,$(origin $(each))),$(findstring /,$($(each)))),\\
			$(info $(each)='$(subst ','\\'',$($(each)))')))
	$(info {MAKEFILES}='$(MAKEFILE_LIST)')
	$(info {HOOKS}='$(TARGET_FINALIZE_HOOKS) $(ROOTFS_PRE_CMD_HOOKS)')
{GATE}: {ASK}
	@echo '{AT_THE_GATE}'; read answer < '$(BR2_EXTERNAL_ROOTSTREAM_PATH)/../state/{PIPE}'
"""
_JOBS = re.compile(r"(?<!\S)-j ?\d+(?!\S)")
FORMAT = 3  # of what is kept
# Buildroot's own packages without a build of their own
_NO_PACKAGE = ("rootfs",)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildrootPackage:
    """A package of a configuration.

    Paths are those of Buildroot: `folder` below the tree or absolute, `build` below the output folder.
    """

    name: str
    kind: str
    version: str
    folder: str
    build: str
    dependencies: tuple[str, ...]
    downloads: tuple[tuple[str, tuple[str, ...]], ...]
    download_folder: str
    hashes: tuple[str, ...]
    patches: tuple[str, ...]
    to_target: bool

    @property
    def prefix(self) -> str:
        """Return what the package's make variables begin with."""
        return prefix_of(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """All packages by name, and the expanded make variables of each; of NO_PACKAGE symbols that name paths."""

    packages: Mapping[str, BuildrootPackage]
    variables: Mapping[str, Mapping[str, str]]


def prefix_of(name: str) -> str:
    """Return what the make variables of a package begin with (Buildroot, package/pkg-utils.mk, UPPERCASE)."""
    return re.sub(r"[-.]", "_", name).upper() + "_"


def package(name: str, told: Mapping[str, Any], variables: Mapping[str, str]) -> BuildrootPackage:
    """Return a package from its part of `make show-info`; variables have what that of older trees does not tell.

    Before 2026 it named no hashes, before 2025 neither the package's folder nor patches from elsewhere
    (BR2_GLOBAL_PATCH_DIR), where a hash file would be, too.
    """
    own = prefix_of(name)
    hashes = variables.get(f"{own}HASH_FILES", "").split()
    folder = str(told.get("package_dir") or variables.get(f"{own}PKGDIR", "")).rstrip("/")
    elsewhere = [place for place in (each.rpartition("/")[0].rstrip("/") for each in hashes) if place != folder]
    downloads = tuple(
        (str(each["source"]), tuple(map(str, each.get("uris", ())))) for each in told.get("downloads", ())
    )
    return BuildrootPackage(
        name=name,
        kind=str(told.get("type", "")),
        version=str(told.get("version", "")),
        folder=folder,
        build=str(told.get("stamp_dir", "")),
        dependencies=tuple(map(str, told.get("dependencies", ()))),
        downloads=downloads,
        download_folder=str(told.get("dl_dir", name)),
        hashes=tuple(map(str, told.get("hashes", hashes))),
        patches=tuple(map(str, told.get("patches", elsewhere))),
        to_target=bool(told.get("install_target", False)),
    )


def answer_of(text: str) -> tuple[dict[str, Any], dict[str, dict[str, str]]]:
    """Return what the target ASK printed: of each package its part and its variables.

    A variable belongs to the package with the longest prefix that fits: LINUX_HEADERS_DIR is not linux's.
    Raises `UserError` buildroot-answer.
    """
    begin = text.find("{")
    try:
        told, end = json.JSONDecoder().raw_decode(text, max(begin, 0))
        packages = packages_of(told, {})
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise UserError(
            "buildroot-answer",
            f"`make show-info` of this Buildroot gave unreadable output: {error}",
            detail=process.tail(text[-2000:]),
        ) from error
    prefixes = {each.prefix: each.name for each in packages.values()}
    found: dict[str, dict[str, str]] = {name: {} for name in (*packages, NO_PACKAGE)}
    for variable, value in make_variables.read(text, end):
        if variable == MAKEFILES or variable.startswith("BR2_"):
            found[NO_PACKAGE][variable] = value
            continue
        parts = variable.split("_")
        for length in range(len(parts) - 1, 0, -1):
            owner = prefixes.get("_".join(parts[:length]) + "_")
            if owner:
                found[owner][variable] = value
                break
    return told, found


def packages_of(
    told: Mapping[str, Any], variables: Mapping[str, Mapping[str, str]]
) -> dict[str, BuildrootPackage]:
    """Return the packages of Buildroot's answer, in its order."""
    return {
        name: package(name, each, variables.get(name, {}))
        for name, each in told.items()
        if each.get("type") not in _NO_PACKAGE
    }


def ask(space: Workspace, key: str, report: Reporter) -> Info:
    """Return what Buildroot says of the present configuration; `key` stands for all that decides the answer.

    Raises `UserError` process-failed with what Buildroot said, buildroot-answer.
    """
    kept = _kept(space)
    if _answers(space, kept, key):
        return _info(kept)
    report(ASKING_STEP)
    return keep(space, key, _make(space, ASK))


def of_no_machine(value: str, searched: str) -> str:
    """Return a make variable without the PATH of this machine (`searched`) and its number of cores."""
    return _JOBS.sub("-j", value.replace(searched, "PATH") if searched else value)


def is_known(space: Workspace, key: str) -> bool:
    """Say whether Buildroot was asked this already."""
    return _answers(space, _kept(space), key)


def _answers(space: Workspace, kept: Mapping[str, Any], key: str) -> bool:
    """Say whether what is kept answers a question: nothing that decides it is another one now."""
    return kept.get("key") == key and kept["asked"] == asked_digest(space, kept["variables"].get(NO_PACKAGE, {}))


def keep(space: Workspace, key: str, text: str) -> Info:
    """Keep an answer of Buildroot, without what is of this machine, and return it.

    Raises `UserError` buildroot-answer.
    """
    packages, variables = answer_of(space.original_text(text))
    searched = space.env.get("PATH", "")
    told = {
        name: {variable: of_no_machine(value, searched) for variable, value in own.items()}
        for name, own in variables.items()
    }
    asked = asked_digest(space, told[NO_PACKAGE])
    kept = {"format": FORMAT, "key": key, "asked": asked, "packages": packages, "variables": told}
    space.state.mkdir(parents=True, exist_ok=True)
    write_atomically(space.state / NOTE, json.dumps(kept).encode("utf-8", "surrogateescape"))
    return _info(kept)


def _make(space: Workspace, *targets: str) -> str:
    # not silent (-s): package rules hand that on (Buildroot, QUIET), and the make that builds is not
    env = {**space.environment(), "TERM": "dumb"}
    return confined.run(space, confined.make(space, *targets), env=env, timeout=ASKING).stdout


def _kept(space: Workspace) -> Mapping[str, Any]:
    path = space.state / NOTE
    try:
        status = path.stat()
        return _read(path, (status.st_ino, status.st_mtime_ns, status.st_size))
    except OSError:
        return {}


@lru_cache(maxsize=4)
def _read(path: Path, stamp: tuple[int, ...]) -> Mapping[str, Any]:
    """Return the note of a file, which is replaced, never changed; `stamp` tells one from the next."""
    del stamp
    try:
        data: Any = json.loads(path.read_text("utf-8", "surrogateescape"))
    except ValueError:
        return {}
    if not isinstance(data, dict) or data.get("format") != FORMAT or not {"packages", "variables"} <= data.keys():
        return {}
    return data


def _info(kept: Mapping[str, Any]) -> Info:
    return Info(packages=packages_of(kept["packages"], kept["variables"]), variables=kept["variables"])


def known(space: Workspace) -> dict[str, BuildrootPackage]:
    """Return the packages that Buildroot named last, or none."""
    kept = _kept(space)
    return dict(_info(kept).packages) if kept else {}


def variables(space: Workspace, name: str) -> dict[str, str]:
    """Return the expanded make variables of a package as Buildroot named them last."""
    return dict(_kept(space).get("variables", {}).get(name, {}))


def overridden(space: Workspace, each: BuildrootPackage) -> bool:
    """Say whether a package is built from a folder of the user's, without any download (Buildroot's local.mk)."""
    variables = _kept(space).get("variables", {}).get(each.name, {})
    return bool(str(variables.get(f"{each.prefix}OVERRIDE_SRCDIR", "")).strip())


def is_installed(space: Workspace, each: BuildrootPackage) -> bool:
    """Say whether a package has been built and installed (Buildroot, pkg-generic.mk, .stamp_installed)."""
    folder = space.output / each.build
    names = (".stamp_installed", ".stamp_host_installed")
    return bool(each.build) and any((folder / name).exists() for name in names)


def packages(space: Workspace) -> tuple[str, ...]:
    """Return the names of the packages that Buildroot named last."""
    return tuple(known(space))


def installed(space: Workspace) -> frozenset[str]:
    """Return the packages that have been built and installed."""
    return frozenset(name for name, each in known(space).items() if is_installed(space, each))


def versions(space: Workspace) -> dict[str, str]:
    """Return the packages that Buildroot named last with their versions."""
    return {name: each.version for name, each in known(space).items()}
