"""Check `http`."""

from __future__ import annotations

from rootstream.boot import network
from rootstream.boot.checks.base import CheckContext
from rootstream.boot.network import Answer
from rootstream.description.checks.http import HttpCheck


def run(check: HttpCheck, context: CheckContext, *, limit: float) -> Answer:
    """Ask until the answer is the one that is wanted."""
    return network.http_answer(context.guest, check.http, deadline=limit)
