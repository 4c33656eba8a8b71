"""What an audit of a system fails on, and what has been decided of vulnerabilities."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from rootstream.description.system import Means, Model, OneLine

SEVERITIES = ("low", "medium", "high", "critical")
Severity = Literal["low", "medium", "high", "critical"]


def _day(value: str) -> str:
    try:
        date.fromisoformat(value)
    except ValueError as error:
        raise ValueError(f"{value!r} is not a day such as 2026-12-01") from error
    return value


Day = Annotated[
    str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$"), AfterValidator(_day), Means("a day such as 2026-12-01, in quotes")
]


Vulnerability = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.:_-]{1,99}$"), Means("an identifier such as CVE-2026-1234")
]


class Decision(Model):
    """What somebody has found out about a vulnerability in this system."""

    vulnerability: Vulnerability
    """Identifier, such as CVE-2026-1234; aliases count, too."""
    component: OneLine = "*"
    """Name of the component, or a pattern; by default all that have the vulnerability."""
    status: Literal["not_affected", "fixed", "under_investigation", "affected"] = "not_affected"
    """What it is. The first two are no reason to fail."""
    justification: (
        Literal[
            "component_not_present",
            "vulnerable_code_not_present",
            "vulnerable_code_not_in_execute_path",
            "vulnerable_code_cannot_be_controlled_by_adversary",
            "inline_mitigations_already_exist",
        ]
        | None
    ) = None
    """Why a component is not affected, in the words of OpenVEX."""
    reason: OneLine
    """Why, for people."""
    author: OneLine
    """Who has decided."""
    date: Day
    """When."""
    until: Day | None = None
    """Last day on which the decision counts; by default, it always does."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.until is not None and self.until < self.date:
            raise ValueError(f"until {self.until} is before {self.date}, the day of the decision")
        return self


class RiskException(Model):
    """A vulnerability that is accepted for a time, although it is one."""

    vulnerability: Vulnerability
    """Identifier, such as CVE-2026-1234; aliases count, too."""
    component: OneLine = "*"
    """Name of the component, or a pattern; by default all that have the vulnerability."""
    reason: OneLine
    """Why it is accepted."""
    author: OneLine
    """Who accepts it."""
    until: Day
    """Last day on which it is; from the next one on, the vulnerability is a failure again."""


class Audit(Model):
    """What `rootstream audit` fails on, and decisions on single vulnerabilities."""

    fail_on: Severity = "critical"
    """Lowest severity that is a failure."""
    unknown: Literal["pass", "fail"] = "pass"
    """What a vulnerability is whose severity is unknown."""
    exploited: Literal["pass", "fail"] = "fail"
    """What one is that is known to be exploited, whatever its severity."""
    max_age: Annotated[int, Field(ge=1, le=3650), Means("a number of days")] | None = None
    """Days after which a feed is a failure, by its newest entry; for feeds that hold no date, such as Debian's, by
    the day when the project stored them."""
    decisions: tuple[Decision, ...] = ()
    """Decisions, the first that fits counts; those in `vex.yaml` come after them."""
    exceptions: tuple[RiskException, ...] = ()
    """Vulnerabilities that are accepted for a time."""
