"""What a dry run says of a system that is built package by package."""

from __future__ import annotations

import pytest

from rootstream.buildroot.graph import elements
from rootstream.engine import ElementState
from rootstream.verbs import graph_elements


def states(**given: bool) -> list[ElementState]:
    """Return packages, the images and what they are made from, with whether each is cached."""
    names = {"images": elements.IMAGES, "overlay": "for-images.bst"}
    return [
        ElementState(
            name=names.get(name, elements.element_of(name)),
            kind="manual",
            key="1" * 64,
            state="cached" if cached else "buildable",
        )
        for name, cached in given.items()
    ]


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"app": False, "lib": True, "images": False}, "would be built: 1 of 2 packages (app), then the images"),
        (
            {"app": True, "lib": True, "overlay": False, "images": False},
            "would be built: only the images; all 2 packages are cached",
        ),
        ({"app": True, "images": True}, "all packages (1) and the images are cached; it would be exported"),
    ],
)
def test_a_dry_run_names_packages(given: dict[str, bool], text: str) -> None:
    assert graph_elements.due(states(**given)) == text


def test_many_packages_are_counted() -> None:
    told = graph_elements.due(states(**{f"lib{number}": False for number in range(40)}, images=False))
    assert told.startswith("would be built: 40 of 40 packages (lib0, lib1, ")
    assert " more), then the images" in told
