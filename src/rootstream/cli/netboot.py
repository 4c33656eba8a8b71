"""The commands for machines that boot over the network. Each imports what it needs when it runs."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click
from click.shell_completion import CompletionItem

from rootstream.cli.front import echo
from rootstream.cli.options import (
    complete_systems,
    find_project,
    out_option,
    progress_options,
    project_option,
    reporter,
)

if TYPE_CHECKING:
    from rootstream.netboot.dhcp.dnsmasq import Mode


def complete_machines(_context: click.Context, _parameter: click.Parameter, start: str) -> list[CompletionItem]:
    """Offer the machines of the project at hand; stay silent on a broken one."""
    from rootstream.description.load import load
    from rootstream.errors import UserError
    from rootstream.project.project import find

    try:
        names = load(find(Path.cwd()).description).machines
    except UserError:
        return []
    return [CompletionItem(name) for name in names if name.startswith(start)]


ipxe_option = click.option(
    "--ipxe",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    metavar="DIR",
    help="Folder with your own iPXE binaries.",
)
machine_argument = click.argument("machine", shell_complete=complete_machines)


@click.command()
@click.option("-i", "--interface", required=True, help="Network interface to serve on; no other is used.")
@click.option("--address", help="Address to serve on, if the interface has several.")
@click.option(
    "--proxy", is_flag=True, help="Another DHCP server assigns addresses; only add what to boot (proxy DHCP)."
)
@click.option("--no-dhcp", is_flag=True, help="Another DHCP server does everything; serve only TFTP and HTTP.")
@click.option("--port", type=click.IntRange(1, 65535), default=8080, show_default=True, help="HTTP port.")
@ipxe_option
@project_option
@out_option
@progress_options
def serve(
    interface: str,
    address: str | None,
    proxy: bool,
    no_dhcp: bool,
    port: int,
    ipxe: Path | None,
    folder: Path,
    style: str | None,
) -> None:
    """Serve the machines of the project: DHCP, TFTP and HTTP, until interrupted.

    New builds are served as soon as `rootstream build` has finished; system.yaml is reloaded when it changes.
    State (builds, boots, boot overrides, tokens) is kept in a folder for each project in
    $XDG_STATE_HOME/rootstream/serve/, by default ~/.local/state/rootstream/serve/.
    """
    import asyncio

    from rootstream.errors import UserError
    from rootstream.netboot.http.senders import Loop
    from rootstream.netboot.serve import ServeOptions, Server

    if proxy and no_dhcp:
        raise UserError("bad-value", "--proxy and --no-dhcp cannot be combined")
    mode: Mode = "proxy" if proxy else "none" if no_dhcp else "full"
    wish = ServeOptions(interface=interface, address=address, mode=mode, port=port, ipxe=ipxe)
    with reporter(style or "plain") as report, asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(Server(find_project(folder), wish, report).run())


@click.command()
@machine_argument
@click.option("--system", metavar="SYSTEM", shell_complete=complete_systems, help="System to boot from now on.")
@click.option("--build", "build_id", metavar="BUILD", help="Build of the system to boot; see `rootstream builds`.")
@click.option("--once", is_flag=True, help="Apply --system and --build to the next boot only.")
@click.option("--as-described", is_flag=True, help="Drop the overrides; boot what system.yaml describes.")
@click.option("--verify", is_flag=True, help="Run the system's checks; exit status 1 if one fails.")
@click.option("--no-power", is_flag=True, help="Only set what to boot, without switching the machine.")
@click.option("-v", "--verbose", is_flag=True, help="Show console output live.")
@project_option
@out_option
@progress_options
def boot(
    machine: str,
    system: str | None,
    build_id: str | None,
    once: bool,
    as_described: bool,
    verify: bool,
    no_power: bool,
    verbose: bool,
    folder: Path,
    style: str | None,
) -> int:
    """Power-cycle MACHINE, and follow its boot over the network.

    `rootstream serve` must be running. Stage times, JUnit XML and the console log are written to machines/MACHINE/
    in the state folder of the server (see `rootstream serve --help`).
    """
    from rootstream import events
    from rootstream.errors import UserError
    from rootstream.netboot import boot as netboot
    from rootstream.netboot import boot_override

    project = find_project(folder)
    description = project.read()
    netboot.find(description, machine, project)
    if as_described and (system or build_id):
        raise UserError("bad-value", "--as-described cannot be combined with --system or --build")
    if system or build_id or as_described:
        boot_override.choose(project, description, machine, system=system, build=build_id, once=once)
    if no_power:
        return 0
    with reporter(style or ("plain" if verbose else None)) as report:

        def pass_on(event: events.Event) -> None:
            if verbose or not isinstance(event, events.Console):
                report(event)

        verdict = netboot.boot(project, description, machine, verify=verify, report=pass_on)
    if style != "json":
        for text in netboot.summary(verdict):
            echo(text)
    return 0 if verdict.passed else 1


@click.command()
@click.argument("system", required=False, shell_complete=complete_systems)
@project_option
@out_option
def builds(system: str | None, folder: Path) -> None:
    """List the builds that machines can boot, newest first; `*` marks the current one."""
    from rootstream.errors import UserError
    from rootstream.netboot import boot_override

    found = boot_override.builds(find_project(folder))
    if system and system not in found.targets():
        names = ", ".join(found.targets()) or "none"
        raise UserError(
            "unknown-system", f"there is no build of {system!r}", hint=f"There are builds of: {names}."
        )
    for target in [system] if system else found.targets():
        current = found.current(target)
        for each in found.of(target):
            mark = "*" if current and current.id == each.id else " "
            made = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(each.made))
            size = sum(file.size for file in each.files) / 1e6
            echo(f"{mark} {target}  {each.id}  {made}  {size:.1f} MB")


@click.command()
@click.argument("system", shell_complete=complete_systems)
@click.argument("build_id", metavar="[BUILD]", required=False)
@project_option
@out_option
def rollback(system: str, build_id: str | None, folder: Path) -> None:
    """Make machines boot an earlier build of SYSTEM: BUILD, or the one before the current one."""
    from rootstream.netboot import boot_override

    build = boot_override.builds(find_project(folder)).select(system, build_id)
    echo(f"{system}: machines boot build {build.id} from now on")


@click.command()
@machine_argument
@click.argument("action", type=click.Choice(["on", "off", "cycle", "status"]))
@project_option
@out_option
def power(machine: str, action: str, folder: Path) -> None:
    """Switch MACHINE on or off, or show whether it is on.

    Virtual machines are run by `rootstream serve`, which must be running.
    """
    from rootstream.netboot import boot as netboot
    from rootstream.netboot import running
    from rootstream.netboot.power import control as switches
    from rootstream.netboot.power.base import Action

    project = find_project(folder)
    found = netboot.find(project.read(), machine, project)
    for each in get_args(Action):
        if each == action:
            if found.power.virtual:
                running.switch(project, machine, each, interface=found.power.interface)
            else:
                switches.switch(project, machine, found, each, env=os.environ)
            return
    echo(switches.state(project, machine, found, env=os.environ))


@click.command()
@click.argument("target", metavar="DIR")
@click.option("--url", required=True, help="URL where the web server serves DIR, such as http://10.8.30.15/boot.")
@ipxe_option
@project_option
@out_option
@progress_options
def publish(target: str, url: str, ipxe: Path | None, folder: Path, style: str | None) -> None:
    """Write everything that the machines boot into DIR, for an existing web server.

    This includes kernels, ramdisks, checksums, iPXE and its scripts, and configuration lines for dnsmasq and ISC
    dhcpd. HOST:DIR is written by rsync.
    """
    from rootstream.netboot.publish import publish as write

    project = find_project(folder)
    with reporter(style) as report:
        paths = write(project, project.read(), target, url, report, own=ipxe)
    if style != "json":
        for path in paths:
            echo(path)
