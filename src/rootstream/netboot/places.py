"""Where the boot server of a project keeps what it must not lose: below out/, beside the results."""

from __future__ import annotations

from pathlib import Path

from rootstream.project import Project

FOLDER = ".netboot"


def base(project: Project) -> Path:
    """Return the folder of everything that the boot server keeps; `rootstream clean --out` deletes it."""
    return project.results / FOLDER


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
