"""What a description says of a product, its licenses and audits: mistakes have their line."""

from __future__ import annotations

from pathlib import Path

import pytest

from rootstream.description.load import load
from rootstream.description.product import Product
from rootstream.errors import Problems, UserError
from tests.loading import one, write


def problems(folder: Path, words: str) -> list[tuple[str, int]]:
    text = f"systems:\n  box:\n    root: busybox\n    images: [tar]\n    {words}\n"
    path = write(folder, text)
    with pytest.raises((Problems, UserError)) as caught:
        load(path)
    error = caught.value
    found = error.problems if isinstance(error, Problems) else (error,)
    return [(each.message, each.where.line or 0) for each in found if each.where]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("product: {license: GPL2}", "GPL2: not an identifier of the SPDX license list"),
        ("product: {license: MIT AND}", "is not an SPDX license expression"),
        ("product: {license: (MIT}", "is not an SPDX license expression"),
        ("product: {cpe: 'cpe:/o:x'}", "expected a CPE"),
        ("product: {version: 1.4}", "version"),
        ("licenses: {deny: [GPL 3]}", "expected an SPDX identifier"),
        ("licenses: {unknown: maybe}", "expected one of: allow, deny"),
        ("licenses: {exceptions: [{component: x}]}", "reason"),
        ("audit: {fail_on: terrible}", "expected one of: low, medium, high, critical"),
        ("audit: {max_age: 0}", "expected a number of days"),
        ("audit: {decisions: [{vulnerability: CVE-1-2, reason: x, author: y, date: 2026-13-01}]}", "is not a day"),
        ("audit: {decisions: [{vulnerability: CVE-1-2, reason: x, date: '2026-12-01'}]}", "author"),
        ("audit: {exceptions: [{vulnerability: CVE-1-2, reason: x, author: y}]}", "until"),
        ("budgets: {root: big}", "'big' is not a size"),
        ("budgets: {images: {disk: 20M}}", "'disk' fits no image of this system"),
        ("budgets: {images: {'*.img': 20M}}", "'*.img' fits no image of this system"),
        ("budgets: {component: {}}", "did you mean 'components'?"),
    ],
)
def test_mistakes(tmp_path: Path, words: str, message: str) -> None:
    (found,) = problems(tmp_path, words)
    assert message in found[0]
    assert found[1] == 5


@pytest.mark.parametrize("name", ["sbom.cdx.json", "inventory.jsonl"])
def test_names_that_the_export_needs(tmp_path: Path, name: str) -> None:
    with pytest.raises((Problems, UserError)) as caught:
        load(write(tmp_path, one(f"root: busybox\nimages:\n- tar: {{name: {name}}}\n")))
    assert name in str(caught.value)


@pytest.mark.parametrize(
    ("written", "expression"),
    [
        ("mit", "MIT"),
        ("MIT or Apache-2.0", "MIT OR Apache-2.0"),
        ("GPL-2.0+", "GPL-2.0-or-later"),
        ("GPL-2.0-only WITH Linux-syscall-note", "GPL-2.0-only WITH Linux-syscall-note"),
        ("LicenseRef-own AND (MIT OR ISC)", "LicenseRef-own AND (MIT OR ISC)"),
    ],
)
def test_licenses_are_written_as_spdx_does(written: str, expression: str) -> None:
    assert Product.model_validate({"license": written}).license == expression
