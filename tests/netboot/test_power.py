"""Machines that are switched by a BMC: Redfish and IPMI, each by a public emulator with a machine behind it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.netboot.lab import Lab, Make
from tests.netboot.rack import PASSWORD, USER

pytest.importorskip("pyghmi")
pytest.importorskip("sushy_tools")
MAC = "52:54:00:12:34:56"
# Standard input and output of the console, once the machine has one.
CONSOLE = """
import os, select, socket, sys, time
while True:
    line = socket.socket(socket.AF_UNIX)
    try:
        line.connect(sys.argv[1])
        break
    except OSError:
        time.sleep(0.05)
while True:
    for ready in select.select([0, line], [], [])[0]:
        data = os.read(0, 4096) if ready == 0 else line.recv(4096)
        if not data:
            sys.exit()
        line.sendall(data) if ready == 0 else os.write(1, data)
"""


def machine(lab: Lab, power: str) -> None:
    (lab.project / "bmc-password").write_text(PASSWORD + "\n")
    (lab.project / "console.py").write_text(CONSOLE)
    with (lab.project / "system.yaml").open("a") as out:
        out.write(
            f"""
machines:
  box:
    macs: ["{MAC}"]
    address: 10.0.2.15
    system: hello
    phone_home: true
    power: {power}
    console_command: ["{sys.executable}", "{lab.project}/console.py", "{lab.project}/console"]
"""
        )


def rack(lab: Lab, kind: str, port: int) -> None:
    path = str(Path(__file__).with_name("rack.py"))
    lab.start(sys.executable, path, kind, str(port), str(lab.project), "br0", MAC, log=lab.project / "rack.log")


@pytest.mark.parametrize(
    ("kind", "port", "power"),
    [
        (
            "redfish",
            8000,
            f"{{redfish: {{url: 'http://127.0.0.1:8000', user: {USER}, password_file: bmc-password}}}}",
        ),
        ("ipmi", 6230, f"{{ipmi: {{address: 127.0.0.1, port: 6230, user: {USER}, password_file: bmc-password}}}}"),
    ],
    ids=["redfish", "ipmi"],
)
def test_a_machine_is_switched_on_and_restarted(make_lab: Make, kind: str, port: int, power: str) -> None:
    lab = make_lab("")
    machine(lab, power)
    rack(lab, kind, port)

    def state() -> str:
        return lab.rootstream("power", "box", "status").stdout.strip()

    lab.until(lambda: state() == "off")
    lab.serve()
    first = lab.rootstream("boot", "box", "--verify")
    assert first.returncode == 0, first.stdout + first.stderr + lab.said() + (lab.project / "rack.log").read_text()
    assert state() == "on"
    second = lab.rootstream("boot", "box")  # restarted while it runs
    assert second.returncode == 0, second.stdout + second.stderr
    assert [boot["outcome"] for boot in lab.boots()] == ["passed", "up"]
    assert {"power-on", "dhcp", "script", "kernel", "initramfs", "phone-home"} <= lab.boots()[1]["stages"].keys()
    assert lab.rootstream("power", "box", "off").returncode == 0
    assert state() == "off"
    (lab.project / "bmc-password").write_text("wrong\n")
    refused = lab.rootstream("power", "box", "on")
    assert refused.returncode == 2
    assert "box: " in refused.stderr
    assert PASSWORD not in refused.stderr


def test_commands(make_light: Make) -> None:
    lab = make_light("")
    words = ", ".join(f'{name}: [sh, -c, "echo {name} >> said"]' for name in ("on", "off", "once"))
    machine(lab, f'{{command: {{{words}, status: ["false"]}}}}')
    for action in ("cycle", "on", "off"):
        assert lab.rootstream("power", "box", action).returncode == 0
    assert (lab.project / "said").read_text().split() == ["once", "off", "on", "once", "on", "off"]
    assert lab.rootstream("power", "box", "status").stdout == "off\n"
