"""Post-build script: what Buildroot has no symbol for, set in target/ before file systems are made.

Secrets come from a file, so that no command line and no log has them. Run as `post_build.py DATA.json TARGET`.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SSHD = "etc/ssh/sshd_config"
DROPBEAR = "etc/default/dropbear"


class Mistake(Exception):  # noqa: N818  (the user's)
    """Something the user has to mend; the message says what."""


def inside(target: Path, name: str) -> Path:
    """Return a file of the target; a link in the target that leads out of it is a mistake."""
    path = target / name
    if not path.parent.resolve().is_relative_to(target.resolve()):
        raise Mistake(f"/{name} lies behind a link that leads out of the target")
    if path.is_symlink():
        raise Mistake(f"/{name} is a link: it cannot be edited")
    return path


def password(target: Path, field: str) -> None:
    """Set root's password field in /etc/shadow."""
    path = inside(target, "etc/shadow")
    lines = path.read_text("utf-8", "surrogateescape").split("\n")
    for number, line in enumerate(lines):
        parts = line.split(":")
        if parts[0] == "root" and len(parts) > 1:
            parts[1] = field
            lines[number] = ":".join(parts)
            path.write_text("\n".join(lines), "utf-8", "surrogateescape")
            return
    raise Mistake("/etc/shadow has no line for root")


def securetty(target: Path) -> None:
    """Let root log in on no console."""
    inside(target, "etc/securetty").write_text("# root does not log in on a console\n")


def sshd(target: Path, policy: Mapping[str, Any]) -> None:
    """Set the policy of the SSH server that is there: OpenSSH's configuration or dropbear's arguments."""
    words = {"PermitRootLogin": policy["root"]}
    if policy.get("passwords") is not None:
        words["PasswordAuthentication"] = "yes" if policy["passwords"] else "no"
        words["KbdInteractiveAuthentication"] = words["PasswordAuthentication"]
    path = inside(target, SSHD)
    if path.is_file():
        kept = [
            line
            for line in path.read_text("utf-8", "surrogateescape").split("\n")
            if not any(re.match(rf"\s*{word}\b", line, re.IGNORECASE) for word in words)
        ]
        ports = [f"Port {port}" for port in policy.get("ports", ())]
        # first, since OpenSSH takes the first value that it reads, and a Match block ends the global part
        text = "\n".join([*(f"{word} {value}" for word, value in words.items()), *ports, *kept])
        path.write_text(text, "utf-8", "surrogateescape")
    if (target / "usr/sbin/dropbear").exists():
        arguments = {"no": ["-w"], "prohibit-password": ["-g"], "yes": []}[policy["root"]]
        arguments += ["-s"] if policy.get("passwords") is False else []
        arguments += [f"-p {port}" for port in policy.get("ports", ())]
        place = inside(target, DROPBEAR)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f'DROPBEAR_ARGS="{" ".join(arguments)}"\n')


def services(target: Path, told: list[dict[str, Any]]) -> None:
    """Write each service for the init that is there: a unit of systemd, or an init script.

    The command is in a file of its own, which a shell runs: no quoting of a unit or script can break it.
    """
    systemd = (target / "usr/lib/systemd/systemd").exists()
    for number, service in enumerate(told):
        name = service["name"]
        command = inside(target, f"usr/libexec/services/{name}")
        command.parent.mkdir(parents=True, exist_ok=True)
        command.write_text(f"#!/bin/sh\nexec {service['command']}\n", "utf-8", "surrogateescape")
        command.chmod(0o755)
        if systemd:
            _unit(target, service)
        elif service["enabled"]:
            script = inside(target, f"etc/init.d/S{min(60 + number, 98):02d}{name}")
            script.parent.mkdir(parents=True, exist_ok=True)
            script.write_text(init_script(service))
            script.chmod(0o755)


def _unit(target: Path, service: Mapping[str, Any]) -> None:
    name = service["name"]
    after = " ".join(["network.target", *(f"{each}.service" for each in service["after"])])
    lines = ["[Unit]", f"Description={name}", f"After={after}", "", "[Service]"]
    lines += [f"ExecStart=/usr/libexec/services/{name}", f"Restart={service['restart']}"]
    lines += [f"User={service['user']}"] if service.get("user") else []
    lines += ["", "[Install]", "WantedBy=multi-user.target", ""]
    unit = inside(target, f"etc/systemd/system/{name}.service")
    unit.parent.mkdir(parents=True, exist_ok=True)
    unit.write_text("\n".join(lines))
    if service["enabled"]:
        link = target / "etc/systemd/system/multi-user.target.wants" / unit.name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(f"../{unit.name}")


def init_script(service: Mapping[str, Any]) -> str:
    """Return an init script for BusyBox or System V init."""
    name = service["name"]
    program = f"/usr/libexec/services/{name}"
    run = f"while :; do {program}; sleep 1; done" if service["restart"] == "always" else f"exec {program}"
    as_user = f"-c {service['user']} " if service.get("user") else ""
    return f"""#!/bin/sh
pid=/run/{name}.pid

case "$1" in
start)
    echo "Starting {name}"
    start-stop-daemon -S -q -b -m -p "$pid" {as_user}-x /bin/sh -- -c '{run}'
    ;;
stop)
    echo "Stopping {name}"
    start-stop-daemon -K -q -p "$pid" && rm -f "$pid"
    killall -q {name}
    ;;
restart)
    "$0" stop
    "$0" start
    ;;
*)
    echo "Usage: $0 {{start|stop|restart}}"
    exit 1
    ;;
esac
"""


def issue(target: Path, text: str) -> None:
    """Write /etc/issue as it was given, whatever is in it."""
    inside(target, "etc/issue").write_text(text, "utf-8", "surrogateescape")


def needs(target: Path, programs: Mapping[str, str]) -> None:
    """Check that what the description relies on is in the target."""
    missing = [f"/{program}: {why}" for program, why in programs.items() if not (target / program).exists()]
    if missing:
        raise Mistake("the target lacks " + "; ".join(missing))


def main(argv: list[str]) -> int:
    """Apply the data to the target; the exit status is 0, or 2 with a message."""
    data = json.loads(Path(argv[1]).read_text("utf-8"))
    target = Path(argv[2])
    try:
        needs(target, data.get("needs", {}))
        if "issue" in data:
            issue(target, data["issue"])
        if "password" in data:
            password(target, data["password"])
        if data.get("securetty"):
            securetty(target)
        if "sshd" in data:
            sshd(target, data["sshd"])
        services(target, data.get("services", []))
    except Mistake as mistake:
        sys.stderr.write(f"system.yaml: {mistake}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
