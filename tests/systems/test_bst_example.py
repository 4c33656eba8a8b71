"""examples/bst-image as it is, networks in its kernel included: built and booted."""

from __future__ import annotations

from pathlib import Path

from tests.bstexample import TARGET, copied
from tests.conftest import rootstream


def test_it_boots_and_passes_its_checks(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    rootstream("build", TARGET, cwd=folder, check=True)
    rootstream("verify", TARGET, cwd=folder, check=True)
