"""Check `poweroff`: the machine ends by itself."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from rootstream.description.checks.base import CheckKind
from rootstream.description.system import Duration


class PoweroffCheck(CheckKind):
    """Power the system off, and check that the machine turns off."""

    word: ClassVar[str] = "poweroff"
    logs_in: ClassVar[bool] = True
    needs_console: ClassVar[bool] = True
    needs_virtual: ClassVar[bool] = True
    poweroff: Annotated[str, Field(min_length=1)]
    """Command that powers the system off; the machine must turn off by itself."""
    within: Duration = 30.0
    """Time limit."""
