"""Machines that boot at once: from `rootstream serve`, and from nginx as Debian configures it, in turns.

    python bench/netboot.py [--machines 200] [--rounds 3]

Each machine fetches its script, a kernel of 3 MB and a ramdisk of 40 MB over loopback: rates, failures, memory.
It works in a network namespace of its own, so it needs root or user namespaces.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
KERNEL, RAMDISK = 3_000_000, 40_000_000
SYSTEM = """\
systems:
  rack: {{root: busybox, kernel: {{}}, images: [kernel, initramfs]}}
machines:
{machines}
"""
NGINX = """\
user root;
worker_processes auto;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 768; }}
http {{
    sendfile on;
    tcp_nopush on;
    access_log {folder}/access.log;
    default_type application/octet-stream;
    server {{ listen 127.0.0.1:8090; root {folder}/www; }}
}}
"""


def mac(number: int) -> str:
    """Return the address of a machine, as netload.py has it."""
    return f"52:54:00:00:{number >> 8:02x}:{number & 255:02x}"


class Rack:
    """A project with machines and a build that is only as large as a real one, and the same files for nginx."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder, self.count = folder, count
        lines = "".join(f'  box{number}: {{macs: ["{mac(number)}"], system: rack}}\n' for number in range(count))
        (folder / "system.yaml").write_text(SYSTEM.format(machines=lines))
        out = folder / "out" / "rack"
        out.mkdir(parents=True)
        items = []
        for kind, name, size in (("kernel", "bzImage", KERNEL), ("initramfs", "initramfs.cpio", RAMDISK)):
            data = random.Random(size).randbytes(size)  # noqa: S311
            (out / name).write_bytes(data)
            digest = hashlib.sha256(data).hexdigest()
            items.append({"name": name, "kind": kind, "size": size, "sha256": digest})
        (out / "manifest.json").write_text(json.dumps({"arch": "x86_64", "files": items}))
        www = folder / "www"
        www.mkdir()
        for item in items:
            os.link(out / str(item["name"]), www / str(item["name"]))
        base = "http://127.0.0.1:8090"
        for number in range(count):
            text = f"#!ipxe\nkernel {base}/bzImage\ninitrd {base}/initramfs.cpio\nboot\n"
            (www / f"{mac(number).replace(':', '-')}.ipxe").write_text(text)
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder))

    @contextlib.contextmanager
    def ours(self) -> Iterator[int]:
        """Run `rootstream serve` on loopback, and give its process."""
        argv = [sys.executable, "-m", "rootstream", "serve", "--interface", "lo", "--no-dhcp"]
        with running(argv, self.folder, "serving ") as child:
            yield child.pid

    @contextlib.contextmanager
    def nginx(self) -> Iterator[int]:
        """Run nginx, and give its process."""
        nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin") or "nginx"
        argv = [nginx, "-p", str(self.folder), "-c", str(self.folder / "nginx.conf"), "-g", "daemon off;"]
        with running(argv, self.folder, None) as child:
            yield child.pid

    def load(self, port: int, path: str) -> dict[str, Any]:
        """Have all machines boot at once."""
        argv = [sys.executable, str(HERE / "netload.py"), str(self.count), "127.0.0.1", str(port), path]
        done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=600)
        found: dict[str, Any] = json.loads(done.stdout)
        return found


@contextlib.contextmanager
def running(argv: list[str], folder: Path, sign: str | None) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server, from when it shows a sign in its output."""
    log = folder / "server.log"
    with log.open("wb") as out:
        child = subprocess.Popen(argv, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + 60
        while sign and sign not in log.read_text(errors="replace"):
            if child.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"{argv}: {log.read_text(errors='replace')}")
            time.sleep(0.1)
        time.sleep(0.5)
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(30)


def memory(pid: int) -> float:
    """Return the most memory that a process and those below it had, in MB; what is shared counts for each."""
    total = 0
    for each in [pid, *_below(pid)]:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{each}/status").read_text().splitlines():
                total += int(line.split()[1]) if line.startswith("VmHWM") else 0
    return total / 1024


def _below(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [each for child in found for each in (int(child), *_below(int(child)))]
    return []


def rack(count: int, rounds: int, folder: Path) -> dict[str, Any]:
    """Return throughputs in MB/s, the memory of our server in MB, and what failed."""
    made = Rack(folder, count)
    rates: dict[str, list[float]] = {"ours": [], "nginx": []}
    failures: list[str] = []
    most = 0.0
    for _ in range(rounds):
        for name, taken in rates.items():
            with made.ours() if name == "ours" else made.nginx() as pid:
                port, path = (8080, "/machines/{mac}.ipxe") if name == "ours" else (8090, "/{mac}.ipxe")
                done = made.load(port, path)
                if name == "ours":
                    most = max(most, memory(pid))
            taken.append(done["bytes"] / done["seconds"] / 1e6)
            failures += [f"{name}: {text}" for text in done["failures"]]
    return {"rates": rates, "memory": most, "failures": failures}


def apart(argv: list[str]) -> int:
    """Run this again in a network namespace of its own."""
    words = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]
    inner = 'ip link set lo up && exec "$@"'
    env = {**os.environ, "ROOTSTREAM_BENCH_APART": "1"}
    return subprocess.run([*words, "sh", "-c", inner, "sh", *argv], env=env, check=False).returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--machines", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    options = parser.parse_args()
    if "ROOTSTREAM_BENCH_APART" not in os.environ:
        return apart([sys.executable, *sys.argv])
    with tempfile.TemporaryDirectory(prefix="netboot-") as name:
        os.chmod(name, 0o755)  # noqa: S103, PTH101  (nginx's workers read in it)
        found = rack(options.machines, options.rounds, Path(name))
    if options.json:
        print(json.dumps(found))
        return 0
    ours, nginx = (statistics.median(found["rates"][name]) for name in ("ours", "nginx"))
    print(f"{options.machines} machines at once: {ours:.0f} MB/s, nginx {nginx:.0f}: {ours / nginx:.2f} x")
    print(f"failures: {len(found['failures'])} {found['failures'][:3]}; memory {found['memory']:.0f} MB")
    return 0 if not found["failures"] else 1


if __name__ == "__main__":
    sys.exit(main())
