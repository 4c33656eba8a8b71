"""Rules of what is booted: images, firmware, network cards, ports, and checks."""

from __future__ import annotations

from collections.abc import Iterator

from rootstream.architectures import ARCHITECTURES
from rootstream.description.images import BOOTABLE, KINDS
from rootstream.description.model import System
from rootstream.description.roots import FromBuildroot
from rootstream.description.yaml_nodes import Node, at
from rootstream.errors import UserError, Where


def check(system: System, node: Node) -> Iterator[UserError]:
    """Yield every rule that a system breaks; `node` is its settled YAML."""
    for rule in (_boot, _network, _checks):
        yield from rule(system, node)


def _collects(system: System) -> bool:
    """Say whether Buildroot decides which files there are."""
    return any(image.collected for image in system.images)


def _boot(system: System, node: Node) -> Iterator[UserError]:
    """Yield what is to be booted but is not made, or cannot boot."""
    for number, kind in enumerate(system.machine.boot or ()):
        where = at(node, "machine", "boot", number)
        if kind == "capsule" and isinstance(system.root, FromBuildroot):
            yield from _capsule(system, where)
            continue
        made = [image for image in system.images if image.kind == kind]
        if not made and not _collects(system):
            hint = f"Add `- {kind}` to the images."
            yield UserError("image-needed", f"boot: the system has no `{kind}` image", where=where, hint=hint)
        elif not KINDS[kind].by_firmware and system.kernel is None and not isinstance(system.root, FromBuildroot):
            yield UserError("kernel-needed", f"boot: {kind} needs a kernel, and this system has none", where=where)
        elif made and not any(image.starts for image in made):
            yield UserError("bad-value", "boot: the disk has no boot loader", where=where)
    bootable = any(image.bootable for image in system.images)
    bootable = bootable or "capsule" in (system.machine.boot or ())
    if system.checks and not bootable and not _collects(system):
        message = "checks: this system has no bootable image"
        hint = f"Add one of these to the images: {', '.join(BOOTABLE)}."
        yield UserError("image-needed", message, where=at(node, "checks"), hint=hint)
    if system.machine.firmware == "bios" and not ARCHITECTURES[system.arch].board.bios:
        message = f"firmware: {system.arch} machines have no BIOS"
        yield UserError("bad-value", message, where=at(node, "machine", "firmware"))


def _capsule(system: System, where: Where) -> Iterator[UserError]:
    """Yield why there is no kernel of Buildroot's, which may have its root inside."""
    if not _collects(system) and not any(image.kind == "kernel" for image in system.images):
        message = "boot: the system has no `kernel` image"
        yield UserError("image-needed", message, where=where, hint="Add `- kernel` to the images.")


def _network(system: System, node: Node) -> Iterator[UserError]:
    """Yield ports forwarded twice, and a network without a card to reach it."""
    taken: set[int] = set()
    for number, nic in enumerate(system.machine.nics):
        for port in nic.forward:
            where = at(node, "machine", "nics", number, "forward", port)
            if port in taken:
                yield UserError("port-taken", f"forward: port {port} of this host is forwarded twice", where=where)
            taken.add(port)
        if nic.forward and nic.model == "none":
            where = at(node, "machine", "nics", number, "forward")
            yield UserError(
                "bad-value", "forward: there is no network card to forward to (model: none)", where=where
            )
    if system.machine.network == "open" and all(nic.model == "none" for nic in system.machine.nics):
        message = "network: `open` needs a network card, and the machine has none"
        yield UserError("bad-value", message, where=at(node, "machine", "network"))


def _checks(system: System, node: Node) -> Iterator[UserError]:
    """Yield the rules that checks break."""
    for number, item in enumerate(system.checks):
        yield from item.problems(system, node, ("checks", number))
