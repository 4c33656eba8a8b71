"""Power control `none`."""

from __future__ import annotations

from typing import ClassVar

from rootstream.description.power.base import PowerKind


class NoPower(PowerKind):
    """No power control: a person switches the machine."""

    word: ClassVar[str] = "none"
    by_hand: ClassVar[bool] = True
