"""What a shared cache saves: examples/hello by clients with an empty home, from a server on this machine.

Seconds, seconds of processor time of the client and what it started, and bytes through the server. Everything is
in the server's cache; then a line of an overlay is changed, also with `thin` workers, and 20 clients come at once.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

HELLO = Path(__file__).parent.parent / "examples" / "hello"
BYTES = re.compile(r'haproxy_frontend_bytes_(?:in|out)_total\{proxy="(?!metrics)[^"]*"[^}]*\} (\d+)')


@dataclass
class Server:
    """A server of a cache with workers, and the ports of it and of its metrics."""

    child: subprocess.Popen[bytes]
    port: int
    metrics: int

    def carried(self) -> int:
        """Return how many bytes have gone through it."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics}/metrics") as answer:
            return sum(int(each) for each in BYTES.findall(answer.read().decode()))

    def memory(self) -> int:
        """Return the bytes of memory of all its processes at this moment."""
        total = 0
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError, IndexError):
                if entry.name.isdigit() and self.child.pid in (
                    int(entry.name),
                    _parent(entry),
                    _grandparent(entry),
                ):
                    pages = int((entry / "statm").read_text().split()[1])
                    total += pages * resource.getpagesize()
        return total


def _parent(entry: Path) -> int:
    return int((entry / "stat").read_text().rpartition(")")[2].split()[1])


def _grandparent(entry: Path) -> int:
    return _parent(Path("/proc") / str(_parent(entry)))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Server]:
    port, metrics = free_port(), free_port()
    argv = [sys.executable, "-m", "rootstream", "cache", "serve", str(folder), "--bind", f"127.0.0.1:{port}"]
    argv += ["--metrics", f"127.0.0.1:{metrics}", "--workers", "2", "--insecure"]
    child = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            time.sleep(0.2)
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
        yield Server(child, port, metrics)
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait()


def rootstream(folder: Path, env: dict[str, str], *words: str) -> str:
    argv = [sys.executable, "-m", "rootstream", *words]
    done = subprocess.run(
        argv,
        cwd=folder,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(f"rootstream {' '.join(words)} failed:\n{(done.stdout + done.stderr)[-3000:]}")
    return done.stderr


@dataclass
class Clients:
    """Clients of a server, each with a home and a clone of its own."""

    server: Server
    scratch: Path
    locked: Path

    def build(self, *, changed: bool = False, thin: bool = False) -> float:
        """Build with an empty home and return the seconds; with a line of the overlay `changed`."""
        base = Path(tempfile.mkdtemp(dir=self.scratch))
        folder = Path(shutil.copytree(self.locked, base / "hello"))
        if changed:
            (folder / "overlay" / "etc").mkdir(parents=True, exist_ok=True)
            (folder / "overlay" / "etc" / "changed").write_text(f"{uuid.uuid4()}\n")
        url = f"http://127.0.0.1:{self.server.port}"
        env = {"ROOTSTREAM_CACHE": str(base / "cache"), "ROOTSTREAM_CACHE_URL": url, "HOME": str(base)}
        if thin:
            env |= {"ROOTSTREAM_WORKERS_URL": url, "ROOTSTREAM_WORKERS_THIN": "true"}
        began = time.monotonic()
        rootstream(folder, env, "build", "hello")
        took = time.monotonic() - began
        shutil.rmtree(base)
        return took


def measured(clients: Clients, title: str, rounds: int, **how: bool) -> None:
    """Print the middle of some rounds."""
    rows = []
    for _ in range(rounds):
        before, used = clients.server.carried(), resource.getrusage(resource.RUSAGE_CHILDREN)
        took = clients.build(**how)
        now = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
        rows.append((took, cpu, (clients.server.carried() - before) / 1e6))
    took, cpu, carried = (statistics.median(each) for each in zip(*rows, strict=True))
    shown = ", ".join(f"{each[0]:.1f}" for each in rows)
    print(f"{title:36} {took:6.1f} s  {cpu:6.1f} s of processor  {carried:7.1f} MB   ({shown} s)", flush=True)


def crowd(clients: Clients, count: int) -> None:
    """Print how long clients take one after the other, and at once."""
    began = time.monotonic()
    for _ in range(count):
        clients.build()
    alone = time.monotonic() - began
    most = [0]
    began = time.monotonic()
    with ThreadPoolExecutor(count) as pool:
        running = [pool.submit(clients.build) for _ in range(count)]
        while not all(each.done() for each in running):
            most[0] = max(most[0], clients.server.memory())
            time.sleep(0.2)
    together = time.monotonic() - began
    for each in running:
        each.result()
    print(
        f"{count} clients one after the other {alone:.1f} s, at once {together:.1f} s ({together / alone:.2f} x)"
    )
    print(f"memory of the server {most[0] / 1e6:.0f} MB")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, default=20)
    options = parser.parse_args()
    rootstream(HELLO, {}, "update", "--missing", "hello")
    with tempfile.TemporaryDirectory(prefix="shared-") as scratch, serving(Path(scratch) / "server") as server:
        ignored = shutil.ignore_patterns("out", ".rootstream")
        locked = Path(shutil.copytree(HELLO, Path(scratch) / "locked", ignore=ignored))
        filler = Path(shutil.copytree(locked, Path(scratch) / "filler"))
        env = {"ROOTSTREAM_CACHE_URL": f"http://127.0.0.1:{server.port}", "ROOTSTREAM_CACHE_PUSH": "true"}
        rootstream(filler, env, "build", "hello")
        rootstream(filler, env, "cache", "push", "hello")
        clients = Clients(server, Path(scratch), locked)
        print(f"load {os.getloadavg()[0]:.1f}")
        measured(clients, "everything is in the cache", options.rounds)
        measured(clients, "an overlay's line changed", options.rounds, changed=True)
        measured(clients, "the same with thin workers", options.rounds, changed=True, thin=True)
        if options.clients:
            crowd(clients, options.clients)
        print(f"load {os.getloadavg()[0]:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
