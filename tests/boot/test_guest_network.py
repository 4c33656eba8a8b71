"""What a guest reaches: DHCP and the ports that lead to it, and nothing of the host unless it is told to."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from boxes import LOGIN, NETWORK

from rootstream.boot.verify import verify
from rootstream.description.checks import Check
from rootstream.description.checks.command import CommandCheck
from rootstream.description.checks.http import Http, HttpCheck
from rootstream.description.machine import BootImage, Machine

pytestmark = pytest.mark.boot
MakeImage = Callable[..., BootImage]


@pytest.fixture
def service() -> Iterator[tuple[int, list[bytes]]]:
    """Listen on loopback of this host; return the port and what came."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    line, _ = listener.accept()
                except OSError:
                    return
                with line:
                    line.settimeout(5)
                    heard.append(line.recv(100))

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1], heard
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


@pytest.mark.parametrize(("network", "reached"), [("isolated", False), ("open", True)])
def test_a_guest_and_the_loopback_of_its_host(
    image: MakeImage,
    tmp_path: Path,
    service: tuple[int, list[bytes]],
    network: str,
    reached: bool,
) -> None:
    port, heard = service
    machine = Machine.model_validate({"timeout": 300.0, "network": network})
    wanted: tuple[Check, ...] = (
        HttpCheck(http=Http(port=80)),
        CommandCheck(command="udhcpc -i eth0 -n -q -s /bin/true"),
        CommandCheck(command=f"echo from the guest | nc -w 5 10.0.2.2 {port}", exit=0 if reached else 1),
    )
    verdict = verify(
        "box", arch="x86_64", machine=machine, images=[image(NETWORK, LOGIN)], wanted=wanted, folder=tmp_path
    )
    assert verdict.passed, verdict
    assert heard == ([b"from the guest\n"] if reached else [])
