"""The disk of a virtual machine: it boots with every root, and holds what a file system of the same root holds."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import Command
from tests.mounted import mounted, rows

from rootstream.host.password_hash import crypt

pytestmark = pytest.mark.boot

# The kernel comes as a package, so none is compiled for it.
SYSTEM = r"""
systems:
  box:
    root: busybox
    kernel: {debian: linux-image-cloud-amd64}
    layers:
      - root_login: {password: {hash: "HASH"}}
      - secrets: [{path: /etc/token, file: token}]
    images:
      - ext
      - qcow2:
          partitions: [{filesystem: vfat, mount: /boot}, {filesystem: ext4, mount: /}]
          device: /dev/vda
          kernel_args: console=ttyS0
    machine: {memory: 256M, bus: virtio, boot: [qcow2]}
    checks:
      - login: {user: root, password: PASSWORD}
      - {command: mount, output: "/dev/vda2 on / type ext4"}
      - {command: grep -c TOKEN /etc/token, output: "^1"}
  server:
    root: {debian: {packages: [systemd-sysv, udev, login]}}
    kernel: {debian: linux-image-cloud-amd64}
    layers: [root_login: {password: empty}]
    images: [qcow2: {table: gpt, kernel_args: console=ttyS0, compression: zstd}]
    machine: {bus: virtio}
    checks:
      - login: {user: root}
      - {command: findmnt -n -o FSTYPE /, output: ext4}
  own:
    root: {elements: {project: mine, target: tree.bst}}
    kernel: {debian: linux-image-cloud-amd64}
    images: [qcow2: {device: /dev/vda, kernel_args: console=ttyS0, compression: zlib}]
    machine: {memory: 256M, bus: virtio}
    checks: [console: "the own root is up"]
"""
INIT = """#!/bin/busybox sh
/bin/busybox mount -t devtmpfs none /dev
echo the own root is up >/dev/ttyS0
exec /bin/busybox sleep 1000000
"""


@pytest.fixture(scope="module")
def folder(beside_hello: Callable[[str], Path], host_busybox: Path) -> Path:
    folder = beside_hello("qcow2")
    password, token = secrets.token_hex(8), secrets.token_hex(2000)
    text = SYSTEM.replace("HASH", crypt(password)).replace("PASSWORD", password).replace("TOKEN", token[:64])
    (folder / "system.yaml").write_text(text)
    (folder / "token").write_text(token)
    tree = folder / "mine/tree"
    for name in ("bin", "sbin", "dev", "etc", "boot", "proc", "sys"):
        (tree / name).mkdir(parents=True)
        (tree / name / ".keep").touch()
    shutil.copy(host_busybox, tree / "bin/busybox")
    (tree / "sbin/init").write_text(INIT)
    (tree / "sbin/init").chmod(0o755)
    (folder / "mine/project.conf").write_text("name: mine\nmin-version: 2.2\n")
    (folder / "mine/tree.bst").write_text("kind: import\nsources:\n- kind: local\n  path: tree\n")
    return folder


@pytest.mark.parametrize(("system", "checks"), [("box", 3), ("server", 2), ("own", 1)])
def test_it_boots(folder: Path, run: Command, system: str, checks: int) -> None:
    done = run("verify", system, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{system} from qcow2: {checks} of {checks} checks passed" in done.stdout


def test_it_holds_what_a_file_system_of_the_same_root_does(folder: Path, run: Command, tmp_path: Path) -> None:
    run("build", "box", cwd=folder, check=True)
    out, raw = folder / "out/box", tmp_path / "disk.img"
    about = json.loads(subprocess.check_output(["qemu-img", "info", "--output=json", str(out / "disk.qcow2")]))
    assert about["format"] == "qcow2"
    assert about["actual-size"] < about["virtual-size"]
    subprocess.run(["qemu-img", "check", "-q", str(out / "disk.qcow2")], check=True)
    subprocess.run(["qemu-img", "convert", "-O", "raw", str(out / "disk.qcow2"), str(raw)], check=True)
    told = json.loads(subprocess.check_output(["/usr/sbin/sfdisk", "--json", str(raw)]))
    start = told["partitiontable"]["partitions"][1]["start"] * 512
    with (
        mounted(out / "rootfs.ext4", tmp_path / "ext4", "ext4") as ours,
        mounted(raw, tmp_path / "disk", "ext4", offset=start) as made,
    ):
        wanted, found = rows(ours), rows(made)
    assert found.pop("etc/fstab")[-1] == (
        b"/dev/vda2   /       ext4   defaults,rw,noatime   0   1\n"
        b"/dev/vda1   /boot   vfat   defaults              0   2\n"
    )
    wanted.pop("etc/fstab", None)
    for folder_with_more in ("boot", "etc", "."):
        wanted.pop(folder_with_more, None)
        found.pop(folder_with_more, None)
    assert found.keys() == wanted.keys()
    assert [path for path, row in wanted.items() if found[path] != row] == []
    assert found["etc/token"][-1] == (folder / "token").read_bytes()
