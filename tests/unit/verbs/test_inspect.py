"""An element found by what a user calls it."""

from __future__ import annotations

import pytest

from rootstream.errors import UserError
from rootstream.plan.model import Dependency, Element, Plan, Source
from rootstream.verbs.inspect import found_element, table, with_package

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


def test_a_package_of_debian_stands_for_what_configures_it() -> None:
    source = Source(kind="debian_packages", words={"packages": ["sudo"]}, locked=True)
    unpacked = Element(name="debian-1-unpacked.bst", kind="import", description="", sources=(source,))
    above = (Dependency(element=unpacked.name),)
    configured = [
        Element(name=f"debian-1-{ending}.bst", kind="script", description="", builds_with=above)
        for ending in ("configured", "run-2")
    ]
    refs = {source.request(): [{"name": "libpam0g"}, {"name": "sudo"}]}
    elements = {each.name: each for each in (unpacked, *configured)}
    plan = Plan(elements=elements, files={}, targets={}, refs=refs)
    assert with_package(plan, "libpam0g") == ("debian-1-configured.bst",)
    assert with_package(plan, "libpam") == ()
    plan = Plan(elements={unpacked.name: unpacked}, files={}, targets={}, refs=refs)
    assert with_package(plan, "sudo") == (unpacked.name,)


def test_packages_that_are_not_known_yet_are_not_counted() -> None:
    told = {"element": "buildroot-images.bst", "out": "out/box", "elements": []}
    shown = "box: its elements are not known: a build has to query Buildroot for its packages first\n"
    assert table("box", told) == shown
