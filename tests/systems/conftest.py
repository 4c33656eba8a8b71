"""The examples as a user takes them: copied, pinned, built from source, booted. Each kernel takes minutes."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import DERIVED, ROOT, rootstream

Example = Callable[..., Path]


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory) -> Example:
    """Return a function that gives a copy of an example with the named systems pinned and built.

    The lock is kept beside the example, so that a second run needs no network.
    """

    def copied(name: str, *targets: str) -> Path:
        source = ROOT / "examples" / name
        rootstream("update", "--missing", *targets, cwd=source, check=True)
        folder = Path(shutil.copytree(source, tmp_path_factory.mktemp(name) / name, ignore=DERIVED))
        rootstream("build", *targets, cwd=folder, check=True)
        return folder

    return copied


def verified(folder: Path, target: str) -> Any:  # noqa: ANN401  (JSON)
    """Boot a system and run its checks; return what `verify` wrote of it."""
    done: subprocess.CompletedProcess[str] = rootstream("verify", target, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((folder / "out" / target / "verify" / "boot.json").read_text())
