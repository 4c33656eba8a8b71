"""`rootstream audit`: known vulnerabilities of a system in out/, from feeds that the user has downloaded."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rootstream.boot.checks.runner import Result as Case
from rootstream.boot.junit import Suite, junit
from rootstream.description.audit import Audit, Decision
from rootstream.errors import UserError
from rootstream.project.project import Project
from rootstream.report import audit as auditing
from rootstream.report import components, feeds, inventory
from rootstream.verbs import report

_DOCUMENTS = uuid.UUID("c8c2d7d4-5a2e-5c80-9c1b-8d2a3c0f5e77")


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """A system with what the feeds know of it on a day."""

    system: components.System
    result: auditing.Result
    feeds: tuple[feeds.FeedName, ...]
    today: str

    @property
    def failed(self) -> bool:
        """Say whether the policy fails on something."""
        return bool(self.result.failures or self.result.old)

    def table(self) -> str:
        """Return a line for each vulnerability, for each component that was not looked at, and the counts."""
        return "".join(f"{line}\n" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        for feed in self.feeds:
            dated = f"newest entry {feed.newest}" if feed.newest else "without a date"
            old = "; FAIL: too old" if feed.file in self.result.old else ""
            yield f"feed {feed.kind}: {feed.file} SHA-256 {feed.sha256}, {dated}{old}"
        for each in self.result.findings:
            version = f" {each.component.version}" if each.component.version else ""
            words = [each.severity, *(["known to be exploited"] if each.exploited else [])]
            mark = "FAIL" if each.fails else "pass"
            yield f"{mark}  {each.id}  {each.component.name}{version}  {', '.join(words)}  {each.because}"
            if each.decision:
                told = each.decision
                yield f"      {told.status}: {told.reason} ({told.author}, {told.date})"
        for name, reason in self.result.skipped:
            yield f"not certain  {name}: {reason}"
        for each_system in self.system.unknown:
            yield f"not looked at  {each_system}"
        for told in self.result.expired:
            yield f"expired decision  {told.vulnerability} {told.component}: until {told.until}"
        for told in self.result.unused:
            yield f"unused decision  {told.vulnerability} {told.component}"
        decided = sum(each.decision is not None for each in self.result.findings)
        counts = (len(self.result.findings), decided, len(self.result.failures), len(self.result.skipped))
        yield "{} vulnerabilities, {} decided, {} failures; {} components not certain".format(*counts)

    def json(self) -> str:
        """Return the same as JSON."""
        told = {
            "system": self.system.target,
            "date": self.today,
            "feeds": [asdict(each) for each in self.feeds],
            "old_feeds": list(self.result.old),
            "vulnerabilities": auditing.data(self.result),
            "not_certain": [{"component": name, "reason": reason} for name, reason in self.result.skipped],
            "not_looked_at": list(self.system.unknown),
            "expired_decisions": [each.vulnerability for each in self.result.expired],
            "unused_decisions": [each.vulnerability for each in self.result.unused],
        }
        return json.dumps(told, indent=1) + "\n"

    def junit(self) -> bytes:
        """Return the same as JUnit XML, a test case for each vulnerability."""
        cases = [
            Case(
                name=f"{each.id} {each.component.name}",
                passed=not each.fails,
                elapsed=0.0,
                detail=f"{each.severity}: {each.because}",
            )
            for each in self.result.findings
        ]
        cases += [
            Case(
                name=f"age of {each.file}",
                passed=each.file not in self.result.old,
                elapsed=0.0,
                detail=str(each.newest),
            )
            for each in self.feeds
        ]
        suite = Suite(
            name=f"audit of {self.system.target}",
            elapsed=0.0,
            timestamp=f"{self.today}T00:00:00",
            properties={f"feed {each.kind}": f"{each.file} {each.sha256}" for each in self.feeds},
            results=cases,
            console=self.table(),
        )
        return junit([suite])

    def vex(self) -> bytes:
        """Return the decisions on what was found as OpenVEX 0.2."""
        statements = [
            {
                "vulnerability": {"name": each.id, **({"aliases": list(each.aliases)} if each.aliases else {})},
                "timestamp": f"{each.decision.date}T00:00:00Z",
                "products": [
                    {
                        "@id": f"pkg:generic/{self.system.target}",
                        "subcomponents": [{"@id": each.component.purl or each.component.name}],
                    }
                ],
                **_statement(each.decision),
            }
            for each in self.result.findings
            if each.decision
        ]
        authors = sorted({each.decision.author for each in self.result.findings if each.decision})
        text = json.dumps(statements, sort_keys=True)
        told = {
            "@context": "https://openvex.dev/ns/v0.2.0",
            "@id": f"urn:uuid:{uuid.uuid5(_DOCUMENTS, text)}",
            "author": ", ".join(authors) or "nobody",
            "timestamp": f"{self.today}T00:00:00Z",
            "version": 1,
            "statements": statements,
        }
        return (json.dumps(told, indent=1) + "\n").encode()


def _statement(decision: Decision) -> dict[str, Any]:
    """Return the words of a statement: OpenVEX wants a justification or the reason of what is not affected."""
    found: dict[str, Any] = {"status": decision.status}
    if decision.status == "not_affected":
        found["impact_statement"] = decision.reason
        found |= {"justification": decision.justification} if decision.justification else {}
    elif decision.status == "affected":
        found["action_statement"] = decision.reason
    else:
        found["status_notes"] = decision.reason
    return found


def audit(project: Project, wanted: tuple[str, ...], paths: tuple[Path, ...], now: float) -> Audited:
    """Return what feeds know of a system in out/; `now` is in seconds since 1970.

    Raises `UserError` no-feed, cannot-read, bad-feed, and as `report.target` and `components.find` do.
    """
    if not paths:
        raise UserError(
            "no-feed",
            "no feed of vulnerabilities is given",
            hint="Download one, and name it: `--feed debian.json`. docs/how-to/audit.md says where they are.",
        )
    target = report.target(project, wanted)
    folder = project.out(target)
    data, listed = components.find(folder)
    known = inventory.read(listed, files=False) if listed else None
    system = components.system(data, known, folder / "manifest.json")
    policy = Audit()
    if project.kind != "plain":
        policy = next(each.system.audit for each in project.read().systems if each.target == target)
    found = feeds.read(paths, auditing.wanted(system))
    today = datetime.fromtimestamp(now, UTC).date().isoformat()
    result = auditing.audit(system, found, policy, today)
    return Audited(system=system, result=result, feeds=tuple(found.names), today=today)
