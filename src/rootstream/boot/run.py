"""Boots a system for a person: its console on their terminal, or only shown where there is no terminal."""

from __future__ import annotations

import os
import socket
import sys
import termios
import time
from collections.abc import Mapping
from typing import Literal

from rootstream import events
from rootstream.architectures import Architecture
from rootstream.boot import accel
from rootstream.boot.machine import PreparedMachine, port_in_use, prepare, start
from rootstream.boot.qemu import Host
from rootstream.boot.terminal import USUAL_MODES
from rootstream.description.machine import BootImage, Machine
from rootstream.errors import UserError
from rootstream.host import process

Ended = Literal["off", "deadline"]
_FOREVER = float("inf")


def run(
    *,
    arch: Architecture,
    machine: Machine,
    image: BootImage,
    report: events.Reporter = events.ignore,
    terminal: bool | None = None,
    limit: float | None = None,
    env: Mapping[str, str] = os.environ,
) -> Ended:
    """Boot the image until the guest switches itself off, the user quits, or `limit` seconds are over.

    With a terminal (by default: if stdin and stdout are one) the console is on it and `limit` doesn't count; else
    the console comes as events. What the guest writes to its disk is gone afterwards. Raises what
    `machine.prepare`, `machine.start` and `accel.choose` raise, without a terminal also the console's faults.
    """
    accelerator = accel.choose(machine, arch, report=report, env=env)
    with_terminal = sys.stdin.isatty() and sys.stdout.isatty() if terminal is None else terminal
    host = Host(accelerator=accelerator, reboot=with_terminal)
    with prepare(machine, image, arch=arch, host=host) as prepared:
        for nic in machine.nics:
            for ours, its in nic.forward.items():
                text = f"Port {its} of the machine is 127.0.0.1:{ours} here"
                report(events.Notice(level="info", text=text))
        if with_terminal:
            report(events.Notice(level="info", text="The console is on this terminal; Ctrl-A X ends the machine"))
            _attend(prepared, env=env)
            return "off"
        with start(prepared, report=report, env=env) as guest:
            if not guest.console.wait_end(_FOREVER if limit is None else time.monotonic() + limit):
                return "deadline"
            fault = guest.console.fault()
            if fault is not None and guest.status() != 0:
                raise fault
            return "off"


def _attend(prepared: PreparedMachine, *, env: Mapping[str, str]) -> None:
    """Give the terminal to QEMU, and take it back as it was."""
    argv = prepared.argv(None)
    before = termios.tcgetattr(sys.stdin)
    try:
        status = process.hand_over(process.die_with_parent(argv), env=env)
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
        sys.stdout.write(USUAL_MODES)
        sys.stdout.flush()
    if status == 0:
        return
    for nic in prepared.machine.nics:
        for port in nic.forward:
            if _busy(port):
                raise port_in_use(port)
    raise UserError(
        "qemu-failed",
        f"QEMU failed: {process.ending(status)}",
        hint=f"To run it by hand: {process.paste(argv)}",
    )


def _busy(port: int) -> bool:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False
