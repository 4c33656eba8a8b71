"""Which known vulnerabilities the components of a system have, each kind of component by the rule of its feed.

Where a feed leaves a doubt, the component counts as affected, and what could not be looked at is listed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from fnmatch import fnmatchcase
from typing import Any

from packageurl import PackageURL
from packaging.version import InvalidVersion, Version

from rootstream.description.audit import SEVERITIES, Audit, Decision
from rootstream.formats import versions
from rootstream.report.components import System
from rootstream.report.feeds import Feeds, Record
from rootstream.report.model import Component
from rootstream.report.names import upstream_version

UNKNOWN = "unknown"
ECOSYSTEMS = {"pypi": "PyPI", "cargo": "crates.io", "golang": "Go"}
_URGENCIES = {"low": "low", "medium": "medium", "high": "high", "unimportant": "low"}
_BINARY_UPLOAD = re.compile(r"\+b[0-9]+$")
_CPE = re.compile(r"(?<!\\):")
_LINUX = re.compile(r"[0-9]+(?:\.[0-9]+)+(?:-rc[0-9]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A vulnerability that a component has, as a feed says; `because` is the rule that made it one."""

    id: str
    component: Component
    feed: str
    because: str
    fixed: str | None = None
    severity: str = UNKNOWN
    aliases: tuple[str, ...] = ()
    exploited: bool = False
    files: tuple[str, ...] = ()
    decision: Decision | None = None
    fails: bool = False

    @property
    def ids(self) -> frozenset[str]:
        """Return its identifiers."""
        return frozenset((self.id, *self.aliases))


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What an audit has found; `skipped` are components that are not certain, each with the reason."""

    findings: tuple[Finding, ...]
    skipped: tuple[tuple[str, str], ...]
    expired: tuple[Decision, ...] = field(default=())
    unused: tuple[Decision, ...] = field(default=())
    old: tuple[str, ...] = field(default=())
    """Feeds that are older than the policy allows, by the names of their files."""

    @property
    def failures(self) -> tuple[Finding, ...]:
        """Return the findings that the policy fails on."""
        return tuple(each for each in self.findings if each.fails)


def wanted(system: System) -> frozenset[tuple[str, str]]:
    """Return the packages that records of OSV are kept of."""
    found = (each for each in system.of("image") if each.kind in ECOSYSTEMS)
    return frozenset((ECOSYSTEMS[each.kind], each.name) for each in found)


def audit(system: System, feeds: Feeds, policy: Audit, today: str) -> Result:
    """Return what is known of the components of a system's images on a day (2026-12-01)."""
    severities = {str(each.get("id")): _nvd_severity(each) for each in feeds.nvd}
    found: list[Finding] = []
    skipped: list[tuple[str, str]] = []
    index = _by_product(feeds.nvd)
    for component in system.of("image"):
        own, reason = _of(component, feeds, index)
        found += own
        if reason is not None:
            skipped.append((f"{component.name} {component.version or ''}".strip(), reason))
    decided = [_decided(_completed(each, severities, feeds.exploited), policy, today) for each in _merged(found)]
    rank = {name: number for number, name in enumerate(SEVERITIES)}
    order = sorted(decided, key=lambda each: (-rank.get(each.severity, -1), each.component.name, each.id))
    used = [each.decision for each in order if each.decision]
    limit = date.fromisoformat(today) - timedelta(days=policy.max_age) if policy.max_age else None
    return Result(
        findings=tuple(order),
        skipped=tuple(sorted(skipped)),
        expired=tuple(each for each in policy.decisions if each.until and each.until < today),
        unused=tuple(
            each for each in policy.decisions if each not in used and not (each.until and each.until < today)
        ),
        old=tuple(each.file for each in feeds.names if limit and each.newest and each.newest < limit.isoformat()),
    )


def _of(
    component: Component, feeds: Feeds, index: Mapping[tuple[str, str], Sequence[Record]]
) -> tuple[list[Finding], str | None]:
    """Return the findings of a component, or why there can be none."""
    kinds = feeds.kinds()
    found: list[Finding] = []
    asked = False
    reason = None
    if (component.purl or "").startswith("pkg:deb/") and "Debian" in kinds:
        asked = True
        name, version, reason = _source_of(component)
        found += _debian(component, name, version, feeds)
    if component.kind in ECOSYSTEMS and "OSV" in kinds:
        asked = True
        found += _osv(component, feeds)
    if component.name == "linux" and "CVE" in kinds:
        asked = True
        found += _linux(component, feeds)
    if component.cpe and "NVD" in kinds:
        asked = True
        found += _nvd(component, index)
    if asked:
        return found, reason
    own = component.kind in ("project", "tool")
    return (
        [],
        "the project's own: no feed knows it" if own else "no feed that was given knows this kind of component",
    )


