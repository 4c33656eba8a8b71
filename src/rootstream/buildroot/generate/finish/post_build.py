"""Post-build script: what Buildroot has no symbol for, set in target/ before file systems are made.

Secrets come from a file, so that no command line and no log has them. Run as `post_build.py DATA.json TARGET`.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SSHD = "etc/ssh/sshd_config"
DROPBEAR = "etc/default/dropbear"
BEGIN = "# --- from system.yaml: begin"
END = "# --- from system.yaml: end"
OFF = "#system.yaml# "
FIRST = 60
LAST = 98


class Mistake(Exception):  # noqa: N818  (the user's)
    """Something the user has to fix; the message says what."""


def inside(target: Path, name: str) -> Path:
    """Return a file of the target; a link in the target that leads out of it is a mistake."""
    path = target / name
    if not path.parent.resolve().is_relative_to(target.resolve()):
        raise Mistake(f"/{name} is behind a link that leads out of the target")
    if path.is_symlink():
        raise Mistake(f"/{name} is a link and cannot be edited")
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
    """Let root log in on no console, where the login program heeds /etc/securetty."""
    login, rules = target / "bin/login", target / "etc/pam.d/login"
    if login.is_symlink() and login.readlink().name == "busybox":
        heeded = True
    elif os.path.lexists(login):
        heeded = rules.is_file() and "pam_securetty" in rules.read_text("utf-8", "surrogateescape")
    else:
        heeded = True  # nobody can log in
    if not heeded:
        raise Mistake("root_login: console: false: /bin/login ignores /etc/securetty; use `password: locked`")
    inside(target, "etc/securetty").write_text("# root does not log in on a console\n")


def pristine(text: str) -> list[str]:
    """Return the lines of a file as they were before it was edited by this program."""
    kept, ours = [], False
    for line in text.split("\n"):
        if line in (BEGIN, END):
            ours = line == BEGIN
        elif not ours:
            kept.append(line.removeprefix(OFF))
    return kept


def sshd(target: Path, policy: Mapping[str, Any]) -> None:
    """Set the policy of the SSH server that is there: OpenSSH's configuration or dropbear's arguments."""
    openssh, dropbear = inside(target, SSHD), os.path.lexists(target / "usr/sbin/dropbear")
    if openssh.is_file():
        text = openssh_text(openssh.read_text("utf-8", "surrogateescape"), policy)
        openssh.write_text(text, "utf-8", "surrogateescape")
    if dropbear:
        place = inside(target, DROPBEAR)
        place.parent.mkdir(parents=True, exist_ok=True)
        before = place.read_text("utf-8", "surrogateescape") if place.is_file() else ""
        place.write_text(dropbear_text(before, policy), "utf-8", "surrogateescape")
    if policy.get("required") and not (openssh.is_file() or dropbear):
        raise Mistake("sshd: the target has no SSH server; enable BR2_PACKAGE_OPENSSH or BR2_PACKAGE_DROPBEAR")


def openssh_text(before: str, policy: Mapping[str, Any]) -> str:
    """Return sshd_config with the policy; what says otherwise becomes a comment, in Match blocks, too."""
    words = {"PermitRootLogin": policy["root"]}
    if policy.get("passwords") is not None:
        words["PasswordAuthentication"] = "yes" if policy["passwords"] else "no"
        words["KbdInteractiveAuthentication"] = words["PasswordAuthentication"]
    ports = [f"Port {port}" for port in policy.get("ports", ())]
    pattern = re.compile(rf"\s*({'|'.join([*words, *(['Port'] if ports else [])])})\b", re.IGNORECASE)
    kept = [OFF + line if pattern.match(line) else line for line in pristine(before)]
    # first, since OpenSSH takes the first value that it reads, and a Match block ends the global part
    return "\n".join([BEGIN, *(f"{word} {value}" for word, value in words.items()), *ports, END, *kept])


def dropbear_text(before: str, policy: Mapping[str, Any]) -> str:
    """Return /etc/default/dropbear with the policy's arguments after those that are there."""
    arguments = {"no": ["-w"], "prohibit-password": ["-g"], "yes": []}[policy["root"]]
    arguments += ["-s"] if policy.get("passwords") is False else []
    arguments += [f"-p {port}" for port in policy.get("ports", ())]
    own, kept = "", []
    for line in pristine(before):
        found = re.fullmatch(r"\s*(?:export\s+)?DROPBEAR_ARGS=(.*)", line)
        if found:
            own = " ".join(shlex.split(found[1], comments=True))
        kept.append(OFF + line if found else line)
    text = "\n".join(kept).rstrip("\n")
    value = " ".join([*([own] if own else []), *arguments])
    return "\n".join([*([text] if text else []), BEGIN, f'DROPBEAR_ARGS="{value}"', END, ""])


