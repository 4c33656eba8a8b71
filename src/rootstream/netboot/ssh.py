"""A shell of a booted machine by SSH, for the checks of one that has no serial console."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from rootstream import events
from rootstream.boot.machine import Guest
from rootstream.description.machines import Ssh
from rootstream.errors import UserError
from rootstream.host import process
from rootstream.netboot.line import opened

_CONNECT = 10  # seconds that one attempt may take
_ATTEMPT = 30.0
_PAUSE = 1.0
_FINAL = ("Permission denied", "Host key verification failed", "REMOTE HOST IDENTIFICATION HAS CHANGED")


def command(ssh: Ssh, address: str, project: Path, *words: str) -> tuple[str, ...]:
    """Return a command that runs words in a machine's shell, or the shell itself; it asks for nothing."""
    known = str(project / ssh.known_hosts) if ssh.known_hosts else "/dev/null"
    options = {
        "BatchMode": "yes",
        "ConnectTimeout": str(_CONNECT),
        "GlobalKnownHostsFile": "/dev/null",
        "IdentitiesOnly": "yes",
        "LogLevel": "ERROR",
        "ServerAliveInterval": str(_CONNECT),
        # a ramdisk makes its host keys anew with each boot
        "StrictHostKeyChecking": "yes" if ssh.known_hosts else "no",
        "UserKnownHostsFile": known.replace("%", "%%"),
    }
    told = [word for name, value in options.items() for word in ("-o", f'{name}="{value}"')]
    key = str(project / ssh.key_file).replace("%", "%%")
    return (
        "ssh",
        "-F",
        "none",
        "-tt",
        "-i",
        key,
        "-p",
        str(ssh.port),
        "-l",
        ssh.user,
        *told,
        "--",
        address,
        *words,
    )


def wait(ssh: Ssh, address: str, project: Path, *, deadline: float, env: Mapping[str, str]) -> None:
    """Wait until one may log in; `deadline` is on `time.monotonic`.

    Raises `UserError` ssh-failed with what ssh said last, at once if the machine refuses; program-missing.
    """
    process.require("ssh", hint="Install it (Debian: `apt install openssh-client`).")
    argv = command(ssh, address, project, "true")
    while True:
        said = "it did not respond"
        with contextlib.suppress(UserError):  # process-timeout
            done = process.run(argv, env=env, timeout=_ATTEMPT, check=False)
            if done.status == 0:
                return
            said = process.tail(done.stderr, 1).strip() or said
        if time.monotonic() >= deadline or any(word in said for word in _FINAL):
            raise UserError("ssh-failed", f"nobody can log in at {address} as {ssh.user} by SSH: {said}")
        time.sleep(_PAUSE)


@contextlib.contextmanager
def connected(
    ssh: Ssh,
    address: str,
    project: Path,
    *,
    name: str,
    log: Path,
    deadline: float,
    report: events.Reporter,
    env: Mapping[str, str],
) -> Iterator[Guest]:
    """Log in as soon as one may, and give the shell in place of a console. Raises as `wait` does."""
    wait(ssh, address, project, deadline=deadline, env=env)
    argv = command(ssh, address, project)
    with opened(argv, name=name, address=address, log=log, report=report, env=env) as guest:
        yield guest
