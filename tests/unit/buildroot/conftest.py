"""A workspace with nothing in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from rootstream.buildroot.workspace import Workspace, workspace
from rootstream.description.load import load
from rootstream.project.project import find

TEXT = "systems:\n  box:\n    root: {buildroot: {tree: {local: /nowhere}}}\n    images: [files]\n"


@pytest.fixture
def box(tmp_path: Path) -> Workspace:
    """Return a workspace whose output folder is there, and empty; its caches are below the test's folder."""
    (tmp_path / "system.yaml").write_text(TEXT)
    where = find(tmp_path)
    env = {"PATH": "/usr/bin:/bin", "XDG_CACHE_HOME": str(tmp_path / "cache"), "HOME": str(tmp_path / "home")}
    made = workspace(where, load(where.description).systems[0], tmp_path / "tree", env)
    made.output.mkdir(parents=True)
    return made
