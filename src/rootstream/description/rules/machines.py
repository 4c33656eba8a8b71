"""Rules of `machines:` and `serve:` that go across words: each alone is right, together they are not."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence

from rootstream.architectures import ARCHITECTURES, HOST, UEFI
from rootstream.description.machines import PLACEHOLDER, PLACEHOLDERS, NetMachine, not_for_ipxe
from rootstream.description.model import Described, ProjectFile, System
from rootstream.description.roots import FromBuildroot
from rootstream.description.validation_messages import nearest
from rootstream.description.yaml_nodes import Node, at
from rootstream.errors import UserError, Where


def check(project: ProjectFile, systems: Sequence[Described], node: Node) -> list[UserError]:
    """Return every rule that the machines of a valid project break; `node` is its settled YAML."""
    found = [*_addresses(project, node), *_range(project, node)]
    if project.machines:
        found += _arguments(systems, node)
    for name, machine in project.machines.items():
        found += _system(name, machine, systems, node)
        found += _words(name, machine, node)
    return found


def _arguments(systems: Sequence[Described], node: Node) -> Iterator[UserError]:
    """Yield kernel arguments of systems that may be booted over a network and that iPXE cannot pass on."""
    for each in systems:
        word = not_for_ipxe(each.system.machine.kernel_args)
        if word is not None and netbootable(each.system):
            changed = ("variants", each.variant) if each.variant else ()
            where = at(node, "systems", each.name, *changed, "machine", "kernel_args")
            yield _unsayable(word, where)


def _unsayable(word: str, where: Where) -> UserError:
    return UserError(
        "not-for-ipxe",
        f"kernel_args: {word!r} has a special meaning in iPXE scripts, which boot machines over the network",
        where=where,
        hint="Avoid `||`, `&&` and `;` as arguments, `#` at the beginning of one, and `${`.",
    )


def _place(node: Node, name: str, *steps: str | int) -> Where:
    return at(node, "machines", name, *steps)


def _addresses(project: ProjectFile, node: Node) -> Iterator[UserError]:
    """Yield addresses that two machines have."""
    taken: dict[str, str] = {}
    for name, machine in project.machines.items():
        mine: list[tuple[str, tuple[str | int, ...]]] = [
            (mac, ("macs", number)) for number, mac in enumerate(machine.macs)
        ]
        for word in ("system_mac", "address", "system_address"):
            value = getattr(machine, word)
            if value is not None:
                mine.append((value, (word,)))
        own: set[str] = set()
        for value, steps in mine:
            where = _place(node, name, *steps)
            if value in taken:
                message = f"{steps[0]}: {value} is already the address of {taken[value]!r}"
                yield UserError("address-taken", message, where=where)
            elif value in own:
                yield UserError("address-taken", f"{steps[0]}: {value} is listed twice", where=where)
            own.add(value)
        taken |= {value: taken.get(value, name) for value in own}


def _range(project: ProjectFile, node: Node) -> Iterator[UserError]:
    if project.serve.range is None:
        return
    first, last = (ipaddress.IPv4Address(each) for each in (project.serve.range.first, project.serve.range.last))
    if last < first:
        message = f"last: {last} is before {first}"
        yield UserError("bad-value", message, where=at(node, "serve", "range", "last"))
    for name, machine in project.machines.items():
        for word in ("address", "system_address"):
            value = getattr(machine, word)
            if value and first <= ipaddress.IPv4Address(value) <= last:
                message = f"{word}: {value} is in `serve: range`, which is for machines without an address"
                yield UserError("address-taken", message, where=_place(node, name, word))


def _system(name: str, machine: NetMachine, systems: Sequence[Described], node: Node) -> Iterator[UserError]:
    """Yield a system that there is not, or that this machine cannot boot over a network."""
    where = _place(node, name, "system")
    chosen = next((each for each in systems if each.target == machine.system), None)
    if chosen is None:
        names = [each.target for each in systems]
        message = f"system: there is no system {machine.system!r}{nearest(machine.system, names)}"
        yield UserError("unknown-system", message, where=where, hint=f"Systems: {', '.join(names)}.")
        return
    if chosen.system.arch != machine.arch:
        message = f"system: {machine.system} is built for {chosen.system.arch}, but the machine is {machine.arch}"
        yield UserError("bad-value", message, where=where)
    if not netbootable(chosen.system):
        message = f"system: {machine.system} has no images that boot over the network"
        hint = "Its `images:` need `- kernel` and `- initramfs`."
        yield UserError("cannot-netboot", message, where=where, hint=hint)


def netbootable(system: System) -> bool:
    """Say whether a system makes a kernel with its root beside or inside it; Buildroot's files are seen later."""
    kinds = {image.kind for image in system.images}
    if kinds & {"files", "capsule"}:
        return True
    kernel = "kernel" in kinds
    if isinstance(system.root, FromBuildroot) and "capsule" in (system.machine.boot or ()):
        return kernel
    return kernel and "initramfs" in kinds


def _words(name: str, machine: NetMachine, node: Node) -> Iterator[UserError]:
    """Yield what the machine's own words do not have in common."""
    word = not_for_ipxe(machine.kernel_args)
    if word is not None:
        yield _unsayable(word, _place(node, name, "kernel_args"))
    for match in PLACEHOLDER.finditer(machine.kernel_args):
        if match[1] not in PLACEHOLDERS:
            message = f"kernel_args: unknown placeholder {match[0]!r}{nearest(match[1], PLACEHOLDERS)}"
            hint = f"Placeholders: {', '.join(PLACEHOLDERS)}."
            yield UserError("bad-value", message, where=_place(node, name, "kernel_args"), hint=hint)
        elif match[1] in ("address", "system_address", "system_mac") and not _known(machine, match[1]):
            message = f"kernel_args: {match[0]} is used, but the machine has no `{match[1]}:`"
            yield UserError("bad-value", message, where=_place(node, name, "kernel_args"))
    yield from _firmware(name, machine, node)
    yield from machine.power.problems(machine, node, ("machines", name, "power", machine.power.kind))
    if machine.system_mac is not None and machine.system_mac in machine.macs:
        message = "system_mac: it is already in `macs:`; remove it here"
        yield UserError("bad-value", message, where=_place(node, name, "system_mac"))


def _firmware(name: str, machine: NetMachine, node: Node) -> Iterator[UserError]:
    """Yield a firmware that the machine's processor does not have, and iPXE that it cannot load."""
    if machine.firmware == "bios" and not ARCHITECTURES[machine.arch].board.bios:
        message = f"firmware: {machine.arch} machines have no BIOS"
        yield UserError("bad-value", message, where=_place(node, name, "firmware"))
    if machine.firmware == "uefi" and machine.arch not in UEFI:
        message = f"firmware: UEFI is not available for {machine.arch}, only for {', '.join(UEFI)}"
        yield UserError("not-available", message, where=_place(node, name, "firmware"))
    if machine.ipxe == "own" and machine.arch != HOST:
        message = f"ipxe: `own` is available for {HOST} only: elsewhere, our iPXE looks the same as the firmware's"
        yield UserError("not-available", message, where=_place(node, name, "ipxe"))


def _known(machine: NetMachine, word: str) -> bool:
    if word == "system_address":
        return machine.system_address is not None or machine.address is not None
    if word == "system_mac":
        return True
    return getattr(machine, word) is not None
