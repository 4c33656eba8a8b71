"""Rules of what is booted: images, firmware, network cards, ports, and patterns of checks."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator

from rootstream.architectures import ARCHITECTURES
from rootstream.description.images import BOOTABLE, KINDS
from rootstream.description.machine import CommandCheck, ConsoleCheck, HttpCheck, PortCheck
from rootstream.description.model import System
from rootstream.description.roots import FromBuildroot
from rootstream.description.yaml_nodes import Node, at
from rootstream.errors import UserError, Where


def check(system: System, node: Node) -> Iterator[UserError]:
    """Yield every rule that a system breaks; `node` is its settled YAML."""
    for rule in (_boot, _network, _patterns):
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
            yield UserError("image-needed", f"boot: the system makes no {kind}", where=where, hint=hint)
        elif not KINDS[kind].by_firmware and system.kernel is None and not isinstance(system.root, FromBuildroot):
            yield UserError("kernel-needed", f"boot: {kind} needs a kernel, and this system has none", where=where)
        elif made and not any(image.starts for image in made):
            yield UserError("bad-value", "boot: the disk has no boot loader", where=where)
    bootable = any(image.bootable for image in system.images)
    bootable = bootable or "capsule" in (system.machine.boot or ())
    if system.checks and not bootable and not _collects(system):
        message = "checks: no image of this system can be booted"
        hint = f"Make one of: {', '.join(BOOTABLE)}."
        yield UserError("image-needed", message, where=at(node, "checks"), hint=hint)
    if system.machine.firmware == "bios" and not ARCHITECTURES[system.arch].board.bios:
        message = f"firmware: {system.arch} machines have no BIOS"
        yield UserError("bad-value", message, where=at(node, "machine", "firmware"))


def _capsule(system: System, where: Where) -> Iterator[UserError]:
    """Yield why there is no kernel of Buildroot's, which may have its root inside."""
    if not _collects(system) and not any(image.kind == "kernel" for image in system.images):
        message = "boot: the system exports no kernel"
        yield UserError("image-needed", message, where=where, hint="Add `- kernel` to the images.")


def _network(system: System, node: Node) -> Iterator[UserError]:
    """Yield ports forwarded twice, and what needs a network card where there is none."""
    taken: set[int] = set()
    for number, nic in enumerate(system.machine.nics):
        for port in nic.forward:
            where = at(node, "machine", "nics", number, "forward", port)
            if port in taken:
                yield UserError("port-taken", f"forward: port {port} of this host is forwarded twice", where=where)
            taken.add(port)
        if nic.forward and nic.model == "none":
            where = at(node, "machine", "nics", number, "forward")
            yield UserError("bad-value", "forward: there is no card to forward to (model: none)", where=where)
    if not any(nic.model != "none" for nic in system.machine.nics):
        if system.machine.network == "open":
            message = "network: there is no card that could reach anything"
            yield UserError("bad-value", message, where=at(node, "machine", "network"))
        for number, item in enumerate(system.checks):
            if isinstance(item, PortCheck | HttpCheck):
                message = "this check needs a network card, and the machine has none"
                yield UserError("bad-value", message, where=at(node, "checks", number))


def _patterns(system: System, node: Node) -> Iterator[UserError]:
    """Yield what is no regular expression but should be one."""
    for number, item in enumerate(system.checks):
        patterns: list[tuple[str | None, tuple[str, ...]]] = []
        if isinstance(item, ConsoleCheck) and item.regex:
            patterns.append((item.console, ("console",)))
        if isinstance(item, CommandCheck):
            patterns.append((item.output, ("output",)))
        if isinstance(item, HttpCheck):
            patterns.append((item.http.body, ("http", "body")))
        for pattern, path in patterns:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of what another Python may read otherwise
                    re.compile(pattern or "")
            except (re.error, OverflowError, RecursionError) as error:
                message = f"{path[-1]}: not a regular expression: {error}"
                yield UserError("bad-value", message, where=at(node, "checks", number, *path))
