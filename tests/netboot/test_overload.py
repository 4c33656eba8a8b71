"""All that is bad for a server, at once: few descriptors, a full disk, clients that are slow or send rubbish."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.netboot.flood import ADDRESSES
from tests.netboot.lab import FILES, Make, neighbour

MACHINE = "machines:\n  box: {macs: ['52:54:00:12:34:56'], address: 10.0.2.15, system: hello}\n"
DESCRIPTORS, MEMORY, LOG = 256, 200 << 20, 64 << 10
PATIENCE = 300.0  # seconds in which every machine must have had its file; it takes a tenth


def test_every_machine_boots_beside_what_is_bad(make_light: Make) -> None:
    lab = make_light(MACHINE)
    place = lab.kept
    place.mkdir(mode=0o700, parents=True)
    argv = ["mount", "-t", "tmpfs", "-o", "size=32m,mode=700", "none", str(place)]
    if subprocess.run(argv, capture_output=True, timeout=30, check=False).returncode != 0:
        pytest.skip("no file system of its own can be mounted here")
    try:
        server = lab.start(
            *(
                "prlimit",
                f"--nofile={DESCRIPTORS}:{DESCRIPTORS}",
                "--",
                sys.executable,
                "-m",
                "rootstream",
                "serve",
            ),
            *("--interface", "br0", "--no-dhcp"),
            log=lab.log,
        )
        lab.until(lambda: "serving " in lab.said() or server.poll() is not None)
        assert server.poll() is None, lab.said()
        with contextlib.suppress(OSError), (place / "filler").open("wb", buffering=0) as out:
            while out.write(bytes(1 << 16)):
                pass
        _, script = lab.curl("/machines/52-54-00-12-34-56.ipxe")
        path = re.findall(r"initrd --name \S+ http://[^/]+(/\S+)", script)[0]
        wanted = hashlib.sha256(FILES["initramfs.cpio"]).hexdigest()
        program = str(Path(__file__).with_name("flood.py"))
        with neighbour(lab, dhcp=False) as other:
            for number in ADDRESSES:
                words = ("address", "add", f"10.0.2.{number}/24", "dev", "in")
                subprocess.run(["ip", "-n", other.stem, *words], check=True, timeout=30)
            argv = ["ip", "netns", "exec", other.stem, sys.executable, program, path, wanted, str(PATIENCE)]
            done = subprocess.run(argv, capture_output=True, text=True, timeout=2 * PATIENCE, check=False)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert found["whole"] == found["of"], (found, lab.said())
        assert server.poll() is None, lab.said()
        most = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{server.pid}/status").read_text())
        assert most
        assert int(most[1]) << 10 <= MEMORY
        said = lab.said()
        assert len(said) <= LOG
        assert "Traceback" not in said
        assert "SECRET" not in said
        assert lab.curl("/boot.ipxe")[0] == 200
    finally:
        lab.end()
        subprocess.run(["umount", "--lazy", str(place)], timeout=30, check=False)
