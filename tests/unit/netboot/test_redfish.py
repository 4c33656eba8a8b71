"""A BMC that answers anything: odd types, too much, too deep, in drops, no HTTP. It is an error, and soon."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rootstream.description.power.redfish import Redfish
from rootstream.netboot.power import redfish
from tests.powered import HOSTILE, Answer, answering, of, refused, switched

Serve = Callable[[Answer], Redfish]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Return what starts a BMC that answers each connection so, and gives what is written of it."""
    with contextlib.ExitStack() as stack:
        yield lambda answer: Redfish(url=stack.enter_context(answering(answer)), system="1", timeout=2.0)


@pytest.mark.parametrize(
    "value",
    [
        *([], None, 1, "x", {}, {"PowerState": ["On"]}, {"PowerState": {"On": 1}}, {"PowerState": None}),
        {"PowerState": "\x1b[2J"},
    ],
)
def test_a_state_of_an_odd_type_is_unknown(serve: Serve, tmp_path: Path, value: object) -> None:
    power = serve(of(value))
    assert redfish.state(power, switched(tmp_path, power)) == "unknown"


@pytest.mark.parametrize(
    "actions",
    [
        *(None, [], "x", 1, {"#ComputerSystem.Reset": []}, {"#ComputerSystem.Reset": {}}),
        *(
            {"#ComputerSystem.Reset": {"target": "/ok", "ResetType@Redfish.AllowableValues": allowed}}
            for allowed in (None, 1, "On", [], [1, [], {}], {"On": 1})
        ),
    ],
)
def test_actions_of_odd_types_are_left_out(serve: Serve, tmp_path: Path, actions: object) -> None:
    power = serve(of({"PowerState": "Off", "Actions": actions}))
    redfish.switch(power, switched(tmp_path, power), "on")


@pytest.mark.parametrize(
    "target", [1, None, [], "", "x", "//evil/x", "/a b", "/a\r\nX: y", "/\x1b[2J", "http://evil/"]
)
def test_a_target_that_is_no_path(serve: Serve, tmp_path: Path, target: object) -> None:
    data = {"PowerState": "Off", "Actions": {"#ComputerSystem.Reset": {"target": target}}}
    power = serve(of(data))
    refused(lambda: redfish.switch(power, switched(tmp_path, power), "on"))


@pytest.mark.parametrize(
    "members", [None, 1, "x", [], [1], [{}], [{"@odata.id": 1}], [{"@odata.id": "//evil"}], {"a": 1}]
)
def test_members_of_odd_types(serve: Serve, tmp_path: Path, members: object) -> None:
    power = serve(of({"Members": members})).model_copy(update={"system": None})
    refused(lambda: redfish.state(power, switched(tmp_path, power)))


@pytest.mark.parametrize("answer", HOSTILE)
def test_it_is_an_error_and_soon(serve: Serve, tmp_path: Path, answer: Answer) -> None:
    power = serve(answer)
    refused(lambda: redfish.state(power, switched(tmp_path, power)))
