"""Which known vulnerabilities the components of a system have, each kind of component by the rule of its feed.

Where a feed leaves a doubt, the component counts as affected, and what could not be looked at is listed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

from packageurl import PackageURL
from packaging.version import InvalidVersion, Version

from rootstream.description.audit import SEVERITIES, Audit, Decision, RiskException
from rootstream.formats import versions
from rootstream.report import kernel, nvd, rulings
from rootstream.report.components import System
from rootstream.report.feeds import Feeds, Record, Wanted
from rootstream.report.inventory import Sources
from rootstream.report.model import Component
from rootstream.report.names import upstream_version
from rootstream.report.rulings import Ruling

UNKNOWN = "unknown"
ECOSYSTEMS = {"pypi": "PyPI", "cargo": "crates.io", "golang": "Go"}
_URGENCIES = {"low": "low", "medium": "medium", "high": "high", "unimportant": "low"}
_BINARY_UPLOAD = re.compile(r"\+b[0-9]+$")


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
    exception: RiskException | None = None
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
    expired: tuple[Ruling, ...] = field(default=())
    unused: tuple[Ruling, ...] = field(default=())
    old: tuple[str, ...] = field(default=())
    """Feeds that are older than the policy allows, by the names of their files."""

    not_compiled: tuple[Finding, ...] = field(default=())
    """What a kernel would have if the files that it is in were compiled: these count as nothing."""

    @property
    def failures(self) -> tuple[Finding, ...]:
        """Return the findings that the policy fails on."""
        return tuple(each for each in self.findings if each.fails)


def wanted(system: System) -> Wanted:
    """Return what feeds are asked about the components of a system's images."""
    found = system.of("image")
    products = (nvd.product(each.cpe) for each in found if each.cpe)
    return Wanted(
        debian=frozenset(_source_of(each)[0] for each in found if _is_of_debian(each)),
        osv=frozenset((ECOSYSTEMS[each.kind], each.name) for each in found if each.kind in ECOSYSTEMS),
        nvd=frozenset(each for each in products if each is not None),
    )


def _is_of_debian(component: Component) -> bool:
    return (component.purl or "").startswith("pkg:deb/")


def audit(
    system: System, feeds: Feeds, policy: Audit, today: str, given: Sequence[Ruling] | None = None
) -> Result:
    """Return what is known of the components of a system's images on a day (2026-12-01).

    `given` are decisions and exceptions; by default those of the policy.
    """
    rules = rulings.of_policy(policy) if given is None else given
    found: list[Finding] = []
    skipped: list[tuple[str, str]] = []
    index = nvd.by_product(feeds.nvd)
    sources = system.sources.get("linux")
    for component in system.of("image"):
        own, reason = _of(component, feeds, index)
        if component.name == "linux" and "CVE" in feeds.kinds() and sources is None:
            reason = reason or "which of its files were compiled is unknown: nothing is left out for that"
        found += own
        if reason is not None:
            skipped.append((f"{component.name} {component.version or ''}".strip(), reason))
    whole = [_completed(each, feeds.severities, feeds.exploited) for each in _merged(found)]
    whole, left = _compiled(whole, feeds, sources)
    decided = [_decided(each, policy, rules, today) for each in whole]
    rank = {name: number for number, name in enumerate(SEVERITIES)}
    order = sorted(decided, key=lambda each: (-rank.get(each.severity, -1), each.component.name, each.id))
    used = {id(each) for finding in order for each in (finding.decision, finding.exception) if each}
    over = [each for each in rules if each.is_over(today)]
    return Result(
        findings=tuple(order),
        skipped=tuple(sorted(skipped)),
        expired=tuple(over),
        unused=tuple(each for each in rules if each not in over and id(each.entry) not in used),
        old=_old(feeds, policy, today),
        not_compiled=tuple(sorted(left, key=lambda each: each.id)),
    )


def _old(feeds: Feeds, policy: Audit, today: str) -> tuple[str, ...]:
    """Return the files of feeds that are too old: nothing in one can be newer than the day when it was stored."""
    if not policy.max_age:
        return ()
    limit = (date.fromisoformat(today) - timedelta(days=policy.max_age)).isoformat()
    days = ((each.file, each.newest or each.stored) for each in feeds.names)
    return tuple(name for name, day in days if day and day < limit)


def _of(
    component: Component, feeds: Feeds, index: Mapping[nvd.Product, Sequence[Record]]
) -> tuple[list[Finding], str | None]:
    """Return the findings of a component, or why there can be none."""
    kinds = feeds.kinds()
    found: list[Finding] = []
    asked = False
    reason = None
    if _is_of_debian(component) and "Debian" in kinds:
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


def _list(row: Record, name: str) -> Sequence[Any]:
    found = row.get(name)
    return found if isinstance(found, list) else ()


def _osv_severity(record: Record) -> str:
    told = record.get("database_specific")
    word = str(told.get("severity", "")).lower() if isinstance(told, dict) else ""
    return {"moderate": "medium"}.get(word, word) if word in (*SEVERITIES, "moderate") else UNKNOWN


def _nvd(component: Component, index: Mapping[nvd.Product, Sequence[Record]]) -> Iterator[Finding]:
    for record, because, fixed in nvd.affecting(component.cpe or "", index):
        yield Finding(id=str(record.get("id")), component=component, feed="NVD", because=because, fixed=fixed)


# --- the kernel's CNA -----------------------------------------------------------------------------------------


def _linux(component: Component, feeds: Feeds) -> Iterator[Finding]:
    known = kernel.severities(feeds.cve)
    for identifier, because in kernel.affecting(feeds.cve, component.version or ""):
        severity = known.get(identifier, UNKNOWN)
        yield Finding(id=identifier, component=component, feed="CVE", because=because, severity=severity)


def _compiled(
    found: Sequence[Finding], feeds: Feeds, sources: Sources | None
) -> tuple[list[Finding], list[Finding]]:
    """Return the findings with the files that the kernel's CNA names, and those of which none is compiled."""
    files = kernel.files(feeds.cve)
    kept: list[Finding] = []
    left: list[Finding] = []
    for each in found:
        told = files.get(each.id, ()) if each.component.name == "linux" else ()
        is_left = sources is not None and kernel.is_left_out(told, sources)
        (left if is_left else kept).append(replace(each, files=told))
    return kept, left


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
        made[each.component.ref, each.id] = replace(known, severity=severity, because=because)
    return tuple(made.values())


def _completed(finding: Finding, severities: Mapping[str, str], exploited: set[str]) -> Finding:
    """Return a finding with what other feeds know of the same vulnerability."""
    told = [severities[each] for each in sorted(finding.ids) if severities.get(each, UNKNOWN) != UNKNOWN]
    return replace(
        finding,
        severity=told[0] if told else finding.severity,
        exploited=bool(finding.ids & exploited),
    )


def _decided(finding: Finding, policy: Audit, rules: Sequence[Ruling], today: str) -> Finding:
    fitting = [each.entry for each in rules if each.fits(finding.ids, finding.component.name, today)]
    decision = next((each for each in fitting if isinstance(each, Decision)), None)
    ignored = {value for name, value in finding.component.notes if name == "rootstream:ignored-cve"}
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
    exception = next((each for each in fitting if isinstance(each, RiskException)), None)
    return replace(finding, decision=decision, exception=exception, fails=fails and exception is None)


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
            "exception": each.exception.model_dump(exclude_none=True) if each.exception else None,
            "fails": each.fails,
        }
        for each in result.findings
    ]
