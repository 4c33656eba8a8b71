"""A boot server to be killed: in a network namespace of its own, asked over HTTP whether it is well again."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from tests.faults.scenes import Scene
from tests.netboot.lab import SERVER, exported

NAMESPACE = f"rs-faults-{os.getpid()}"
UP = 90.0  # seconds for a server to answer
MACHINES = """
machines:
  box:
    macs: ["52:54:00:12:34:56"]
    address: 10.0.2.15
    system: hello
"""
ASK = (
    "import sys, urllib.request\n"
    f"print(urllib.request.urlopen('http://{SERVER}:8080/api/v1/builds', timeout=10).status)\n"
)


def can_serve() -> bool:
    """Say whether network namespaces and dnsmasq are there."""
    if os.geteuid() != 0 or shutil.which("ip") is None or shutil.which("dnsmasq") is None:
        return False
    made = subprocess.run(["ip", "netns", "add", f"{NAMESPACE}-try"], capture_output=True, check=False)
    subprocess.run(["ip", "netns", "delete", f"{NAMESPACE}-try"], capture_output=True, check=False)
    return made.returncode == 0


def scene(base: Path) -> Scene:
    """Return a project with a machine, and a network to serve it on that goes with this process."""
    folder = base / "served"
    exported(folder, MACHINES)
    for name in ("served-tmp", "served-state"):
        (base / name).mkdir()
    subprocess.run(["ip", "netns", "add", NAMESPACE], check=True)
    atexit.register(subprocess.run, ["ip", "netns", "delete", NAMESPACE], check=False)
    for words in (
        ("link", "set", "lo", "up"),
        ("link", "add", "br0", "type", "bridge"),
        ("address", "add", f"{SERVER}/24", "dev", "br0"),
        ("link", "set", "br0", "up"),
    ):
        subprocess.run(["ip", "-n", NAMESPACE, *words], check=True)
    environment = {
        **os.environ,
        "TMPDIR": str(base / "served-tmp"),
        "XDG_STATE_HOME": str(base / "served-state"),
        "TERM": "dumb",
    }
    return Scene(folder=folder, cache=base / "cache", temporary=base / "served-tmp", environment=environment)


def argv(_scene: Scene) -> list[str]:
    """Return the command that serves; it becomes the server itself."""
    return [
        *("ip", "netns", "exec", NAMESPACE, sys.executable),
        *("-m", "rootstream", "serve", "--interface", "br0", "--plain"),
    ]


def again(scene: Scene) -> Iterator[str]:
    """Start a server where one was killed, ask it, end it; yield what is wrong."""
    log = scene.folder.with_name("served-again.log")
    with log.open("wb") as out:
        child = subprocess.Popen(
            argv(scene),
            cwd=scene.folder,
            env=dict(scene.environment),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + UP
        while not (well := _answers(scene)) and child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.2)
        if not well:
            yield f"the next server does not answer ({child.poll()}): {log.read_text(errors='replace')[-500:]}"
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(60)
        except subprocess.TimeoutExpired:
            yield "the next server does not end"
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    for path in Path(scene.environment["XDG_STATE_HOME"]).rglob("state.db"):
        with closing(sqlite3.connect(path)) as database:
            found = database.execute("PRAGMA integrity_check").fetchone()[0]
        if found != "ok":
            yield f"{path}: {found}"


def _answers(scene: Scene) -> bool:
    done = subprocess.run(
        ["ip", "netns", "exec", NAMESPACE, sys.executable, "-c", ASK],
        cwd=scene.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() == "200"
