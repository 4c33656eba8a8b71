"""Records of NVD (CVE API 2.0): the products that they are about, versions that are affected, severities."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rootstream.description.audit import SEVERITIES
from rootstream.formats import versions

Record = Mapping[str, Any]
Product = tuple[str, str]
"""The vendor and product of a CPE."""
_CPE = re.compile(r"(?<!\\):")
_WORDS = 6  # of a CPE up to its version
_METRICS = ("cvssMetricV40", "cvssMetricV31", "cvssMetricV30", "cvssMetricV2")


def matches(record: Record) -> Iterator[Record]:
    """Give the rows of CPEs that are vulnerable."""
    for configuration in _list(record, "configurations"):
        for node in _list(configuration, "nodes"):
            yield from (row for row in _list(node, "cpeMatch") if isinstance(row, dict) and row.get("vulnerable"))


def _list(found: object, name: str) -> Sequence[Any]:
    value = found.get(name) if isinstance(found, Mapping) else None
    return value if isinstance(value, list) else ()


def product(cpe: str) -> Product | None:
    """Return the vendor and product of a CPE of version 2.3, None if it is none."""
    words = _CPE.split(cpe)
    return (words[3], words[4]) if len(words) >= _WORDS and cpe.startswith("cpe:2.3:") else None


def products(record: Record) -> frozenset[Product]:
    """Return the products that a record calls vulnerable."""
    found = {product(str(row.get("criteria"))) for row in matches(record)}
    return frozenset(each for each in found if each is not None)


def by_product(records: Sequence[Record]) -> dict[Product, list[Record]]:
    """Return the records of each product."""
    found: dict[Product, list[Record]] = {}
    for record in records:
        for key in products(record):
            found.setdefault(key, []).append(record)
    return found


def affecting(cpe: str, index: Mapping[Product, Sequence[Record]]) -> Iterator[tuple[Record, str, str | None]]:
    """Give the records that are about a component: each with the reason, and the version that fixes it."""
    key = product(cpe)
    version = _CPE.split(cpe)[_WORDS - 1] if key else ""
    for record in index.get(key, ()) if key else ():
        if record.get("vulnStatus") == "Rejected":
            continue
        for row in matches(record):
            because = _affects(row, version) if product(str(row.get("criteria"))) == key else None
            if because is not None:
                fixed = row.get("versionEndExcluding")
                yield record, because, fixed if isinstance(fixed, str) else None
                break


def _affects(row: Record, version: str) -> str | None:
    exact = _CPE.split(str(row.get("criteria")))[_WORDS - 1].replace("\\", "")
    if exact not in ("*", "-"):
        return f"version {exact} is listed" if versions.dpkg(exact, version) == 0 else None
    if exact == "-":
        return None
    limits = {
        "versionStartIncluding": lambda order: order >= 0,
        "versionStartExcluding": lambda order: order > 0,
        "versionEndIncluding": lambda order: order <= 0,
        "versionEndExcluding": lambda order: order < 0,
    }
    told = {word: str(row[word]) for word in limits if word in row}
    if all(limits[word](versions.dpkg(version, value)) for word, value in told.items()):
        return ", ".join(f"{word} {value}" for word, value in told.items()) or "all versions"
    return None


def severity(record: Record) -> str | None:
    """Return how severe it is, by the newest version of CVSS that says so."""
    metrics = record.get("metrics")
    for name in _METRICS:
        for row in _list(metrics, name):
            data = row.get("cvssData") if isinstance(row, dict) else None
            told = (data.get("baseSeverity") if isinstance(data, dict) else None) or (
                row.get("baseSeverity") if isinstance(row, dict) else None
            )
            word = str(told).lower()
            if word in SEVERITIES:
                return SEVERITIES[SEVERITIES.index(word)]  # the same text for all of them
    return None
