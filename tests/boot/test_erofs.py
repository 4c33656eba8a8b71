"""A root on EROFS: it boots, holds what an ext4 of the same root holds, and has its secrets."""

from __future__ import annotations

import os
import secrets
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
      - overlay: overlay
      - root_login: {password: {hash: "HASH"}}
      - secrets: [{path: /etc/box/token, file: token}]
      - permissions:
          - {path: /bin/busybox, capabilities: cap_net_raw+ep}
          - {path: /srv/some, owner: 1000, group: 50, mode: 2640}
      - devices: [{path: /srv/pipe, type: fifo}, {path: /srv/node, type: block, major: 259, minor: 3}]
    images:
      - kernel
      - initrd
      - ext
      - erofs: {compression: zstd}
      - erofs: {compression: lz4, name: lz4.erofs}
      - erofs: {compression: lzma, name: lzma.erofs}
      - erofs: {compression: none, name: none.erofs}
    machine: {memory: 256M, bus: virtio, boot: [erofs]}
    checks:
      - login: {user: root, password: PASSWORD}
      - {command: mount, output: "on / type erofs .ro"}
      - {command: grep -c TOKEN /etc/box/token, output: "^1"}
"""
COMPRESSED = ("rootfs.erofs", "lz4.erofs", "lzma.erofs", "none.erofs")


@pytest.fixture(scope="module")
def box(beside_hello: Callable[[str], Path], run: Command) -> Path:
    folder = beside_hello("erofs")
    password, token = secrets.token_hex(8), secrets.token_hex(2000)
    text = SYSTEM.replace("HASH", crypt(password)).replace("PASSWORD", password).replace("TOKEN", token[:64])
    (folder / "system.yaml").write_text(text)
    (folder / "token").write_text(token)
    srv = folder / "overlay/srv"
    srv.mkdir(parents=True)
    (srv / "some").write_bytes(b"some" * 5000)
    (srv / "link").symlink_to("some")
    (srv / "name with a blank").write_bytes(os.urandom(100_000))
    run("build", cwd=folder, check=True)
    return folder


def test_it_boots(box: Path, run: Command) -> None:
    done = run("verify", cwd=box)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "box from erofs: 3 of 3 checks passed" in done.stdout


@pytest.mark.parametrize("name", COMPRESSED)
def test_it_holds_what_an_ext4_of_the_same_root_does(box: Path, tmp_path: Path, name: str) -> None:
    if "\terofs\n" not in Path("/proc/filesystems").read_text():
        pytest.skip("the kernel of this host has no EROFS")
    out = box / "out/box"
    with (
        mounted(out / "rootfs.ext4", tmp_path / "ext4", "ext4") as ours,
        mounted(out / name, tmp_path / "erofs", "erofs") as made,
    ):
        wanted, found = rows(ours), rows(made)
        assert found.keys() == wanted.keys()
        assert [path for path, row in wanted.items() if found[path] != row] == []
        assert "security.capability" in str(found["bin/busybox"])
        assert found["etc/box/token"][-1] == (box / "token").read_bytes()
