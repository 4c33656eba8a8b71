"""`rootstream publish`: what machines boot, as files for a web server that is there already.

Builds come first, each complete under its own id, then the scripts that name them, each in one step: whoever boots
meanwhile gets the old complete build or the new complete one.
"""

from __future__ import annotations

import filecmp
import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from rootstream import events
from rootstream.architectures import ARCHITECTURES
from rootstream.description.machines import NetMachine
from rootstream.description.model import Description
from rootstream.errors import UserError, Where
from rootstream.host import process, temporary
from rootstream.netboot import ipxe, script
from rootstream.netboot.dhcp.dnsmasq import CLIENTS, PROGRAMS, host_name
from rootstream.netboot.script import Served
from rootstream.netboot.store import state_folder
from rootstream.netboot.store.builds import Build, Builds
from rootstream.netboot.store.record import adopt
from rootstream.project.lock import write_atomically
from rootstream.project.project import Project

NOTE = "rootstream-published.json"
_REMOTE = re.compile(r"(?!-)[^/:]+:[^:].*|rsync://.+")
_RSYNC = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What was written: files of builds, scripts and snippets, by their path below the folder."""

    builds: Mapping[str, Path]
    texts: Mapping[str, str]


def publish(
    project: Project,
    description: Description,
    target: str,
    url: str,
    report: events.Reporter,
    *,
    own: Path | None = None,
    env: Mapping[str, str] = os.environ,
) -> tuple[str, ...]:
    """Write what the machines boot into a folder, or to `HOST:FOLDER` by rsync; return the paths written.

    `url` is where a web server shows that folder, `own` a folder with programs of iPXE. Raises `UserError`
    nothing-to-publish, ipxe-missing, cannot-write, bad-value, program-missing, process-failed.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or re.search(r"[\s?#]", url):
        raise UserError(
            "bad-value", f"{url!r} is not the URL of a folder", hint="For example http://10.8.30.15/boot"
        )
    state_folder.made(project)
    state_folder.tell_former(project, report)
    builds = Builds(state_folder.builds(project), state_folder.content(project))
    adopt(project, description, builds, report)
    served = Served(server=parts.hostname, base=url.rstrip("/"))
    found = contents(description, builds, served, ipxe.programs(own), keep=description.serve.keep)
    if _REMOTE.fullmatch(target) and not Path(target).exists():
        _remote(found, target, env)
    else:
        write(found, Path(target))
    return (*found.builds, *found.texts)


def contents(
    description: Description, builds: Builds, served: Served, programs: Mapping[str, Path], *, keep: int
) -> Published:
    """Return what is to be written. Raises `UserError` nothing-to-publish."""
    files: dict[str, Path] = {}
    texts: dict[str, str] = {}
    used: dict[str, list[Build]] = {}
    for name, machine in description.machines.items():
        build = builds.get(machine.system, machine.build) if machine.build else builds.current(machine.system)
        if build is None:
            raise UserError(
                "nothing-to-publish",
                f"there is no build of {machine.system}, which {name} boots",
                hint=f"Run `rootstream build {machine.system}`.",
            )
        used.setdefault(build.target, []).append(build)
        text = _script(name, machine, build, served)
        for mac in machine.macs:
            texts[f"machines/{mac.replace(':', '-')}.ipxe"] = text
    for target, pinned in used.items():
        for build in {each.id: each for each in (*pinned, *builds.of(target)[:keep])}.values():
            base = f"builds/{target}/{build.id}"
            files |= {f"{base}/{file.name}": builds.path(build, file) for file in build.files}
            texts[f"{base}/SHA256SUMS"] = "".join(f"{file.sha256}  {file.name}\n" for file in build.files)
    files |= {f"{PROGRAMS.strip('/')}/{name}": path for name, path in programs.items()}
    texts["boot.ipxe"] = script.first(served).replace(
        "|| goto failed", f"|| chain --replace --autofree {served.base}/unknown.ipxe || goto failed", 1
    )
    texts["unknown.ipxe"] = script.local()
    texts["dnsmasq.conf"] = _dnsmasq(description.machines, served)
    texts["dhcpd.conf"] = _dhcpd(description.machines, served)
    return Published(builds=files, texts=texts)


def _script(name: str, machine: NetMachine, build: Build, served: Served) -> str:
    console = ARCHITECTURES[machine.arch].board.console
    args = script.kernel_args(name, machine, build, served, console=console, home=())
    made = script.start(name, build, served, args=args, boot=None, efi=machine.firmware == "uefi")
    if made is None:
        message = f"build {build.id} of {build.target} has nothing that {name} can boot"
        raise UserError("nothing-to-publish", message)
    return made


def _dnsmasq(machines: Mapping[str, NetMachine], served: Served) -> str:
    """Return lines for an existing dnsmasq; its TFTP root needs iPXE's programs."""
    lines = ["# For dnsmasq: where iPXE finds its scripts. Copy the files of ipxe/ to its TFTP root."]
    lines += ["dhcp-match=set:ipxe,175", "dhcp-option=encap:175,176,1b"]
    for client in CLIENTS:
        tag = client.tag
        lines += [f"dhcp-match=set:{tag},option:client-arch,{number}" for number in client.numbers]
        lines.append(
            f"dhcp-boot=tag:{tag},tag:!ipxe,{served.base + PROGRAMS if client.http else ''}{client.program}"
        )
        lines += [f"dhcp-option-force=tag:{tag},60,HTTPClient"] if client.http else []
    lines.append(f"dhcp-boot=tag:ipxe,{served.base}/boot.ipxe")
    for name, machine in machines.items():
        both = [
            *machine.macs,
            *([machine.system_mac] if machine.system_mac and not machine.system_address else []),
        ]
        if machine.address:
            lines.append(f"dhcp-host={','.join(both)},{machine.address},{host_name(name)}")
        if machine.system_mac and machine.system_address:
            lines.append(f"dhcp-host={machine.system_mac},{machine.system_address},{host_name(name, '-system')}")
    return "\n".join(lines) + "\n"


