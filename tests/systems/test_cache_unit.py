"""The unit of `cache serve` under systemd in a guest, whose server is asked from here: status, push and pull."""

from __future__ import annotations

import contextlib
import itertools
import re
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest
from tests.conftest import ROOT, rootstream
from tests.hostbase import make_base

# The guest has the Debian whose Python is the one that runs here: what pip installs here is then for both.
SUITES = {(3, 11): "bookworm", (3, 13): "trixie"}
PORT = 21443
PATIENCE = 900.0
NAMES = ("first", "second")
SYSTEM = r"""
systems:
  server:
    root:
      debian:
        suite: SUITE
        packages: [login, systemd-sysv, udev, dbus, iproute2, procps, python3, haproxy]
        mask: [apt-daily.timer, apt-daily-upgrade.timer, haproxy.service]
    kernel: {debian: linux-image-cloud-amd64}
    layers:
      - hostname: server
      - root_login: {password: empty}
      - users: [{name: rootstream-cache, system: true}]
      - overlay: overlay
      - secrets: [{path: /etc/ssl/private/cache.pem, file: server.pem}]
    images: [kernel, initrd, {ext: {size: 6G}}]
    machine:
      memory: 1G
      bus: virtio
      # haproxy needs cmpxchg16b, which QEMU 7 gets wrong if it is interrupted: the kernel is to use it nowhere
      extra_args: [-cpu, max]
      kernel_args: quiet clearcpuid=cx16
      nics: [{forward: {PORT: 443}}]
"""


def make_guest(folder: Path, suite: str) -> None:
    """Write the project of a guest with Rootstream in /opt, tokens of a server, and its certificate."""
    venv = folder / "overlay" / "opt" / "rootstream"
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    target = venv / "lib" / version / "site-packages"
    argv = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--target", str(target), str(ROOT)]
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)
    (venv / "bin").mkdir()
    (venv / "bin" / "python3").symlink_to("/usr/bin/python3")
    (venv / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\n")
    for name in NAMES:
        made = rootstream("cache", "token", "overlay/srv/cache", name, "--write", cwd=folder, check=True)
        (folder / name).write_text(made.stdout)
        (folder / name).chmod(0o600)
    words = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    more = ["-addext", "subjectAltName=DNS:localhost", "-keyout", "server.key", "-out", "server.crt"]
    subprocess.run([*words.split(), *more], cwd=folder, check=True, capture_output=True)
    (folder / "server.pem").write_text((folder / "server.crt").read_text() + (folder / "server.key").read_text())
    (folder / "system.yaml").write_text(SYSTEM.replace("SUITE", suite).replace("PORT", str(PORT)))


def make_project(folder: Path) -> Path:
    """Write a project of BuildStream that the guest's cache is used for, and return its folder."""
    (folder / "elements").mkdir(parents=True)
    (folder / "project.conf").write_text("name: unit\nmin-version: 2.4\nelement-path: elements\n")
    (folder / "elements" / "base.bst").write_text("kind: import\nsources: [{kind: local, path: base}]\n")
    make_base(folder / "base")
    commands = f'["mkdir -p %{{install-root}}", "echo {uuid.uuid4()} > %{{install-root}}/two"]'
    text = f"kind: manual\nbuild-depends: [base.bst]\nconfig: {{install-commands: {commands}}}\n"
    (folder / "elements" / "two.bst").write_text(text)
    return folder


def client(guest: Path, token: str, cache: Path) -> dict[str, str]:
    return {
        "ROOTSTREAM_CACHE": str(cache),
        "ROOTSTREAM_CACHE_URL": f"https://localhost:{PORT}",
        "ROOTSTREAM_CACHE_TOKEN_FILE": str(guest / token),
        "ROOTSTREAM_CACHE_CA": str(guest / "server.crt"),
        "ROOTSTREAM_CACHE_PUSH": "true",
    }


def until(text: str, words: tuple[str, ...], project: Path, env: dict[str, str]) -> str:
    """Run a command, each time with an empty cache if it builds, until it says a text; return all that it said.

    A guest without KVM may be slower than the two seconds that a server has to answer.
    """
    deadline = time.monotonic() + PATIENCE
    for number in itertools.count():
        own = {"ROOTSTREAM_CACHE": f"{env['ROOTSTREAM_CACHE']}-{number}"} if words[0] == "build" else {}
        done = rootstream(*words, cwd=project, env=env | own)
        if text in done.stdout + done.stderr:
            return done.stderr
        assert time.monotonic() < deadline, done.stdout + done.stderr
        time.sleep(2)
    raise AssertionError


def said(shown: pexpect.spawn[str], command: str) -> str:
    """Run a command on the guest's console, which must succeed, and return what it printed."""
    shown.sendline(f"{command}; echo EN''D=$?")
    shown.expect(r"END=(\d+)\r")
    assert isinstance(shown.match, re.Match)
    assert shown.match[1] == "0", shown.before
    return str(shown.before)


def start(shown: pexpect.spawn[str]) -> None:
    """Set the server up as docs/how-to/share-a-cache.md says."""
    shown.expect("server login: ")
    shown.sendline("root")
    shown.expect("# ")
    said(shown, "chown -R rootstream-cache /srv/cache && chmod 700 /srv/cache")
    serve = (
        "cache serve /srv/cache --bind 0.0.0.0:443 --certificate /etc/ssl/private/cache.pem --quota 200M --unit"
    )
    unit = "/etc/systemd/system/rootstream-cache.service"
    said(shown, f"/opt/rootstream/bin/python3 -m rootstream {serve} > {unit}")
    said(shown, f"systemd-analyze verify {unit}")
    said(shown, "systemctl daemon-reload && systemctl enable --now rootstream-cache")


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
def test_systemd_runs_the_server(tmp_path: Path) -> None:
    suite = SUITES.get(sys.version_info[:2])
    if suite is None:
        pytest.skip("no Debian of ours has this Python")
    guest = tmp_path / "guest"
    guest.mkdir()
    make_guest(guest, suite)
    rootstream("build", cwd=guest, check=True)
    with console(guest) as shown:
        start(shown)
        use(shown, guest, make_project(tmp_path / "project"), tmp_path)


@contextlib.contextmanager
def console(guest: Path) -> Iterator[pexpect.spawn[str]]:
    """Boot the guest and give its console."""
    argv = ["-m", "rootstream", "run", "server"]
    shown = pexpect.spawn(sys.executable, argv, cwd=str(guest), timeout=PATIENCE, encoding="utf-8")
    with (guest / "console.log").open("w") as shown.logfile_read:
        try:
            yield shown
        finally:
            shown.close(force=True)


def use(shown: pexpect.spawn[str], guest: Path, project: Path, scratch: Path) -> None:
    """Push to the server, kill it, and pull from it."""
    first, second = (client(guest, name, scratch / name) for name in NAMES)
    until("may be pushed to", ("cache", "status"), project, first)
    rootstream("build", "two.bst", cwd=project, env=first, check=True)
    until("has all 2 elements already", ("cache", "push", "two.bst"), project, first)
    assert "rootstr" in said(shown, "ps -o user= -C buildbox-casd")  # it is not root
    assert "NRestarts=0" in said(shown, "systemctl show -p NRestarts rootstream-cache")
    said(shown, "systemctl kill --signal=SIGKILL rootstream-cache")
    said(shown, "until systemctl show -p NRestarts rootstream-cache | grep -q =1; do sleep 1; done")
    until("pulled 1 of", ("build", "two.bst"), project, second)
    assert "(second): " in said(shown, "sleep 12; journalctl -u rootstream-cache --no-pager")
