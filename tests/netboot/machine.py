"""Program: a machine without a processor: what its firmware, iPXE and its system say to the network, and no more.

Started as `machine.py MAC [MAC-OF-THE-SYSTEM]` where the interface `in` leads to the server at 10.0.2.1. It prints
JSON: the answers of DHCP, the size of what came by TFTP, the hashes of what came by HTTP, the answer to its
report. Without a system it prints what firmware of each kind is offered.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import random
import re
import socket
import struct
import subprocess
import sys
import time
from typing import Any
from urllib.parse import urlsplit

SERVER = "10.0.2.1"
_REQUEST = struct.Struct("!BBBBIHH")


def dhcp(mac: bytes, kind: int, words: bytes) -> tuple[str, dict[int, bytes], str]:
    """Send a message and return the address that is offered, the options and the boot file."""
    number = random.getrandbits(32)
    data = _REQUEST.pack(1, 1, 6, 0, number, 0, 0x8000) + bytes(16) + mac + bytes(10 + 192)
    data += b"\x63\x82\x53\x63" + bytes([53, 1, kind, 55, 4, 1, 3, 66, 67]) + words + b"\xff"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"in")
        line.bind(("", 68))
        for _ in range(20):
            line.sendto(data, ("255.255.255.255", 67))
            end = time.monotonic() + 1
            while (left := end - time.monotonic()) > 0:
                line.settimeout(left)
                try:
                    answer = line.recv(2000)
                except TimeoutError:
                    break
                if answer[4:8] == data[4:8]:
                    return _understood(answer)
    raise TimeoutError("no DHCP server answers")


def _understood(answer: bytes) -> tuple[str, dict[int, bytes], str]:
    options: dict[int, bytes] = {}
    at = 240
    while at < len(answer) and answer[at] != 255:
        if answer[at]:
            options[answer[at]] = answer[at + 2 : at + 2 + answer[at + 1]]
            at += 2 + answer[at + 1]
        else:
            at += 1
    name = options.get(67) or answer[108:236]
    return socket.inet_ntoa(answer[16:20]), options, name.rstrip(b"\0").decode()


def leased(mac: bytes, words: bytes) -> tuple[str, str]:
    """Ask for an address and take it; return it and the boot file."""
    address, options, _ = dhcp(mac, 1, words)
    wanted = bytes([50, 4]) + socket.inet_aton(address) + bytes([54, 4]) + options[54]
    address, options, name = dhcp(mac, 3, wanted + words)
    if options[53] != b"\5":
        raise ValueError("not acknowledged")
    return address, name


def tftp(name: str, own: str) -> int:
    """Return the size of a file."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.bind((own, 0))
        line.settimeout(5)
        line.sendto(b"\0\1" + name.encode() + b"\0octet\0", (SERVER, 69))
        size = 0
        while True:
            data, peer = line.recvfrom(2000)
            if data[:2] != b"\0\3":
                raise ValueError(data.decode(errors="replace"))
            line.sendto(b"\0\4" + data[2:4], peer)
            size += len(data) - 4
            if len(data) < 516:
                return size


def web(url: str, own: str, body: bytes | None = None) -> bytes:
    """Return what is at an address, asked from one of ours."""
    parts = urlsplit(url)
    line = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30, source_address=(own, 0))
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    line.request("POST" if body else "GET", path, body)
    answer = line.getresponse()
    data = answer.read()
    line.close()
    if answer.status != 200:
        raise ValueError(f"{url}: {answer.status}")
    return data


def have(address: str) -> None:
    argv = ["ip", "address", "add", f"{address}/24", "dev", "in"]
    subprocess.run(argv, check=True, capture_output=True, timeout=10)


def report(token: str, text: str) -> bytes:
    """Sign a report as systems do."""
    inner = hashlib.sha256(f"{token}{text}".encode()).hexdigest()
    return f"{text}&sign={hashlib.sha256(f'{token}{inner}'.encode()).hexdigest()}".encode()


def boot(mac: str, system_mac: str) -> dict[str, Any]:
    """Boot, as far as the network is concerned."""
    card = bytes.fromhex(mac.replace(":", ""))
    firmware = bytes([60, 9]) + b"PXEClient" + bytes([93, 2, 0, 0])
    address, program = leased(card, firmware)
    have(address)
    loaded = tftp(program, address)
    again, first = leased(card, firmware + bytes([175, 3, 1, 1, 1]))
    beginning = web(first, address).decode()
    found = re.search(r"chain --replace --autofree (\S+)", beginning)
    script = web(found[1].replace("${netX/mac:hexhyp}", mac.replace(":", "-")), address).decode() if found else ""
    urls = re.findall(r"^(?:kernel|initrd) .*?(http://[^ ]+\?boot=\d+)", script, re.MULTILINE)
    hashes = [hashlib.sha256(web(url, address)).hexdigest() for url in urls]
    own, _ = leased(bytes.fromhex(system_mac.replace(":", "")), bytes([60, 6]) + b"udhcp1")
    have(own)
    home = re.search(r"rootstream\.home=(\S+) rootstream\.token=(\S+)", script)
    said = json.loads(web(home[1], own, report(home[2], "up=1.0"))) if home else None
    return {"addresses": [address, again, own], "loaded": loaded, "hashes": hashes, "home": said, "script": script}


def offers(mac: str) -> dict[int, tuple[str, str]]:
    """Return what firmware of each kind is offered: the boot file, and what the server says that it is."""
    found = {}
    for kind in range(32):
        vendor = b"HTTPClient" if kind in (15, 16, 19, 28) else b"PXEClient"
        words = bytes([60, len(vendor)]) + vendor + bytes([93, 2, 0, kind])
        _, options, name = dhcp(bytes.fromhex(mac.replace(":", "")), 1, words)
        found[kind] = (name, options.get(60, b"").decode())
    return found


if __name__ == "__main__":
    mac, *others = sys.argv[1:]
    sys.stdout.write(json.dumps(boot(mac, *others) if others else offers(mac)))
