"""What a Debian that booted over the network does: its script, with another command line of the kernel."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import resources
from pathlib import Path

import pytest

from rootstream.description.roots import DebianRoot
from rootstream.netboot import phone_home
from rootstream.plan.roots.debian import netboot

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")


def run(tmp_path: Path, verb: str, cmdline: str) -> subprocess.CompletedProcess[str]:
    text = (resources.files("rootstream.recipes") / "systemd/usr/lib/rootstream/netboot").read_text()
    (tmp_path / "cmdline").write_text(cmdline + "\n")
    text = text.replace("/proc/cmdline", f"{tmp_path}/cmdline").replace("/run/", f"{tmp_path}/run/")
    (tmp_path / "netboot").write_text(text.replace("try < 1500", "try < 5"))
    argv = ["bash", str(tmp_path / "netboot"), verb]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


@contextmanager
def server(status: int) -> Iterator[tuple[int, list[tuple[str, bytes]]]]:
    got: list[tuple[str, bytes]] = []

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made.server_port, got
        made.shutdown()
        thread.join()


@pytest.mark.parametrize(("status", "times", "ended"), [(200, 1, 0), (403, 1, 0), (503, 5, 1)])
def test_it_reports_once(tmp_path: Path, status: int, times: int, ended: int) -> None:
    with server(status) as (port, got):
        done = run(
            tmp_path,
            "home",
            f"quiet rootstream.home=http://127.0.0.1:{port}/api/v1/boots/7/home rootstream.token=a-b_C quiet",
        )
    assert done.returncode == ended, done.stderr
    assert len(got) == times
    path, body = got[0]
    report = phone_home.understood(body)
    assert path == "/api/v1/boots/7/home"
    assert report
    assert report.up > 0
    assert phone_home.signed(report, "a-b_C")
    assert not phone_home.signed(report, "a-b_D")


@pytest.mark.parametrize(
    "cmdline", ["quiet", "rootstream.home=", "rootstream.home=https://a/b", "rootstream.home=http://$(id):1/a"]
)
def test_nothing_is_done_without_a_good_address(tmp_path: Path, cmdline: str) -> None:
    done = run(tmp_path, "home", cmdline)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_nobody_answers(tmp_path: Path) -> None:
    assert run(tmp_path, "home", "rootstream.home=http://127.0.0.1:1/x").returncode == 1


def test_the_second_address(tmp_path: Path) -> None:
    done = run(tmp_path, "address", "rootstream.mac=52:54:00:12:34:57 BOOTIF=01-52-54-00-12-34-56 quiet")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "run/systemd/network/10-rootstream.network").read_text()
    assert "PermanentMACAddress=52:54:00:12:34:56\n" in text
    assert "\n[Link]\nMACAddress=52:54:00:12:34:57\n" in text
    assert "DHCP=yes" in text
    shutil.rmtree(tmp_path / "run")
    for cmdline in ("quiet", "BOOTIF=01-52-54-00-12-34-56"):
        assert run(tmp_path, "address", cmdline).returncode == 0
        assert not (tmp_path / "run").exists()


def test_it_is_in_roots_that_have_a_network() -> None:
    ((name, archive),) = netboot(DebianRoot(suite="trixie", packages=()), 0)
    assert name == "0-netboot.tar"
    assert b"sysinit.target.wants/rootstream-home.service" in archive
    assert netboot(DebianRoot(suite="trixie", packages=(), network="none"), 0) == ()
