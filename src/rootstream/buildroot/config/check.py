"""Requested symbols against the result: what was dropped or changed, is unknown, renamed or legacy, and why."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from rootstream.architectures import of_buildroot
from rootstream.buildroot import confined, outside
from rootstream.buildroot.config import configuration, kconfig, logins, requested
from rootstream.buildroot.config.configuration import Composed
from rootstream.buildroot.workspace import Workspace
from rootstream.errors import UserError
from rootstream.formats.kconfig.facts import Reason, reason_for
from rootstream.formats.kconfig.fragment import Problem, Request, same
from rootstream.formats.kconfig.report import chosen_later, doubtful
from rootstream.project.project import DESCRIPTION

FULL = 400  # symbols in a file from which on it is no defconfig but a whole .config
_UNUSED = ("n", '""', "0")  # values of symbols of an older Buildroot that nobody asked for anything with
_LONE_DOLLAR = re.compile(r"\$(?![({])")
_LEGACY = re.compile(r"^config (BR2_\w+)\n((?:\t.*\n|\n)*)", re.MULTILINE)


def check(space: Workspace, composed: Composed) -> tuple[Problem, ...]:
    """Return everything that is wrong or doubtful about a configuration."""
    optional = frozenset(space.root.optional)
    return (
        *composed.problems,
        *_requests(space, composed, optional),
        *_unreadable(composed),
        *_whole(space),
        *_folders(composed),
        *_refused(space, composed),
        *_headers(composed),
        *_architecture(space, composed),
        *_by_hand(space),
        *logins.problems(space, composed),
    )


def as_error(problem: Problem, project: Path) -> UserError:
    """Return a problem as an error with its place."""
    return configuration.as_error(problem, project)


def _requests(space: Workspace, composed: Composed, optional: frozenset[str]) -> Iterator[Problem]:
    # they come out as asked for, and then stop the build; a whole .config names each, with a value that does not
    legacy = legacy_symbols(space) if composed.result.get("BR2_LEGACY") == "y" else {}
    for request in composed.requests.values():
        if request.symbol in legacy and request.value not in _UNUSED:
            yield _legacy(request, legacy[request.symbol], optional)
    wanting = [each for each in doubtful(composed.requests, composed.result, None) if each.symbol not in legacy]
    if not wanting:
        return
    known = kconfig.facts(space, wanting)
    others = {name: about for name, about in known.items() if not isinstance(about, Reason)}
    for request in wanting:
        got = composed.result.get(request.symbol)
        about = known[request.symbol]
        if isinstance(about, Reason):
            if not same(request.value, got) or about.kind == "unknown":
                yield _problem(request, got, about, optional)
        elif not same(request.value, got) and not chosen_later(request, about, composed.requests):
            yield _problem(request, got, reason_for(request.value, got, about, others), optional)


def _unreadable(composed: Composed) -> Iterator[Problem]:
    """Yield texts that change on their way: make includes the .config, with its own meaning of # and $."""
    for request in composed.requests.values():
        if not request.value.startswith('"'):
            continue
        if "#" in request.value:
            reason = "make reads the .config, and takes # as the start of a comment; it cannot be escaped."
        elif _LONE_DOLLAR.search(request.value.replace("$$", "")):
            reason = "make reads the .config, and takes $ as the start of a variable; write $$ for a $."
        else:
            continue
        yield Problem(
            severity="error",
            kind="make-text",
            message=f"{request.symbol}={request.value} would be changed when make reads it",
            symbol=request.symbol,
            file=request.file,
            line=request.line,
            wanted=request.value,
            reason=reason,
        )


def _problem(request: Request, got: str | None, reason: Reason, optional: frozenset[str]) -> Problem:
    asked_for_nothing = same(request.value, got)
    shown = "is not in the final configuration" if got is None else f"has the value {got}"
    wanted = f"{request.symbol}={request.value}"
    message = f"{wanted} has no effect" if asked_for_nothing else f"{wanted} was requested, but {shown}"
    severity = "note" if request.symbol in optional else "warning" if asked_for_nothing else "error"
    return Problem(
        severity=severity,
        kind=f"symbol-{reason.kind}",
        message=message,
        symbol=request.symbol,
        file=request.file,
        line=request.line,
        wanted=request.value,
        got=got,
        reason=kconfig.plain(reason.text),
        details=tuple(map(kconfig.plain, reason.details)),
    )


def _legacy(request: Request, told: str, optional: frozenset[str]) -> Problem:
    return Problem(
        severity="note" if request.symbol in optional else "error",
        kind="symbol-legacy",
        message=f"{request.symbol}={request.value} belongs to an older Buildroot",
        symbol=request.symbol,
        file=request.file,
        line=request.line,
        wanted=request.value,
        reason=told,
    )


def legacy_symbols(space: Workspace) -> dict[str, str]:
    """Return the symbols that Buildroot gave up, with what it says about each (Config.in.legacy)."""
    try:
        content = (space.tree / "Config.in.legacy").read_text("utf-8", "replace")
    except OSError:
        return {}
    found = {}
    for match in _LEGACY.finditer(content):
        help_text = match[2].partition("\thelp\n")[2]
        words = " ".join(line.strip() for line in help_text.split("\n\n")[0].splitlines())
        found[match[1]] = words or "it is listed in Config.in.legacy"
    return found


