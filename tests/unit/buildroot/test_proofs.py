"""A package's variables are compared again only where something of what decides that has changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from rootstream.buildroot.graph import elements, proofs, staging
from rootstream.buildroot.graph.draft import GraphInputs
from rootstream.buildroot.workspace import Workspace
from tests.unit.buildroot.test_graph import PACKAGES, inputs_of, trees, write

ANSWER = "APP_SITE='http://a'\nAPP_NG_SITE='ng'\nLIB_SITE='http://l'\nOWN_SITE='o'\nROOTSTREAM_HOOKS='APP_LAST'\n"

__all__ = ["trees"]  # the fixture


def keys(given: GraphInputs, answer: str = ANSWER, base: object = "base") -> dict[str, str]:
    return proofs.keys(given, elements.staged_of(given), elements.named_files(given), answer, base)


def changed(given: GraphInputs, change: Callable[[GraphInputs], GraphInputs]) -> set[str]:
    """Return the packages that are compared again after a change."""
    before = keys(given)
    now = keys(change(given))
    return {name for name in now if now[name] != before[name]}


def test_the_same_is_compared_once(trees: staging.Trees) -> None:
    assert keys(inputs_of(trees)) == keys(inputs_of(trees))
    assert len(set(keys(inputs_of(trees)).values())) == len(PACKAGES)


def test_a_symbol_concerns_whose_rules_name_it(trees: staging.Trees) -> None:
    def change(given: GraphInputs) -> GraphInputs:
        return replace(given, config=given.config.replace("LIB_LEVEL=3", "LIB_LEVEL=4"))

    assert changed(inputs_of(trees), change) == {"lib", "app", "own"}


@pytest.mark.parametrize(
    ("path", "expected"),
    [("package/lib/lib.mk", {"lib", "app", "own"}), ("package/pkg-generic.mk", {"lib", "app", "own", "other"})],
)
def test_rules_concern_who_is_built_with_them(trees: staging.Trees, path: str, expected: set[str]) -> None:
    def change(given: GraphInputs) -> GraphInputs:
        write(trees.tree / path, "# changed\n")
        return given

    assert changed(inputs_of(trees), change) == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("http://a", "http://b", {"app"}),
        ("APP_NG_SITE='ng'\n", "", {"app"}),  # a longer name may be another package's or not
        ("APP_LAST", "APP_SITE", {"app"}),
        ("APP_LAST", "OTHER_LAST", set()),
    ],
)
def test_what_make_says_of_the_whole_tree(trees: staging.Trees, old: str, new: str, expected: set[str]) -> None:
    given = inputs_of(trees)
    before, now = keys(given), keys(given, ANSWER.replace(old, new))
    assert {name for name in now if now[name] != before[name]} == expected


def test_another_base_compares_all(trees: staging.Trees) -> None:
    given = inputs_of(trees)
    before, now = keys(given), keys(given, base="another")
    assert not set(before.values()) & set(now.values())


def test_results_are_kept(box: Workspace) -> None:
    assert proofs.known(box) == {}
    box.state.mkdir(parents=True, exist_ok=True)
    proofs.keep(box, {"1": {}, "2": {"whole": ["APP_X"]}})
    assert proofs.known(box) == {"1": {}, "2": {"whole": ["APP_X"]}}
    (box.state / proofs.NOTE).write_text("no JSON")
    assert proofs.known(box) == {}
    proofs.keep(box, {str(number): {} for number in range(5000)})
    assert len(proofs.known(box)) == 4096
    assert "4999" in proofs.known(box)
