"""A Debian with systemd, booted from memory and from a disk: users, sudo, SSH, services, units, capabilities."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.conftest import ROOT, rootstream
from tests.systems.conftest import verified

# The kernel is that of examples/ipa, so that one is built for both.
SYSTEM = r"""
systems:
  small:
    root:
      debian:
        suite: trixie
        packages: [login, systemd-sysv, udev, dbus, openssh-server, sudo, iproute2, mtr-tiny, libcap2-bin,
                   libpam-systemd]
        mask: [apt-daily.timer, apt-daily-upgrade.timer]
        drop: [/usr/lib/udev/hwdb.bin, /usr/lib/udev/hwdb.d]
    kernel: {fragments: [servers.config]}
    layers:
      - hostname: small
      - root_login: {password: empty}
      - users: [{name: admin, sudo: nopasswd, password: empty}]
      - sshd: {passwords: false}
      - secrets: [{path: /etc/token, file: token}]
      - services:
          - {name: hello, command: "while :; do echo served; sleep 1; done > /run/hello"}
          - {name: once, command: "echo $(id -un) > /tmp/once", user: admin, after: [hello], restart: "no"}
    images: [kernel, {initramfs: {compression: zstd, level: 3}}, {disk: {device: /dev/vda}}]
    machine: {memory: 512M, bus: virtio, timeout: 400, boot: [initramfs, disk], kernel_args: console=ttyS0}
    checks:
      - login: {user: root}
        within: 200s
      - command: systemctl is-system-running --wait
        output: ^running
        within: 120s
      - command: dpkg --audit && dpkg -l | grep -c ^ii
        output: ^[1-9][0-9]+
      - command: stat -c '%U:%G %a' /usr/bin/sudo /etc/shadow /usr/bin/chage
        output: "root:root 4755\n(.|\n)*root:shadow 640\n(.|\n)*root:shadow 2755"
      - command: su admin -c 'sudo id -u'
        output: ^0
      - command: systemctl is-active hello ssh systemd-networkd; systemctl is-enabled apt-daily.timer
        output: "active\n(.|\n)*active\n(.|\n)*active\n(.|\n)*masked"
        exit: 1
      - command: cat /run/hello /tmp/once
        output: "served(.|\n)*admin"
      - command: ls /etc/ssh/ssh_host_ed25519_key.pub && test -s /etc/machine-id && hostname
        output: small
      - command: sha256sum /etc/token && stat -c %a /etc/token
        output: "^TOKEN .*(.|\n)*600"
      - command: getcap /usr/bin/mtr-packet
        output: cap_net_raw
      - port: 22
      - poweroff: poweroff
        within: 60s
"""
TOKEN = f"{secrets.token_hex(24)}\n"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    shutil.copy(ROOT / "examples/ipa/servers.config", folder)
    (folder / "token").write_text(TOKEN)
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    (folder / "system.yaml").write_text(SYSTEM.replace("TOKEN", digest))
    rootstream("build", cwd=folder, check=True)
    return folder


def test_it_is_a_debian_that_runs(small: Path) -> None:
    verified(small, "small")


def test_a_changed_layer_packs_only_itself(small: Path) -> None:
    """The other archive of the initramfs, and the root on the disk, hold the change, too."""
    (small / "overlay" / "etc").mkdir(parents=True)
    (small / "overlay" / "etc" / "changed").write_text("changed\n")
    path = small / "system.yaml"
    text = path.read_text().replace(
        "      - hostname: small\n", "      - hostname: small\n      - overlay: overlay\n"
    )
    path.write_text(
        text.replace(
            "      - login: {user: root}\n        within: 200s\n",
            "      - login: {user: root}\n        within: 200s\n      - command: cat /etc/changed\n"
            "        output: ^changed\n",
        )
    )
    done = rootstream("build", cwd=small, check=True)
    assert "build stem-" not in done.stdout + done.stderr
    verified(small, "small")


def test_the_secret_is_in_no_cache_and_no_log(small: Path) -> None:
    home = Path(os.environ.get("ROOTSTREAM_CACHE") or Path.home() / ".cache/rootstream/bst")
    searched = [str(home / "cas"), str(home / "logs"), str(small / ".rootstream")]
    found = subprocess.run(["grep", "-rlF", TOKEN.strip(), *searched], capture_output=True, text=True, check=False)
    assert found.stdout == ""
    assert found.returncode == 1
