"""Power controls of machines. Each module is a kind; the rest of Rootstream goes by the table of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rootstream.description import kinds
from rootstream.description.power.base import PowerKind

ORDER = ("none", "command", "qemu", "ipmi", "redfish")
KINDS = kinds.found(PowerKind, __name__, ORDER, "rootstream.power")
if TYPE_CHECKING:
    Power = PowerKind
else:
    Power = kinds.choice(KINDS)
