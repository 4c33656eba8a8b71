"""examples/bst-image for tests: copied and pinned, and `bst` with the cache that other tests have filled."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from rootstream.engine import settings_from
from rootstream.engine.settings import configuration
from tests.conftest import DERIVED, LONG, ROOT

EXAMPLE = ROOT / "examples" / "bst-image"
TARGET = "image-x86_64.bst"


def bst(project: Path, scratch: Path, *words: str) -> str:
    """Run bst in a project as its user would, its configuration in `scratch`, and return what it printed."""
    conf = scratch / "buildstream.conf"
    conf.write_text(configuration(settings_from(os.environ), mark=None))
    done = subprocess.run(
        [sys.executable, "-m", "buildstream", "--config", str(conf), "--no-interactive", *words],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=LONG,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-5000:]
    return done.stdout


def copied(folder: Path) -> Path:
    """Return a copy of the example with its refs; they are tracked once and kept, for runs without a network."""
    kept = EXAMPLE / "project.refs"
    if not kept.exists():
        bst(EXAMPLE, folder, "source", "track", "--deps", "all", TARGET)
    return Path(shutil.copytree(EXAMPLE, folder / "image", ignore=DERIVED))
