"""Where the boot server of a project keeps what it trusts: in the user's own state folder, outside of the project.

A clone can bring anything below the project, `out/` included: tokens, builds and records in it would be somebody
else's. The place is that of the XDG Base Directory Specification, with a folder for each project's path.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from pathlib import Path

from rootstream import events
from rootstream.errors import UserError, Where
from rootstream.project.project import Project

_FORMER = ".netboot"  # below out/, where it was kept until 2026


def base(project: Project) -> Path:
    """Return the folder of everything that the boot server keeps; `rootstream clean --out` deletes it.

    Raises `UserError` no-home, state-in-project, and not-ours for one that others may write to.
    """
    mark = hashlib.sha256(os.fsencode(project.folder)).hexdigest()[:16]
    name = re.sub(r"[^A-Za-z0-9_-]", "-", project.folder.name)[:40]
    above = _home() / "rootstream" / "serve"
    folder = above / f"{name}-{mark}"
    if folder.is_relative_to(project.folder) or folder.resolve().is_relative_to(project.folder):
        raise UserError(
            "state-in-project",
            f"the boot server's state would be in the project itself, in {folder}",
            hint="Set XDG_STATE_HOME to a folder outside of it: files of a clone are not trusted.",
        )
    for place in (above, folder):
        _check(place)
    return folder


def made(project: Project) -> Path:
    """Make that folder, for this user alone, if it is not there yet. Raises `UserError` cannot-write, too."""
    folder = base(project)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    except OSError as error:
        hint = "Make it writable, or set XDG_STATE_HOME to one that is."
        message = f"cannot be written: {error.strerror}"
        raise UserError("cannot-write", message, where=Where(path=folder), hint=hint) from error
    return base(project)


def tell_former(project: Project, report: events.Reporter) -> None:
    """Warn of state below `out/`, where an older version kept it: it is not read."""
    former = project.results / _FORMER
    if former.exists() or former.is_symlink():
        text = (
            f"{former} is not used: a clone can bring such a folder. The boot server keeps its builds, boots,"
            f" choices and tokens in {base(project)} now. If it is yours, move what is in it there;"
            " else delete it."
        )
        report(events.Notice(level="warning", text=text))


def _home() -> Path:
    given = Path(os.environ.get("XDG_STATE_HOME", ""))
    if given.is_absolute():
        return given
    try:
        return Path.home() / ".local" / "state"
    except RuntimeError as error:
        hint = "Set XDG_STATE_HOME to a folder."
        raise UserError("no-home", "this user has no home folder", hint=hint) from error


def _check(place: Path) -> None:
    try:
        status = place.lstat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise UserError("cannot-read", f"cannot be read: {error.strerror}", where=Where(path=place)) from error
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        message = "is not a folder that only this user can write to"
        hint = "The boot server keeps tokens in it. Run `chmod go-w` on it, or delete it."
        raise UserError("not-ours", message, where=Where(path=place), hint=hint)


def builds(project: Project) -> Path:
    """Return the folder of the builds."""
    return base(project) / "builds"


def content(project: Project) -> Path:
    """Return the folder of the files of all builds, by their SHA-256."""
    return base(project) / "content"


def state(project: Project) -> Path:
    """Return the path of the database of boots and choices."""
    return base(project) / "state.db"


def tokens(project: Project) -> Path:
    """Return the path of the file with the tokens that may change something; only its owner reads it."""
    return base(project) / "tokens"


def servers(project: Project) -> Path:
    """Return the folder of the notes on servers that run."""
    return base(project) / "servers"


def machine(project: Project, name: str) -> Path:
    """Return the folder of a machine: its console logs, reports and lock."""
    return base(project) / "machines" / name
