"""Check `command`."""

from __future__ import annotations

import re

from rootstream.boot.checks.base import CheckContext
from rootstream.boot.network import Answer
from rootstream.description.checks.command import CommandCheck

_OUTPUT = 1000


def run(check: CommandCheck, context: CheckContext, *, limit: float) -> Answer:
    """Run a command in the shell that is there, or root's."""
    context.session.ensure(deadline=limit)
    ran = context.session.run(check.command, deadline=limit)
    shown = ran.output[-_OUTPUT:].strip()
    if ran.status != check.exit:
        return Answer(good=False, detail=f"exit status {ran.status}, not {check.exit}: {shown}")
    if check.output is not None and not re.search(check.output, ran.output, re.MULTILINE):
        return Answer(good=False, detail=f"the output doesn't match {check.output!r}: {shown}")
    return Answer(good=True, detail=shown)
