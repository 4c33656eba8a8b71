"""Systems of the product, booted: examples/hello, and one with everything a root can carry, from every image."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from tests.conftest import Command

from rootstream.boot.verify import verify
from rootstream.description.checks.console import ConsoleCheck
from rootstream.description.images.base import Firmware
from rootstream.description.machine import BootImage, Machine

pytestmark = pytest.mark.boot

# The capability is tried by a ping that may (and one that may not) open a raw socket.
FULL = r"""
systems:
  full:
    root: busybox
    kernel: {fragments: [linux.config]}
    layers:
      - overlay: overlay
      - hostname: full
      - groups: [{name: staff, gid: 500}]
      - users:
          - {name: admin, groups: [staff], password: empty, authorized_keys: [admin.pub], sudo: true}
      - root_login: {password: empty}
      - permissions:
          - {path: /srv/secret, owner: admin, group: staff, mode: 0640}
          - {path: /srv/tool, mode: 4755}
          - {path: /usr/local/bin/ping, capabilities: cap_net_raw+ep}
      - devices:
          - {path: /srv/node, type: char, major: 1, minor: 5, mode: 666}
          - {path: /srv/pipe, type: fifo, owner: admin}
      - device_table: table.txt
      - services:
          - {name: web, command: "cd /var/www && exec httpd -f -h .", restart: always}
          - {name: mine, command: id -un > /tmp/mine; sleep 1000, user: admin, after: [web]}
          - {name: once, command: echo once >> /tmp/once, restart: "no"}
          - {name: off, command: touch /tmp/off, enabled: false}
    images:
      - kernel
      - initramfs: {compression: zstd}
      - initramfs: {compression: gzip, name: gzip.cpio.gz}
      - initramfs: {compression: xz, name: xz.cpio.xz}
      - initramfs: {compression: none, name: plain.cpio}
      - ext: {type: ext4}
      - ext: {type: ext2, gzip: true}
      - squashfs: {}
      - tar: {compression: xz}
      - disk: {initramfs: true, kernel_args: console=ttyS0 quiet, device: /dev/vda}
    machine: {bus: virtio, memory: 192M, boot: [disk, initramfs, ext]}
    checks:
      - login: {user: root}
      - command: mount
        output: /dev/vda2 on / type ext4 .rw,noatime|/dev/root on / type ext4 .rw|rootfs on /
      - command: stat -c '%U:%G %a' /srv/secret /srv/tool /srv/table
        output: "^admin:staff 640\n(.|\n)*root:root 4755\n(.|\n)*admin:admin 600"
      - command: test -c /srv/node && test -p /srv/pipe && echo nodes
        output: nodes
      - command: stat -c '%t,%T %a' /srv/node
        output: "^1,5 666"
      - command: stat -c '%U %a' /home/admin/.ssh /home/admin/.ssh/authorized_keys
        output: "^admin 700\n(.|\n)*admin 600"
      - login: {user: admin}
      - command: /usr/local/bin/ping -c 1 127.0.0.1
        output: 1 packets received
      - command: /usr/local/plain/ping -c 1 127.0.0.1
        exit: 1
      - port: 80
      - http: {path: /index.html, body: it serves}
      - login: {user: root}
      - command: killall httpd; for i in 1 2 3 4 5 6 7 8; do sleep 1; pidof httpd && break; done
      - {command: cat /tmp/mine, output: ^admin$}
      - {command: cat /tmp/once, output: "^once\\n?$"}
      - {command: test ! -e /tmp/off && test -x /etc/init.d/off}
      - command: ps -o user,args | grep '^admin.*[s]leep 1000' && /etc/init.d/S61mine stop
      - command: sleep 1; ! ps -o user,args | grep '^admin.*[s]leep 1000'
