"""Find and download Python sdists with the host's pip and its index, and run nothing of what is in them.

`pip download` of an sdist would run its build backend on this machine: only pip's finder and session are used.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rootstream.fetch import process
from rootstream.formats.faults import Fault
from rootstream.formats.python_files import NAME, SDIST, Sdist
from rootstream_bst.python import wheels
from rootstream_bst.python.wheels import TIMEOUT, TargetPython

MOST = 1 << 29  # bytes of an sdist
_MISSING = re.compile(r"No matching distribution found for (.*)")
DRIVER = """
import json, pathlib, sys
told = json.load(sys.stdin)
from pip._vendor.packaging import markers
from pip._vendor.packaging.requirements import Requirement
from pip._vendor.packaging.specifiers import SpecifierSet
from pip._vendor.packaging.utils import canonicalize_name
usual = markers.default_environment
markers.default_environment = lambda: {**usual(), **told["markers"]}
from pip._internal.commands import create_command
from pip._internal.models.target_python import TargetPython

def bounded(chunks):
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > told["most"]:
            sys.exit("an sdist of more than %d bytes" % told["most"])
        yield chunk

limits = {}
for line in told["constraints"]:
    limit = Requirement(line)
    if limit.marker is None or limit.marker.evaluate():
        name = canonicalize_name(limit.name)
        limits[name] = limits.get(name, SpecifierSet()) & limit.specifier
command = create_command("download")
options, _ = command.parse_args(["--quiet", "--no-input", "--no-deps", "--no-binary=:all:", "x"])
python = tuple(int(part) for part in told["python"].split("."))
with command.main_context():
    session = command.get_default_session(options)
    finder = command._build_package_finder(
        options=options, session=session, target_python=TargetPython(py_version_info=python)
    )
    found = []
    for line in told["wanted"]:
        wanted = Requirement(line)
        name = canonicalize_name(wanted.name)
        best = finder.find_best_candidate(name, wanted.specifier & limits.get(name, SpecifierSet())).best_candidate
        if best is None:
            sys.exit("No matching distribution found for " + line)
        link = best.link
        if pathlib.PurePosixPath(link.filename).name != link.filename:
            sys.exit("the index names a file with a folder: " + link.filename)
        if link.scheme == "file":
            data = pathlib.Path(link.file_path).read_bytes()
        else:
            answer = session.get(link.url_without_fragment, headers={"Accept-Encoding": "identity"}, stream=True)
            answer.raise_for_status()
            data = b"".join(bounded(answer.iter_content(1 << 20)))
        pathlib.Path(told["folder"], link.filename).write_bytes(data)
        found.append({"name": name, "version": str(best.version), "file": link.filename})
print(json.dumps(found))
"""


@contextmanager
def downloaded(
    target: TargetPython, lines: Sequence[str], constraints: Sequence[str]
) -> Iterator[tuple[Mapping[Sdist, Path], Path]]:
    """Give the sdists that requirement lines take, in a folder.

    Raises `Fault` requirement-refused, no-sdist, pip-failed or program-missing.
    """
    wheels.check_lines((*lines, *constraints))
    with tempfile.TemporaryDirectory(prefix="rootstream-sdists-") as scratch:
        folder = Path(scratch)
        told = {
            "markers": target.markers(),
            "python": target.python,
            "wanted": list(lines),
            "constraints": list(constraints),
            "folder": str(folder),
            "most": MOST,
        }
        done = process.run(
            [wheels.interpreter(), "-c", DRIVER],
            env={**os.environ, "LC_ALL": "C.UTF-8", "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
            timeout=TIMEOUT,
            cwd=scratch,
            stdin=json.dumps(told),
        )
        if done.status != 0:
            detail = process.tail(done.stderr or done.stdout)
            missing = _MISSING.search(done.stderr)
            if missing:
                message = f"no source of a wanted version: {missing[1]}"
                name = NAME.match(missing[1])
                raise Fault("no-sdist", message, detail=detail, asked={name[0]: message} if name else None)
            raise Fault("pip-failed", f"pip ended with status {done.status}", detail=detail, temporary=True)
        rows = json.loads(done.stdout.strip().split("\n")[-1])
        yield {_sdist(row, folder): folder / row["file"] for row in rows}, folder


def _sdist(row: Mapping[str, str], folder: Path) -> Sdist:
    if not SDIST.fullmatch(row["file"]):
        raise Fault("no-sdist", f"{row['file']} is not an sdist of a supported type (.tar.gz, .tar.bz2, .tar.xz)")
    path = folder / row["file"]
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Sdist(
        name=row["name"], version=row["version"], file=row["file"], size=path.stat().st_size, sha256=digest
    )
