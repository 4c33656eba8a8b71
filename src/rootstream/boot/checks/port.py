"""Check `port`."""

from __future__ import annotations

from rootstream.boot import network
from rootstream.boot.checks.base import CheckContext
from rootstream.boot.network import Answer
from rootstream.description.checks.port import PortCheck


def run(check: PortCheck, context: CheckContext, *, limit: float) -> Answer:
    """Wait until a port accepts a connection."""
    return network.port(context.guest, check.port, deadline=limit)