"""


def test_hello_boots_from_each_image_and_passes(built: Path, run: Command) -> None:
    done = run("verify", "hello", cwd=built)
    assert done.returncode == 0, done.stdout + done.stderr
    verify = built / "out" / "hello" / "verify"
    suites = ET.parse(verify / "junit.xml").getroot()
    assert [(suite.get("name"), suite.get("failures")) for suite in suites.iter("testsuite")] == [
        ("hello.disk", "0"),
        ("hello.initramfs", "0"),
    ]
    for boot in json.loads((verify / "boot.json").read_text())["boots"]:
        assert boot["times"]["login"] > 0
        assert "Hello World!" in (verify / boot["console"]).read_text()


def test_hello_starts_from_uefi_by_nothing_but_its_disk(built: Path, run: Command) -> None:
    """Also under another name than it has elsewhere: all partitions are found by what is on them."""
    run("build", "hello@uefi", cwd=built, check=True)
    description = (built / "system.yaml").read_text()
    more = """
        machine: {bus: virtio}
        add:
          checks:
            - command: mount; cat /proc/swaps; ls -R /boot
              output: "/dev/vda1 on /boot type vfat(.|\\n)*/dev/vda3(.|\\n)*BOOTX64.EFI"
            - poweroff: poweroff
"""
    (built / "system.yaml").write_text(description.replace("      - poweroff: poweroff\n", "") + more)
    try:
        done = run("verify", "hello@uefi", cwd=built)
    finally:
        (built / "system.yaml").write_text(description)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "hello@uefi from disk" in done.stdout


def test_hello_starts_from_a_cd_a_stick_and_as_one_program(built: Path, run: Command, tmp_path: Path) -> None:
    run("build", "hello@live", cwd=built, check=True)
    done = run("verify", "hello@live", cwd=built)
    assert done.returncode == 0, done.stdout + done.stderr
    for way in ("iso-bios", "iso-uefi", "uki"):
        assert f"hello@live from {way}: 8 of 8 checks passed" in done.stdout
    medium = str(built / "out" / "hello@live" / "boot.iso")
    firmwares: tuple[Firmware, ...] = ("bios", "uefi")
    for firmware in firmwares:
        verdict = verify(
            "stick",
            arch="x86_64",
            machine=Machine(memory=128 << 20),
            images=[BootImage(kind="disk", kernel=None, file=medium, name="stick", firmware=firmware)],
            wanted=[ConsoleCheck(console="Hello World!")],
            folder=tmp_path / firmware,
        )
        assert verdict.passed, verdict.boots[0].console


def test_booting_leaves_the_images_as_they_are(built: Path) -> None:
    done = subprocess.run(
        ["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=built / "out" / "hello", check=False
    )
    assert done.returncode == 0


def test_a_failed_check_is_exit_status_1_and_in_the_report(hello: Path, built: Path, run: Command) -> None:
    assert built.exists()
    text = (hello / "system.yaml").read_text().replace("- console: Hello World!", "- console: {Good bye!}")
    text = text.replace("{Good bye!}", "Good bye!\n        within: 3s")
    (hello / "system.yaml").write_text(text)
    done = run("verify", "hello", "--boot", "initramfs", "--json", cwd=hello)
    assert done.returncode == 1
    told = [json.loads(line) for line in done.stdout.splitlines()]
    failed = [event["name"] for event in told if event["type"] == "checked" and not event["passed"]]
    assert failed == ["console: Good bye!"]
    assert {event["image"] for event in told if event["type"] == "checked"} == {"initramfs"}
    assert "done" not in {event["type"] for event in told}
    suites = ET.parse(hello / "out" / "hello" / "verify" / "junit.xml").getroot()
    assert [suite.get("failures") for suite in suites.iter("testsuite")] == ["1"]


def test_run_shows_the_console_without_a_terminal(hello: Path, built: Path, run: Command) -> None:
    """The system switches itself off, so that the run ends by itself."""
    assert built.exists()
    (hello / "overlay" / "usr" / "bin" / "hello").write_text("#!/bin/sh\necho 'Hello World!'\npoweroff\n")
    done = run("run", "hello", "--json", cwd=hello, check=True)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert "Hello World!" in "".join(event["text"] for event in told if event["type"] == "console")
    assert [event["type"] for event in told].index("done") == len(told) - 1


@pytest.fixture(scope="module")
def full(beside_hello: Callable[[str], Path], built: Path, run: Command) -> Path:
    folder = beside_hello("full")
    (folder / "system.yaml").write_text(FULL)
    (folder / "admin.pub").write_text("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample admin\n")
    (folder / "table.txt").write_text("# name type mode uid gid\n/srv/table f 600 1000 1000 - - - - -\n")
    for path in ("secret", "tool", "table"):
        place = folder / "overlay" / "srv" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("x\n")
    (folder / "overlay" / "var" / "www").mkdir(parents=True)
    (folder / "overlay" / "var" / "www" / "index.html").write_text("it serves\n")
    # A BusyBox that is only ping: the name it is called by decides.
    with subprocess.Popen(
        ["zstd", "-dc", str(built / "out/hello/initramfs.cpio.zst")], stdout=subprocess.PIPE
    ) as plain:
        unpacked = subprocess.run(
            ["cpio", "-i", "--quiet", "--to-stdout", "*bin/busybox"],
            stdin=plain.stdout,
            capture_output=True,
            check=True,
        )
    for name in ("usr/local/bin/ping", "usr/local/plain/ping"):
        program = folder / "overlay" / name
        program.parent.mkdir(parents=True)
        program.write_bytes(unpacked.stdout)
        program.chmod(0o755)
    run("build", cwd=folder, check=True)
    return folder


def test_what_a_root_carries_arrives_in_every_image_that_boots(full: Path, run: Command) -> None:
    done = run("verify", cwd=full)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_a_root_carries_is_in_the_other_initramfs_files(full: Path) -> None:
    out = full / "out" / "full"
    listings = set()
    for name, opener in (
        ("gzip.cpio.gz", ["gzip", "-dc"]),
        ("xz.cpio.xz", ["xz", "-dc"]),
        ("plain.cpio", ["cat"]),
    ):
        archive = subprocess.run([*opener, str(out / name)], capture_output=True, check=True).stdout
        listing = subprocess.run(
            ["cpio", "-tvn", "--quiet"], input=archive, capture_output=True, check=True
        ).stdout
        listings.add(listing)
    assert len(listings) == 1
    lines = listings.pop().decode().splitlines()
    assert any(line.startswith("-rwsr-xr-x") and line.endswith("srv/tool") for line in lines)
    assert any(
        line.startswith("-rw-r-----") and " 1000 " in line and line.endswith("srv/secret") for line in lines
    )
    assert any(line.startswith("c") and line.endswith("srv/node") for line in lines)


def test_what_a_root_carries_is_in_the_gzipped_ext2(full: Path, tmp_path: Path) -> None:
    debugfs = shutil.which("debugfs") or "/usr/sbin/debugfs"
    if not Path(debugfs).exists():
        pytest.skip("debugfs (e2fsprogs) is not installed")
    image = tmp_path / "root.ext2"
    image.write_bytes(gzip.decompress((full / "out" / "full" / "rootfs.ext2.gz").read_bytes()))

    def ask(request: str) -> str:
        return subprocess.run(
            [debugfs, "-R", request, str(image)], capture_output=True, text=True, check=True
        ).stdout

    secret = ask("stat /srv/secret")
    assert re.search(r"Mode:\s+0+640\b", secret)
    assert re.search(r"User:\s+1000\b", secret)
    assert re.search(r"Mode:\s+0*4755\b", ask("stat /srv/tool"))
    assert "security.capability" in ask("ea_list /usr/local/bin/ping")
    assert "character special" in ask("stat /srv/node")


def test_what_a_root_carries_is_in_the_squashfs(full: Path) -> None:
    if not shutil.which("unsquashfs"):
        pytest.skip("unsquashfs (squashfs-tools) is not installed")
    image = str(full / "out" / "full" / "rootfs.squashfs")
    listing = subprocess.run(["unsquashfs", "-lln", image], capture_output=True, text=True, check=True).stdout
    lines = listing.splitlines()
    assert any(line.startswith("-rwsr-xr-x") and line.endswith("srv/tool") for line in lines)
    assert any(line.startswith("-rw-r----- 1000/500") and line.endswith("srv/secret") for line in lines)
    assert any(line.startswith("crw-rw-rw-") and line.endswith("srv/node") for line in lines)
    if not shutil.which("rdsquashfs"):
        pytest.skip("rdsquashfs (squashfs-tools-ng) is not installed")
    asked = ["rdsquashfs", "-x", "usr/local/bin/ping", image]
    assert "security.capability" in subprocess.run(asked, capture_output=True, text=True, check=True).stdout


def test_what_a_root_carries_is_in_the_tar(full: Path) -> None:
    archive = str(full / "out" / "full" / "rootfs.tar.xz")
    listing = subprocess.run(
        ["tar", "-tvf", archive, "--numeric-owner", "--xattrs", "--xattrs-include=*"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "-rwsr-xr-x" in listing
    assert "1000/500" in listing
