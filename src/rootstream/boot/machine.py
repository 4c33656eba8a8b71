"""A machine while it runs: QEMU with its console and its monitor, for as long as a `with` block lasts."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from rootstream import events
from rootstream.architectures import ARCHITECTURES, Architecture
from rootstream.boot import kernelfile
from rootstream.boot.console import Console
from rootstream.boot.firmware import private, sbi, uefi
from rootstream.boot.media import Media, esp, look
from rootstream.boot.memory import sized
from rootstream.boot.monitor import Monitor
from rootstream.boot.qemu import Accelerator, Forward, Host, Sockets, command
from rootstream.description.images import KINDS
from rootstream.description.machine import BootImage, Machine, firmware_of
from rootstream.errors import UserError
from rootstream.host import process, temporary

_START_TIMEOUT = 30.0
_QUIT_TIMEOUT = 2.0
_EXIT_TIMEOUT = 5.0
_PORT_IN_USE = re.compile(r"Could not set up host forwarding rule 'tcp:127\.0\.0\.1:(\d+)-")
_ENDINGS = {
    "guest-shutdown": "the machine switched itself off",
    "guest-reset": "the machine restarted itself",
    "guest-panic": "the machine ended because its kernel panicked",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedMachine:
    """What is needed to start QEMU, checked and in place: files of the run are in `folder`."""

    machine: Machine
    image: BootImage
    arch: Architecture
    media: Media
    host: Host
    folder: Path

    def argv(self, sockets: Sockets | None) -> tuple[str, ...]:
        """Return the command line, on the sockets or on the terminal."""
        host = replace(self.host, sockets=sockets)
        return command(self.machine, self.image, arch=self.arch, media=self.media, host=host)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """A running machine.

    `ports` leads from a port of the guest to one of 127.0.0.1, unless it has an `address` of its own; `status`
    waits a moment for QEMU's exit status; `kill` ends it at once; `paste` is a command that starts the same on a
    terminal. A machine that is no virtual one has no monitor.
    """

    name: str
    console: Console
    monitor: Monitor | None
    ports: Mapping[int, int]
    pid: int
    paste: str
    status: Callable[[], int | None]
    kill: Callable[[], None]
    address: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A QEMU to start: its command line on the sockets, or on the terminal; `folder` is for files of the run."""

    name: str
    folder: Path
    argv: Callable[[Sockets | None], tuple[str, ...]]
    pass_fds: tuple[int, ...] = ()
    address: str | None = None


@contextlib.contextmanager
def prepare(machine: Machine, image: BootImage, *, arch: Architecture, host: Host) -> Iterator[PreparedMachine]:
    """Check images, program and firmware, and make the files of one run; they are gone after the block.

    `disks` and `firmware` of the host are filled in. Raises `UserError` program-missing, image-missing,
    kernel-missing, kernel-not-startable, image-broken, firmware-missing, not-enough-memory, and those of
    `qemu.command`.
    """
    board = ARCHITECTURES[arch].board
    process.require(board.program, hint=f"Install it (Debian: `apt install {board.package}`).")
    media = look(image)
    machine = sized(machine, image)
    firmware = uefi(arch) if firmware_of(machine, image) == "uefi" else None
    with temporary.folder("rootstream-run-") as folder:
        disks = tuple(folder / f"disk{index}.img" for index in range(len(machine.disks)))
        for disk, path in zip(machine.disks, disks, strict=True):
            with path.open("wb") as file:
                file.truncate(disk.size)
        host = replace(
            host, disks=disks, firmware=private(firmware, folder) if firmware else None, sbi=_sbi(machine, arch)
        )
        if KINDS[image.kind].drive == "esp":
            image = image.model_copy(update={"file": str(esp(Path(image.file), folder))})
        elif image.kernel is not None and not KINDS[image.kind].by_firmware:
            kernel = str(kernelfile.prepared(Path(image.kernel), arch, folder))
            image = image.model_copy(update={"kernel": kernel})
        prepared = PreparedMachine(machine=machine, image=image, arch=arch, media=media, host=host, folder=folder)
        prepared.argv(None)  # raises here what cannot be asked of QEMU
        yield prepared


def _sbi(machine: Machine, arch: Architecture) -> Path | None:
    return None if "-bios" in machine.extra_args else sbi(arch)


@contextlib.contextmanager
def start(
    prepared: PreparedMachine,
    *,
    log: Path | None = None,
    report: events.Reporter = events.ignore,
    env: Mapping[str, str] = os.environ,
) -> Iterator[Guest]:
    """Start the machine; it is ended with the block, or when this process or thread dies.

    `log` gets all that the console prints. Raises `UserError` port-in-use, qemu-failed.
    """
    what = Launch(name=prepared.image.name, folder=prepared.folder, argv=prepared.argv)
    with launched(what, log=log, report=report, env=env) as guest:
        yield guest


