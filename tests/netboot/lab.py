"""A network of its own with a boot server in it: what the tests of network boots share."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from rootstream.netboot.store import state_folder
from rootstream.project.project import Project

SERVER = "10.0.2.1"
_NUMBERS = itertools.count()
PATIENCE = 60.0


class Lab:
    """A network namespace with a bridge, and a project with machines."""

    def __init__(self, name: str, project: Path, built: Path) -> None:
        self.name = name
        self.project = project
        self.built = built
        self.log = project / "serve.log"
        self._children: list[subprocess.Popen[bytes]] = []

    @property
    def kept(self) -> Path:
        """Return the folder of what the server keeps of the project."""
        return state_folder.base(Project(folder=self.project.resolve(), kind="described"))

    def ip(self, *words: str) -> None:
        subprocess.run(["ip", "-n", self.name, *words], check=True, capture_output=True, timeout=30)

    def argv(self, *words: str) -> list[str]:
        return ["ip", "netns", "exec", self.name, *words]

    def start(self, *words: str, log: Path | None = None) -> subprocess.Popen[bytes]:
        with (log or self.project / "other.log").open("ab") as out:
            child = subprocess.Popen(
                self.argv(*words), cwd=self.project, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )
        self._children.append(child)
        return child

    def machine(self, mac: str, log: Path, *words: str) -> subprocess.Popen[bytes]:
        """Switch on a machine that is nobody's: what is written to its standard input is typed on its console."""
        program = str(Path(__file__).with_name("vm.py"))
        argv = self.argv(sys.executable, program, "br0", mac, *words)
        with log.open("wb") as out:
            child = subprocess.Popen(argv, cwd=self.project, stdin=subprocess.PIPE, stdout=out, stderr=out)
        self._children.append(child)
        return child

    def run(self, *words: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.argv(*words), cwd=self.project, capture_output=True, text=True, timeout=timeout, check=False
        )

    def rootstream(self, *words: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        done = self.run(sys.executable, "-m", "rootstream", *words, timeout=timeout)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def serve(self, *words: str, interface: str = "br0") -> subprocess.Popen[bytes]:
        before = self.said().count("serving ")
        child = self.start(
            *(sys.executable, "-m", "rootstream", "serve", "--interface", interface, *words), log=self.log
        )
        self.until(lambda: self.said().count("serving ") > before or child.poll() is not None)
        assert child.poll() is None, self.said()
        return child

    def said(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def until(self, done: Callable[[], Any], patience: float = PATIENCE) -> None:
        """Wait for something that must come."""
        deadline = time.monotonic() + patience
        while not done():
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.1)

    def curl(self, path: str, *words: str, method: str = "GET", port: int = 8080) -> tuple[int, str]:
        """Ask the server for something, from the bridge's own host."""
        script = (
            "import sys, urllib.request, urllib.error\n"
            "head = dict(word.split(': ', 1) for word in sys.argv[3:])\n"
            "body = head.pop('body', None)\n"
            "ask = urllib.request.Request(sys.argv[1], method=sys.argv[2], headers=head,\n"
            "    data=body.encode() if body else None)\n"
            "try: answer = urllib.request.urlopen(ask, timeout=30)\n"
            "except urllib.error.HTTPError as error: answer = error\n"
            "print(answer.status); print(answer.headers, end=''); sys.stdout.flush()\n"
            "sys.stdout.buffer.write(answer.read())\n"
        )
        done = self.run(sys.executable, "-c", script, f"http://{SERVER}:{port}{path}", method, *words)
        status, _, rest = done.stdout.partition("\n")
        assert status.isdigit(), done.stderr
        return int(status), rest

    def boots(self) -> list[dict[str, Any]]:
        """Return the boots with the names of their stages, from the database itself."""
        path = self.kept / "state.db"
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.row_factory = sqlite3.Row
            found = [dict(row) for row in database.execute("SELECT * FROM boots ORDER BY id")]
            for boot in found:
                rows = database.execute("SELECT * FROM stages WHERE boot = ? ORDER BY began", (boot["id"],))
                boot["stages"] = {row["name"]: dict(row) for row in rows}
            return found

    def end(self) -> None:
        for child in reversed(self._children):
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
        for child in self._children:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(15)
            child.kill()
            child.wait()
            if child.stdin:
                child.stdin.close()


Make = Callable[[str], Lab]
FILES = {"bzImage": b"kernel" * 100_000, "initramfs.cpio": b"ramdisk" * 1_000_000}


def exported(folder: Path, machines: str) -> None:
    """Make a project whose system `hello` was exported, as far as a boot server can tell."""
    folder.mkdir(parents=True, exist_ok=True)
    system = "systems:\n  hello: {root: busybox, kernel: {}, images: [kernel, initramfs]}\n"
    (folder / "system.yaml").write_text(system + machines)
    out = folder / "out/hello"
    out.mkdir(parents=True)
    items = []
    for kind, (name, data) in zip(("kernel", "initramfs"), FILES.items(), strict=True):
        (out / name).write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        items.append({"name": name, "kind": kind, "size": len(data), "sha256": digest})
    (out / "manifest.json").write_text(json.dumps({"arch": "x86_64", "files": items}))


def simulated(namespace: str, *words: str) -> dict[str, Any]:
    """Run machine.py in a namespace whose interface `in` leads to the bridge; return what it printed."""
    program = str(Path(__file__).with_name("machine.py"))
    argv = ["ip", "netns", "exec", namespace, sys.executable, program, *words]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@contextlib.contextmanager
def network() -> Iterator[str]:
    """Make a network namespace with a bridge; skip the test where that is not allowed."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and `ip`")
    name = f"rs-test-{os.getpid()}-{next(_NUMBERS)}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, timeout=30, check=False)
    if made.returncode != 0:
        pytest.skip(f"no network namespaces here: {made.stderr.strip()}")
    try:
        commands: Sequence[Sequence[str]] = (
            ("link", "set", "lo", "up"),
            ("link", "add", "br0", "type", "bridge"),
            ("address", "add", f"{SERVER}/24", "dev", "br0"),
            ("link", "set", "br0", "up"),
        )
        for words in commands:
            subprocess.run(["ip", "-n", name, *words], check=True, capture_output=True, timeout=30)
        yield name
    finally:
        subprocess.run(["ip", "netns", "delete", name], capture_output=True, timeout=30, check=False)


@contextlib.contextmanager
def neighbour(lab: Lab, *, dhcp: bool = True) -> Iterator[Path]:
    """Have another host on the bridge, with a DHCP server; its log is given, named after the host's namespace."""
    with network() as name:
        subprocess.run(
            ["ip", "-n", lab.name, "link", "add", "out", "type", "veth", "peer", "name", "in", "netns", name],
            check=True,
            timeout=30,
        )
        lab.ip("link", "set", "out", "master", "br0", "up")
        for words in (
            ("link", "delete", "br0"),
            ("address", "add", "10.0.2.2/24", "dev", "in"),
            ("link", "set", "in", "up"),
        ):
            subprocess.run(["ip", "-n", name, *words], check=True, timeout=30)
        log = lab.project / f"{name}.log"
        log.touch()
        if not dhcp:
            yield log
            return
        argv = [
            *("ip", "netns", "exec", name, "dnsmasq", "--keep-in-foreground", "--log-facility=-", "--port=0"),
            *(
                "--conf-file=/dev/null",
                "--interface=in",
                "--bind-interfaces",
                "--except-interface=lo",
                "--log-dhcp",
            ),
            *("--dhcp-range=10.0.2.50,10.0.2.59,255.255.255.0,1h", "--no-ping", "--dhcp-leasefile=/dev/null"),
            *("--user=root", "--pid-file", "--dhcp-ignore-clid"),
        ]
        with log.open("wb") as out:
            child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        try:
            lab.until(lambda: "started" in log.read_text() or child.poll() is not None)
            assert child.poll() is None, log.read_text()
            yield log
        finally:
            child.terminate()
            child.wait(10)
