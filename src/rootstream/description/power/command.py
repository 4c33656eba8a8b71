"""Power control `command`: programs of this host, such as wakeonlan."""

from __future__ import annotations

from typing import ClassVar

from typing_extensions import override

from rootstream.description.power.base import Command, PowerKind
from rootstream.description.system import Duration


class PowerCommand(PowerKind):
    """Commands that control the machine's power. They are run directly, without a shell."""

    word: ClassVar[str] = "command"
    on: Command
    """Command that switches the machine on, such as `[wakeonlan, "52:54:00:12:34:56"]`."""
    off: Command | None = None
    """Command that switches it off."""
    cycle: Command | None = None
    """Command that power-cycles it; by default `off`, then `on`."""
    status: Command | None = None
    """Command that exits with status 0 while the machine is on."""
    once: Command | None = None
    """Command that makes the next boot a network boot."""
    timeout: Duration = 60.0
    """Time limit for each command."""

    @property
    @override
    def programs(self) -> str | None:
        return "power: command"
