"""Checks over SSH: OpenSSH's own server and client, on the loopback."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rootstream import events
from rootstream.boot.checks import runner
from rootstream.description.checks.command import CommandCheck
from rootstream.description.machines import Ssh
from rootstream.errors import UserError
from rootstream.netboot import ssh

SSHD = "/usr/sbin/sshd"
pytestmark = pytest.mark.skipif(not shutil.which("ssh"), reason="no ssh here")
SERVER = """\
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/authorized
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication no
"""


def key(path: Path) -> str:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path.with_name(f"{path.name}.pub").read_text()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """The port of an SSH server that takes the key `me`."""
    if not Path(SSHD).exists() or os.geteuid() != 0:
        pytest.skip("no sshd here that a test could start")
    Path("/run/sshd").mkdir(exist_ok=True)
    key(tmp_path / "host")
    (tmp_path / "authorized").write_text(key(tmp_path / "me"))
    (tmp_path / "config").write_text(SERVER.format(folder=tmp_path))
    number = free_port()
    argv = [SSHD, "-D", "-e", "-f", str(tmp_path / "config"), "-p", str(number)]
    with (tmp_path / "log").open("wb") as log:
        child = subprocess.Popen(argv, stdout=log, stderr=log)
    try:
        yield number
    finally:
        child.terminate()
        child.wait(10)


def words(port: int, **more: str) -> Ssh:
    return Ssh.model_validate({"key_file": "me", "user": getpass.getuser(), "port": port, **more})


def refused(told: Ssh, folder: Path, patience: float) -> str:
    with pytest.raises(UserError) as caught:
        ssh.wait(told, "127.0.0.1", folder, deadline=time.monotonic() + patience, env=os.environ)
    assert caught.value.reason == "ssh-failed"
    return caught.value.message


def test_commands_and_what_they_print(port: int, tmp_path: Path) -> None:
    with ssh.connected(
        words(port),
        "127.0.0.1",
        tmp_path,
        name="box",
        log=tmp_path / "ssh.log",
        deadline=time.monotonic() + 60,
        report=events.ignore,
        env=os.environ,
    ) as shell:
        wanted = [
            CommandCheck(command="echo 'two  words' $((6 * 7)) größe", output="^two  words 42 größe$"),
            CommandCheck(command="false", exit=1),
            CommandCheck(command="true", exit=1),
        ]
        results = runner.run(wanted, shell, deadline=time.monotonic() + 60)
    assert [result.passed for result in results] == [True, True, False], results
    assert "two  words 42" in (tmp_path / "ssh.log").read_text()


def test_a_key_that_is_not_taken_ends_it_at_once(port: int, tmp_path: Path) -> None:
    key(tmp_path / "other")
    assert "Permission denied (publickey" in refused(words(port, key_file="other"), tmp_path, 3600)


def test_another_machine_is_not_believed(port: int, tmp_path: Path) -> None:
    (tmp_path / "known").write_text(f"[127.0.0.1]:{port} {key(tmp_path / 'elsewhere')}")
    told = words(port, known_hosts="known")
    assert "Host key verification failed" in refused(told, tmp_path, 3600)
    (tmp_path / "known").write_text(f"[127.0.0.1]:{port} {(tmp_path / 'host.pub').read_text()}")
    ssh.wait(told, "127.0.0.1", tmp_path, deadline=time.monotonic() + 60, env=os.environ)


def test_nobody_answers(tmp_path: Path) -> None:
    key(tmp_path / "me")
    assert "Connection refused" in refused(words(free_port()), tmp_path, 0)
