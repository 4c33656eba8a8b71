"""Check `console`."""

from __future__ import annotations

import re

from rootstream.boot.checks.base import CheckContext
from rootstream.boot.network import Answer
from rootstream.description.checks.console import ConsoleCheck


def run(check: ConsoleCheck, context: CheckContext, *, limit: float) -> Answer:
    """Wait for a text among all that the console showed."""
    pattern = re.compile(check.console if check.regex else re.escape(check.console), re.MULTILINE)
    found = context.guest.console.wait(pattern, start=0, deadline=limit)
    if found is None:
        return Answer(good=False, detail=f"the console did not show {check.console!r}")
    return Answer(good=True, detail=found.text)
