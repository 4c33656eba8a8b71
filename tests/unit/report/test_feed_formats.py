"""The small feeds of the tests have the real formats, and what has not is told."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.unit.report import feed_formats
from tests.unit.report.test_audit import cna, debian, nvd, osv, resolved
from tests.unit.report.test_feed_archive import record

FEEDS: dict[str, dict[str, Any]] = {
    "Debian": {"glibc": {"CVE-2026-1": debian(trixie=resolved("2.41-12"), sid={"status": "open"})}},
    "OSV": osv("my-wheel", "PyPI", {"introduced": "0"}, {"fixed": "2"}),
    "NVD": nvd("cpe:2.3:a:zlib:zlib:*:*:*:*:*:*:*:*", versionEndExcluding="1.3"),
    "CISA": {"catalogVersion": "1", "vulnerabilities": [{"cveID": "CVE-2026-7"}]},
    "CVE": cna({"version": "6.12", "status": "affected", "versionType": "semver"}),
    "kernel": record("CVE-2026-1"),
}
WRONG: dict[str, dict[str, Any]] = {
    "resolved without a version": {"glibc": {"CVE-2026-1": debian(trixie={"status": "resolved"})}},
    "two events in one": osv("my-wheel", "PyPI", {"introduced": "0", "fixed": "2"}),
    "no CPE": nvd("zlib"),
    "no number": {"catalogVersion": "1", "vulnerabilities": [{"cveID": "7"}]},
    "two ends": cna({"version": "1", "status": "affected", "lessThan": "2", "lessThanOrEqual": "3"}),
    "no status": cna({"version": "1"}),
}


@pytest.mark.parametrize("name", FEEDS)
def test_feeds_have_their_formats(name: str) -> None:
    Draft202012Validator.check_schema(feed_formats.schema_of(FEEDS[name]))
    assert feed_formats.faults(FEEDS[name]) == []


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_told(name: str) -> None:
    assert feed_formats.faults(WRONG[name])
