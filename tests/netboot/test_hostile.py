"""A host of the machines' network that sends rubbish, and wants files that are not for it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.netboot.lab import Make, neighbour
from tests.netboot.test_faults import MACHINE, booted, dnsmasq


def test_rubbish_and_files_that_are_not_for_everybody(make_light: Make) -> None:
    lab = make_light(MACHINE)
    server = lab.serve()
    before = dnsmasq(lab)
    with neighbour(lab, dhcp=False) as log:
        program = str(Path(__file__).with_name("hostile.py"))
        argv = ["ip", "netns", "exec", log.stem, sys.executable, program]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    got = {name: bytes.fromhex(data) for name, data in json.loads(done.stdout).items()}
    assert got.pop("undionly.kpxe")[:2] == b"\0\3"
    assert {name for name, data in got.items() if data[:2] not in (b"\0\5", b"")} == set()
    assert server.poll() is None
    assert dnsmasq(lab) == before
    assert "Traceback" not in lab.said()
    assert "\x1b" not in lab.said()
    assert lab.boots() == []
    booted(lab)
