"""A Debian root is what mmdebstrap makes of the same packages: a desktop."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.systems.equality import GROUPS, check


@pytest.mark.parametrize("name", GROUPS["desktop"])
def test_it_is_what_mmdebstrap_makes(name: str, tmp_path: Path) -> None:
    check(name, tmp_path)
