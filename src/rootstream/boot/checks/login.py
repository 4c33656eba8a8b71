"""Check `login`."""

from __future__ import annotations

from rootstream.boot.checks.base import CheckContext
from rootstream.boot.login_shell import Refused
from rootstream.boot.network import Answer
from rootstream.description.checks.login import LoginCheck


def run(check: LoginCheck, context: CheckContext, *, limit: float) -> Answer:
    """Log in, or see that it is refused."""
    wanted = check.login
    try:
        context.session.login(wanted.user, wanted.password, deadline=limit)
    except Refused as error:
        return Answer(good=wanted.refused, detail=str(error))
    detail = f"{wanted.user} logged in"
    return Answer(
        good=not wanted.refused, detail=f"{detail}, but should have been refused" if wanted.refused else detail
    )
