"""What a power driver is, and what it is given; and who may use a machine meanwhile.

A driver is a module with `switch` and `state`, as in labgrid. Both raise `UserError` power-failed, and may block.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, cast

from rootstream import events
from rootstream.boot.machine import Guest
from rootstream.description import kinds
from rootstream.description.machines import NetMachine
from rootstream.description.power import Power
from rootstream.errors import UserError
from rootstream.netboot.locks import hold, is_held
from rootstream.netboot.store import state_folder
from rootstream.project.project import Project

Action = Literal["on", "off", "cycle"]
PowerState = Literal["on", "off", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerContext:
    """The machine that a driver switches, and the project that describes it."""

    name: str
    machine: NetMachine
    project: Project
    env: Mapping[str, str] = field(default_factory=lambda: os.environ)

    @property
    def folder(self) -> Path:
        """The folder of the project, below which password files are."""
        return self.project.folder


class Driver(Protocol):
    """The functions of a driver's module; `power` is the model of its kind."""

    def switch(self, power: Any, context: PowerContext, action: Action) -> None:  # noqa: ANN401
        """Switch a machine; before it goes on it is told to boot from the network, if it can be told."""

    def state(self, power: Any, context: PowerContext) -> PowerState:  # noqa: ANN401
        """Return whether a machine is on, as far as that can be known."""


class VirtualDriver(Driver, Protocol):
    """That of a kind that is `virtual`."""

    def started(
        self,
        power: Any,  # noqa: ANN401
        context: PowerContext,
        *,
        ramdisk: Path | None,
        log: Path | None,
        report: events.Reporter,
        reboot: bool = False,
    ) -> AbstractContextManager[Guest]:
        """Switch the machine on until the block ends; `ramdisk` is the root that it will boot, if known."""


def driver(power: Power) -> Driver:
    """Return the driver of a power control. Raises `UserError` bad-plugin."""
    name = power.driver or f"rootstream.netboot.power.{power.kind}"
    return cast("Driver", kinds.module(power, name, "switch", "state"))


def virtual_driver(power: Power) -> VirtualDriver:
    """Return the driver of a virtual machine. Raises `UserError` bad-plugin."""
    name = power.driver or f"rootstream.netboot.power.{power.kind}"
    return cast("VirtualDriver", kinds.module(power, name, "switch", "state", "started"))


def not_from_here(context: PowerContext) -> UserError:
    """Return the error for a machine that this process cannot switch."""
    return UserError(
        "no-power-control",
        f"{context.name} cannot be switched from here (power: {context.machine.power.kind})",
        hint="Set `power:` in system.yaml, or switch it by hand.",
    )


@contextlib.contextmanager
def held(project: Project, name: str) -> Iterator[None]:
    """Hold a machine: it runs, or is booted, for one process. Raises `UserError` machine-runs."""
    with hold(_lock(project, name)) as handle:
        if handle is None:
            hint = f"`rootstream power {name} off` stops one of the server; one of `rootstream boot` ends with it."
            raise UserError(
                "machine-runs", f"{name} was switched on, or is being booted, by another process", hint=hint
            )
        yield


def is_on(project: Project, name: str) -> bool:
    """Say whether a virtual machine runs, in whichever process."""
    return is_held(_lock(project, name))


def _lock(project: Project, name: str) -> Path:
    return state_folder.machine(project, name) / "lock"
