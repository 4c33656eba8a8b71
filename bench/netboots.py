"""A machine of QEMU that boots over the network, without KVM: each stage, and a file by HTTP beside TFTP: seconds.

    python bench/netboots.py [--boots 5] [--fetches 3]

- boots: `rootstream boot --verify` of examples/hello on a machine with a BIOS, from power-on to the last check
- fetches: what iPXE takes for a ramdisk of 40 MB from our HTTP server and from dnsmasq's TFTP, in turns

It works in a network namespace of its own, so it needs root or user namespaces.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import os
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aiohttp import web

from rootstream.netboot.http.listening import Door
from rootstream.netboot.http.senders import Loop
from rootstream.netboot.http.sending import BuildFile
from rootstream.netboot.power.qemu import tap
from rootstream.netboot.store import state_folder
from rootstream.project.project import find

ROOT = Path(__file__).resolve().parents[1]
SERVER, MAC, SIZE = "10.0.2.1", "52:54:00:12:34:56", 40_000_000
MACHINE = f"""
machines:
  box:
    macs: ["{MAC}"]
    address: 10.0.2.15
    system: hello
    phone_home: true
    power: {{qemu: {{bridge: br0, memory: 256M}}}}
"""
STAGES = ("dhcp", "script", "kernel", "initramfs", "system-dhcp", "phone-home", "checks")
SCRIPT = "#!ipxe\nimgfetch tftp://{server}/begin\nimgfetch {url}\nimgfetch tftp://{server}/end\n"
_APART = "ROOTSTREAM_BENCH_APART"


def hello(folder: Path) -> Path:
    """Build a copy of examples/hello with a machine; needs the network where it was never built."""
    ignore = shutil.ignore_patterns("out", ".rootstream", ".bst")
    made = Path(shutil.copytree(ROOT / "examples" / "hello", folder / "hello", ignore=ignore))
    with (made / "system.yaml").open("a") as out:
        out.write(MACHINE)
    argv = [sys.executable, "-m", "rootstream", "build", "hello"]
    done = subprocess.run(argv, cwd=made, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    return made


def boots(folder: Path, count: int) -> list[dict[str, float]]:
    """Boot a number of times; seconds after power-on at which each stage ended."""
    argv = [sys.executable, "-m", "rootstream"]
    with (folder / "serve.log").open("wb") as log:
        server = subprocess.Popen([*argv, "serve", "--interface", "br0"], cwd=folder, stdout=log, stderr=log)
    try:
        _until(lambda: "serving " in (folder / "serve.log").read_text())
        found = []
        for _ in range(count):
            done = subprocess.run(
                [*argv, "boot", "box", "--verify"], cwd=folder, capture_output=True, text=True, check=False
            )
            if done.returncode:
                sys.exit(done.stdout + done.stderr)
            boot = json.loads((state_folder.base(find(folder)) / "machines/box/boot.json").read_text())["boot"]
            stages = {stage["name"]: stage for stage in boot["stages"]}
            on = stages["power-on"]["began"]
            found.append(
                {name: stages[name]["ended"] - on for name in STAGES} | {"qemu": stages["power-on"]["ended"] - on}
            )
        return found
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


def fetches(folder: Path, count: int) -> dict[str, list[float]]:
    """Fetch a file by iPXE in turns; seconds by HTTP and by TFTP."""
    root = folder / "tftp"
    root.mkdir()
    data = random.Random(SIZE).randbytes(SIZE)  # noqa: S311
    for name, content in (("ramdisk", data), ("begin", b"begin"), ("end", b"end")):
        (root / name).write_bytes(content)
    taken: dict[str, list[float]] = {"http": [], "tftp": []}
    with _http(root / "ramdisk", hashlib.sha256(data).hexdigest()):
        for _ in range(count):
            for kind, seconds in taken.items():
                url = f"http://{SERVER}:8080/ramdisk" if kind == "http" else f"tftp://{SERVER}/ramdisk"
                (root / "script").write_text(SCRIPT.format(server=SERVER, url=url))
                seconds.append(_fetch(folder, root))
    return taken


def _fetch(folder: Path, root: Path) -> float:
    """Have a machine run the script; return the seconds between its first and its last file."""
    log = folder / "dnsmasq.log"
    argv = [
        "dnsmasq",
        "--keep-in-foreground",
        "--log-facility=-",
        "--port=0",
        "--conf-file=/dev/null",
        "--user=root",
    ]
    argv += ["--interface=br0", "--bind-interfaces", "--except-interface=lo", "--dhcp-range=10.0.2.50,10.0.2.60"]
    argv += ["--no-ping", "--dhcp-leasefile=/dev/null", "--pid-file", "--enable-tftp", f"--tftp-root={root}"]
    argv += ["--dhcp-option=encap:175,176,1b", f"--dhcp-boot=script,,{SERVER}"]
    with log.open("wb") as out:
        server = subprocess.Popen(argv, stdout=out, stderr=out)
    try:
        with tap("br0") as handle:
            os.set_inheritable(handle, True)
            words = ["qemu-system-x86_64", "-nodefaults", "-display", "none", "-m", "256", "-accel", "tcg"]
            words += ["-netdev", f"tap,id=net0,fd={handle}", "-device", f"virtio-net-pci,netdev=net0,mac={MAC}"]
            machine = subprocess.Popen(words, pass_fds=(handle,))
            try:
                _until(lambda: _sent(log, "begin"))
                began = time.monotonic()
                _until(lambda: _sent(log, "end"))
                return time.monotonic() - began
            finally:
                machine.kill()
                machine.wait()
    finally:
        server.terminate()
        server.wait(10)


def _sent(log: Path, name: str) -> bool:
    return re.search(rf"sent \S+/{name} to", log.read_text(errors="replace")) is not None


def _until(done: Any, patience: float = 120.0) -> None:  # noqa: ANN401  (what a lambda returns)
    deadline = time.monotonic() + patience
    while not done():
        if time.monotonic() > deadline:
            sys.exit("that took too long")
        time.sleep(0.005)


@contextlib.contextmanager
def _http(path: Path, digest: str) -> Iterator[None]:
    """Serve a file as the boot server does."""
    ready, ended = threading.Event(), threading.Event()

    async def answer(_request: web.Request) -> web.StreamResponse:
        return BuildFile(path, digest)

    async def serve() -> None:
        app = web.Application()
        app.router.add_get("/ramdisk", answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        listener = socket.create_server((SERVER, 8080))
        listener.setblocking(False)
        if runner.server is None:
            raise RuntimeError("the runner is not set up")
        door = Door(runner.server, [listener])
        ready.set()
        while not ended.is_set():  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        await door.close()
        await runner.cleanup()

    def work() -> None:
        with asyncio.Runner(loop_factory=Loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=work)
    thread.start()
    ready.wait(30)
    try:
        yield
    finally:
        ended.set()
        thread.join()


def apart(argv: list[str], built: Path | None) -> int:
    """Run this again in a network namespace of its own, with a bridge."""
    words = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]
    inner = (
        "ip link set lo up && ip link add br0 type bridge && "
        f'ip address add {SERVER}/24 dev br0 && ip link set br0 up && exec "$@"'
    )
    env = {**os.environ, _APART: str(built or "")}
    return subprocess.run([*words, "sh", "-c", inner, "sh", *argv], env=env, check=False).returncode


def told(seconds: list[float]) -> str:
    """Return a median with what it is of."""
    return f"{statistics.median(seconds):6.2f} s   ({', '.join(f'{each:.2f}' for each in seconds)})"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--boots", type=int, default=5)
    parser.add_argument("--fetches", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    options = parser.parse_args()
    if _APART not in os.environ:
        with tempfile.TemporaryDirectory(prefix="netboots-") as name:
            built = hello(Path(name)) if options.boots else None
            return apart([sys.executable, *sys.argv], built)
    found: dict[str, Any] = {"boots": [], "fetches": {}}
    if options.boots:
        found["boots"] = boots(Path(os.environ[_APART]), options.boots)
    with tempfile.TemporaryDirectory(prefix="netboots-") as name:
        if options.fetches:
            found["fetches"] = fetches(Path(name), options.fetches)
    if options.json:
        print(json.dumps(found))
        return 0
    for stage in ("qemu", *STAGES) if found["boots"] else ():
        print(f"{stage:<12} {told([each[stage] for each in found['boots']])}")
    for kind, seconds in found["fetches"].items():
        rate = SIZE / statistics.median(seconds) / 1e6
        print(f"40 MB by {kind}: {rate:.0f} MB/s, {told(seconds)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