def _dhcpd(machines: Mapping[str, NetMachine], served: Served) -> str:
    """Return lines for an existing ISC dhcpd, dhcpd.conf(5)."""
    lines = [
        "# For ISC dhcpd: where iPXE finds its scripts. Copy the files of ipxe/ to the TFTP server.",
        "option space ipxe;",
        "option ipxe-options code 175 = encapsulate ipxe;",
        "option ipxe.no-proxy code 176 = unsigned integer 8;",
        "option ipxe.no-proxy 1;  # saves three seconds",
        "option arch code 93 = unsigned integer 16;",
        'if exists user-class and option user-class = "iPXE" {',
        f'  filename "{served.base}/boot.ipxe";',
    ]
    for client in CLIENTS:
        for number in client.numbers:
            lines.append(f"}} elsif option arch = 00:{number:02x} {{")
            if client.http:
                lines.append('  option vendor-class-identifier "HTTPClient";')
            lines.append(f'  filename "{served.base + PROGRAMS if client.http else ""}{client.program}";')
    lines.append("}")
    for name, machine in machines.items():
        for number, mac in enumerate(machine.macs):
            suffix = f"-{number}" if number else ""
            lines.append(_dhcpd_host(_host(name) + suffix, mac, machine.address))
        if machine.system_mac:
            address = machine.system_address or machine.address
            lines.append(_dhcpd_host(f"{_host(name)}-system", machine.system_mac, address))
    return "\n".join(lines) + "\n"


def _dhcpd_host(name: str, mac: str, address: str | None) -> str:
    fixed = f" fixed-address {address};" if address else ""
    return f"host {name} {{ hardware ethernet {mac};{fixed} }}"


def _host(name: str) -> str:
    """Return the name of a declaration, which no machine hears and which is no word of dhcpd.conf(5)."""
    return "machine-" + re.sub(r"[^A-Za-z0-9-]", "-", name).strip("-")


def write(found: Published, folder: Path) -> None:
    """Put everything in place, builds before what names them; builds of before that nothing names are deleted.

    Nothing else in the folder is touched. Raises `UserError` cannot-write.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        before = _noted(folder)
        for path, source in found.builds.items():
            _copied(source, folder / path)
        ordered = sorted(found.texts, key=lambda path: (not path.startswith("builds/"), path == "boot.ipxe", path))
        for path in ordered:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            write_atomically(folder / path, found.texts[path].encode())
        now = (*found.builds, *found.texts)
        note = json.dumps({"version": 1, "files": sorted(now)}, indent=1) + "\n"
        write_atomically(folder / NOTE, note.encode())
        for path in sorted(set(before) - set(now)):
            (folder / path).unlink(missing_ok=True)
            _prune(folder, (folder / path).parent)
    except OSError as error:
        raise UserError(
            "cannot-write",
            f"cannot be written: {error.strerror}",
            where=Where(path=folder),
            hint="Scripts that were not written still boot the earlier builds.",
        ) from error


def _copied(source: Path, place: Path) -> None:
    if place.is_file() and filecmp.cmp(source, place, shallow=False):
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=place.parent, prefix=".new-", delete=False) as out:
        try:
            with source.open("rb") as data:
                shutil.copyfileobj(data, out, 1 << 20)
            out.flush()
            os.fchmod(out.fileno(), 0o644)
            os.fsync(out.fileno())
            Path(out.name).replace(place)
        except BaseException:
            Path(out.name).unlink(missing_ok=True)
            raise


def _noted(folder: Path) -> tuple[str, ...]:
    """Return the files of the last time; a note that leads elsewhere is none."""
    try:
        data = json.loads((folder / NOTE).read_text())
        paths = [str(path) for path in data["files"]]
    except (OSError, ValueError, KeyError, TypeError):
        return ()
    ours = (path for path in paths if path.startswith(("builds/", "machines/", "ipxe/")))
    return tuple(path for path in ours if ".." not in PurePosixPath(path).parts)


def _prune(folder: Path, place: Path) -> None:
    """Delete folders that became empty."""
    while place != folder and (not place.is_dir() or not any(place.iterdir())):
        if place.is_dir():
            place.rmdir()
        place = place.parent


def _remote(found: Published, target: str, env: Mapping[str, str]) -> None:
    """Send everything by rsync: builds first; older builds stay there."""
    process.require("rsync", hint="Install it (Debian: `apt install rsync`).")
    with temporary.folder("rootstream-publish-") as name:
        write(found, name)
        base = ("rsync", "--recursive", "--times", "--perms", "--delay-updates")
        place = target.rstrip("/") + "/"
        process.run((*base, f"{name}/builds", place), env=env, timeout=_RSYNC)
        process.run((*base, "--exclude=/builds", f"{name}/", place), env=env, timeout=_RSYNC)
