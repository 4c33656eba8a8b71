"""A machine of `power: qemu`: QEMU with a network card on a bridge of this host, which boots from the network."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

from rootstream import events
from rootstream.architectures import ARCHITECTURES
from rootstream.boot import accel
from rootstream.boot.firmware import FirmwareFiles, private, uefi
from rootstream.boot.machine import Guest, Launch, launched
from rootstream.boot.memory import ramdisk as sizes
from rootstream.boot.qemu import Accelerator, Sockets, edk2, quote
from rootstream.description.machine import Machine
from rootstream.description.machines import NetMachine
from rootstream.description.power.qemu import Qemu
from rootstream.errors import UserError
from rootstream.host import process, temporary
from rootstream.netboot.power.base import Action, PowerContext, PowerState, is_on, not_from_here

# <linux/if_tun.h>, <linux/sockios.h>, <linux/if.h>
_TUNSETIFF = 0x400454CA
_IFF_TAP, _IFF_NO_PI, _IFF_VNET_HDR = 0x0002, 0x1000, 0x4000
_SIOCBRADDIF = 0x89A2
_SIOCGIFFLAGS, _SIOCSIFFLAGS = 0x8913, 0x8914
_UP = 1
_KIB = 1024
LEAST_MEMORY = 512 << 20  # of a machine that nobody gave any
_CARDS = {"virtio": "virtio-net-pci", "e1000": "e1000", "rtl8139": "rtl8139"}


def command(
    name: str,
    machine: NetMachine,
    qemu: Qemu,
    *,
    accelerator: Accelerator,
    tap: int,
    firmware: FirmwareFiles | None,
    sockets: Sockets | None,
    reboot: bool,
) -> tuple[str, ...]:
    """Return the arguments of QEMU, program first; `tap` is the file descriptor of the card's network. Pure."""
    board = ARCHITECTURES[machine.arch].board
    if firmware is not None and board.uefi is not None:
        board = board.uefi
    kind = f"{board.machine},graphics=off" if board.bios else board.machine
    words = [board.program, "-name", quote(name), "-no-user-config", "-nodefaults", "-display", "none"]
    words += ["-machine", kind, "-accel", accelerator, "-cpu", "host" if accelerator == "kvm" else board.cpu]
    words += ["-m", f"{(qemu.memory or LEAST_MEMORY) // _KIB}K", "-smp", str(qemu.cores)]
    words += ["-device", "virtio-rng-pci"]
    words += [] if reboot else ["-no-reboot"]
    if firmware is not None and firmware.variables is not None:
        words += edk2(firmware)
    rom = ",romfile=" if qemu.rom == "firmware" else ""
    words += ["-netdev", f"tap,id=net0,fd={tap}"]
    words += ["-device", f"{_CARDS[qemu.nic]},netdev=net0,mac={machine.macs[0]},bootindex=1{rom}"]
    if qemu.http:
        words += ["-fw_cfg", "name=opt/org.tianocore/IPv4PXESupport,string=n"]
    if sockets is None:
        words += ["-serial", "mon:stdio"]
    else:
        words += ["-chardev", f"socket,id=console,fd={sockets.console}", "-serial", "chardev:console"]
        words += ["-chardev", f"socket,id=monitor,fd={sockets.monitor}", "-mon", "chardev=monitor,mode=control"]
    return (*words, *qemu.extra_args)


def memory(ramdisk: Path | None) -> int:
    """Return the memory of a machine that boots a root, in bytes: iPXE has it a second time while it boots."""
    if ramdisk is None:
        return LEAST_MEMORY
    try:
        found = sizes(ramdisk)
    except OSError:  # it may be gone by now, and then it is not booted
        return LEAST_MEMORY
    return max(LEAST_MEMORY, found.wanted + found.packed)


def switch(power: Qemu, context: PowerContext, action: Action) -> None:  # noqa: ARG001
    """Raise `UserError` no-power-control: it is the server's, which keeps what `started` gives."""
    raise not_from_here(context)


def state(power: Qemu, context: PowerContext) -> PowerState:  # noqa: ARG001
    """Return whether it runs, in whichever process."""
    return "on" if is_on(context.project, context.name) else "off"


@contextlib.contextmanager
def started(
    power: Qemu,
    context: PowerContext,
    *,
    ramdisk: Path | None,
    log: Path | None,
    report: events.Reporter,
    reboot: bool = False,
) -> Iterator[Guest]:
    """Switch the machine on; it is switched off with the block. `ramdisk` is the root that it will boot, if known.

    Raises `UserError` program-missing, firmware-missing, no-interface, no-permission, qemu-failed.
    """
    name, machine, env = context.name, context.machine, context.env
    board = ARCHITECTURES[machine.arch].board
    power = power.model_copy(update={"memory": power.memory or memory(ramdisk)})
    process.require(board.program, hint=f"Install it (Debian: `apt install {board.package}`).")
    firmware = uefi(machine.arch) if machine.firmware == "uefi" else None
    accelerator = accel.choose(Machine(), machine.arch, report=report, env=env)
    with temporary.folder("rootstream-machine-") as folder, tap(power.bridge) as handle:
        own = private(firmware, folder) if firmware else None

        def argv(sockets: Sockets | None) -> tuple[str, ...]:
            return command(
                name,
                machine,
                power,
                accelerator=accelerator,
                tap=handle,
                firmware=own,
                sockets=sockets,
                reboot=reboot,
            )

        address = machine.system_address or machine.address
        what = Launch(name=name, folder=folder, argv=argv, pass_fds=(handle,), address=address)
        with launched(what, log=log, report=report, env=env) as guest:
            yield guest


@contextlib.contextmanager
def tap(bridge: str) -> Iterator[int]:
    """Make a network card of this host that is attached to a bridge; it is gone after the block.

    Raises `UserError` no-interface, no-permission, not-a-bridge.
    """
    try:
        handle = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise _tap_fault(error, bridge) from error
    try:
        try:
            _attach(handle, bridge)
        except OSError as error:
            raise _tap_fault(error, bridge) from error
        yield handle
    finally:
        os.close(handle)


def _attach(handle: int, bridge: str) -> None:
    index_of = {name: index for index, name in socket.if_nameindex()}
    if bridge not in index_of:
        names = ", ".join(sorted(index_of))
        raise UserError(
            "no-interface",
            f"there is no bridge {bridge!r} for the machine's network card",
            hint=f"Create it with `ip link add {bridge} type bridge`. Available: {names}.",
        )
    request = struct.pack("16sH22x", b"rs%d", _IFF_TAP | _IFF_NO_PI | _IFF_VNET_HDR)
    made = fcntl.ioctl(handle, _TUNSETIFF, request)
    name = made[:16].rstrip(b"\0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        index = socket.if_nametoindex(name.decode())
        fcntl.ioctl(any_socket, _SIOCBRADDIF, struct.pack("16si20x", bridge.encode(), index))
        flags = struct.unpack_from("16xh", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, struct.pack("16s24x", name)))[0]
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh22x", name, flags | _UP))


def _tap_fault(error: OSError, bridge: str) -> UserError:
    if isinstance(error, PermissionError):
        return UserError(
            "no-permission",
            f"a network card on {bridge} cannot be created: {error.strerror}",
            hint="Run this as root, or in a user namespace with its own network (`unshare -Urnm`).",
        )
    return UserError(
        "not-a-bridge",
        f"a network card could not be attached to {bridge}: {error.strerror}",
        hint=f"`bridge:` must name a bridge of this host; create one with `ip link add {bridge} type bridge`.",
    )
