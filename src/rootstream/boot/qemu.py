"""The QEMU command line of a machine. Pure: everything it needs from the host comes as an argument."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rootstream.architectures import ARCHITECTURES, Architecture, Board
from rootstream.boot.cmdline import bus, kernel_args
from rootstream.boot.firmware import FirmwareFiles
from rootstream.boot.media import Media
from rootstream.description.images import KINDS
from rootstream.description.machine import USUAL_MEMORY, BootImage, Machine, firmware_of
from rootstream.errors import UserError

Accelerator = Literal["kvm", "tcg"]

_KIB = 1024
_UBOOT_MEMORY = 256 << 20  # its fdt_addr_r and ramdisk_addr_r lie behind the first 192 MiB
_IDE_UNITS = 4  # two channels with two drives each
_AHCI_PORTS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """A TCP port of this host, on 127.0.0.1, that leads to one of the guest; host 0 takes any free one."""

    host: int
    guest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sockets:
    """File descriptors that QEMU inherits: its ends of the serial console and of the monitor (QMP)."""

    console: int
    monitor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What the host gives to one run of a machine.

    Without sockets the serial console and QEMU's own monitor are on the terminal (Ctrl-A X quits). `forwards`
    lead to the first network card; `declared` says whether the description's own are there too. `disks` are the
    files of the further disks, in the order of the description. `sbi` is what starts a kernel where QEMU has none.
    """

    accelerator: Accelerator = "tcg"
    sockets: Sockets | None = None
    forwards: tuple[Forward, ...] = ()
    declared: bool = True
    disks: tuple[Path, ...] = ()
    firmware: FirmwareFiles | None = None
    sbi: Path | None = None
    reboot: bool = False


def command(
    machine: Machine, image: BootImage, *, arch: Architecture, media: Media, host: Host
) -> tuple[str, ...]:
    """Return the arguments of QEMU, program first.

    The image is never written: what the guest changes is in a temporary file of QEMU's (snapshot=on) that goes
    with the machine. Raises `UserError` unsupported-bus, too-many-disks, no-firmware,
    not-enough-memory.
    """
    board = _board(machine, image, arch)
    return (
        *_basis(machine, board, image, host, cpu=board.cpu + ARCHITECTURES[arch].isa(image.isa).cpu),
        *_firmware(machine, board, image, host),
        *_start(machine, board, image, media),
        *_disks(machine, board, image, media, host),
        *_nics(machine, host),
        *_lines(host.sockets),
        *machine.extra_args,
    )


def first_nic(machine: Machine) -> int | None:
    """Return the position of the first network card that there is."""
    return next((index for index, nic in enumerate(machine.nics) if nic.model != "none"), None)


def _basis(machine: Machine, board: Board, image: BootImage, host: Host, *, cpu: str) -> list[str]:
    words = [board.program, "-name", quote(image.name), "-no-user-config", "-nodefaults", "-display", "none"]
    kind = board.machine
    if board.bios and _boots(image):
        kind += ",graphics=off"  # SeaBIOS and boot loaders then speak on the serial port
    words += ["-machine", kind, "-accel", _accelerator(machine, board, host)]
    words += ["-cpu", "host" if host.accelerator == "kvm" else cpu]
    memory = machine.memory or USUAL_MEMORY
    words += ["-m", f"{max(1, memory // _KIB)}K", "-smp", str(machine.cores)]
    words += ["-device", "virtio-rng-pci"]
    return words if host.reboot else [*words, "-no-reboot"]


def _accelerator(machine: Machine, board: Board, host: Host) -> str:
    """Return the accelerator; emulated cores share one thread where the board wants it."""
    shared = host.accelerator == "tcg" and machine.cores > 1 and board.one_thread
    return f"{host.accelerator},thread=single" if shared else host.accelerator


def _board(machine: Machine, image: BootImage, arch: Architecture) -> Board:
    """Return the architecture's board, or that for UEFI if it has all buses that the description names."""
    board = ARCHITECTURES[arch].board
    if board.uefi is None or not _boots(image) or firmware_of(machine, image) != "uefi":
        return board
    named: set[str] = {disk.bus for disk in machine.disks}
    if "bus" in machine.model_fields_set:
        named.add(machine.bus)
    return board.uefi if named <= set(board.uefi.buses) else board


def _firmware(machine: Machine, board: Board, image: BootImage, host: Host) -> list[str]:
    if firmware_of(machine, image) == "bios":
        if _boots(image) and not board.bios:
            raise UserError(
                "no-firmware",
                f"{board.program} has no BIOS to boot a disk or CD with",
                hint="Set `machine: {firmware: uefi}`, or boot from another image.",
            )
        sbi = image.sbi or host.sbi
        return [] if sbi is None else ["-bios", str(sbi)]
    if host.firmware is None:
        raise ValueError("firmware: uefi needs the firmware files")
    if host.firmware.variables is None:
        return _uboot(machine, host.firmware) if _boots(image) else []
    return edk2(host.firmware)


def edk2(firmware: FirmwareFiles) -> list[str]:
    """Return a firmware of EDK2 in flash, whose boot menu waits for nobody.

    Only a menu that is switched on has its time told by QEMU; else EDK2 for ARM waits its own 3 seconds
    (EDK2, QemuBootOrderLib).
    """
    return [
        *("-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={quote(str(firmware.code))}"),
        *("-drive", f"if=pflash,unit=1,format=raw,file={quote(str(firmware.variables))}"),
        *("-boot", "menu=on,splash-time=0"),
    ]


def _uboot(machine: Machine, firmware: FirmwareFiles) -> list[str]:
    if (machine.memory or USUAL_MEMORY) < _UBOOT_MEMORY:
        raise UserError(
            "not-enough-memory",
            "U-Boot, which is the UEFI firmware here, needs at least 256M of memory",
            hint="Set `machine: {memory: 256M}`, or more.",
        )
    return ["-kernel", str(firmware.code)]