# --- Debian ---------------------------------------------------------------------------------------------------


def _source_of(component: Component) -> tuple[str, str, str | None]:
    """Return the source package to ask for, its version, and what is uncertain about them.

    Debian's signed kernels are built from what the source package linux has built, with its version.
    """
    name, version = component.source or (component.name, None)
    if name.startswith("linux-signed-"):
        return "linux", component.version or "", None
    if version is not None:
        return name, version, None
    own = _BINARY_UPLOAD.sub("", component.version or "")
    return name, own, f"the version of its source package is unknown: compared as {name} {own}"


def _debian(component: Component, name: str, version: str, feeds: Feeds) -> Iterator[Finding]:
    issues = feeds.debian.get(name)
    if not isinstance(issues, dict):
        return
    suite = dict(PackageURL.from_string(component.purl or "").qualifiers).get("distro")
    # Without Debian's patches, only what upstream's release has fixed is.
    bare = component.kind == "source" and not component.patches
    own = f"{_epoch(version)}{upstream_version(version)}-0" if bare else version
    for identifier, issue in issues.items():
        releases = issue.get("releases") if isinstance(issue, dict) else None
        if not isinstance(releases, dict):
            continue
        told = releases.get(suite) if suite else None
        for where, row in [(suite, told)] if told is not None else releases.items():
            finding = _tracked(component, str(identifier), str(where), row, own) if isinstance(row, dict) else None
            if finding is not None:
                yield finding
                break


def _epoch(version: str) -> str:
    epoch, colon, _ = version.partition(":")
    return f"{epoch}:" if colon else ""


def _tracked(component: Component, identifier: str, release: str, row: Record, own: str) -> Finding | None:
    status, fixed = row.get("status"), row.get("fixed_version")
    if status == "resolved":
        if not isinstance(fixed, str) or fixed == "0" or versions.dpkg(own, fixed) >= 0:
            return None
        because = f"{release}: fixed in {fixed}, this is {own}"
    else:
        because = f"{release}: {status}"
    return Finding(
        id=identifier,
        component=component,
        feed="Debian",
        because=because,
        fixed=fixed if isinstance(fixed, str) and fixed != "0" else None,
        severity=_URGENCIES.get(str(row.get("urgency")).rstrip("*"), UNKNOWN),
    )


# --- OSV ------------------------------------------------------------------------------------------------------


def _osv(component: Component, feeds: Feeds) -> Iterator[Finding]:
    ecosystem = ECOSYSTEMS[component.kind]
    for record in feeds.osv.get((ecosystem, component.name), ()):
        if record.get("withdrawn"):
            continue
        for affected in record["affected"]:
            package = affected.get("package") if isinstance(affected, dict) else None
            if not isinstance(package, dict) or package.get("name") != component.name:
                continue
            because, fixed = _osv_affects(component, affected, ecosystem)
            if because is not None:
                aliases = record.get("aliases")
                yield Finding(
                    id=str(record["id"]),
                    component=component,
                    feed="OSV",
                    because=because,
                    fixed=fixed,
                    severity=_osv_severity(record),
                    aliases=tuple(map(str, aliases)) if isinstance(aliases, list) else (),
                )
                break


def _osv_affects(component: Component, affected: Record, ecosystem: str) -> tuple[str | None, str | None]:
    version = (component.version or "").removeprefix("v")
    listed = affected.get("versions")
    if isinstance(listed, list) and version in [str(each).removeprefix("v") for each in listed]:
        return f"version {version} is listed", None
    ranges = affected.get("ranges")
    for each in ranges if isinstance(ranges, list) else ():
        if not isinstance(each, dict) or each.get("type") not in ("SEMVER", "ECOSYSTEM"):
            continue
        events = [event for event in _list(each, "events") if isinstance(event, dict)]
        inside = _inside(version, events, ecosystem)
        if inside is None:
            return f"its version {version!r} cannot be compared with the ranges", None
        if inside[0]:
            return inside[1], inside[2]
    return None, None


