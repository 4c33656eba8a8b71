"""Check `port`: a TCP port that accepts connections."""

from __future__ import annotations

from typing import ClassVar

from typing_extensions import override

from rootstream.description.checks.base import CheckKind
from rootstream.description.system import Port


class PortCheck(CheckKind):
    """A TCP port accepts a connection."""

    word: ClassVar[str] = "port"
    port: Port
    """TCP port of the system that must accept a connection."""

    @property
    @override
    def ports(self) -> tuple[int, ...]:
        return (self.port,)
