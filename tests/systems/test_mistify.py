"""examples/mistify: a host for virtual machines, with a guest inside the guest."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.systems.conftest import Example, verified

TARGETS = ("mistify", "mistify@development")


@pytest.fixture(scope="module")
def mistify(example: Example) -> Path:
    return example("mistify", *TARGETS)


@pytest.mark.parametrize("target", TARGETS)
def test_it_boots_and_passes_its_checks(mistify: Path, target: str) -> None:
    told = verified(mistify, target)
    names = [check["name"] for boot in told["boots"] for check in boot["checks"]]
    assert ("a guest starts inside the guest" in names) is (target == "mistify")
