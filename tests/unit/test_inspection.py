"""An element found by what a user calls it."""

from __future__ import annotations

import pytest

from rootstream.errors import UserError
from rootstream.inspection import found_element

NAMES = (
    "base.bst",
    "linux-x86_64-0a.bst",
    "linux-aarch64-0b.bst",
    "busybox-x86_64-0c.bst",
    "busybox-tools-0d.bst.bst",
    "package-hello-x86_64-0e.bst",
    "system-box.bst",
    "musl-x86_64-0f.bst",
)
TARGETS = {"box": "system-box.bst"}


@pytest.mark.parametrize(
    ("name", "element"),
    [
        ("base", "base.bst"),
        ("base.bst", "base.bst"),
        ("box", "system-box.bst"),
        ("musl", "musl-x86_64-0f.bst"),
        ("mus", "musl-x86_64-0f.bst"),
        ("hello", "package-hello-x86_64-0e.bst"),
        ("linux-aarch64", "linux-aarch64-0b.bst"),
    ],
)
def test_a_name_finds_its_element(name: str, element: str) -> None:
    assert found_element(name, NAMES, TARGETS) == element


@pytest.mark.parametrize(("name", "reason"), [("linux", "several-elements"), ("lynux", "unknown-element")])
def test_others_are_told_what_is_near(name: str, reason: str) -> None:
    with pytest.raises(UserError) as caught:
        found_element(name, NAMES, TARGETS)
    assert caught.value.reason == reason
    assert "linux-aarch64-0b.bst" in str(caught.value)
