"""A team's server and a client on two hosts (network namespaces), and a cable between them to unplug."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cache_server import LARGE, make_large_project
from engine_project import left_by

PATIENCE = 60.0
SERVER, CLIENT = "10.98.7.1", "10.98.7.2"
TOOLS = ("ip", "tc", "haproxy", "openssl")
PATH = os.environ["PATH"] + ":/usr/sbin:/sbin"
pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(
        os.geteuid() != 0 or not all(shutil.which(each, path=PATH) for each in TOOLS),
        reason="needs root, iproute2, haproxy and openssl",
    ),
]


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, env={"PATH": PATH})


@dataclass
class Hosts:
    """Two hosts with nothing but each other: the server serves a cache, with workers."""

    server: str
    client: str
    base: Path

    def run(self, host: str, *words: str, **environment: str) -> subprocess.Popen[str]:
        """Start a command line of ours on a host."""
        argv = ["ip", "netns", "exec", host, sys.executable, "-m", "rootstream", *words]
        env = {**os.environ, "PATH": PATH, "HOME": str(self.base / host), **environment}
        return subprocess.Popen(
            argv, env=env, cwd=self.base / "project", text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def build(self, name: str, *words: str, push: bool = False) -> subprocess.Popen[str]:
        told = settings(self, name) | {"ROOTSTREAM_CACHE_PUSH": str(push).lower()}
        return self.run(self.client, "build", *words, ROOTSTREAM_OUT=str(self.base / f"out-{name}"), **told)

    def carried(self) -> int:
        """Return how many bytes have gone through the cable."""
        names = ("rx_bytes", "tx_bytes")
        shown = [f"/sys/class/net/c0/statistics/{name}" for name in names]
        argv = ["ip", "netns", "exec", self.client, "cat", *shown]
        done = subprocess.run(argv, check=True, capture_output=True, text=True, env={"PATH": PATH})
        return sum(map(int, done.stdout.split()))

    def unplug(self) -> None:
        ip("-n", self.server, "link", "set", "s0", "down")

    def plug(self) -> None:
        """Plug the cable in and wait until packets pass: Linux lets a second go by before it uses a link again."""
        ip("-n", self.server, "link", "set", "s0", "up")
        reach = ["ip", "netns", "exec", self.client, "bash", "-c", f"exec 3<>/dev/tcp/{SERVER}/11443"]
        deadline = time.monotonic() + PATIENCE
        while subprocess.run(reach, check=False, capture_output=True, env={"PATH": PATH}).returncode != 0:
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def unplug_after(self, size: int, child: subprocess.Popen[str]) -> None:
        """Unplug the cable when so many bytes more have gone through it."""
        before, deadline = self.carried(), time.monotonic() + PATIENCE
        while self.carried() < before + size:
            assert child.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        self.unplug()


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    base = tmp_path_factory.mktemp("hosts")
    found = Hosts(f"rs{os.getpid()}s", f"rs{os.getpid()}c", base)
    make_large_project(base / "project")
    words = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=server"
    more = ["-addext", f"subjectAltName=IP:{SERVER}", "-keyout", "server.key", "-out", "server.crt"]
    subprocess.run([*words.split(), *more], cwd=base, check=True, capture_output=True)
    (base / "server.pem").write_text((base / "server.crt").read_text() + (base / "server.key").read_text())
    for host in (found.server, found.client):
        (base / host).mkdir()
        ip("netns", "add", host)
        ip("-n", host, "link", "set", "lo", "up")
    child = None
    try:
        ip("link", "add", "s0", "netns", found.server, "type", "veth", "peer", "name", "c0", "netns", found.client)
        for host, name, address in ((found.server, "s0", SERVER), (found.client, "c0", CLIENT)):
            ip("-n", host, "addr", "add", f"{address}/24", "dev", name)
            ip("-n", host, "link", "set", name, "up")
            shape = ["tc", "-n", host, "qdisc", "add", "dev", name, "root", "tbf"]
            slow = ["rate", "80mbit", "burst", "256kb", "latency", "200ms"]
            subprocess.run([*shape, *slow], check=True, env={"PATH": PATH})
        store = str(base / "store")
        token = found.run(found.server, "cache", "token", store, "ci", "--write")
        (base / "ci").write_text(token.communicate(timeout=PATIENCE)[0])
        serve = ("cache", "serve", store, "--bind", f"{SERVER}:11443", "--certificate", str(base / "server.pem"))
        child = found.run(found.server, *serve)
        assert child.stdout is not None
        assert "serving" in child.stdout.readline()
        yield found
    finally:
        if child is not None:
            child.send_signal(signal.SIGTERM)
            child.communicate(timeout=PATIENCE)
        for host in (found.server, found.client):
            ip("netns", "del", host)


def done(child: subprocess.Popen[str]) -> str:
    """Return what a build has said, which must have succeeded."""
    said = child.communicate(timeout=300)[0]
    assert child.returncode == 0, said
    assert "Traceback" not in said
    return said


def test_a_cable_that_is_unplugged(hosts: Hosts) -> None:
    # in the middle of a push
    child = hosts.build("one", "large.bst", push=True)
    hosts.unplug_after(LARGE // 4, child)
    said = done(child)
    assert "warning: " in said
    assert (hosts.base / "out-one" / "large" / "data").stat().st_size == LARGE
    # not there from the beginning
    said = done(hosts.build("none", "two.bst"))
    assert f"the cache {SERVER}:11443 is not used" in said
    # there again
    hosts.plug()
    said = done(hosts.run(hosts.client, "cache", "push", "large.bst", **settings(hosts, "one")))
    assert "pushed" in said
    # in the middle of a pull
    child = hosts.build("two", "large.bst")
    hosts.unplug_after(LARGE // 4, child)
    said = done(child)
    assert "going on without it" in said
    assert (hosts.base / "out-two" / "large" / "data").stat().st_size == LARGE
    hosts.plug()
    said = done(hosts.build("three", "large.bst"))
    assert "pulled 1 of 1 element" in said
    for name in ("one", "two", "three"):
        assert left_by(hosts.base / name) == []


def settings(hosts: Hosts, name: str) -> dict[str, str]:
    return {
        "ROOTSTREAM_CACHE": str(hosts.base / name),
        "ROOTSTREAM_CACHE_URL": f"https://{SERVER}:11443",
        "ROOTSTREAM_CACHE_TOKEN_FILE": str(hosts.base / "ci"),
        "ROOTSTREAM_CACHE_CA": str(hosts.base / "server.crt"),
        "ROOTSTREAM_CACHE_PUSH": "true",
    }
