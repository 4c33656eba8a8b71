"""`rootstream audit`: known vulnerabilities of a system in out/, from feeds that the user has downloaded."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rootstream.boot.checks.runner import Result as Case
from rootstream.boot.junit import Suite, junit
from rootstream.description import vex
from rootstream.description.audit import Audit, Decision
from rootstream.description.yaml_nodes import MAX_BYTES
from rootstream.errors import UserError
from rootstream.host import nofollow, temporary
from rootstream.project.project import Project
from rootstream.report import audit as auditing
from rootstream.report import components, feed_folder, feed_store, feeds, inventory, rulings
from rootstream.report.feeds import FeedFile
from rootstream.report.page import audits
from rootstream.report.rulings import Ruling
from rootstream.verbs import pages, report

_DOCUMENTS = uuid.UUID("c8c2d7d4-5a2e-5c80-9c1b-8d2a3c0f5e77")


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """A system with what the feeds know of it on a day."""

    system: components.System
    result: auditing.Result
    feeds: tuple[feeds.FeedName, ...]
    today: str
    not_stored: str | None = None
    """Why the feeds could not be stored."""

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
            dated += f", stored {feed.stored}" if feed.stored else ""
            old = "; FAIL: too old" if feed.file in self.result.old else ""
            yield f"feed {feed.kind}: {feed.file} SHA-256 {feed.sha256}, {dated}{old}"
        if self.not_stored:
            yield f"warning: feeds are not stored for the next audit: {self.not_stored}"
        for each in self.result.findings:
            version = f" {each.component.version}" if each.component.version else ""
            words = [each.severity, *(["known to be exploited"] if each.exploited else [])]
            mark = "FAIL" if each.fails else "pass"
            yield f"{mark}  {each.id}  {each.component.name}{version}  {', '.join(words)}  {each.because}"
            if each.decision:
                told = each.decision
                yield f"      {told.status}: {told.reason} ({told.author}, {told.date})"
            if each.exception:
                accepted = each.exception
                yield f"      accepted until {accepted.until}: {accepted.reason} ({accepted.author})"
        yield from self._rest()

    def _rest(self) -> Iterator[str]:
        """Give what is beside the vulnerabilities, and the counts."""
        for left in self.result.not_compiled:
            yield f"not compiled  {left.id}  {left.component.name}  {', '.join(left.files)}"
        for name, reason in self.result.skipped:
            yield f"not certain  {name}: {reason}"
        for each in self.system.unknown:
            yield f"not looked at  {each}"
        for ruling in self.result.expired:
            yield f"warning: {_ruled(ruling)} no longer counts: its last day was {ruling.entry.until}"
        for ruling in self.result.unused:
            yield f"warning: {_ruled(ruling)} fits nothing that these feeds know of {self.system.target}"
        decided = sum(each.decision is not None for each in self.result.findings)
        counts = (len(self.result.findings), decided, len(self.result.failures), len(self.result.skipped))
        text = "{} vulnerabilities, {} decided, {} failures; {} components not certain".format(*counts)
        left_out = len(self.result.not_compiled)
        yield text + (f"; {left_out} in files of Linux that are not compiled" if left_out else "")

    def json(self) -> str:
        """Return the same as JSON."""
        return json.dumps(self.data(), indent=1) + "\n"

    def html(self) -> bytes:
        """Return the same as a page."""
        return pages.audit(self.system.target, self.data())

    def data(self) -> dict[str, Any]:
        """Return the same as JSON has it."""
        return {
            "system": self.system.target,
            "date": self.today,
            "feeds": [asdict(each) for each in self.feeds],
            "old_feeds": list(self.result.old),
            "vulnerabilities": auditing.data(self.result),
            "not_compiled": [{"id": each.id, "files": list(each.files)} for each in self.result.not_compiled],
            "not_certain": [{"component": name, "reason": reason} for name, reason in self.result.skipped],
            "not_looked_at": list(self.system.unknown),
            "expired_decisions": [_named(each) for each in self.result.expired],
            "unused_decisions": [_named(each) for each in self.result.unused],
        }

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


def _ruled(ruling: Ruling) -> str:
    place = f"{ruling.where}: " if ruling.where else ""
    kind = "decision" if isinstance(ruling.entry, Decision) else "exception"
    return f"{place}the {kind} on {ruling.entry.vulnerability} of {ruling.entry.component}"


def _named(ruling: Ruling) -> dict[str, Any]:
    where = ruling.where
    return {
        "vulnerability": ruling.entry.vulnerability,
        "component": ruling.entry.component,
        "file": where.path.name if where else None,
        "line": where.line if where else None,
    }


def _statement(decision: Decision) -> dict[str, Any]:
    """Return the words of a statement: OpenVEX wants a justification or the reason of what is not affected."""
    until = f", until {decision.until}" if decision.until else ""
    found: dict[str, Any] = {"status": decision.status, "status_notes": f"Decided by {decision.author}{until}."}
    if decision.status == "not_affected":
        found["impact_statement"] = decision.reason
        found |= {"justification": decision.justification} if decision.justification else {}
    elif decision.status == "affected":
        found["action_statement"] = decision.reason
    else:
        found["status_notes"] = f"{decision.reason} {found['status_notes']}"
    return found


def audit(project: Project, wanted: tuple[str, ...], paths: tuple[Path, ...], now: float) -> Audited:
    """Return what feeds know of a system in out/, those that are stored if none is given.

    `now` is in seconds since 1970. Feeds that are given are stored; folders are packed before. Raises `UserError`
    no-feed, cannot-read, bad-feed, bad-feed-store, feed-changed, `Problems` of vex.yaml, and as `report.target`
    and `components.find`.
    """
    target = report.target(project, wanted)
    with temporary.folder("rootstream-feeds-") as scratch:
        given = tuple(_given(path, scratch / str(number)) for number, path in enumerate(paths))
        return _audit(project, target, given, now)


def _given(path: Path, packed: Path) -> FeedFile:
    """Return a feed that is given; a folder is packed into a file."""
    if not path.is_dir():
        return FeedFile(path=path, name=path.name)
    feed_folder.pack(path, packed)
    return FeedFile(path=packed, name=path.resolve().name)


def _audit(project: Project, target: str, given: tuple[FeedFile, ...], now: float) -> Audited:
    files = given or feed_store.kept(project)
    if not files:
        raise UserError(
            "no-feed",
            "no feed of vulnerabilities is given, and none is stored",
            hint="Download one, and name it: `--feed debian.json`. docs/how-to/audit.md says where they are.",
        )
    folder = project.out(target)
    data, listed = components.find(folder)
    known = inventory.read(listed, files=False) if listed else None
    system = components.system(data, known, folder / "manifest.json")
    policy, rules = _rules(project, target)
    found = feeds.read(files, auditing.wanted(system))
    feed_store.require_whole(files, found.names)
    today = datetime.fromtimestamp(now, UTC).date().isoformat()
    result = auditing.audit(system, found, policy, today, rules)
    audited = Audited(system=system, result=result, feeds=tuple(found.names), today=today)
    return replace(audited, not_stored=_keep(project, tuple(each.path for each in given), audited))


def _rules(project: Project, target: str) -> tuple[Audit, list[Ruling]]:
    """Return the policy of a system, and what was decided in system.yaml and in vex.yaml."""
    policy, rules = Audit(), []
    names: tuple[str, ...] = ()
    if project.kind != "plain":
        described = next(each for each in project.read().systems if each.target == target)
        policy = described.system.audit
        rules = rulings.of_policy(policy, project.description, described.lines)
        names = project.read().names()
    path = project.folder / vex.FILE
    try:
        content = nofollow.read_bytes(project.folder, path, most=MAX_BYTES + 1)
    except FileNotFoundError:
        return policy, rules
    placed = (each for each in vex.load(content, path, names) if each.is_about(target))
    return policy, [*rules, *(Ruling(entry=each.decision, where=each.where) for each in placed)]


def _keep(project: Project, given: tuple[Path, ...], audited: Audited) -> str | None:
    """Store the feeds that were given, and the result for the page of the build; return why feeds are not stored.

    Without the result, the page says that the build was not audited. Raises `UserError` feed-changed.
    """
    try:
        with feed_store.held(project):
            with suppress(UserError, OSError):
                audits.keep(project, audited.system.target, audited.data())
            if given:
                feed_store.keep(project, given, audited.feeds, audited.today)
    except UserError as error:
        if error.reason == "feed-changed":
            raise
        return str(error) if given else None
    except OSError as error:
        return str(error.strerror) if given else None
    return None
