"""Mistakes and faults that a user can act on: one message with its place and the next step.

Everything else that goes wrong is a defect of Rootstream and keeps its traceback.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """A place in a file; `line` and `column` count from 1."""

    path: Path
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        parts = [str(self.path)]
        if self.line is not None:
            parts.append(str(self.line))
            if self.column is not None:
                parts.append(str(self.column))
        return ":".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caution:
    """What a user should know and that stops nothing; the fields are those of `UserError`."""

    reason: str
    message: str
    where: Where | None = None
    hint: str | None = None

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text}\n  {self.hint}" if self.hint else text


class UserError(Exception):
    """Something the user can fix.

    `reason` is a stable kebab-case word that tests and scripts go by, `message` says what failed and what was
    expected, `where` the place, `hint` the next command or edit, `detail` longer text such as the end of a log.
    """

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        where: Where | None = None,
        hint: str | None = None,
        detail: str | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.where = where
        self.hint = hint
        self.detail = detail

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        if self.detail:
            text += "\n" + "\n".join(f"  | {line}" for line in self.detail.rstrip("\n").split("\n"))
        if self.hint:
            text += f"\n  {self.hint}"
        return text


class Problems(UserError):  # noqa: N818  (a collection of errors)
    """Several mistakes found at once, in the order of the file."""

    def __init__(self, problems: tuple[UserError, ...]) -> None:
        super().__init__("several-problems", f"{len(problems)} error{'s' if len(problems) != 1 else ''}")
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class Interrupted(UserError):  # noqa: N818  (the user's wish, not an error)
    """The user asked to stop; what was done is kept, the next run goes on from there."""

    def __init__(self, what: str = "stopped") -> None:
        super().__init__("interrupted", what, hint="Run the same command again to continue from there.")
