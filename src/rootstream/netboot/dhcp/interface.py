"""A network interface of this host: whether it is there, its address, and sockets that listen on it alone."""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import os
import socket
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rootstream.errors import UserError, Where

# <linux/sockios.h>
_SIOCGIFADDR = 0x8915
_SIOCGIFNETMASK = 0x891B
_SIOCGIFFLAGS = 0x8913
_UP = 1
_BACKLOG = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """An interface with the address that is served on it; `index` changes when it is made anew."""

    name: str
    index: int
    address: ipaddress.IPv4Address
    network: ipaddress.IPv4Network


def look(name: str, address: str | None = None) -> Link:
    """Return an interface as it is now.

    `address` is one that it has and that is to be served, if it has several. Raises `UserError` no-interface,
    interface-down, no-address, and bad-value for an address that the interface does not have.
    """
    names = sorted(each for _, each in socket.if_nameindex())
    if name not in names:
        raise UserError(
            "no-interface", f"there is no network interface {name!r}", hint=f"Available: {', '.join(names)}."
        )
    if not _flags(name) & _UP:
        raise UserError("interface-down", f"{name} is down", hint=f"Run `ip link set {name} up`.")
    if address is not None:
        try:
            ipaddress.IPv4Address(address)
        except ValueError as error:
            raise UserError("bad-value", f"{address!r} is not an IPv4 address") from error
    own, mask = _asked(name, _SIOCGIFADDR, address), _asked(name, _SIOCGIFNETMASK, address)
    if own is None or mask is None:
        raise UserError(
            "no-address",
            f"{name} has no IPv4 address",
            hint=f"Add one: `ip address add 10.8.30.1/24 dev {name}`.",
        )
    if address and address != str(own):
        raise UserError("bad-value", f"{address} is not an address of {name}, which has {own}")
    network = ipaddress.IPv4Network((str(own), str(mask)), strict=False)
    return Link(name=name, index=socket.if_nametoindex(name), address=own, network=network)


def _flags(name: str) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        answer = fcntl.ioctl(any_socket, _SIOCGIFFLAGS, struct.pack("16s24x", name.encode()))
    return int(struct.unpack_from("16xh", answer)[0])


def _asked(name: str, request: int, address: str | None) -> ipaddress.IPv4Address | None:
    """Ask for the first address of an interface, or its mask; with `address` for that one's, if it has it."""
    wanted = b"" if address is None else struct.pack("=H2x4s", socket.AF_INET, socket.inet_aton(address))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        try:
            answer = fcntl.ioctl(any_socket, request, struct.pack("16s24s", name.encode(), wanted))
        except OSError:
            return None
    return ipaddress.IPv4Address(answer[20:24])


def listeners(link: Link, port: int) -> tuple[socket.socket, ...]:
    """Return sockets that take connections to the link's address: through its interface, and from this host.

    What comes in at other interfaces is not taken, although the address is this host's there, too. Raises
    `UserError` port-in-use, no-permission, no-address.
    """
    found: list[socket.socket] = []
    try:
        for device in dict.fromkeys((link.name, "lo")):
            found.append(_listener(str(link.address), port, device))  # noqa: PERF401  (closed below if one fails)
    except OSError as error:
        for each in found:
            each.close()
        raise _fault(error, link, port) from error
    return tuple(found)


def _listener(address: str, port: int, device: str) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        listener.bind((address, port))
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def _fault(error: OSError, link: Link, port: int) -> UserError:
    if isinstance(error, PermissionError):
        return UserError(
            "no-permission",
            f"port {port} of {link.address} is not permitted",
            hint="Run this as root, or choose a port above 1023 with `--port`.",
        )
    hint = f"See what uses it with `ss -ltnp 'sport = :{port}'`, or choose another with `--port`."
    return UserError("port-in-use", f"port {port} of {link.address}: {error.strerror}", hint=hint)


@contextlib.contextmanager
def reserved(link: Link, folder: Path) -> Iterator[None]:
    """Be this user's only server on an interface of this network namespace; the kernel lets go of it with us.

    `folder` is where locks are; nobody else can write to it. Raises `UserError` already-served, not-ours,
    cannot-write.
    """
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
            message = "is not a folder that only this user can open"
            raise UserError("not-ours", message, where=Where(path=folder), hint="Delete it.")
        name = f"{Path('/proc/self/ns/net').stat().st_ino}-{link.name}"
        handle = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        message = f"cannot be written: {error.strerror}"
        raise UserError("cannot-write", message, where=Where(path=folder)) from error
    try:
        _take(handle, link)
        yield
    finally:
        os.close(handle)


def _take(handle: int, link: Link) -> None:
    """Lock a file and write into it who has it. Raises `UserError` already-served."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        pid = os.pread(handle, 20, 0).decode("ascii", "replace")
        raise UserError(
            "already-served",
            f"another `rootstream serve` is running on {link.name}",
            hint=f"Stop it first: it is process {pid}.",
        ) from error
    os.ftruncate(handle, 0)
    os.pwrite(handle, str(os.getpid()).encode(), 0)
