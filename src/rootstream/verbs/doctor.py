"""`rootstream doctor`: what the host must have for building, booting and locking, and what fixes each gap."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from rootstream.architectures import ARCHITECTURES, HOST, UEFI, Architecture
from rootstream.boot import accel, firmware
from rootstream.buildroot import confined
from rootstream.description.load import load
from rootstream.description.machine import Machine
from rootstream.description.roots import FromBuildroot
from rootstream.engine import Engine
from rootstream.engine.host_requirements import Need, host_needs, install_command
from rootstream.errors import UserError
from rootstream.events import Event, Notice
from rootstream.host import process
from rootstream.project.project import find
from rootstream.verbs import cache_health


def architectures(folder: Path) -> tuple[Architecture, ...]:
    """Return the processors that the project at or above a folder has systems for; `HOST` where there is none."""
    try:
        project = find(folder)
        found = load(project.description).systems if project.kind == "described" else ()
    except UserError:
        found = ()
    return tuple(sorted({described.system.arch for described in found})) or (HOST,)


def workspaces(folder: Path) -> Path | None:
    """Return where the project at or above a folder has what Buildroot builds; None where it builds nothing."""
    try:
        project = find(folder)
        found = load(project.description).systems if project.kind == "described" else ()
    except UserError:
        return None
    return project.work if any(isinstance(each.system.root, FromBuildroot) for each in found) else None


def check(
    engine: Engine,
    environment: Mapping[str, str],
    *,
    archs: Sequence[Architecture] = (HOST,),
    workspace: Path | None = None,
) -> tuple[Need, ...]:
    """Look at the host and return every need, met or not; `archs` are those of the systems that it boots.

    `workspace` is the folder that Buildroot builds in, if it does.
    """
    try:
        release = Path("/etc/os-release").read_text(encoding="utf-8", errors="replace")
    except OSError:
        release = ""
    install = install_command(release)
    return (
        *host_needs(engine.settings, environment),
        _program("patch", "applies patches to sources", install, environment),
        _program("apt-get", "resolves package sets for `rootstream update`", install, environment, package="apt"),
        _mirror(environment),
        _program("gpgv", "verifies signatures of package archives", install, environment),
        *(
            _program(board.program, f"boots {arch} systems", install, environment, package=board.package)
            for arch, board in ((arch, ARCHITECTURES[arch].board) for arch in archs)
        ),
        *(_opensbi(arch, install) for arch in archs if ARCHITECTURES[arch].board.opensbi),
        *(_uefi(arch, install) for arch in archs if arch in UEFI),
        _buildroot(install, environment),
        *_buildroot_sandbox(environment),
        *([_executable(workspace)] if workspace else []),
        *_netboot(install, environment),
        *cache_health.needs(engine),
        _acceleration(environment),
    )


def _mirror(environment: Mapping[str, str]) -> Need:
    """Return the need for an archive of Debian: what apt of the host knows, or the environment names."""
    name, variable = "Debian's archive", "ROOTSTREAM_DEBIAN_MIRRORS"
    if environment.get(variable, "").split():
        return Need(name=name, met=True, found=f"named by {variable}", weight="advised")
    found = False
    if shutil.which("apt-get", path=environment.get("PATH")):
        argv = ("apt-get", "indextargets", "--format", "$(ORIGIN)|$(RELEASE)")
        done = process.run(argv, env={**environment, "LC_ALL": "C"}, timeout=60, check=False)
        lines = done.stdout.splitlines()
        # without an origin, apt has not fetched its lists yet
        found = any(line.startswith(("Debian|", "$(ORIGIN)|")) for line in lines)
    return Need(
        name=name,
        met=found,
        found="known to apt" if found else "apt on this host has no Debian mirror, and first builds need one",
        fix=None if found else f"Set one in {variable}, or in `debian: mirrors:` of system.yaml.",
        weight="advised",
    )


# What Buildroot itself asks of its host (its manual, "System requirements"): program and Debian's package.
_BUILDROOT = (
    *((name, name) for name in ("make", "gcc", "g++", "perl", "cpio", "unzip", "rsync", "file", "bc", "wget")),
    *((name, name) for name in ("git", "tar", "gzip", "bzip2", "sed")),
    ("which", "debianutils"),
)


def _buildroot(install: str, environment: Mapping[str, str]) -> Need:
    """Return one need for all programs that only systems of Buildroot want."""
    path = environment.get("PATH")
    missing = [package for name, package in _BUILDROOT if not shutil.which(name, path=path)]
    return Need(
        name="for Buildroot",
        met=not missing,
        found=f"missing: {', '.join(missing)}" if missing else "all required programs",
        fix=f"{install} {' '.join(missing)}" if missing else None,
        weight="advised",
    )


def _buildroot_sandbox(environment: Mapping[str, str]) -> tuple[Need, ...]:
    """Return the need for a sandbox that Buildroot's make can run in, where bubblewrap is installed at all."""
    name = "Buildroot's sandbox"
    try:
        if confined.is_off(environment):
            text = f"{confined.VARIABLE}={confined.OFF}: Buildroot runs on the host, as you"
            return (Need(name=name, met=False, found=text, fix=f"Unset {confined.VARIABLE}.", weight="advised"),)
        confined.require(environment)
    except UserError as error:
        if error.reason == "sandbox-missing":
            return ()
        found = f"{error.message}: {error.detail}" if error.detail else error.message
        return (Need(name=name, met=False, found=found, fix=error.hint, weight="advised"),)
    return (Need(name=name, met=True, found="works", weight="advised"),)


