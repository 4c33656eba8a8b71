"""The kernel's arguments for a direct start: the user's, and what they leave out. Pure."""

from __future__ import annotations

from rootstream.architectures import Board
from rootstream.boot.media import Media
from rootstream.description.images import KINDS
from rootstream.description.machine import BootFrom, Machine

_KIB = 1024


def console(machine: Machine, board: Board) -> str:
    """Return the name of the serial console: the description's, else the board's."""
    return machine.console if "console" in machine.model_fields_set else board.console


def bus(machine: Machine, board: Board) -> str:
    """Return the bus of the disks: the description's, else the board's first."""
    return machine.bus if "bus" in machine.model_fields_set else board.buses[0]


def kernel_args(machine: Machine, kind: BootFrom, *, board: Board, media: Media) -> str:
    """Return the arguments: console=, and root=, rootfstype= and rw (or ro) for a root on a file system.

    The words are those of Linux's Documentation/admin-guide/kernel-parameters.txt.
    """
    words = machine.kernel_args.split()
    given = {word.partition("=")[0] for word in words}
    if "console" not in given:
        words.append(f"console={console(machine, board)}")
    if not KINDS[kind].mounted:
        return " ".join(words)
    if "root" not in given:
        words.append(f"root={_root_device(machine, board, media)}")
    if "rootfstype" not in given and media.filesystem is not None:
        words.append(f"rootfstype={media.filesystem}")
    if not given & {"ro", "rw"}:
        words.append("ro" if KINDS[kind].read_only else "rw")
    if media.ramdisk and "ramdisk_size" not in given:
        words.append(f"ramdisk_size={-(-media.size // _KIB)}")
    return " ".join(words)


def _root_device(machine: Machine, board: Board, media: Media) -> str:
    if media.ramdisk:
        return "/dev/ram0"
    return "/dev/vda" if bus(machine, board) == "virtio" else "/dev/sda"