def _inside(version: str, events: Sequence[Record], ecosystem: str) -> tuple[bool, str, str | None] | None:
    """Say whether a version is in a range of events, as OSV's schema evaluates them; None if it has no order."""
    inside, begin, fixed = False, "0", None
    for event in events:
        for word, value in event.items():
            order = -1 if str(value) == "0" else _order(str(value), version, ecosystem)
            if order is None:
                return None
            if word == "introduced" and order <= 0:
                inside, begin, fixed = True, str(value), None
            elif (word == "fixed" and order <= 0) or (word == "last_affected" and order < 0):
                inside = False
            elif word == "fixed" and inside and fixed is None:
                fixed = str(value)
    return inside, f"introduced in {begin}" + (f", fixed in {fixed}" if fixed else ", not fixed"), fixed


def _order(one: str, other: str, ecosystem: str) -> int | None:
    if ecosystem != "PyPI":
        return versions.semver(one, other)
    try:
        left, right = Version(one), Version(other)
    except InvalidVersion:
        return None
    return (left > right) - (left < right)


def _osv_severity(record: Record) -> str:
    told = record.get("database_specific")
    word = str(told.get("severity", "")).lower() if isinstance(told, dict) else ""
    return {"moderate": "medium"}.get(word, word) if word in (*SEVERITIES, "moderate") else UNKNOWN


# --- NVD ------------------------------------------------------------------------------------------------------


def _matches(record: Record) -> Iterator[Record]:
    configurations = record.get("configurations")
    for configuration in configurations if isinstance(configurations, list) else ():
        nodes = configuration.get("nodes") if isinstance(configuration, dict) else None
        for node in nodes if isinstance(nodes, list) else ():
            rows = node.get("cpeMatch") if isinstance(node, dict) else None
            yield from (
                row
                for row in (rows if isinstance(rows, list) else ())
                if isinstance(row, dict) and row.get("vulnerable")
            )


def _by_product(records: Sequence[Record]) -> dict[tuple[str, str], list[Record]]:
    """Return the records of each vendor and product."""
    found: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        for key in {_product(str(row.get("criteria"))) for row in _matches(record)}:
            if key is not None:
                found.setdefault(key, []).append(record)
    return found


def _product(cpe: str) -> tuple[str, str] | None:
    words = _CPE.split(cpe)
    return (words[3], words[4]) if len(words) > 5 and cpe.startswith("cpe:2.3:") else None  # noqa: PLR2004


def _nvd(component: Component, index: Mapping[tuple[str, str], Sequence[Record]]) -> Iterator[Finding]:
    key = _product(component.cpe or "")
    version = _CPE.split(component.cpe or "")[5] if key else ""
    for record in index.get(key, ()) if key else ():
        if record.get("vulnStatus") == "Rejected":
            continue
        for row in _matches(record):
            because = _nvd_affects(row, version) if _product(str(row.get("criteria"))) == key else None
            if because is not None:
                fixed = row.get("versionEndExcluding")
                yield Finding(
                    id=str(record.get("id")),
                    component=component,
                    feed="NVD",
                    because=because,
                    fixed=fixed if isinstance(fixed, str) else None,
                )
                break


def _nvd_affects(row: Record, version: str) -> str | None:
    exact = _CPE.split(str(row.get("criteria")))[5].replace("\\", "")
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


def _nvd_severity(record: Record) -> str:
    metrics = record.get("metrics")
    for name in ("cvssMetricV40", "cvssMetricV31", "cvssMetricV30", "cvssMetricV2"):
        rows = metrics.get(name) if isinstance(metrics, dict) else None
        for row in rows if isinstance(rows, list) else ():
            data = row.get("cvssData") if isinstance(row, dict) else None
            told = (data.get("baseSeverity") if isinstance(data, dict) else None) or (
                row.get("baseSeverity") if isinstance(row, dict) else None
            )
            if str(told).lower() in SEVERITIES:
                return str(told).lower()
    return UNKNOWN


# --- the kernel's CNA -----------------------------------------------------------------------------------------


