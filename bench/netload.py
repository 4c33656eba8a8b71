"""Program: machines that boot at once, as far as a web server sees them: a script, a kernel, a ramdisk, each.

    python bench/netload.py COUNT ADDRESS PORT PATH-OF-SCRIPT

`{mac}` in the path is the machine's. Each machine has an address of its own on loopback and opens a connection for
each file, as iPXE does. Prints JSON: {"seconds", "bytes", "failures": [text], "slowest": seconds of one machine}.
"""

from __future__ import annotations

import json
import re
import selectors
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

_URL = re.compile(rb"https?://[^/\s]+(/\S*)")
_BUFFER = bytearray(1 << 20)
_PATIENCE = 300.0


@dataclass(slots=True)
class Machine:
    """A machine on its way; `paths` are what it still fetches."""

    number: int
    paths: list[bytes]
    wanted: bytes = b""
    head: bytearray = field(default_factory=bytearray)
    left: int | None = None
    body: bytearray = field(default_factory=bytearray)
    received: int = 0
    ended: float = 0.0


def mac(number: int) -> str:
    return f"52:54:00:00:{number >> 8:02x}:{number & 255:02x}"


class Load:
    """All machines, in one thread: the data of files is counted and thrown away by the kernel."""

    def __init__(self, count: int, address: str, port: int, path: str) -> None:
        self._to = (address, port)
        self._select = selectors.EpollSelector()
        self._machines = [
            Machine(number=number, paths=[path.replace("{mac}", mac(number).replace(":", "-")).encode()])
            for number in range(count)
        ]
        self.failures: list[str] = []

    def run(self) -> dict[str, object]:
        """Have all boot, and return what is printed."""
        began = time.monotonic()
        for machine in self._machines:
            self._next(machine)
        while self._select.get_map() and time.monotonic() - began < _PATIENCE:
            for key, _ in self._select.select(1):
                self._ready(key.fileobj, key.data)  # type: ignore[arg-type]  # sockets alone are registered
        for key in list(self._select.get_map().values()):
            self.failures.append(f"machine {key.data.number} did not end")
        return {
            "seconds": max(each.ended for each in self._machines) - began,
            "bytes": sum(each.received for each in self._machines),
            "failures": self.failures,
            "slowest": max(each.ended for each in self._machines) - began,
        }

    def _next(self, machine: Machine) -> None:
        if not machine.paths:
            machine.ended = time.monotonic()
            return
        machine.wanted = machine.paths.pop(0)
        machine.head.clear()
        machine.body.clear()
        machine.left = None
        line = socket.socket()
        line.bind((f"127.0.{1 + machine.number // 250}.{1 + machine.number % 250}", 0))
        line.connect(self._to)  # loopback: at once
        line.sendall(b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % machine.wanted)
        line.setblocking(False)
        self._select.register(line, selectors.EVENT_READ, machine)

    def _ready(self, line: socket.socket, machine: Machine) -> None:
        try:
            done = self._head(line, machine) if machine.left is None else self._body(line, machine)
        except (BlockingIOError, InterruptedError):
            return
        except (OSError, ValueError) as error:
            self.failures.append(f"machine {machine.number}: {machine.wanted.decode()}: {error}")
            machine.ended = time.monotonic()
            done = None
        if done is False:
            return
        self._select.unregister(line)
        line.close()
        if done:
            self._next(machine)

    def _head(self, line: socket.socket, machine: Machine) -> bool:
        data = line.recv(4096)
        if not data:
            raise ValueError("no answer")
        machine.head += data
        head, found, rest = bytes(machine.head).partition(b"\r\n\r\n")
        if not found:
            return False
        if head.split()[1] != b"200":
            raise ValueError(head.split(b"\r\n")[0].decode())
        length = re.search(rb"(?i)\ncontent-length: *(\d+)", head)
        if length is None:
            raise ValueError("no length")
        machine.left = int(length[1])
        return self._count(machine, rest)

    def _body(self, line: socket.socket, machine: Machine) -> bool:
        if machine.wanted.endswith(b".ipxe"):
            return self._count(machine, line.recv(65536))
        size = line.recv_into(_BUFFER, len(_BUFFER), socket.MSG_TRUNC)  # nothing is copied
        if not size:
            raise ValueError("cut off")
        return self._received(machine, size)

    def _count(self, machine: Machine, data: bytes) -> bool:
        machine.body += data
        if not self._received(machine, len(data)):
            return False
        if machine.wanted.endswith(b".ipxe"):
            machine.paths += _files(bytes(machine.body))
        return True

    @staticmethod
    def _received(machine: Machine, size: int) -> bool:
        machine.left = (machine.left or 0) - size
        machine.received += size
        return machine.left <= 0


def _files(script: bytes) -> Iterator[bytes]:
    """Yield the paths that a script fetches."""
    for line in script.splitlines():
        found = _URL.search(line)
        if line.startswith((b"kernel ", b"initrd ")) and found:
            yield found[1]


if __name__ == "__main__":
    _, count, address, port, path = sys.argv
    print(json.dumps(Load(int(count), address, int(port), path).run()))
