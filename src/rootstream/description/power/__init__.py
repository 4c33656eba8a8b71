"""Power controls of machines. Each module is a kind; the rest of Rootstream goes by the table of them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rootstream.description import kinds
from rootstream.description.power.base import PowerKind

ORDER = ("none", "command", "qemu", "ipmi", "redfish")
if TYPE_CHECKING:
    Power = PowerKind
    KINDS: dict[str, type[PowerKind]]
else:
    _this = sys.modules[__name__]
    __getattr__ = kinds.when_asked(
        globals(),
        KINDS=lambda: kinds.found(PowerKind, __name__, ORDER, "rootstream.power"),
        Power=lambda: kinds.choice(_this.KINDS),
    )