def _whole(space: Workspace) -> Iterator[Problem]:
    """Yield files that hold a whole .config where a defconfig belongs."""
    path = requested.defconfig_file(space)
    if path is None or not path.is_relative_to(space.project):
        return
    lines = path.read_text("utf-8", "replace").splitlines()
    count = sum(1 for line in lines if line.startswith(("BR2_", "# BR2_")))
    name = str(path.relative_to(space.project))
    if count > FULL:
        first = "" if isinstance(space.root.defconfig, str) else f"Write `defconfig: {name}`; then "
        yield Problem(
            severity="warning",
            kind="whole-config",
            message=f"{count} symbols: this is a full .config, which hides your choices and becomes outdated",
            file=name,
            line=1,
            reason=f"{first}`rootstream config minimize` converts it to a defconfig.",
        )


# Folders that a build is given: Buildroot's default, what is used instead, whether it works with another one.
_GIVEN = {
    "BR2_DL_DIR": ('"$(TOPDIR)/dl"', "Set BR2_DL_DIR in the environment instead.", True),
    "BR2_CCACHE_DIR": (
        '"$(HOME)/.buildroot-ccache"',
        "`ccache: true` of the root uses one for all projects.",
        True,
    ),
    "BR2_HOST_DIR": ('"$(BASE_DIR)/host"', "A build writes only to its output folder: remove it.", False),
}


def _folders(composed: Composed) -> Iterator[Problem]:
    """Yield folders that the user's own files choose and that are Rootstream's to choose."""
    for symbol, (default, reason, works) in _GIVEN.items():
        request = composed.requests.get(symbol)
        if request and request.value not in (default, '""'):
            yield Problem(
                severity="warning" if works else "error",
                kind="folder-given",
                message=f"{symbol}={request.value} is not used"
                if works
                else f"{symbol}={request.value} cannot be used",
                symbol=symbol,
                file=request.file,
                line=request.line,
                wanted=request.value,
                reason=reason,
            )


def _refused(space: Workspace, composed: Composed) -> Iterator[Problem]:
    """Yield paths outside of the project that are named and that no build is shown."""
    if confined.is_off(space.env):
        return
    for symbol, path in dict.fromkeys(outside.named_by(space)):
        try:
            confined.allowed(space, (path,))
        except UserError as error:
            request = composed.requests.get(symbol)
            yield Problem(
                severity="error",
                kind=error.reason,
                message=f"{symbol} names {path}, which is not visible to builds",
                symbol=symbol,
                file=request.file if request else "",
                line=request.line if request else 0,
                reason=confined.NOT_SHOWN,
            )


def _architecture(space: Workspace, composed: Composed) -> Iterator[Problem]:
    """Yield another architecture than the description's: `run` and `verify` would start the wrong machine."""
    got, said = composed.result.get("BR2_ARCH", '""')[1:-1], space.described.system.arch
    known = of_buildroot(composed.result)
    if not got or known == said:
        return
    yield Problem(
        severity="error" if known else "warning",
        kind="other-architecture",
        message=f"arch: {said}, but this configuration is for {got}",
        file=DESCRIPTION,
        line=space.described.lines.get("arch") or space.described.lines.get("root", 0),
        reason=f"Write `arch: {known}`."
        if known
        else "It can be built, but not booted here: there is no machine for it.",
    )


_HEADERS = re.compile(r"BR2_TOOLCHAIN_HEADERS_AT_LEAST_(\d+)_(\d+)")


def _headers(composed: Composed) -> Iterator[Problem]:
    """Yield kernel headers that are newer than the kernel that is built (Buildroot looks only while building)."""
    result = composed.result
    found = [
        (int(match[1]), int(match[2]))
        for symbol, value in result.items()
        if value == "y" and (match := _HEADERS.fullmatch(symbol))
    ]
    version = re.match(r'"?v?(\d+)\.(\d+)', result.get("BR2_LINUX_KERNEL_VERSION", ""))
    if not found or not version or result.get("BR2_LINUX_KERNEL") != "y":
        return
    kernel, headers = (int(version[1]), int(version[2])), max(found)
    if headers > kernel:
        request = composed.requests.get("BR2_LINUX_KERNEL_CUSTOM_VERSION_VALUE") or composed.requests.get(
            "BR2_LINUX_KERNEL"
        )
        yield Problem(
            severity="error",
            kind="headers-newer",
            message=f"kernel headers are {headers[0]}.{headers[1]}, the kernel is {kernel[0]}.{kernel[1]}",
            file=request.file if request else "",
            line=request.line if request else 0,
            reason="Programs may use features that this kernel lacks: choose headers of its version or older.",
        )


def _by_hand(space: Workspace) -> Iterator[Problem]:
    for name, path in configuration.edited_packages(space).items():
        yield Problem(
            severity="error",
            kind="hand-edited",
            message=f"{space.original(path)} was changed by hand since {name} was built",
            reason="`rootstream config save` saves it to the project, `rootstream config discard` discards it.",
        )
