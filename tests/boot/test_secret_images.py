"""Secrets: in every image that is exported, where they work, and nowhere else on this machine."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.conftest import Command

from rootstream.engine import settings_from
from rootstream.host.password_hash import crypt

pytestmark = pytest.mark.boot

SYSTEM = r"""
systems:
  box:
    root: busybox
    kernel: {fragments: [linux.config]}
    layers:
      - root_login: {password: {hash: "HASH"}}
      - users: [{name: admin, password: {hash: "HASH"}}]
      - secrets: [{path: /etc/box/token, file: token, owner: admin}]
      - permissions: [{path: /usr/sbin/crond, capabilities: cap_net_raw+ep}]
    images:
      - kernel
      - initramfs: {compression: zstd}
      - initramfs: {compression: xz, name: xz.cpio.xz}
      - initramfs: {compression: none, name: plain.cpio}
      - ext: {type: ext4}
      - ext: {type: ext2, gzip: true}
      - squashfs
      - tar: {compression: gzip}
      - tar: {compression: xz, name: xz.tar.xz}
      - tar: {compression: zstd, name: zstd.tar.zst}
      - tar: {compression: none, name: plain.tar}
      - disk: {initramfs: true, kernel_args: console=ttyS0 quiet, device: /dev/sda}
    machine: {memory: 192M, boot: [disk, initramfs, ext, squashfs]}
    checks:
      - login: {user: root, password: not the password, refused: true}
      - login: {user: root, password: PASSWORD}
      - command: sha256sum /etc/box/token
        output: SUM
      - command: stat -c '%U %a' /etc/box/token /etc/shadow
        output: "^admin 600\n(.|\n)*root 640"
      - login: {user: admin, password: PASSWORD}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    folder: Path
    password: str
    hashed: str
    token: bytes

    @property
    def out(self) -> Path:
        return self.folder / "out" / "box"

    def describe(self) -> None:
        sum_ = hashlib.sha256(self.token).hexdigest()
        text = SYSTEM.replace("HASH", self.hashed).replace("PASSWORD", self.password).replace("SUM", sum_)
        (self.folder / "system.yaml").write_text(text)
        (self.folder / "token").write_bytes(self.token)


def fresh(folder: Path) -> Box:
    password = secrets.token_hex(8)
    return Box(folder=folder, password=password, hashed=crypt(password), token=secrets.token_bytes(3000))


@pytest.fixture(scope="module")
def box(beside_hello: Callable[[str], Path], run: Command) -> Box:
    folder = beside_hello("secrets")
    made = fresh(folder)
    made.describe()
    run("build", cwd=folder, check=True)
    return made


def files_with(folder: Path, *needles: bytes) -> list[Path]:
    """Return the files below a folder that hold any of some bytes; what vanishes meanwhile holds none."""
    pattern = re.compile(b"|".join(re.escape(needle) for needle in needles))
    found = []
    for top, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not os.path.ismount(f"{top}/{name}")]
        for name in names:
            path = Path(top, name)
            try:
                if path.is_file() and not path.is_symlink() and pattern.search(path.read_bytes()):
                    found.append(path)
            except OSError:
                continue
    return found


def test_they_are_in_no_cache_no_log_and_no_plan(box: Box) -> None:
    needles = (box.hashed.encode(), box.hashed.rpartition("$")[2].encode(), box.token[:64], box.token[-64:])
    cache = settings_from(os.environ).cache
    assert files_with(cache / "cas", b"$rssecret$")  # what stands for them is there: this would find them
    assert files_with(cache, *needles) == []
    assert files_with(box.folder / ".rootstream", *needles) == []
    assert files_with(box.out, *needles)
    assert files_with(box.out, b"$rssecret$") == []


def test_they_open_the_door_from_every_image(box: Box, run: Command) -> None:
    done = run("verify", cwd=box.folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("5 of 5 checks passed") == 4


def test_images_are_whole_and_described_as_they_are(box: Box) -> None:
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=box.out, check=True)
    manifest = (box.out / "manifest.json").read_text()
    assert box.hashed not in manifest
    for item in json.loads(manifest)["files"]:
        assert item["sha256"] == hashlib.sha256((box.out / item["name"]).read_bytes()).hexdigest()
    subprocess.run(["gzip", "-t", "rootfs.ext2.gz", "rootfs.tar.gz"], cwd=box.out, check=True)
    subprocess.run(["xz", "-t", "xz.tar.xz"], cwd=box.out, check=True)
    for name in ("rootfs.tar.gz", "xz.tar.xz", "plain.tar"):
        with tarfile.open(box.out / name) as archive:
            token = archive.extractfile("./etc/box/token")
            assert token is not None
            assert token.read() == box.token


def test_another_password_is_only_another_export(box: Box, run: Command) -> None:
    before = json.loads((box.out / "manifest.json").read_text())
    other = fresh(box.folder)
    other.describe()
    try:
        done = run("build", "--json", cwd=box.folder, check=True)
        told = [json.loads(line) for line in done.stdout.splitlines()]
        assert not [event for event in told if event["type"] == "element-finished"]
        after = json.loads((box.out / "manifest.json").read_text())
        assert [before[key] == after[key] for key in ("plan", "elements", "files")] == [True, True, False]
        assert files_with(box.out, box.hashed.encode()) == []
        assert files_with(box.out, other.hashed.encode())
    finally:
        box.describe()
        run("build", cwd=box.folder, check=True)
    assert json.loads((box.out / "manifest.json").read_text()) == before
