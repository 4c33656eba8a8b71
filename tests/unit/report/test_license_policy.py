"""Conflicts of components with a policy."""

from __future__ import annotations

from typing import Any

import pytest

from rootstream.description.licenses import LicenseException, Licenses
from rootstream.report.license_policy import conflicts, unused
from rootstream.report.model import Component, Role


def component(license: str | None, name: str = "x", role: Role = "image") -> Component:  # noqa: A002
    return Component(name=name, version="1", kind="deb", role=role, license=license)


def policy(**words: Any) -> Licenses:  # noqa: ANN401
    return Licenses.model_validate(
        {key: tuple(value) if isinstance(value, list) else value for key, value in words.items()}
    )


@pytest.mark.parametrize(
    ("license_", "words", "refused"),
    [
        ("MIT", {}, None),
        (None, {}, None),
        (None, {"unknown": "deny"}, ()),
        ("GPL-3.0-only", {"deny": ["GPL-3.0-*"]}, ("GPL-3.0-only",)),
        ("GPL-3.0-or-later AND MIT", {"deny": ["GPL-3.0-*"]}, ("GPL-3.0-or-later",)),
        ("GPL-3.0-only OR MIT", {"deny": ["GPL-3.0-*"]}, None),
        ("GPL-3.0-only OR AGPL-3.0-only", {"deny": ["*GPL-3.0-*"]}, ("GPL-3.0-only", "AGPL-3.0-only")),
        ("MIT AND (ISC OR GPL-3.0-only)", {"allow": ["MIT", "ISC"]}, None),
        ("MIT AND Zlib AND ISC", {"allow": ["MIT"]}, ("Zlib", "ISC")),
        ("MIT", {"allow": ["MIT"], "deny": ["MIT"]}, ("MIT",)),
        ("GPL-2.0-only WITH Linux-syscall-note", {"allow": ["GPL-2.0-only"]}, None),
        ("GPL-2.0-only WITH Linux-syscall-note", {"allow": ["GPL-2.0-only WITH Linux-*"]}, None),
        ("GPL-2.0-only", {"allow": ["GPL-2.0-only WITH Linux-*"]}, ("GPL-2.0-only",)),
        ("LicenseRef-debian-MIT", {"allow": ["MIT"]}, ("LicenseRef-debian-MIT",)),
    ],
)
def test_a_policy(license_: str | None, words: dict[str, Any], refused: tuple[str, ...] | None) -> None:
    found = conflicts([component(license_)], policy(**words))
    assert [each.refused for each in found] == ([] if refused is None else [refused])


def test_tools_are_not_asked() -> None:
    assert conflicts([component("MIT", role="build")], policy(deny=["MIT"])) == ()


def test_exceptions() -> None:
    told = policy(
        deny=["GPL-3.0-*"],
        unknown="deny",
        exceptions=[
            LicenseException(component="ba*", license="GPL-3.0-only", reason="r"),
            LicenseException(component="own", unknown=True, license="MIT", reason="r"),
            LicenseException(component="gone", reason="r"),
        ],
    )
    given = [
        component("GPL-3.0-only", "bash"),
        component("GPL-3.0-or-later", "bar"),
        component(None, "own"),
        component(None, "other"),
    ]
    assert [each.component.name for each in conflicts(given, told)] == ["bar", "other"]
    assert [each.component for each in unused(given, told)] == ["gone"]


def test_the_text_of_a_conflict() -> None:
    told = policy(deny=["GPL-3.0-*"], unknown="deny")
    given = [component("GPL-3.0-only AND MIT", "bash"), component("GPL-3.0-only", "b"), component(None, "own")]
    assert [each.text for each in conflicts(given, told)] == [
        "bash 1: GPL-3.0-only is not allowed (GPL-3.0-only AND MIT)",
        "b 1: GPL-3.0-only is not allowed",
        "own 1: its license is unknown",
    ]
