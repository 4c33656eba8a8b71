"""Resolve and download Python wheels for another Python than the host's, with the host's pip and its index.

Where packages come from is the user's own pip configuration; nothing of it is remembered, only names and hashes.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rootstream.fetch import process
from rootstream.formats import requirement
from rootstream.formats.faults import Fault
from rootstream.formats.python_files import NAME, WHEEL, Wheel

TIMEOUT = 3600  # seconds
PROBE_TIMEOUT = 60
FIRST_GLIBC = 5
PYTHON = re.compile(r"3\.[0-9]{1,2}")

# pip chooses wheels for the Python it is told, but reads markers (`; python_version < "3.12"`) by its own. What is
# no wheel it would build here, whatever `--only-binary` says, where a direct reference names it: it may start no
# program but those that it asks about the host, and what packages need may not be direct references.
DRIVER = """
import json, os, sys
from pip._vendor.packaging import markers
given = json.loads(sys.argv.pop(1))
usual = markers.default_environment
markers.default_environment = lambda: {**usual(), **given}
from pip._internal.cli import req_command
from pip._internal.exceptions import InstallationError
ASKED = ("keyring", "lsb_release", "rustc")
STARTS = ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.spawn", "os.system")

def watch(event, args):
    if event not in STARTS:
        return
    if event == "subprocess.Popen" and os.path.basename(str(args[0])) in ASKED and args[2] is None:
        return
    raise PermissionError("rootstream: needs-building")

from_string = req_command.install_req_from_req_string

def plain(text, *args, **words):
    if "@" in text.partition(";")[0]:
        raise InstallationError(f"rootstream: direct-reference {text}")
    return from_string(text, *args, **words)

req_command.install_req_from_req_string = plain
sys.addaudithook(watch)
from pip._internal.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
_BUILDS = "rootstream: needs-building"
_DIRECT = re.compile(r"rootstream: direct-reference (.*)")
_MISSING = re.compile(r"(?:No matching distribution found for (?P<name>[A-Za-z0-9._-]+)|ResolutionImpossible).*")


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetPython:
    """The Python that the wheels are for: its version (3.13), the machine (x86_64), the minor version of glibc."""

    python: str
    machine: str
    glibc: int

    def options(self) -> list[str]:
        """Return pip's options that choose wheels for this Python."""
        words = ["--only-binary=:all:", "--implementation=cp", f"--python-version={self.python}"]
        words += [f"--abi={abi}" for abi in ("cp" + self.python.replace(".", ""), "abi3", "none")]
        tags = [f"manylinux_2_{minor}" for minor in range(self.glibc, FIRST_GLIBC - 1, -1)]
        tags += ["manylinux2014", "manylinux2010", "manylinux1", "linux"]
        return words + [f"--platform={tag}_{self.machine}" for tag in tags]

    def markers(self) -> dict[str, str]:
        """Return what environment markers mean there."""
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{self.python}.0",
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_system": "Linux",
            "python_full_version": f"{self.python}.0",
            "python_version": self.python,
            "sys_platform": "linux",
        }


@functools.cache
def interpreter() -> str:
    """Return a Python of the host that has pip; raises `Fault` program-missing."""
    for candidate in dict.fromkeys((sys.executable, "/usr/bin/python3")):
        try:
            done = process.run([candidate, "-m", "pip", "--version"], env=os.environ, timeout=PROBE_TIMEOUT)
        except Fault:
            continue
        if done.status == 0:
            return candidate
    raise Fault(
        "program-missing",
        "pip was not found on this host",
        detail="Install python3-pip, or pip beside Rootstream (python3 -m ensurepip).",
    )


@contextmanager
def downloaded(
    target: TargetPython, lines: Sequence[str], constraints: Sequence[str], *words: str, kept: Sequence[str] = ()
) -> Iterator[Path]:
    """Give a folder with the wheels that requirement lines take; `words` are further options of pip.

    `kept` are constraints (name==version) that the user did not write. Nothing that is downloaded is run. Raises
    `Fault` requirement-refused, needs-building, no-wheel, pip-failed, pinned-versions or program-missing.
    """
    check_lines((*lines, *constraints, *kept))
    with tempfile.TemporaryDirectory(prefix="rootstream-wheels-") as scratch:
        folder = Path(scratch, "wheels")
        folder.mkdir()
        wanted, limits = Path(scratch, "requirements.txt"), Path(scratch, "constraints.txt")
        wanted.write_text("".join(f"{line}\n" for line in lines))
        limits.write_text("".join(f"{line}\n" for line in (*constraints, *kept)))
        argv = [interpreter(), "-c", DRIVER, json.dumps(target.markers()), "--disable-pip-version-check"]
        argv += ["download", "--quiet", "--no-input", "--dest", str(folder), *target.options(), *words]
        argv += ["-r", str(wanted), "-c", str(limits)]
        done = process.run(argv, env={**os.environ, "LC_ALL": "C.UTF-8"}, timeout=TIMEOUT, cwd=scratch)
        if done.status != 0:
            raise _failure(target, done, kept)
        yield folder


def check_lines(lines: Iterable[str]) -> None:
    """Raise `Fault` requirement-refused for what is more than a name with versions."""
    for line in lines:
        problem = requirement.problem(line)
        if problem is not None:
            raise Fault("requirement-refused", problem)


def _failure(target: TargetPython, done: process.CompletedTool, kept: Sequence[str]) -> Fault:
    detail = process.tail(done.stderr or done.stdout)
    direct = _DIRECT.search(done.stderr)
    if direct:
        return Fault("requirement-refused", f"a package needs {direct[1]!r}, a direct reference", detail=detail)
    if _BUILDS in done.stderr:
        return Fault("needs-building", "packages without a wheel are not built on this host", detail=detail)
    match = _MISSING.search(done.stderr)
    if (
        match
        and kept
        and (not match["name"] or any(each.startswith(f"{plain_name(match['name'])}==") for each in kept))
    ):
        message = f"Python {target.python}: packages cannot be resolved with the versions that are pinned already"
        return Fault("pinned-versions", message, detail=detail)
    if match:
        message = f"no wheels for Python {target.python} on {target.machine}: {match[0]}"
        return Fault("no-wheel", message, detail=detail, asked={match["name"]: message} if match["name"] else None)
    return Fault("pip-failed", f"pip ended with status {done.status}", detail=detail, temporary=True)


def plain_name(line: str) -> str:
    """Return the normalized name of a requirement line (PEP 503)."""
    match = NAME.match(line.strip())
    return re.sub(r"[-_.]+", "-", match[0]).lower() if match else ""


def found(folder: Path) -> Iterator[tuple[Wheel, Path]]:
    """Yield the wheels of a folder, sorted by name; raises `Fault` no-wheel for what is none."""
    for path in sorted(folder.iterdir(), key=lambda each: each.name.lower()):
        match = WHEEL.fullmatch(path.name)
        if not match:
            raise Fault("no-wheel", f"{path.name} is not a wheel")
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        name = re.sub(r"[-_.]+", "-", match[1]).lower()
        yield (
            Wheel(name=name, version=match[2], file=path.name, size=path.stat().st_size, sha256=digest),
            path,
        )
