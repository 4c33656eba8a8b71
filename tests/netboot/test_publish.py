"""What is published boots from another web server and another dnsmasq, with the lines that were written for it."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import time
from pathlib import Path

import pytest
from tests.netboot.lab import Make

MACHINE = """
machines:
  box:
    macs: ["52:54:00:12:34:56"]
    address: 10.0.2.15
    system: hello
    power: {qemu: {bridge: br0, memory: 256M}}
"""


def test_a_machine_boots_what_was_published(make_lab: Make) -> None:
    lab = make_lab(MACHINE)
    folder = lab.project / "www"
    folder.mkdir()
    (folder / "index.html").write_text("somebody's page")
    done = lab.rootstream("publish", str(folder), "--url", "http://10.0.2.1:8000")
    assert done.returncode == 0, done.stderr
    (build,) = (folder / "builds/hello").iterdir()
    for line in (build / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split()
        assert hashlib.sha256((build / name).read_bytes()).hexdigest() == digest
    lab.start(sys.executable, "-m", "http.server", "--bind", "10.0.2.1", "--directory", str(folder), "8000")
    lab.start(
        *("dnsmasq", "--keep-in-foreground", "--port=0", "--interface=br0", "--bind-interfaces", "--user=root"),
        *(f"--conf-file={folder}/dnsmasq.conf", "--dhcp-range=10.0.2.0,static", "--pid-file", "--no-ping"),
        *("--except-interface=lo", f"--dhcp-leasefile={lab.project}/leases"),
    )
    console = lab.project / "console"
    lab.machine("52:54:00:12:34:56", console)
    lab.until(lambda: "Hello World!" in console.read_text(errors="replace"), patience=180)


def test_publishing_again_keeps_what_is_not_ours(make_light: Make) -> None:
    lab = make_light(MACHINE)
    folder = lab.project / "www"

    def publish() -> set[str]:
        done = lab.rootstream("publish", str(folder), "--url", "http://10.0.2.1:8000/")
        assert done.returncode == 0, done.stderr
        return set(done.stdout.splitlines())

    first = publish()
    assert first >= {"boot.ipxe", "machines/52-54-00-12-34-56.ipxe", "dnsmasq.conf", "dhcpd.conf"}
    (folder / "builds/hello/mine").mkdir()
    (folder / "builds/hello/mine/notes").write_text("mine")
    times = {path: (folder / path).stat().st_mtime_ns for path in first if path.endswith("bzImage")}
    time.sleep(0.01)
    assert publish() == first
    assert {path: (folder / path).stat().st_mtime_ns for path in times} == times
    note = folder / "rootstream-published.json"
    data = json.loads(note.read_text())
    data["files"] += ["../outside", "/etc/hostname", "builds/hello/gone/bzImage", "builds/../../outside"]
    note.write_text(json.dumps(data))
    (lab.project / "outside").write_text("stays")
    text = (lab.project / "system.yaml").read_text()
    (lab.project / "system.yaml").write_text(text.replace("12:34:56", "12:34:99"))
    assert "machines/52-54-00-12-34-99.ipxe" in publish()
    assert not (folder / "machines/52-54-00-12-34-56.ipxe").exists()
    assert (lab.project / "outside").exists()
    assert Path("/etc/hostname").exists()
    assert (folder / "builds/hello/mine/notes").exists()


RSYNCD = """
use chroot = no
pid file = {project}/rsyncd.pid
[www]
path = {project}/remote
read only = no
uid = root
gid = root
"""


def test_publishing_to_another_host(make_light: Make) -> None:
    lab = make_light(MACHINE)
    wrong = lab.rootstream("publish", str(lab.project / "www"), "--url", "somewhere")
    assert wrong.returncode == 2
    assert "is not the URL of a folder" in wrong.stderr
    there = lab.project / "remote"
    there.mkdir()
    (lab.project / "rsyncd.conf").write_text(RSYNCD.format(project=lab.project))
    words = ("--daemon", "--no-detach", "--address=127.0.0.1", "--port=8730")
    lab.start("rsync", *words, f"--config={lab.project}/rsyncd.conf")
    lab.until(lambda: ":8730" in lab.run("ss", "-ltn").stdout)
    url = "http://10.0.2.1:8000"
    done = lab.rootstream("publish", "rsync://127.0.0.1:8730/www", "--url", url)
    assert done.returncode == 0, done.stderr
    here = lab.project / "www"
    assert lab.rootstream("publish", str(here), "--url", url).returncode == 0
    names = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
    assert {there / path.relative_to(here): data for path, data in names.items()} == {
        path: path.read_bytes() for path in there.rglob("*") if path.is_file()
    }
    refused = lab.rootstream("publish", "rsync://127.0.0.1:8731/www", "--url", url)
    assert refused.returncode == 2
    assert "rsync" in refused.stderr


def test_lines_for_other_servers_are_taken_by_them(make_light: Make) -> None:
    lab = make_light(
        MACHINE.replace("address: 10.0.2.15", "address: 10.0.2.15\n    system_mac: '52:54:00:12:34:57'")
    )
    folder = lab.project / "www"
    assert lab.rootstream("publish", str(folder), "--url", "http://10.0.2.1:8000").returncode == 0
    done = lab.run("dnsmasq", "--test", f"--conf-file={folder}/dnsmasq.conf")
    assert done.returncode == 0, done.stderr
    program = shutil.which("dhcpd", path="/usr/sbin")
    if program is None:
        pytest.skip("no ISC dhcpd here")
    whole = "subnet 10.0.2.0 netmask 255.255.255.0 { }\n" + (folder / "dhcpd.conf").read_text()
    (lab.project / "whole.conf").write_text(whole)
    done = lab.run(program, "-t", "-cf", str(lab.project / "whole.conf"), "-lf", "/dev/null")
    assert done.returncode == 0, done.stderr
