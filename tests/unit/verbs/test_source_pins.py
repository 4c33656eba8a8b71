"""Which packages of Debian images have, and whether the lock has their sources."""

from __future__ import annotations

import json

from rootstream.plan.model import Element, Plan, Source
from rootstream.verbs import source_pins


def packages(*names: str) -> Source:
    return Source(kind="debian_packages", words={"packages": [*names], "suites": ["x"]}, locked=True)


def element(name: str, *sources: Source, needs: tuple[str, ...] = (), **more: object) -> Element:
    return Element(name=name, kind="import", description="", sources=sources, needs=needs, **more)  # type: ignore[arg-type]


def row(name: str, **more: str) -> dict[str, str]:
    return {"name": name, "version": "1", **more}


def test_what_images_have() -> None:
    root, base = packages("root"), packages("base")
    plan = Plan(
        elements={
            "base.bst": element("base.bst", base),
            "root.bst": element("root.bst", root, ships="packages"),
            "image.bst": element("image.bst", needs=("base.bst", "root.bst"), links=("sys*",)),
            "other.bst": element("other.bst", packages("other"), ships="packages"),
        },
        files={},
        targets={},
        refs={
            base.request(): [row("gcc"), row("syslinux"), row("syslinux-common")],
            root.request(): [row("bash"), row("theirs", repository="them")],
        },
    )
    first, second = source_pins.shipped(plan, ["image.bst"])
    assert first.packages == (("syslinux", "1"), ("syslinux-common", "1"))
    assert (second.packages, second.foreign) == ((("bash", "1"),), (("theirs", "1"),))
    words = {"kind": "debian_corresponding", "packages": ["root"], "suites": ["x"]}
    assert json.loads(second.key) == words
    assert source_pins.shipped(plan, ["base.bst"]) == ()


def test_what_an_entry_covers() -> None:
    rows = [{"binaries": ["a=1:2", "b=3"]}, {"binaries": ["a=1:2"]}]
    assert source_pins.covered(rows) == {("a", "1:2"), ("b", "3")}
    assert source_pins._only(
        [{"name": "x", "binaries": ["a=1", "b=1"]}, {"name": "y", "binaries": ["b=1"]}], frozenset({("a", "1")})
    ) == [{"name": "x", "binaries": ["a=1"]}]
