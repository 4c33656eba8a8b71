"""Services in a root, as units of systemd or scripts for BusyBox's init, and the SSH server's policy."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rootstream.sandbox.program import Mistake
from rootstream.sandbox.tree import Inode, InodeKind, Tree, text_file

UNIT = re.compile(r"[A-Za-z0-9:_.\\@-]{1,200}")
SYSTEMD = "usr/lib/systemd/systemd"
UNITS = "etc/systemd/system"
SCRIPTS = "etc/init.d"
RCS = f"{SCRIPTS}/rcS"
FIRST, LAST = 60, 98  # of the numbers that order scripts: after the network, before what a user puts last
COMMANDS = "usr/libexec/services"
SSHD = "etc/ssh/sshd_config"
POLICY = "etc/ssh/sshd_config.d/00-rootstream.conf"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSpec:
    """A program to start with the system; a shell reads the command."""

    name: str
    command: str
    user: str | None = None
    after: tuple[str, ...] = ()
    restart: str = "always"
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Sshd:
    """Who may log in through SSH; None for what the server itself says."""

    root: str = "no"
    passwords: bool | None = None
    ports: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitChoice:
    """The units that a description chooses by name."""

    enable: tuple[str, ...] = ()
    disable: tuple[str, ...] = ()
    mask: tuple[str, ...] = ()

    def any(self) -> bool:
        """Tell whether there is anything to do."""
        return bool(self.enable or self.disable or self.mask)


def add_services(tree: Tree, services: tuple[ServiceSpec, ...]) -> None:
    """Write a unit or script for each service and enable it; `Mistake` if nothing that we know starts this root.

    The command is in a file of its own, which a shell runs: no quoting of a unit or script can break it.
    """
    systemd = tree.find(SYSTEMD) is not None
    if services and not systemd and tree.find(RCS) is None:
        raise Mistake("services: this root has no systemd; add systemd-sysv to its packages")
    if len(services) > LAST - FIRST + 1:
        raise Mistake(f"services: there are {len(services)}, and {LAST - FIRST + 1} at most")
    for number, service in enumerate(services):
        command = f"#!/bin/sh\n{service.command}\n"
        tree.put(f"{COMMANDS}/{service.name}", text_file(command.encode("utf-8", "surrogateescape"), 0o755))
        if not systemd:
            start = f"S{FIRST + number}" if service.enabled else ""
            tree.put(f"{SCRIPTS}/{start}{service.name}", text_file(script_text(service).encode(), 0o755))
            continue
        unit = f"{service.name}.service"
        tree.put(f"{UNITS}/{unit}", text_file(unit_text(service).encode()))
        if service.enabled:
            link = Inode(kind=InodeKind.SYMLINK, mode=0o777, target=f"../{unit}", origin="the description")
            tree.put(f"{UNITS}/multi-user.target.wants/{unit}", link)


def unit_text(service: ServiceSpec) -> str:
    """Return the unit of a service (systemd.service(5))."""
    after = " ".join(("network.target", *(f"{name}.service" for name in service.after)))
    lines = ["[Unit]", f"Description={service.name}", f"After={after}", ""]
    lines += ["[Service]", f"ExecStart=/{COMMANDS}/{service.name}", f"Restart={service.restart}", "RestartSec=1"]
    lines += [f"User={service.user}"] if service.user else []
    return "\n".join([*lines, "", "[Install]", "WantedBy=multi-user.target", ""])


def script_text(service: ServiceSpec) -> str:
    """Return the script of a service for BusyBox's init, which is its supervisor, too (`run`).

    The command has a session of its own, so that `stop` ends all that it started.
    """
    user = f"-c {service.user} " if service.user else ""
    again = "sleep 1" if service.restart == "always" else "exit"
    return f"""#!/bin/sh
# Made from system.yaml.
pid=/run/{service.name}.pid

case "$1" in
start)
	start-stop-daemon -S -q -b -m -p "$pid" {user}-x /bin/sh -- "$0" run
	;;
stop)
	start-stop-daemon -K -q -p "$pid"
	rm -f "$pid"
	;;
restart)
	"$0" stop
	sleep 1
	"$0" start
	;;
run)
	child=
	trap '[ -z "$child" ] || kill -TERM "-$child"; exit' TERM INT
	while :; do
		setsid /{COMMANDS}/{service.name} &
		child=$!
		wait "$child"
		child=
		{again}
	done
	;;
*)
	echo "Usage: $0 start|stop|restart" >&2
	exit 1
	;;
esac
"""


def set_sshd(tree: Tree, policy: Sshd) -> None:
    """Write the policy where OpenSSH reads it first, since it takes the first value that it reads."""
    if tree.find(SSHD) is None:
        raise Mistake("sshd: this root has no SSH server; add openssh-server to its packages")
    lines = ["# From system.yaml.", f"PermitRootLogin {policy.root}"]
    if policy.passwords is not None:
        answer = "yes" if policy.passwords else "no"
        lines += [f"PasswordAuthentication {answer}", f"KbdInteractiveAuthentication {answer}"]
    lines += [f"Port {port}" for port in policy.ports]
    tree.put(POLICY, text_file(("\n".join(lines) + "\n").encode()))
