"""What is checked of a system without checks: that it starts."""

from __future__ import annotations

import re
import time

from rootstream.boot.checks.base import CheckContext
from rootstream.boot.network import Answer
from rootstream.boot.transcript import LOGIN_PROMPT

_STARTED = re.compile(rf"Run /\S+ as init process|{LOGIN_PROMPT.pattern}", re.MULTILINE | re.IGNORECASE)
_SETTLED = 1.0  # an init that dies takes the kernel with it, within moments
_SETTLING = 5.0


def run(check: None, context: CheckContext, *, limit: float) -> Answer:  # noqa: ARG001
    """Wait for init or a login prompt, and see that it stays."""
    console = context.guest.console
    found = console.wait(_STARTED, start=0, deadline=limit)
    if found is None:
        return Answer(good=False, detail="neither init nor a login prompt was reached")
    console.wait_quiet(quiet=_SETTLED, deadline=min(limit, time.monotonic() + _SETTLING))
    return Answer(good=True, detail=f"reached: {found.text.strip()}")
