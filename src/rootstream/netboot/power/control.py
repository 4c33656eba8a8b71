"""Switches machines on and off: by commands, IPMI, Redfish, or as virtual machines of this host."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rootstream import events
from rootstream.description.machines import (
    NetMachine,
    PowerCommand,
    Qemu,
    WithCommand,
    WithIpmi,
    WithQemu,
    WithRedfish,
    power_kind,
)
from rootstream.errors import UserError
from rootstream.host import process
from rootstream.netboot import boot_override
from rootstream.netboot.locks import hold, is_held
from rootstream.netboot.power import ipmi, qemu, redfish
from rootstream.netboot.service import Service
from rootstream.netboot.store import state_folder
from rootstream.project.project import Project

Action = Literal["on", "off", "cycle"]
Power = Literal["on", "off", "unknown"]
_FRESH = 2.0  # seconds for which an answer of a machine's power control is as good as a new one
_AT_ONCE = 16


def switch(
    project: Project, name: str, machine: NetMachine, action: Action, *, env: Mapping[str, str] = os.environ
) -> None:
    """Switch a machine that is no virtual one; before it goes on it is told to boot from the network, if it can.

    Raises `UserError` no-power-control, power-failed, program-missing, process-timeout.
    """
    match machine.power:
        case WithCommand(command=words):
            _command(name, words, action, env)
        case WithIpmi(ipmi=words):
            ipmi.switch(name, words, project.folder, action, uefi=machine.firmware == "uefi", env=env)
        case WithRedfish(redfish=words):
            redfish.switch(name, words, project.folder, action)
        case _:
            raise UserError(
                "no-power-control",
                f"{name} cannot be switched from here (power: {power_kind(machine)})",
                hint="Give it a `power:` in system.yaml, or switch it by hand.",
            )


def state(project: Project, name: str, machine: NetMachine, *, env: Mapping[str, str] = os.environ) -> Power:
    """Return whether a machine is on, as far as that can be known. Raises as `switch` does."""
    match machine.power:
        case WithCommand(command=words) if words.status:
            done = process.run(words.status, env=env, timeout=words.timeout, check=False)
            return "on" if done.status == 0 else "off"
        case WithIpmi(ipmi=words):
            return ipmi.state(name, words, project.folder, env=env)
        case WithRedfish(redfish=words):
            return redfish.state(name, words, project.folder)
        case WithQemu():
            return "on" if is_on(project, name) else "off"
        case _:
            return "unknown"


def _command(name: str, words: PowerCommand, action: Action, env: Mapping[str, str]) -> None:
    by_action: dict[Action, tuple[tuple[str, ...] | None, ...]] = {
        "on": (words.on,),
        "off": (words.off,),
        "cycle": (words.cycle,) if words.cycle else (words.off, words.on),
    }
    wanted = by_action[action]
    if action != "off" and words.once is not None:
        wanted = (words.once, *wanted)
    for argv in wanted:
        if argv is None:
            message = f"{name} has no command for {action!r}"
            raise UserError("no-power-control", message, hint="Write it below `power: {command: ...}`.")
        done = process.run(argv, env=env, timeout=words.timeout, check=False)
        if done.status != 0:
            raise UserError(
                "power-failed",
                f"{name} could not be switched {action}: {process.ending(done.status)}",
                detail=process.tail(done.stderr or done.stdout) or None,
                hint=f"To try it by hand: {process.paste(argv)}",
            )


@contextlib.contextmanager
def held(project: Project, name: str) -> Iterator[None]:
    """Hold a machine: it runs, or is booted, for one process. Raises `UserError` machine-runs."""
    with hold(_lock(project, name)) as handle:
        if handle is None:
            hint = f"`rootstream power {name} off` ends what the server runs; a `rootstream boot` ends by itself."
            raise UserError("machine-runs", f"{name} is on, or being booted, by another process", hint=hint)
        yield


def is_on(project: Project, name: str) -> bool:
    """Say whether a virtual machine runs, in whichever process."""
    return is_held(_lock(project, name))


def _lock(project: Project, name: str) -> Path:
    return state_folder.machine(project, name) / "lock"


@dataclass(slots=True)
class _Running:
    thread: threading.Thread
    stop: threading.Event
    ready: threading.Event = field(default_factory=threading.Event)
    error: UserError | None = None


class Switchboard:
    """Switches machines for the server, which owns the virtual ones that it switched on.

    It has threads of its own: a BMC that does not answer keeps nobody waiting but who asks for it.
    """

    def __init__(self, project: Project, service: Service, *, env: Mapping[str, str] = os.environ) -> None:
        self._project = project
        self._service = service
        self._env = env
        self._running: dict[str, _Running] = {}
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._asked: dict[str, tuple[float, asyncio.Future[Power]]] = {}
        self._switching, self._asking = (
            ThreadPoolExecutor(_AT_ONCE, thread_name_prefix=name) for name in ("switching", "asking")
        )

    async def switched(self, name: str, action: Action) -> None:
        """Do what `switch` does, in a thread."""
        await asyncio.get_running_loop().run_in_executor(self._switching, self.switch, name, action)
        self._asked.pop(name, None)

    async def seen(self, name: str) -> Power:
        """Return what `state` does; who asks meanwhile, or just after, gets the same answer."""
        loop = asyncio.get_running_loop()
        at, asked = self._asked.get(name, (0.0, None))
        if asked is None or (asked.done() and loop.time() - at > _FRESH):
            asked = loop.run_in_executor(self._asking, self.state, name)
            asked.add_done_callback(_looked_at)
            self._asked[name] = (loop.time(), asked)
        return await asyncio.shield(asked)

    def switch(self, name: str, action: Action) -> None:
        """Switch a machine; blocks until that is done. Raises as `switch` of this module, unknown-machine."""
        machine = self._service.machines.get(name)
        if machine is None:
            raise UserError("unknown-machine", f"there is no machine {name!r}")
        with self._locks[name]:
            if not isinstance(machine.power, WithQemu):
                switch(self._project, name, machine, action, env=self._env)
            else:
                if action in ("off", "cycle"):
                    self._off(name)
                if action in ("on", "cycle"):
                    self._on(name, machine, machine.power.qemu)

    def begin(self, name: str) -> int:
        """Note that a boot begins because the machine is switched on; return its number."""
        machine = self._service.machines[name]
        return self._service.state.begin(name, machine.macs[0], stage="power-on")

    def state(self, name: str) -> Power:
        """Return whether a machine is on. Raises as `state` of this module."""
        running = self._running.get(name)
        if running is not None and running.thread.is_alive():
            return "on"
        return state(self._project, name, self._service.machines[name], env=self._env)

    def close(self) -> None:
        """Switch off all virtual machines that were switched on here."""
        for name in list(self._running):
            with self._locks[name]:
                self._off(name)
        for pool in (self._switching, self._asking):
            pool.shutdown(wait=False, cancel_futures=True)

    def _off(self, name: str) -> None:
        running = self._running.pop(name, None)
        if running is not None:
            running.stop.set()
            running.thread.join()
        elif is_on(self._project, name):
            hint = "It goes off with the `rootstream boot` that switched it on."
            raise UserError("machine-runs", f"{name} is on, and was not switched on here", hint=hint)

    def _on(self, name: str, machine: NetMachine, words: Qemu) -> None:
        before = self._running.get(name)
        if before is not None and before.thread.is_alive():
            return
        stop = threading.Event()
        running = _Running(stop=stop, thread=threading.Thread(target=lambda: None))
        running.thread = threading.Thread(
            target=self._attend, args=(name, machine, words, running), name=f"machine {name}", daemon=True
        )
        self._running[name] = running
        running.thread.start()
        running.ready.wait()
        if running.error is not None:
            raise running.error

    def _attend(self, name: str, machine: NetMachine, words: Qemu, running: _Running) -> None:
        """Keep a virtual machine on until it is to go off, or ends by itself."""
        log = state_folder.machine(self._project, name) / "console.log"
        try:
            with (
                held(self._project, name),
                qemu.started(
                    name,
                    machine,
                    words,
                    ramdisk=boot_override.ramdisk(self._service, name),
                    log=log,
                    report=events.ignore,
                    env=self._env,
                    reboot=True,
                ) as guest,
            ):
                running.ready.set()
                while not running.stop.wait(0.2) and not guest.console.ended:
                    pass
        except UserError as error:
            running.error = error
        finally:
            running.ready.set()


def _looked_at(asked: asyncio.Future[Power]) -> None:
    """Take note of an error that nobody may be waiting for any more."""
    if not asked.cancelled():
        asked.exception()
