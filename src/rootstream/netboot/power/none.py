"""No power control: a person switches the machine."""

from __future__ import annotations

from rootstream.description.power.none import NoPower
from rootstream.netboot.power.base import Action, PowerContext, PowerState, not_from_here


def switch(power: NoPower, context: PowerContext, action: Action) -> None:  # noqa: ARG001
    """Raise `UserError` no-power-control."""
    raise not_from_here(context)


def state(power: NoPower, context: PowerContext) -> PowerState:  # noqa: ARG001
    """Return that it is not known."""
    return "unknown"
