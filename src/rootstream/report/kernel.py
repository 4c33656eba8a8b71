"""Records of the kernel's CNA (CVE JSON 5): the releases that are affected, and the files that are to blame.

Format: https://github.com/CVEProject/cve-schema; for what they have, see Documentation/process/cve.rst of Linux.
Where a record leaves a doubt, a kernel counts as affected.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rootstream.description.audit import SEVERITIES
from rootstream.formats import versions
from rootstream.report.inventory import Sources

Record = Mapping[str, Any]
_RELEASE = re.compile(r"[0-9]+(?:\.[0-9]+)+(?:-rc[0-9]+)?")
# Files that are in a kernel only if something is compiled from them. Others (Makefiles, Kconfig, linker scripts,
# device trees, Rust) are never a reason to leave something out.
_COMPILED = (".c", ".h", ".S")
_METRICS = ("cvssV4_0", "cvssV3_1", "cvssV3_0")


def lean(record: Record) -> Record | None:
    """Return what is needed of a record, None of one that is not about Linux: thousands are kept at a time."""
    containers = record.get("containers")
    cna = containers.get("cna") if isinstance(containers, dict) else None
    if not isinstance(cna, dict):
        return None
    rows = [each for each in _dicts(cna.get("affected")) if each.get("product") == "Linux"]
    if not rows:
        return None
    return {
        "cveMetadata": record.get("cveMetadata"),
        "severity": _severity(cna),
        "affected": [
            {
                "defaultStatus": row.get("defaultStatus", "unknown"),
                "programFiles": [sys.intern(str(name)) for name in _list(row, "programFiles")],
                # Ranges of commits say nothing of a release.
                "versions": [each for each in _dicts(row.get("versions")) if each.get("versionType") != "git"],
            }
            for row in rows
        ],
    }


def _dicts(found: object) -> list[Record]:
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _severity(cna: Record) -> str | None:
    """Return the severity that the CNA gives, by the newest version of CVSS."""
    for name in _METRICS:
        for metric in _dicts(cna.get("metrics")):
            scored = metric.get(name)
            word = str(scored.get("baseSeverity")).lower() if isinstance(scored, dict) else ""
            if word in SEVERITIES:
                return word
    return None


def severities(records: Sequence[Record]) -> dict[str, str]:
    """Return the severities that records have, by their identifiers."""
    found = ((_identifier(record), record["severity"]) for record in records)
    return {identifier: word for identifier, word in found if identifier is not None and word is not None}


def affecting(records: Sequence[Record], version: str) -> Iterator[tuple[str, str]]:
    """Give the vulnerabilities of a release with the reason, by the ranges of versions."""
    match = _RELEASE.match(version)
    if match is None:
        return
    for record in records:
        is_fixed = any(_is_fixed(row, match[0]) for row in _rows(record))
        told = (_affects(row, match[0], is_fixed=is_fixed) for row in _rows(record))
        because = next((text for text in told if text), None)
        identifier = _identifier(record)
        if because is not None and identifier is not None:
            yield identifier, because


def files(records: Sequence[Record]) -> dict[str, tuple[str, ...]]:
    """Return the files that records name, by their identifiers: all of all ranges."""
    found: dict[str, set[str]] = {}
    for record in records:
        identifier = _identifier(record)
        if identifier is not None:
            names = (str(name) for row in _rows(record) for name in _list(row, "programFiles"))
            found.setdefault(identifier, set()).update(names)
    return {identifier: tuple(sorted(names)) for identifier, names in found.items()}


def is_left_out(names: Sequence[str], sources: Sources) -> bool:
    """Say whether a tree has each of some files, and compiled none: of no files, or unknown ones, it is not.

    A name that the tree does not have may be another one there: files are moved between releases.
    """
    return bool(names) and all(name.endswith(_COMPILED) and sources.is_left_out(name) for name in names)


def _identifier(record: Record) -> str | None:
    metadata = record.get("cveMetadata")
    if not isinstance(metadata, dict) or metadata.get("state") == "REJECTED":
        return None
    found = metadata.get("cveId")
    return found if isinstance(found, str) else None


def _rows(record: Record) -> Iterator[Record]:
    """Give what a record, as `lean` returns it, says of Linux."""
    return iter(record["affected"])


def _list(row: Record, name: str) -> Sequence[Any]:
    found = row.get(name)
    return found if isinstance(found, list) else ()


def _is_fixed(row: Record, version: str) -> bool:
    """Say whether the fix came to the branch of a release (6.12.54 up to 6.12.*) before it, or with it."""
    return any(
        str(each.get("lessThanOrEqual")).endswith(".*")
        and each.get("status") == "unaffected"
        and _contains(each, version)
        for each in row["versions"]
    )


def _affects(row: Record, version: str, *, is_fixed: bool) -> str | None:
    """Return why a kernel is affected, by ranges of versions.

    Where nobody knows what brought a fault, there is a range from 0 to the fix of each branch; that of a later
    branch contains releases of earlier ones that have the fix.
    """
    told = row["versions"]
    if not told:
        return None
    default = row.get("defaultStatus", "unknown")
    fitting = [each for each in told if _contains(each, version) and not (is_fixed and _is_open(each))]
    if any(each.get("status") == "unaffected" for each in fitting):
        return None
    if default == "unaffected" and not any(each.get("status") == "affected" for each in fitting):
        return None
    begin = [str(each.get("version")) for each in told if each.get("status") == "affected"]
    return f"affected since {', '.join(begin) or 'unknown'}, and no range of {version} is unaffected"


def _is_open(row: Record) -> bool:
    return row.get("status") == "affected" and row.get("version") == "0"


def _contains(row: Record, version: str) -> bool:
    begin = str(row.get("version"))
    if begin != "0" and (versions.semver(version, begin) or 0) < 0:
        return False
    below, until = row.get("lessThan"), row.get("lessThanOrEqual")
    if isinstance(below, str):
        return versions.semver(version, below) == -1
    if isinstance(until, str):
        if until.endswith("*"):
            return version.startswith(until[:-1]) or version == until[:-2]
        return versions.semver(version, until) in (-1, 0)
    return versions.semver(version, begin) == 0
