"""What a plugin says of a fault: its detail, and what the user asked for."""

from __future__ import annotations

import pytest

from rootstream.formats.faults import Fault


@pytest.mark.parametrize(
    ("detail", "asked", "expected"),
    [
        (None, None, None),
        ("why", None, "why"),
        (None, {"vim": "no such package"}, "Asked for vim: no such package"),
        ("why", {"a": "x", "b": "y"}, "why\nAsked for a: x\nAsked for b: y"),
    ],
)
def test_a_fault_is_explained(detail: str | None, asked: dict[str, str] | None, expected: str | None) -> None:
    fault = Fault("no-package", "it failed", detail=detail, asked=asked)
    assert fault.explained() == expected
    assert (fault.reason, fault.message, str(fault)) == ("no-package", "it failed", "it failed")
