"""Power control by commands of this host, which are started without a shell."""

from __future__ import annotations

from rootstream.description.power.command import PowerCommand
from rootstream.errors import UserError
from rootstream.host import process
from rootstream.netboot.power.base import Action, PowerContext, PowerState


def switch(power: PowerCommand, context: PowerContext, action: Action) -> None:
    """Run the commands of an action. Raises `UserError` no-power-control, power-failed, process-timeout."""
    by_action: dict[Action, tuple[tuple[str, ...] | None, ...]] = {
        "on": (power.on,),
        "off": (power.off,),
        "cycle": (power.cycle,) if power.cycle else (power.off, power.on),
    }
    wanted = by_action[action]
    if action != "off" and power.once is not None:
        wanted = (power.once, *wanted)
    for argv in wanted:
        if argv is None:
            message = f"{context.name} has no command for {action!r}"
            raise UserError("no-power-control", message, hint="Add it to `power: {command: ...}`.")
        done = process.run(argv, env=context.env, timeout=power.timeout, check=False)
        if done.status != 0:
            raise UserError(
                "power-failed",
                f"{context.name} could not be switched {action}: {process.ending(done.status)}",
                detail=process.tail(done.stderr or done.stdout) or None,
                hint=f"To run it by hand: {process.paste(argv)}",
            )


def state(power: PowerCommand, context: PowerContext) -> PowerState:
    """Return what the command `status` says, if there is one."""
    if not power.status:
        return "unknown"
    done = process.run(power.status, env=context.env, timeout=power.timeout, check=False)
    return "on" if done.status == 0 else "off"