def _start(machine: Machine, board: Board, image: BootImage, media: Media) -> list[str]:
    """Return how the kernel is started; a medium does that itself."""
    if _boots(image):
        return []
    if image.kernel is None:
        raise ValueError("direct kernel boot needs a kernel")
    words = ["-kernel", image.kernel]
    if image.kind == "initramfs" or (media.ramdisk and image.kind != "capsule"):
        words += ["-initrd", image.file]
    elif image.initrd is not None and KINDS[image.kind].mounted:
        words += ["-initrd", image.initrd]
    return [*words, "-append", kernel_args(machine, image.kind, board=board, media=media)]


def _boots(image: BootImage) -> bool:
    """Say whether the machine's firmware finds what it starts on a disk."""
    return KINDS[image.kind].by_firmware


def _medium(image: BootImage) -> str:
    """Return the options of the drive with an image: nothing is ever written to it."""
    drive = KINDS[image.kind].drive
    if drive == "cdrom":
        return _drive(image.file, "raw") + ",readonly=on"
    file = f"fat:{image.file}" if drive == "esp" else image.file
    return _drive(file, "qcow2" if drive == "qcow2" else "raw") + ",snapshot=on"


def _drive(file: str, form: str) -> str:
    return f"format={form},file={quote(file)}"


def _disks(machine: Machine, board: Board, image: BootImage, media: Media, host: Host) -> list[str]:
    wanted: list[tuple[str, str]] = []  # bus, options of the drive
    if not KINDS[image.kind].in_memory and not media.ramdisk:
        wanted.append((bus(machine, board), _medium(image)))
    extras = zip(machine.disks, host.disks, strict=True)
    wanted += [(extra.bus, _drive(str(path), "raw")) for extra, path in extras]
    adds_ahci = not board.has_ahci and any(name == "ahci" for name, _ in wanted)
    words = ["-device", "ich9-ahci,id=ahci"] if adds_ahci else []
    units = {"ide": 0, "ahci": 0, "virtio": 0}
    for index, (name, options) in enumerate(wanted):
        words += ["-drive", f"if=none,id=disk{index},{options}"]
        first = ",bootindex=0" if index == 0 and _boots(image) else ""  # before any attempt to boot from a network
        device = f"{_disk(board, name, units[name])},drive=disk{index}"
        if index == 0 and KINDS[image.kind].drive == "cdrom":
            device = device.replace("ide-hd,", "ide-cd,")  # on other buses a CD is a disk, as on a USB stick
        if index == 0 and media.sector != 512:  # noqa: PLR2004
            device += _sectors(name, media)
        words += ["-device", device + first]
        units[name] += 1
    return words


def _sectors(name: str, media: Media) -> str:
    if name != "virtio":
        raise UserError(
            "unsupported-bus",
            f"a disk with sectors of {media.sector} bytes cannot be attached to the {name} bus",
            hint="Set `bus: virtio`.",
        )
    return f",logical_block_size={media.sector},physical_block_size={media.sector}"


def _disk(board: Board, name: str, unit: int) -> str:
    if name not in board.buses:
        raise UserError(
            "unsupported-bus",
            f"the machine of {board.program} has no {name} bus for disks",
            hint=f"Set `bus:` to one of: {', '.join(board.buses)}.",
        )
    if name == "virtio":
        return "virtio-blk-pci"
    limit = _IDE_UNITS if name == "ide" else _AHCI_PORTS
    if unit >= limit:
        raise UserError(
            "too-many-disks",
            f"only {limit} disks fit on the {name} bus",
            hint="Attach the others with `bus: virtio`.",
        )
    if name == "ide":
        return f"ide-hd,bus=ide.{unit // 2},unit={unit % 2}"
    return f"ide-hd,bus={'ide' if board.has_ahci else 'ahci'}.{unit}"  # QEMU calls the ports of its own so


def _nics(machine: Machine, host: Host) -> list[str]:
    """Return the network cards; without `romfile=` QEMU would want a boot ROM for each."""
    models = {"virtio": "virtio-net-pci", "e1000": "e1000", "rtl8139": "rtl8139"}
    first = first_nic(machine)
    words: list[str] = []
    for index, nic in enumerate(machine.nics):
        if nic.model == "none":
            continue
        forwards = [Forward(host=h, guest=g) for h, g in nic.forward.items()] if host.declared else []
        if index == first:
            forwards += host.forwards
        mac = f",mac={nic.mac}" if nic.mac else ""
        # DHCP and forwarded ports work all the same (qemu(1), restrict)
        shut = "" if machine.network == "open" else ",restrict=on,ipv6=off"
        words += ["-netdev", f"user,id=net{index},net=10.0.{2 + index}.0/24{shut}{_hostfwd(forwards)}"]
        words += ["-device", f"{models[nic.model]},netdev=net{index}{mac},romfile="]
    return words


def _hostfwd(forwards: Sequence[Forward]) -> str:
    return "".join(f",hostfwd=tcp:127.0.0.1:{forward.host}-:{forward.guest}" for forward in forwards)


def _lines(sockets: Sockets | None) -> list[str]:
    if sockets is None:
        return ["-serial", "mon:stdio"]
    return [
        *("-chardev", f"socket,id=console,fd={sockets.console}", "-serial", "chardev:console"),
        *("-chardev", f"socket,id=monitor,fd={sockets.monitor}", "-mon", "chardev=monitor,mode=control"),
    ]


def quote(value: str) -> str:
    """Return a value as QEMU's comma-separated options take it (qemu-options: a comma is doubled)."""
    return value.replace(",", ",,")
