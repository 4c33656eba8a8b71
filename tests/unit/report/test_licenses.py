"""License statements as SPDX expressions: never another license than the one that is named."""

from __future__ import annotations

import pytest

from rootstream.report import licenses


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], None),
        (["GPL-2+", "Expat", "GPL-2+"], "GPL-2.0-or-later AND MIT"),
        (["LGPL-2.1"], "LGPL-2.1-only"),
        (["GPL-1+ or Artistic"], "GPL-1.0-or-later OR LicenseRef-debian-Artistic"),
        (["Apache-2.0 or GPL-3+", "ISC"], "(Apache-2.0 OR GPL-3.0-or-later) AND ISC"),
        (["GPL-2+ and BSD-3-clause, or Expat"], "(GPL-2.0-or-later AND BSD-3-Clause) OR MIT"),
        (["GFDL-NIV-1.3+"], "GFDL-1.3-no-invariants-or-later"),
        (["public-domain"], "LicenseRef-debian-public-domain"),
        (["MIT"], "LicenseRef-debian-MIT"),  # Debian: which of many texts is not said
        (["GPL-2+ with OpenSSL exception"], "LicenseRef-debian-GPL-2-or-later-with-OpenSSL-exception"),
        (["GPL-9+"], "LicenseRef-debian-GPL-9-or-later"),
    ],
)
def test_debian(names: list[str], expected: str | None) -> None:
    assert licenses.debian(names) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("unknown", None),
        ("GPL-2.0+ (programs), LGPL-2.1+ (library)", "GPL-2.0-or-later AND LGPL-2.1-or-later"),
        ("MIT or Apache-2.0", "MIT OR Apache-2.0"),
        ("MIT or Apache-2.0, ISC", "ISC AND (MIT OR Apache-2.0)"),
        ("GPL-2.0 with OpenSSL exception", "LicenseRef-buildroot-GPL-2.0-with-OpenSSL-exception"),
        ("Vendor's own", "LicenseRef-buildroot-Vendor-s-own"),
    ],
)
def test_buildroot(text: str, expected: str | None) -> None:
    assert licenses.buildroot(text) == expected


@pytest.mark.parametrize(
    ("expression", "stated", "expected"),
    [
        (None, [], None),
        ("MIT AND (Apache-2.0 OR BSD-2-Clause)", [], "MIT AND (Apache-2.0 OR BSD-2-Clause)"),
        ("not a license", ["MIT"], "MIT"),
        (None, ["MIT License"], "MIT"),
        (None, ["BSD License"], None),  # which one?
        (None, ["MIT License", "ISC License (ISCL)"], None),  # both, or one of them?
        (None, ["x" * 5000], None),
    ],
)
def test_wheels(expression: str | None, stated: list[str], expected: str | None) -> None:
    assert licenses.wheel(expression, stated) == expected


def test_names_of_an_expression() -> None:
    assert licenses.names("GPL-2.0-only WITH Linux-syscall-note OR MIT") == (
        "GPL-2.0-only",
        "Linux-syscall-note",
        "MIT",
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("MIT OR Apache-2.0", "MIT OR Apache-2.0"),
        ("MIT/Apache-2.0", "MIT OR Apache-2.0"),
        ("Apache-2.0 / MIT", "Apache-2.0 OR MIT"),
        ("(MIT OR Apache-2.0) AND Unicode-DFS-2016", "(MIT OR Apache-2.0) AND Unicode-DFS-2016"),
        ("something of our own", None),
        ("", None),
    ],
)
def test_crates(text: str, expected: str | None) -> None:
    assert licenses.crate(text) == expected