def _executable(workspace: Path) -> Need:
    """Return the need to start programs where Buildroot builds them: its host tools are used at once."""
    place = next(each for each in (workspace, *workspace.parents) if each.is_dir())
    barred = bool(os.statvfs(place).f_flag & os.ST_NOEXEC)
    return Need(
        name="project's folder",
        met=not barred,
        found=f"{place} is mounted noexec, but Buildroot runs programs that it builds there"
        if barred
        else "programs can be run in it",
        fix="Move the project to another file system, or remount this one with `mount -o remount,exec`."
        if barred
        else None,
    )


def _netboot(install: str, environment: Mapping[str, str]) -> tuple[Need, ...]:
    """Return the needs of `rootstream serve`: only machines that boot over the network want them."""
    path = os.pathsep.join((environment.get("PATH", os.defpath), "/usr/sbin"))
    search = {**environment, "PATH": path}
    program = Path("/usr/lib/ipxe/undionly.kpxe")
    return (
        _program(
            "dnsmasq", "provides DHCP and TFTP for `rootstream serve`", install, search, package="dnsmasq-base"
        ),
        Need(
            name="iPXE",
            met=program.is_file(),
            found=str(program.parent)
            if program.is_file()
            else "missing; machines load it from `rootstream serve`",
            fix=None if program.is_file() else f"{install} ipxe",
            weight="advised",
        ),
    )


def _opensbi(arch: Architecture, install: str) -> Need:
    """Return the need for what starts a kernel on an architecture for which not every QEMU brings it."""
    found = firmware.opensbi(arch)
    return Need(
        name=f"OpenSBI for {arch}",
        met=found is not None,
        found=str(found) if found else f"missing; it starts kernels on {arch}",
        fix=None if found else f"{install} opensbi (Debian 13 or later)",
        weight="advised",
    )


def _uefi(arch: Architecture, install: str) -> Need:
    """Return the need for the firmware that starts disks with `table: gpt`, ISO images and `uki` in QEMU."""
    try:
        found = firmware.uefi(arch)
    except UserError:
        uefi = ARCHITECTURES[arch].uefi
        fix = f"{install} {uefi.package}" if uefi else None
        text = "missing; it boots disks with `table: gpt`"
        return Need(name=f"UEFI for {arch}", met=False, found=text, fix=fix, weight="advised")
    return Need(name=f"UEFI for {arch}", met=True, found=str(found.code), weight="advised")


def _program(
    name: str, purpose: str, install: str, environment: Mapping[str, str], *, package: str | None = None
) -> Need:
    path = shutil.which(name, path=environment.get("PATH"))
    return Need(
        name=name,
        met=path is not None,
        found=path or f"missing; it {purpose}",
        fix=None if path else f"{install} {package or name}",
        weight="advised",
    )


def _acceleration(environment: Mapping[str, str]) -> Need:
    told: list[str] = []

    def listen(event: Event) -> None:
        if isinstance(event, Notice):
            told.append(event.text)

    try:
        chosen = accel.choose(Machine(), HOST, report=listen, env=environment)
    except UserError as error:
        return Need(name="KVM", met=False, found=error.message, weight="advised")
    if chosen == "kvm":
        return Need(name="KVM", met=True, found="a test guest runs on it", weight="advised")
    return Need(
        name="KVM",
        met=False,
        found="; ".join(told) or "not usable",
        fix="Systems boot without it, but several times slower (TCG).",
        weight="advised",
    )


def as_text(needs: Sequence[Need]) -> str:
    """Return the needs as lines for people, what is missing with its remedy below it."""
    width = max(len(need.name) for need in needs)
    lines = []
    for need in needs:
        word = "ok" if need.met else ("MISSING" if need.weight == "required" else "advised")
        lines.append(f"{word:<8} {need.name:<{width}}  {need.found}")
        if not need.met and need.fix:
            lines.append(f"{'':<8} {'':<{width}}  -> {need.fix}")
    return "\n".join(lines) + "\n"


def as_json(needs: Sequence[Need]) -> str:
    """Return the needs as JSON."""
    return json.dumps([asdict(need) for need in needs], indent=1) + "\n"


def enough(needs: Sequence[Need]) -> bool:
    """Say whether something can be built here."""
    return all(need.met or need.weight != "required" for need in needs)
