"""Check `port`: a TCP port that accepts connections."""

from __future__ import annotations

from typing import ClassVar

from typing_extensions import override

from rootstream.description.checks.base import CheckKind
from rootstream.description.system import Port


class PortCheck(CheckKind):
    """Connect to a TCP port of the system."""

    word: ClassVar[str] = "port"
    port: Port
    """TCP port of the system that must accept connections."""

    @property
    @override
    def ports(self) -> tuple[int, ...]:
        return (self.port,)
