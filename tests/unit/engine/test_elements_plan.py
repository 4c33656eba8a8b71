"""What a build takes, with what servers have."""

from __future__ import annotations

from rootstream.engine.elements import ElementState, plan_of


def element(name: str, state: str, *needs: str) -> ElementState:
    return ElementState(name=name, kind="manual", key="k", state=state, build_depends=needs)  # type: ignore[arg-type]


ELEMENTS = (
    element("base", "waiting"),
    element("tool", "fetch needed", "base"),
    element("image", "waiting", "tool"),
)


def test_without_servers_everything_is_built() -> None:
    plan = plan_of(ELEMENTS, ["image"])
    assert (plan.total, plan.to_build, plan.to_fetch, plan.to_pull) == (3, 3, 1, 0)


def test_what_a_pulled_element_was_built_with_is_not_needed() -> None:
    plan = plan_of(ELEMENTS, ["image"], remote={"image", "base"})
    assert (plan.total, plan.to_build, plan.to_pull) == (1, 0, 1)
    plan = plan_of(ELEMENTS, ["image"], remote={"tool", "base"})
    assert (plan.total, plan.to_build, plan.to_fetch, plan.to_pull) == (2, 1, 0, 1)


def test_what_is_here_is_not_pulled() -> None:
    plan = plan_of((element("image", "cached"),), ["image"], remote={"image"})
    assert (plan.total, plan.cached, plan.to_pull) == (1, 1, 0)
