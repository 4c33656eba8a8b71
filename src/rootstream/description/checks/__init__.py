"""Checks of a booted system. Each module is a kind; the rest of Rootstream goes by the table of them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rootstream.description import kinds
from rootstream.description.checks.base import CheckKind

ORDER = ("console", "login", "command", "file", "port", "http", "poweroff")
if TYPE_CHECKING:
    Check = CheckKind
    KINDS: dict[str, type[CheckKind]]
else:
    _this = sys.modules[__name__]
    __getattr__ = kinds.when_asked(
        globals(),
        KINDS=lambda: kinds.found(CheckKind, __name__, ORDER, "rootstream.checks"),
        Check=lambda: kinds.flat_choice(_this.KINDS),
    )
