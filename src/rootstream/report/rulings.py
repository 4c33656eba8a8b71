"""What a project has decided of vulnerabilities: decisions and exceptions, each with its place in a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from rootstream.description.audit import Audit, Decision, RiskException
from rootstream.errors import Where


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """A decision or exception, and where it was written."""

    entry: Decision | RiskException
    where: Where | None = None

    def is_over(self, today: str) -> bool:
        """Say whether its last day has passed."""
        return self.entry.until is not None and self.entry.until < today

    def fits(self, ids: frozenset[str], component: str, today: str) -> bool:
        """Say whether it is about a vulnerability of a component, and still counts."""
        return (
            self.entry.vulnerability in ids
            and fnmatchcase(component, self.entry.component)
            and not self.is_over(today)
        )


def of_policy(policy: Audit, path: Path | None = None, lines: Mapping[str, int] | None = None) -> list[Ruling]:
    """Return those of a system's policy; `lines` are those of its keys in a file, by path such as `layers/0`."""
    return list(_of_policy(policy, path, lines or {}))


def _of_policy(policy: Audit, path: Path | None, lines: Mapping[str, int]) -> Iterator[Ruling]:
    entries: list[tuple[str, Decision | RiskException]] = []
    entries += ((f"audit/decisions/{number}", each) for number, each in enumerate(policy.decisions))
    entries += ((f"audit/exceptions/{number}", each) for number, each in enumerate(policy.exceptions))
    for key, entry in entries:
        yield Ruling(entry=entry, where=Where(path=path, line=lines.get(key)) if path else None)
