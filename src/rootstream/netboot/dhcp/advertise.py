"""Tells machines that ask for an IPv6 router that this is none: iPXE waits 16 seconds for an answer of any kind.

Messages are those of RFC 4861; only machines that are served are answered, each alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable

_SOLICITATION, _ADVERTISEMENT = 133, 134
_FILTER = 1  # ICMP6_FILTER of <linux/icmpv6.h>
_HOPS = 255  # RFC 4861, 6.1: anything else came from another network
_LINK_ADDRESS = 1
# no hop limit to use, no flags, no lifetime as a router, no times
_ANSWER = struct.pack("!BBHBBHII", _ADVERTISEMENT, 0, 0, 0, 0, 0, 0, 0)


def asker(message: bytes) -> str | None:
    """Return the link address in a router solicitation, or None."""
    if len(message) < 8 or message[0] != _SOLICITATION:  # noqa: PLR2004
        return None
    at = 8
    while at + 8 <= len(message) and message[at + 1]:
        if message[at] == _LINK_ADDRESS:
            return message[at + 2 : at + 8].hex(":")
        at += message[at + 1] * 8
    return None


class Advertiser:
    """Answers on an interface while it is open; where IPv6 or the right to do it is missing, it does not."""

    def __init__(self, name: str, known: Callable[[str], bool]) -> None:
        self._known = known
        self._loop = asyncio.get_running_loop()
        self._socket: socket.socket | None = None
        with contextlib.suppress(OSError):
            self._socket = _opened(name)
            self._loop.add_reader(self._socket, self._answer)

    def close(self) -> None:
        """Answer no more."""
        if self._socket is not None:
            self._loop.remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def _answer(self) -> None:
        if self._socket is None:
            return
        with contextlib.suppress(OSError):
            message, source = self._socket.recvfrom(1500)
            mac = asker(message)
            if mac is not None and self._known(mac):
                self._socket.sendto(_ANSWER, source)


def _opened(name: str) -> socket.socket:
    found = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, name.encode())
        found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, _HOPS)
        blocked = bytearray(b"\xff" * 32)
        blocked[_SOLICITATION // 8] &= ~(1 << _SOLICITATION % 8) & 0xFF
        found.setsockopt(socket.IPPROTO_ICMPV6, _FILTER, bytes(blocked))
        group = socket.inet_pton(socket.AF_INET6, "ff02::2") + struct.pack("@I", socket.if_nametoindex(name))
        found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
        found.setblocking(False)
    except OSError:
        found.close()
        raise
    return found
