"""Program: a machine with a BMC: QEMU that is switched by Redfish (sushy-tools) or IPMI (pyghmi).

Started as `rack.py redfish|ipmi PORT FOLDER BRIDGE MAC`; its console is the Unix socket FOLDER/console.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rootstream.host import process
from rootstream.netboot.power.qemu import tap

USER, PASSWORD = "admin", "secret-word"


class Box:
    """The hardware: on, off, and restarted as a button does it."""

    def __init__(self, folder: Path, bridge: str, mac: str) -> None:
        self._folder = folder
        self._bridge = bridge
        self._mac = mac
        self._child: subprocess.Popen[bytes] | None = None
        self._held = ExitStack()
        self._lock = threading.RLock()

    @property
    def is_on(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def on(self) -> None:
        with self._lock:
            if self.is_on:
                return
            self._held.close()
            handle = self._held.enter_context(tap(self._bridge))
            argv = [
                *("qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-m", "256"),
                *("-machine", "pc,graphics=off", "-netdev", f"tap,id=net0,fd={handle}"),
                *("-device", f"virtio-net-pci,netdev=net0,mac={self._mac}"),
                *("-serial", f"unix:{self._folder}/console,server=on,wait=off"),
                *("-qmp", f"unix:{self._folder}/monitor,server=on,wait=off"),
            ]
            self._child = process.start(
                process.die_with_parent(argv), env={"PATH": "/usr/sbin:/usr/bin"}, pass_fds=(handle,)
            )

    def off(self) -> None:
        with self._lock:
            if self._child is not None:
                process.end(self._child)
            self._held.close()

    def restart(self) -> None:
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(f"{self._folder}/monitor")
            for word in ("qmp_capabilities", "system_reset"):
                line.recv(4096)
                line.sendall(json.dumps({"execute": word}).encode())
            line.recv(4096)


def redfish(box: Box, port: int, folder: Path) -> None:
    import bcrypt  # noqa: PLC0415  (only one of the two is needed)
    from sushy_tools.emulator import main as emulator  # noqa: PLC0415
    from sushy_tools.emulator.resources.systems.fakedriver import FakeDriver  # noqa: PLC0415

    class Driver(FakeDriver):  # type: ignore[misc]
        def get_power_state(self, _identity: str) -> str:
            return "On" if box.is_on else "Off"

        def set_power_state(self, _identity: str, state: str) -> None:
            {"On": box.on, "ForceOn": box.on, "ForceOff": box.off, "ForceRestart": box.restart}[state]()

    emulator.fakedriver.FakeDriver = Driver
    allowed = folder / "htpasswd"
    allowed.write_text(f"{USER}:{bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()}\n")
    emulator.app.config["SUSHY_EMULATOR_FAKE_DRIVER"] = True
    emulator.app.config["SUSHY_EMULATOR_STATE_DIR"] = str(folder)
    emulator.app.config["SUSHY_EMULATOR_AUTH_FILE"] = str(allowed)
    emulator.app.configure()
    emulator.app.run(host="127.0.0.1", port=port)


def ipmi(box: Box, port: int) -> None:
    from pyghmi.ipmi.bmc import Bmc  # noqa: PLC0415

    class Switched(Bmc):  # type: ignore[misc]
        device = "default"

        def get_power_state(self) -> str:
            return "on" if box.is_on else "off"

        def power_on(self) -> None:
            box.on()

        def power_off(self) -> None:
            box.off()

        def power_reset(self) -> None:
            box.restart()

        def get_boot_device(self) -> str:
            return self.device

        def set_boot_device(self, device: str) -> None:
            self.device = device

    server: Any = Switched({USER: PASSWORD}, port=port)
    server.listen()


def main(kind: str, port: str, folder: str, bridge: str, mac: str) -> None:
    box = Box(Path(folder), bridge, mac)
    if kind == "redfish":
        redfish(box, int(port), Path(folder))
    else:
        ipmi(box, int(port))


if __name__ == "__main__":
    main(*sys.argv[1:])
