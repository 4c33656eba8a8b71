"""What a make of Buildroot that failed is told as: by the end of its log, and what is known of such an end."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from rootstream.buildroot import confined
from rootstream.buildroot.workspace import Workspace
from rootstream.errors import UserError, Where
from rootstream.host import process

# What programs say that ask for an address without a network (getaddrinfo(3), connect(2), Go, Cargo, npm).
_WANTS_NETWORK = re.compile(
    r"(?i)could ?n.t resolve|could not resolve|name resolution|unable to resolve|name or service not known"
    r"|network is unreachable|connection refused|EAI_AGAIN|ENETUNREACH|dial tcp|failed to lookup address"
    r"|NameResolutionError"
)
_NO_NETWORK = (
    "The network is available only during downloads, and something needed it during the build. What it "
    "fetches belongs in its downloads (NAME_EXTRA_DOWNLOADS, a vendored tarball, NAME_DOWNLOAD_DEPENDENCIES); "
    "`network: build` below `buildroot` of system.yaml allows network access during the build."
)
# Buildroot's check of the host, before anything is built or downloaded (support/dependencies/dependencies.sh)
_CHECK = re.compile(r"^make(\[\d+\])?: \*\*\* \[support/dependencies/dependencies\.mk:.*", re.MULTILINE)
# What programs say of a file or program that is not there, and what they call it
_MISSES = re.compile(
    r"^.*(?:No such file or directory|does not exist|doesn't exist|not found|[Cc]an(?:no|')t (?:open|stat)).*$",
    re.MULTILINE,
)
_PATH = re.compile(r"(?<![\w.$)}/-])/[\w@%+=,./-]*\w")
_PROGRAM = re.compile(r"(?:^|[\s/])([\w.+-]+): (?:command )?not found$")
_SHOWN = (
    "that has what the configuration names in full. Copy it into the project; a program has to be in a folder of "
    "PATH that is not in a home."
)
TAIL_LINES = 30
CHECK_LINES = 4
WHOLE = "build.log"


def of(
    workspace: Workspace,
    folder: Path,
    culprit: str | None,
    status: int,
    command: str,
    what: str,
    *,
    network: bool,
    visible: Sequence[Path] = (),
) -> UserError:
    """Return the error of a failed make: the end of the log, where all of it is, how to look inside.

    `network` says whether make had one, `visible` what it was shown by name.
    It is buildroot-failed, or host-refused where Buildroot did not begin.
    """
    path = folder / (f"{culprit}.log" if culprit else WHOLE)
    target, end = workspace.described.target, _end(path)
    refused = None if culprit else _CHECK.search(end)
    if refused:
        return UserError(
            "host-refused",
            f"{target}: Buildroot does not accept this host",
            where=Where(path=path),
            detail=process.tail(end[: refused.start()], CHECK_LINES),
            hint="Only programs in folders of PATH outside of home directories are visible to a build. "
            "`rootstream doctor` names those that Buildroot needs.",
        )
    look = f"`rootstream shell {target}:{culprit}` opens a shell where it failed. " if culprit else ""
    if not network and _WANTS_NETWORK.search(end):
        look = f"{_NO_NETWORK} {look}"
    hidden = _hidden(workspace, end, visible)
    if hidden:
        look = f"{hidden} is on this host, but not visible in the build sandbox: {_SHOWN} {look}"
    return UserError(
        "buildroot-failed",
        f"{target}: {culprit} failed" if culprit else f"{target}: {what} failed ({process.ending(status)})",
        where=Where(path=path),
        detail=workspace.of_project(process.tail(end, TAIL_LINES)),
        hint=f"{look}Full output: {folder / WHOLE}. By hand: {command}",
    )


def _hidden(workspace: Workspace, end: str, visible: Sequence[Path]) -> Path | None:
    """Return what the end of a log misses and this host has, where the sandbox does not show it."""
    for line in reversed(_MISSES.findall(end)):
        words = [Path(os.path.normpath(word)) for word in _PATH.findall(line)]
        program = _PROGRAM.search(line)
        found = shutil.which(program[1], path=workspace.env.get("PATH")) if program else None
        for path in (*words, *([Path(found)] if found else [])):
            if os.path.lexists(path) and not confined.shows(workspace, path, visible):
                return path
    return None


def _end(path: Path, most: int = 64 << 10) -> str:
    """Return the end of a log as text."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - most))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""