def services(target: Path, told: list[dict[str, Any]]) -> None:
    """Write each service for the init that is there: a unit of systemd, or an init script.

    The command is in a file of its own, which a shell runs: no quoting of a unit or script can break it.
    """
    systemd = (target / "usr/lib/systemd/systemd").exists()
    for number, service in enumerate(told):
        name = service["name"]
        command = inside(target, f"usr/libexec/services/{name}")
        command.parent.mkdir(parents=True, exist_ok=True)
        command.write_text(f"#!/bin/sh\n{service['command']}\n", "utf-8", "surrogateescape")
        command.chmod(0o755)
        if systemd:
            _unit(target, service)
        else:
            # rcS runs what is called S and two digits
            start = f"S{min(FIRST + number, LAST):02d}" if service["enabled"] else ""
            script = inside(target, f"etc/init.d/{start}{name}")
            script.parent.mkdir(parents=True, exist_ok=True)
            script.write_text(init_script(service))
            script.chmod(0o755)


def _unit(target: Path, service: Mapping[str, Any]) -> None:
    name = service["name"]
    after = " ".join(["network.target", *(f"{each}.service" for each in service["after"])])
    lines = ["[Unit]", f"Description={name}", f"After={after}", "", "[Service]"]
    lines += [f"ExecStart=/usr/libexec/services/{name}", f"Restart={service['restart']}", "RestartSec=1"]
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
    """Return an init script for BusyBox or System V init.

    It is its own supervisor (`run`). A session for the command lets `stop` end all that the command started.
    """
    name = service["name"]
    as_user = f"-c {service['user']} " if service.get("user") else ""
    again = "sleep 1" if service["restart"] == "always" else "exit"
    return f"""#!/bin/sh
# Made from system.yaml.
pid=/run/{name}.pid

case "$1" in
start)
    printf 'Starting {name}: '
    start-stop-daemon -S -q -b -m -p "$pid" {as_user}-x /bin/sh -- "$0" run && echo OK || echo FAIL
    ;;
stop)
    printf 'Stopping {name}: '
    start-stop-daemon -K -q -p "$pid" && echo OK || echo FAIL
    rm -f "$pid"
    ;;
restart)
    "$0" stop
    sleep 1
    "$0" start
    ;;
run)
    child=
    trap '[ -z "$child" ] || kill -TERM "-$child" 2>/dev/null || kill -TERM "$child"; exit' TERM INT
    while :; do
        $(command -v setsid) /usr/libexec/services/{name} &
        child=$!
        wait "$child"
        child=
        {again}
    done
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


def folders(target: Path, names: list[str]) -> None:
    """Make folders that are to hold device nodes."""
    for name in names:
        inside(target, f"{name.strip('/')}/node").parent.mkdir(parents=True, exist_ok=True)


def main(argv: list[str]) -> int:
    """Apply the data to the target; the exit status is 0, or 2 with a message."""
    data = json.loads(Path(argv[1]).read_text("utf-8"))
    target = Path(argv[2])
    try:
        folders(target, data.get("folders", []))
        if "issue" in data:
            issue(target, data["issue"])
        if "password" in data:
            password(target, data["password"])
        if data.get("securetty"):
            securetty(target)
        if "sshd" in data:
            sshd(target, data["sshd"])
        services(target, data.get("services", []))
    except (Mistake, OSError) as mistake:
        sys.stderr.write(f"system.yaml: {mistake}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
