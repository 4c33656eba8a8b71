"""Power control `none`."""

from __future__ import annotations

from typing import ClassVar

from rootstream.description.power.base import PowerKind


class NoPower(PowerKind):
    """Nobody here can switch the machine: a person does."""

    word: ClassVar[str] = "none"
    by_hand: ClassVar[bool] = True
