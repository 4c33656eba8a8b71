"""Post-fakeroot script: owners, modes and comments by name, in the copy of target/ that a file system is made of.

Runs under fakeroot, after Buildroot has made the users: `post_fakeroot.py DATA.json TARGET`.
"""

from __future__ import annotations

import fnmatch
import json
import os
import stat
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


class Mistake(Exception):  # noqa: N818  (the user's)
    """Something the user has to fix; the message says what."""


def numbers(target: Path, name: str) -> dict[str, tuple[int, int]]:
    """Return the numbers in /etc/passwd (user and group) or /etc/group (twice the same) by name."""
    found = {}
    for line in (target / "etc" / name).read_text("utf-8", "surrogateescape").split("\n"):
        parts = line.split(":")
        if len(parts) > 3 and parts[2].isdigit():  # noqa: PLR2004  (passwd(5), group(5))
            group = parts[3] if name == "passwd" and parts[3].isdigit() else parts[2]
            found[parts[0]] = (int(parts[2]), int(group))
    return found


def keys(target: Path, users: Mapping[str, str]) -> None:
    """Give each user's .ssh folder and keys to the user, with the modes that sshd insists on."""
    known = numbers(target, "passwd")
    for user, home in users.items():
        if user not in known:
            raise Mistake(f"there is no user {user!r} in the image")
        uid, gid = known[user]
        folder = target / home.lstrip("/") / ".ssh"
        for path, mode in ((folder, 0o700), (folder / "authorized_keys", 0o600)):
            if path.is_symlink():
                raise Mistake(f"{path.relative_to(target)} is a link")
            os.chown(path, uid, gid)
            path.chmod(mode)


def chosen(target: Path, pattern: str) -> Iterator[Path]:
    """Return the files that a path of the description names; `*` stands for any name in its last part."""
    folder, _, last = pattern.strip("/").rpartition("/")
    base = target / folder
    if not base.resolve().is_relative_to(target.resolve()):
        raise Mistake(f"{pattern} is behind a link that leads out of the image")
    names = (
        fnmatch.filter([path.name for path in base.iterdir()], last) if "*" in last and base.is_dir() else [last]
    )
    yield from (base / name for name in sorted(names))


def permission(target: Path, told: Mapping[str, Any]) -> None:
    """Set owner, group and mode of what a permission names."""
    users, groups = numbers(target, "passwd"), numbers(target, "group")
    found = [path for path in chosen(target, told["path"]) if os.path.lexists(path)]
    if not found:
        raise Mistake(f"permissions: there is no {told['path']} in the image")
    for top in found:
        inner = (Path(folder) / name for folder, dirs, files in os.walk(top) for name in (*dirs, *files))
        for path in (top, *(inner if told.get("recursive") and not top.is_symlink() else ())):
            status = path.lstat()
            uid = owner(told.get("owner"), users, status.st_uid, "user")
            gid = owner(told.get("group"), groups, status.st_gid, "group")
            os.chown(path, uid, gid, follow_symlinks=False)
            if told.get("mode") is not None and not stat.S_ISLNK(status.st_mode):
                path.chmod(told["mode"])


def owner(wanted: str | int | None, known: Mapping[str, tuple[int, int]], otherwise: int, what: str) -> int:
    """Return the number of a user or group given by name or number."""
    if wanted is None or isinstance(wanted, int):
        return otherwise if wanted is None else wanted
    if wanted not in known:
        raise Mistake(f"there is no {what} {wanted!r} in the image; there are {', '.join(sorted(known))}")
    return known[wanted][0]


def comments(target: Path, told: Mapping[str, str]) -> None:
    """Set the comment field of users, which a users table cannot hold as it is if there is a # in it."""
    path = target / "etc" / "passwd"
    lines = path.read_text("utf-8", "surrogateescape").split("\n")
    for number, line in enumerate(lines):
        parts = line.split(":")
        if parts[0] in told and len(parts) > 4:  # noqa: PLR2004  (passwd(5))
            parts[4] = told[parts[0]]
            lines[number] = ":".join(parts)
    path.write_text("\n".join(lines), "utf-8", "surrogateescape")


def main(argv: list[str]) -> int:
    """Apply the data to the copy of the target; the exit status is 0, or 2 with a message."""
    data = json.loads(Path(argv[1]).read_text("utf-8"))
    target = Path(argv[2])
    try:
        comments(target, data.get("comments", {}))
        keys(target, data.get("keys", {}))
        for told in data.get("modes", ()):
            permission(target, told)
        for told in data.get("permissions", ()):
            permission(target, told)
    except (Mistake, OSError) as mistake:
        sys.stderr.write(f"system.yaml: {mistake}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