@contextlib.contextmanager
def launched(
    prepared: Launch,
    *,
    log: Path | None = None,
    report: events.Reporter = events.ignore,
    env: Mapping[str, str] = os.environ,
) -> Iterator[Guest]:
    """Start QEMU; it is ended with the block, or when this process or thread dies. Raises as `start` does."""
    console_ours, console_its = socket.socketpair()
    monitor_ours, monitor_its = socket.socketpair()
    output = prepared.folder / "qemu.log"
    paste = process.paste(prepared.argv(None))
    with contextlib.ExitStack() as stack:
        its = stack.enter_context(contextlib.ExitStack())
        its.callback(console_its.close)
        its.callback(monitor_its.close)
        sockets = Sockets(console=console_its.fileno(), monitor=monitor_its.fileno())
        monitor = stack.enter_context(Monitor(monitor_ours))
        fds = (sockets.console, sockets.monitor, *prepared.pass_fds)
        child = _spawn(prepared.argv(sockets), fds, output=output, env=env)
        stack.callback(process.end, child)
        its.close()
        console = stack.enter_context(
            Console(
                console_ours,
                machine=prepared.name,
                started=time.monotonic(),
                log=log,
                report=report,
                ending=lambda: _ending(child, monitor, output),
            )
        )
        try:
            monitor.connect(timeout=_START_TIMEOUT)
            ports = {port.guest: port.host for state, port in monitor.connections() if state == "HOST_FORWARD"}
        except UserError as error:
            raise _not_started(error, child, output, paste=paste) from error
        stack.callback(_quit, child, monitor)
        yield Guest(
            name=prepared.name,
            console=console,
            monitor=monitor,
            ports=ports,
            pid=child.pid,
            paste=paste,
            status=lambda: _status(child),
            kill=child.kill,
            address=prepared.address,
        )


def run_host(accelerator: Accelerator, *, forwards: tuple[Forward, ...] = ()) -> Host:
    """Return what a checked run gets of the host: forwards of its own, none of the description's.

    The description's own host ports are for people; two runs at once could not both have them.
    """
    return Host(accelerator=accelerator, forwards=forwards, declared=False)


def port_in_use(port: int) -> UserError:
    """Return the error that a forwarded port is taken."""
    return UserError(
        "port-in-use",
        f"port {port} of this host, which is forwarded to the machine, is in use or not permitted",
        hint=f"See what uses it with `ss -ltnp 'sport = :{port}'`, or choose another in `machine: nics:`.",
    )


def _spawn(
    argv: tuple[str, ...], pass_fds: tuple[int, ...], *, output: Path, env: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    with output.open("wb") as file:
        return process.start(
            process.die_with_parent(argv),
            env=env,
            stdout=file,
            stderr=file,
            pass_fds=pass_fds,
        )


def _not_started(error: UserError, child: subprocess.Popen[bytes], output: Path, *, paste: str) -> UserError:
    """Return why QEMU is not there, by what it printed."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(_EXIT_TIMEOUT)
    text = output.read_text(errors="replace")
    port = _PORT_IN_USE.search(text)
    if port:
        return port_in_use(int(port[1]))
    how = "it does not respond" if child.returncode is None else process.ending(child.returncode)
    return UserError(
        "qemu-failed",
        f"QEMU did not start: {how}",
        detail=process.tail(text) or error.message,
        hint=f"To run it by hand: {paste}",
    )


def _quit(child: subprocess.Popen[bytes], monitor: Monitor) -> None:
    """Ask QEMU to end; what doesn't is ended later."""
    if child.poll() is not None:
        return
    with contextlib.suppress(UserError):
        monitor.execute("quit")
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(_QUIT_TIMEOUT)


def _ending(child: subprocess.Popen[bytes], monitor: Monitor, output: Path) -> str:
    """Say how QEMU ended."""
    status = _status(child)
    if status is None:
        return "the machine closed its console"
    if status != 0:
        text = process.tail(output.read_text(errors="replace"), 3)
        return f"QEMU failed ({process.ending(status)}): {text}".rstrip(": \n")
    return _ENDINGS.get(monitor.shutdown_reason or "", "the machine ended by itself")


def _status(child: subprocess.Popen[bytes]) -> int | None:
    """Return QEMU's exit status, which follows soon after its console has closed."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        return child.wait(_EXIT_TIMEOUT)
    return None
