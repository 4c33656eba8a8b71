"""Source trees for tests: the tarball that an element was built from, unpacked, as a Git repository."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

from rootstream.engine import Engine
from rootstream.engine.settings import configuration, settings_from
from tests.conftest import extracted


def tarball(built: Path, kind: str, folder: Path) -> Path:
    """Return the tarball that an element of a built project is compiled from."""
    plan = built.parent / "plan"
    states = Engine.of(os.environ).show(plan, ("system-hello.bst",))
    name = next(state.name for state in states if state.name.startswith(f"{kind}-"))
    conf = folder / "buildstream.conf"
    conf.write_text(configuration(settings_from(os.environ), mark=None))
    words = ["source", "checkout", "--deps", "none", "--directory", str(folder / kind), name]
    argv = [sys.executable, "-m", "buildstream", "--config", str(conf), "--no-interactive", *words]
    subprocess.run(argv, cwd=plan, check=True, capture_output=True)
    return next((folder / kind).rglob("source.tar"))


def unpacked(archive: Path, folder: Path) -> Path:
    with tarfile.open(archive) as packed:
        extracted(packed, folder)
    (top,) = folder.iterdir()
    return top


def git(folder: Path, *words: str) -> str:
    given = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    argv = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *words]
    return subprocess.run(argv, cwd=folder, env=given, check=True, capture_output=True, text=True).stdout.strip()


def repository(tree: Path) -> str:
    """Make a folder a Git repository with one commit on main; return the commit."""
    git(tree, "init", "--quiet", "--initial-branch", "main")
    git(tree, "add", "--force", ".")
    git(tree, "commit", "--quiet", "-m", "one")
    return git(tree, "rev-parse", "HEAD")