def _linux(component: Component, feeds: Feeds) -> Iterator[Finding]:
    match = _LINUX.match(component.version or "")
    if match is None:
        return
    version = match.group(0)
    for record in feeds.cve:
        cna = record["containers"]["cna"]
        rows = [each for each in cna["affected"] if isinstance(each, dict) and each.get("product") == "Linux"]
        because = next((text for text in (_linux_affects(row, version) for row in rows) if text), None)
        metadata = record.get("cveMetadata")
        if because is None or not isinstance(metadata, dict) or metadata.get("state") == "REJECTED":
            continue
        files = {str(name) for row in rows for name in _list(row, "programFiles")}
        yield Finding(
            id=str(metadata.get("cveId")),
            component=component,
            feed="CVE",
            because=because,
            files=tuple(sorted(files)),
        )


def _list(row: Record, name: str) -> Sequence[Any]:
    found = row.get(name)
    return found if isinstance(found, list) else ()


def _linux_affects(row: Record, version: str) -> str | None:
    """Return why a kernel is affected, by ranges of versions; those of commits say nothing of a release."""
    given = row.get("versions")
    told = [each for each in (given if isinstance(given, list) else ()) if isinstance(each, dict)]
    told = [each for each in told if each.get("versionType") != "git"]
    if not told:
        return None
    default = row.get("defaultStatus", "unknown")
    fitting = [each for each in told if _contains(each, version)]
    if any(each.get("status") == "unaffected" for each in fitting):
        return None
    if default == "unaffected" and not any(each.get("status") == "affected" for each in fitting):
        return None
    begin = [str(each.get("version")) for each in told if each.get("status") == "affected"]
    return f"affected since {', '.join(begin) or 'unknown'}, and no range of {version} is unaffected"


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


# --- what is common -------------------------------------------------------------------------------------------


def _merged(found: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return findings with those of one vulnerability in one component as one: the first feed has the word."""
    made: dict[tuple[str, str], Finding] = {}
    for each in found:
        known = made.get((each.component.ref, each.id))
        if known is None:
            made[each.component.ref, each.id] = each
            continue
        severity = known.severity if known.severity != UNKNOWN else each.severity
        because = f"{known.because}; {each.feed}: {each.because}"
        files = known.files or each.files
        made[each.component.ref, each.id] = replace(known, severity=severity, because=because, files=files)
    return tuple(made.values())


def _completed(finding: Finding, severities: Mapping[str, str], exploited: set[str]) -> Finding:
    """Return a finding with what other feeds know of the same vulnerability."""
    told = [severities[each] for each in sorted(finding.ids) if severities.get(each, UNKNOWN) != UNKNOWN]
    return replace(
        finding,
        severity=told[0] if told else finding.severity,
        exploited=bool(finding.ids & exploited),
    )


def _decided(finding: Finding, policy: Audit, today: str) -> Finding:
    ignored = {value for name, value in finding.component.notes if name == "rootstream:ignored-cve"}
    decision = next((each for each in policy.decisions if _fits(each, finding, today)), None)
    if decision is None and finding.ids & ignored:
        decision = Decision(
            vulnerability=finding.id,
            component=finding.component.name,
            reason="Buildroot ignores it: patched, or not built in (_IGNORE_CVES)",
            author="Buildroot",
            date="1970-01-01",
        )
    if decision is not None and decision.status in ("not_affected", "fixed"):
        return replace(finding, decision=decision)
    rank = {name: number for number, name in enumerate(SEVERITIES)}
    severe = (
        rank[finding.severity] >= rank[policy.fail_on] if finding.severity in rank else policy.unknown == "fail"
    )
    fails = severe or (finding.exploited and policy.exploited == "fail")
    return replace(finding, decision=decision, fails=fails)


def _fits(decision: Decision, finding: Finding, today: str) -> bool:
    return (
        decision.vulnerability in finding.ids
        and fnmatchcase(finding.component.name, decision.component)
        and not (decision.until and decision.until < today)
    )


def data(result: Result) -> list[dict[str, Any]]:
    """Return findings as JSON has them."""
    return [
        {
            "id": each.id,
            "aliases": list(each.aliases),
            "component": each.component.name,
            "version": each.component.version,
            "purl": each.component.purl,
            "severity": each.severity,
            "exploited": each.exploited,
            "fixed": each.fixed,
            "feed": each.feed,
            "because": each.because,
            "files": list(each.files),
            "decision": each.decision.model_dump(exclude_none=True) if each.decision else None,
            "fails": each.fails,
        }
        for each in result.findings
    ]
