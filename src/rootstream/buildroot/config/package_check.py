"""Requests for the kernel, BusyBox and boot loaders against what their own trees made of them.

Buildroot merges fragments and goes on when a symbol is dropped. Here every request of a fragment is compared with
the .config in the package's build folder, right after it was configured and before anything of it is compiled.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from rootstream.archives import digests
from rootstream.buildroot import confined, info, scratch
from rootstream.buildroot.config import requested
from rootstream.buildroot.workspace import Workspace
from rootstream.description.roots import PackageConfig
from rootstream.description.system import ConfigFile
from rootstream.formats.kconfig.fragment import Problem, config_values
from rootstream.project.lock import write_atomically
from rootstream.sandbox.buildroot import requests
from rootstream.sandbox.kconfig.tree import KconfigTree

# Packages whose Kconfig can be asked, and of which kind it is.
KINDS = {"linux": "linux", "busybox": "busybox", "uboot": "linux", "barebox": "linux"}
_ARCH = re.compile(r"(?:^|\s)ARCH=([\w-]+)")


def wanted(space: Workspace) -> dict[str, PackageConfig]:
    """Return the packages that the description configures and that can be checked."""
    return {name: each for name, each in requested.named(space.root.configs).items() if name in KINDS}


def folder(space: Workspace, package: str) -> Path | None:
    """Return the build folder of a package that is configured, or None."""
    known = info.known(space).get(package)
    place = space.output / known.build if known and known.build else None
    return place if place and (place / ".config").is_file() and (place / ".stamp_configured").exists() else None


def at_first(space: Workspace, config: Mapping[str, str]) -> tuple[str, ...]:
    """Return what `unchecked` will say of a configuration of which nothing is built, before Buildroot is asked."""
    return tuple(name for name in wanted(space) if config.get(requested.SELECTED[name]) == "y")


def unchecked(space: Workspace) -> tuple[str, ...]:
    """Return the packages that are to be configured and compared before anything of them is compiled."""
    known = info.known(space)
    return tuple(
        name
        for name, each in wanted(space).items()
        if name in known and (folder(space, name) is None or not _passed(space, name, each))
    )


def _passed(space: Workspace, package: str, each: PackageConfig) -> bool:
    mark = _mark(space, package)
    return mark.is_file() and mark.read_text() == _digest(space, package, each)


def _files(space: Workspace, each: PackageConfig) -> list[Path]:
    base = [each.base.file] if isinstance(each.base, ConfigFile) else []
    return [space.project / path for path in (*base, *each.fragments)]


def _mark(space: Workspace, package: str) -> Path:
    return space.state / f"checked-{package}"


def _digest(space: Workspace, package: str, each: PackageConfig) -> str:
    return digests.digest(_files(space, each)) + " ".join(each.optional) + str(folder(space, package))


def check(space: Workspace, fresh: Collection[str] = ()) -> Iterator[Problem]:
    """Yield the requests that did not come out, of all packages or of those that are `fresh`: configured just now.

    What was configured from other files than the present ones is not compared, which a note says.
    """
    for package, each in wanted(space).items():
        if fresh and package not in fresh:
            continue
        place = folder(space, package)
        if place is None or (not fresh and not _passed(space, package, each)):
            yield Problem(
                severity="note",
                kind="not-checked",
                message=f"the configuration of {package} will be checked when it is built: "
                + ("it is not configured yet" if place is None else "it has changed since"),
            )
            continue
        found = tuple(_compare(space, package, each, place))
        yield from found
        if fresh and not any(problem.severity == "error" for problem in found):
            write_atomically(_mark(space, package), _digest(space, package, each).encode())


def _compare(space: Workspace, package: str, each: PackageConfig, place: Path) -> Iterator[Problem]:
    holding, problems = requests.requests_of((path, space.project / path) for path in each.fragments)
    yield from problems
    result = config_values((place / ".config").read_text("utf-8", "surrogateescape"))
    wanting = requests.unmet(holding, result)
    if not wanting:
        return
    place = scratch.of_package(space, place)  # it is written to
    tree = KconfigTree(
        kind=KINDS[package],
        source=place,
        objects=place,
        make_words=make_words(space, package),
        prefix=_sandbox(space, place),
    )
    yield from requests.reasons(tree, wanting, holding, result, optional(each))


def optional(each: PackageConfig) -> list[str]:
    """Return the symbols that need not come out, without their prefix."""
    return [symbol.removeprefix("CONFIG_") for symbol in each.optional]


def _sandbox(space: Workspace, place: Path) -> tuple[str, ...]:
    return confined.wrapped(space, (), writable=(place,))


def make_words(space: Workspace, package: str) -> tuple[str, ...]:
    """Return the architecture as Buildroot gives it to the package's make."""
    variables = info.variables(space, package)
    for value in variables.values():
        match = _ARCH.search(value)
        if match:
            return (f"ARCH={match[1]}",)
    return ()
