"""What a check is given, and what it answers. A kind's module has `run`, which may raise `Refused` and `Late`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from rootstream.boot.login_shell import Session
from rootstream.boot.machine import Guest
from rootstream.boot.network import Answer
from rootstream.errors import UserError


@dataclass(slots=True, kw_only=True)
class CheckContext:
    """What the checks of one machine share: its session, and what it died of."""

    guest: Guest
    session: Session
    dead: UserError | None = None


class CheckRun(Protocol):
    """The function of a kind's module; `limit` is its deadline on `time.monotonic`."""

    def __call__(self, check: Any, context: CheckContext, *, limit: float) -> Answer:  # noqa: ANN401
        """Make a check."""
