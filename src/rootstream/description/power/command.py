"""Power control `command`: programs of this host, such as wakeonlan."""

from __future__ import annotations

from typing import ClassVar

from typing_extensions import override

from rootstream.description.power.base import Command, PowerKind
from rootstream.description.system import Duration


class PowerCommand(PowerKind):
    """Commands that switch the machine. They are started as they are, without a shell."""

    word: ClassVar[str] = "command"
    on: Command
    """Switches the machine on, such as `[wakeonlan, "52:54:00:12:34:56"]`."""
    off: Command | None = None
    """Switches it off."""
    cycle: Command | None = None
    """Switches it off and on; by default `off`, then `on`."""
    status: Command | None = None
    """Exit status 0 while the machine is on."""
    once: Command | None = None
    """Has the machine boot from the network the next time."""
    timeout: Duration = 60.0
    """How long each may take."""

    @property
    @override
    def programs(self) -> str | None:
        return "power: command"
