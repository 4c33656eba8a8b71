"""A plan as a graph: what an element is built from."""

from __future__ import annotations

import pytest

from rootstream.plan.model import Dependency, Element, Plan


def element(name: str, *needs: str) -> Element:
    return Element(
        name=name, kind="stack", description="", builds_with=tuple(Dependency(element=each) for each in needs)
    )


@pytest.fixture
def plan() -> Plan:
    elements = (
        element("top", "left", "right", "outside"),
        element("left", "bottom"),
        element("right", "bottom"),
        element("bottom"),
        element("other", "bottom"),
    )
    return Plan(elements={each.name: each for each in elements}, files={}, targets={}, refs={})


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("top", ("bottom", "left", "right", "top")),
        ("other", ("bottom", "other")),
        ("bottom", ("bottom",)),
        ("outside", ()),
    ],
)
def test_what_an_element_is_built_from(plan: Plan, target: str, expected: tuple[str, ...]) -> None:
    assert plan.closure(target) == expected
