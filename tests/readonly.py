"""A project that nobody can write, on a machine without a network: what commands that only read must work in."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

# The mount is private to the command; in a user namespace an ordinary user may make it, too.
_SCRIPT = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && cd "$0" && exec "$@"'
_UNSHARE = ("unshare", "--mount", "--net", *(() if os.geteuid() == 0 else ("--user", "--map-root-user")))
LONG = 1800.0  # seconds


def snapshot(folder: Path) -> dict[str, tuple[object, ...]]:
    """Return everything below a folder: kind and mode, owner, time, and content or target."""
    found: dict[str, tuple[object, ...]] = {}
    for path in (folder, *folder.rglob("*")):
        status = path.lstat()
        content = ""
        if path.is_symlink():
            content = str(path.readlink())
        elif path.is_file():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        name = str(path.relative_to(folder))
        found[name] = (status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns, content)
    return found


def look(
    folder: Path, *words: str, env: Mapping[str, str] | None = None, status: int | None = 0
) -> subprocess.CompletedProcess[str]:
    """Run rootstream in a folder that it cannot write, without a network; nothing in it may change.

    With `status` the command must end so.
    """
    if subprocess.run([*_UNSHARE, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no namespaces on this machine")
    before = snapshot(folder)
    done = subprocess.run(
        [*_UNSHARE, "sh", "-c", _SCRIPT, str(folder), sys.executable, "-m", "rootstream", *words],
        cwd="/",
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LONG,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert status is None or done.returncode == status, done.stdout + done.stderr
    assert snapshot(folder) == before
    return done
