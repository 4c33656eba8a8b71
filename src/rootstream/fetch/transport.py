"""Get one address from some offset on, over http, https (through proxies too) or from a local file.

One `Transport` belongs to one thread and keeps its connections open for the next file.
"""

from __future__ import annotations

import base64
import http.client
import os
import re
import socket
import ssl
import stat
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

REDIRECTS = 5
HTTP, HTTPS = 80, 443
DRAIN = 1 << 16  # bytes of an error page worth reading to keep the connection
AGENT = "rootstream"
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_MOVED = {301, 302, 303, 307, 308}
_FINAL = 400  # the first status that is an error


class TransportError(Exception):
    """No usable answer from an address.

    `gone` says that what was asked for is not there (403, 404, 410),
    `beyond` that the file is shorter than the offset (416).
    """

    def __init__(self, message: str, *, gone: bool = False, beyond: bool = False) -> None:
        super().__init__(message)
        self.gone = gone
        self.beyond = beyond


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A body: the offset of its first byte, the size of the whole file if known, and its bytes by `read`."""

    start: int
    total: int | None
    read: Callable[[int], bytes]


def shown(url: str) -> str:
    """Return an address without a password, for messages."""
    split = urlsplit(url)
    return split._replace(netloc=split.netloc.rpartition("@")[2]).geturl()


def _credentials(split: SplitResult) -> dict[str, str]:
    if split.username is None:
        return {}
    pair = f"{unquote(split.username)}:{unquote(split.password or '')}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def proxy_for(split: SplitResult, configured: Mapping[str, str]) -> SplitResult | None:
    """Return the proxy for an address: that of http_proxy, https_proxy and no_proxy, else a configured one.

    `configured` has schemes or `scheme::host` as keys, as apt's configuration does; DIRECT means none.
    """
    if split.hostname is None or urllib.request.proxy_bypass(split.netloc.rpartition("@")[2]):
        return None
    environment = urllib.request.getproxies()
    proxy = environment.get(split.scheme) or environment.get("all")
    if not proxy:
        proxy = configured.get(f"{split.scheme}::{split.hostname}") or configured.get(split.scheme)
    if not proxy or proxy == "DIRECT":
        return None
    return urlsplit(proxy if "://" in proxy else f"http://{proxy}")


class Transport:
    """Connections of one thread. `stall` is the number of seconds without a byte after which it gives up."""

    def __init__(self, *, stall: float = 30.0, proxies: Mapping[str, str] | None = None) -> None:
        self._stall = stall
        self._proxies = proxies or {}
        self._open: dict[tuple[str, str], http.client.HTTPConnection] = {}
        self._busy: http.client.HTTPConnection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        for connection in self._open.values():
            connection.close()
        self._open.clear()

    def abort(self) -> None:
        """Break off what is being read, from another thread; the reader gets a `TransportError`."""
        connection = self._busy
        sock = connection.sock if connection else None
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def exists(self, url: str) -> bool:
        """Tell whether there is something at an address."""
        try:
            self.get(url, 0)
        except TransportError:
            return False
        finally:
            self.close()
        return True

    def get(self, url: str, offset: int) -> Reply:
        """Ask for an address from `offset` on; the reply may start earlier. Raises `TransportError`."""
        try:
            return self._follow(url, offset)
        except ValueError as error:
            self.close()
            raise TransportError(f"leads to a malformed address: {error}") from error

    def _follow(self, url: str, offset: int) -> Reply:
        for _ in range(REDIRECTS + 1):
            split = urlsplit(url)
            if split.scheme == "file":
                return _local(unquote(split.path), offset)
            response = self._ask(split, offset)
            if response.status not in _MOVED:
                return self._reply(response, offset)
            place = response.getheader("Location") or ""
            self._finish(response)
            url = urljoin(url, place)
            if urlsplit(url).scheme not in {"http", "https"} or not place:
                raise TransportError(f"is redirected to {shown(url)!r}, which is not http or https")
        raise TransportError(f"is redirected more than {REDIRECTS} times")

    def _connect(self, split: SplitResult) -> tuple[http.client.HTTPConnection, str, dict[str, str]]:
        """Return a connection for an address, the request target and headers for a proxy."""
        proxy = proxy_for(split, self._proxies)
        target = (split.path or "/") + (f"?{split.query}" if split.query else "")
        secure = split.scheme == "https"
        via = proxy or split
        if not via.hostname:
            raise TransportError("the address names no host")
        headers: dict[str, str] = {}
        tunnel = proxy is not None and secure
        if proxy is not None:
            headers = {f"Proxy-{name}": value for name, value in _credentials(proxy).items()}
        if proxy is not None and not secure:
            target = f"http://{split.netloc.rpartition('@')[2]}{target}"
        key = (f"{split.scheme}://{split.netloc}" if secure or not proxy else "", via.netloc)
        connection = self._open.get(key)
        if connection is None:
            connection = self._new(via, secure=secure, tunnel=tunnel)
            if tunnel:
                connection.set_tunnel(split.hostname or "", split.port or HTTPS, headers)
            self._open[key] = connection
        return connection, target, {} if tunnel else headers

    def _new(self, via: SplitResult, *, secure: bool, tunnel: bool) -> http.client.HTTPConnection:
        host = via.hostname or ""
        if not secure:
            return http.client.HTTPConnection(host, via.port, timeout=self._stall)
        port = via.port or (HTTP if tunnel else HTTPS)
        return http.client.HTTPSConnection(host, port, timeout=self._stall, context=ssl.create_default_context())

    def _ask(self, split: SplitResult, offset: int) -> http.client.HTTPResponse:
        headers = {"User-Agent": AGENT, "Accept-Encoding": "identity", **_credentials(split)}
        if offset:
            headers["Range"] = f"bytes={offset}-"
        for fresh in (False, True):
            connection, target, extra = self._connect(split)
            reused = connection.sock is not None
            try:
                self._busy = connection
                connection.request("GET", target, headers={**headers, **extra})
                return connection.getresponse()
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.close()
                # A server may close an idle connection at any time: that is no fault of its own.
                if reused and not fresh and not isinstance(error, TimeoutError):
                    continue
                raise TransportError(_said(error, self._stall)) from error
        raise AssertionError  # the second pass has no reused connection

    def _finish(self, response: http.client.HTTPResponse) -> None:
        """Leave the connection ready for the next request, or closed."""
        try:
            if response.length is not None and response.length <= DRAIN:
                response.read()
                return
        except (OSError, http.client.HTTPException):
            pass
        self.close()

    def _reply(self, response: http.client.HTTPResponse, offset: int) -> Reply:
        status = response.status
        if status >= _FINAL:
            text = f"HTTP {status} {response.reason}".strip()
            self._finish(response)
            raise TransportError(
                text,
                gone=status in {403, 404, 410},
                beyond=status == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            )
        start, total = 0, response.length
        if status == http.HTTPStatus.PARTIAL_CONTENT:
            match = _CONTENT_RANGE.fullmatch(response.getheader("Content-Range", ""))
            if match is None or int(match[1]) != offset:
                self.close()
                raise TransportError("answers a range with another one")
            start = offset
            total = None if match[3] == "*" else int(match[3])
        elif status != http.HTTPStatus.OK:
            self.close()
            raise TransportError(f"HTTP {status} {response.reason}, which is no file")

        def read(amount: int) -> bytes:
            try:
                data = response.read1(amount)
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.close()
                raise TransportError(_said(error, self._stall)) from error
            if not data:
                early = bool(response.length)
                response.close()
                if early:
                    self.close()
            return data

        return Reply(start=start, total=total, read=read)


def _said(error: Exception, stall: float) -> str:
    if isinstance(error, TimeoutError):
        return f"sent nothing for {stall:g} seconds"
    if isinstance(error, http.client.RemoteDisconnected):
        return "closed the connection without an answer"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"{type(error).__name__}: {error}".rstrip(": ")


def _local(path: str, offset: int) -> Reply:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        gone = isinstance(error, FileNotFoundError)
        raise TransportError(error.strerror or "cannot be opened", gone=gone) from error
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        os.close(handle)
        raise TransportError("is no regular file")
    file = os.fdopen(handle, "rb")
    start = file.seek(min(offset, status.st_size))

    def read(amount: int) -> bytes:
        try:
            data = file.read(amount)
        except OSError as error:
            raise TransportError(error.strerror or "cannot be read") from error
        if not data:
            file.close()
        return data

    return Reply(start=start, total=status.st_size, read=read)
