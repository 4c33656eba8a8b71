"""Get one address from some offset on, over http, https (through proxies too) or from a local file.

One `Transport` belongs to one thread and keeps its connections open for the next file.
"""

from __future__ import annotations

import base64
import os
import re
import socket
import stat
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

import urllib3
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, ReadTimeoutError

REDIRECTS = 5
LONGEST_NUMBER = 18  # digits
DRAIN = 1 << 16  # bytes of an error page worth reading to keep the connection
AGENT = "rootstream"
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
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


def _credentials(split: SplitResult, whose: str = "") -> dict[str, str]:
    if split.username is None:
        return {}
    pair = f"{unquote(split.username)}:{unquote(split.password or '')}"
    return {f"{whose}Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


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
        self._pools: dict[str, urllib3.PoolManager] = {}
        self._pool_classes = _pool_classes(self._began)
        self._asking: HTTPConnection | None = None
        self._busy: urllib3.BaseHTTPResponse | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._drop()
        for pool in self._pools.values():
            pool.clear()

    def abort(self) -> None:
        """Break off what is being read, from another thread; the reader gets a `TransportError`."""
        response, connection = self._busy, self._asking
        with suppress(OSError, ValueError, RuntimeError):
            if response is not None:
                response.shutdown()
            elif connection is not None and connection.sock is not None:
                connection.sock.shutdown(socket.SHUT_RDWR)

    def _began(self, connection: HTTPConnection) -> None:
        self._asking = connection

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
            for _ in range(REDIRECTS + 1):
                split = urlsplit(url)
                if split.scheme == "file":
                    return _local(unquote(split.path), offset)
                response = self._ask(split, offset)
                place = response.get_redirect_location()
                if place is False:
                    return self._reply(response, offset)
                _drain(response)
                url = urljoin(url, place or "")
                if urlsplit(url).scheme not in {"http", "https"} or not place:
                    raise TransportError(f"is redirected to {shown(url)!r}, which is not http or https")
        except ValueError as error:
            raise TransportError(f"redirects to a malformed URL: {error}") from error
        except (HTTPError, OSError) as error:
            raise TransportError(_said(error, self._stall)) from error
        raise TransportError(f"is redirected more than {REDIRECTS} times")

    def _ask(self, split: SplitResult, offset: int) -> urllib3.BaseHTTPResponse:
        if not split.hostname:
            raise TransportError("the URL has no host")
        headers = {"User-Agent": AGENT, "Accept-Encoding": "identity", **_credentials(split)}
        if offset:
            headers["Range"] = f"bytes={offset}-"
        self._drop()
        plain = split._replace(netloc=split.netloc.rpartition("@")[2]).geturl()
        self._busy = self._pool(proxy_for(split, self._proxies)).request(
            "GET",
            plain,
            headers=headers,
            redirect=False,
            retries=False,
            preload_content=False,
            decode_content=False,
        )
        return self._busy

    def _pool(self, proxy: SplitResult | None) -> urllib3.PoolManager:
        key = proxy.geturl() if proxy else ""
        if key not in self._pools:
            options: dict[str, Any] = {"timeout": self._stall, "maxsize": 1, "num_pools": 8}
            pools = (
                urllib3.ProxyManager(key, proxy_headers=_credentials(proxy, "Proxy-"), **options)
                if proxy
                else urllib3.PoolManager(**options)
            )
            pools.pool_classes_by_scheme = self._pool_classes
            self._pools[key] = pools
        return self._pools[key]

    def _drop(self) -> None:
        """Close the connection of an answer that was not read to its end."""
        if self._busy is not None:
            self._busy.close()
            self._busy = None

    def _reply(self, response: urllib3.BaseHTTPResponse, offset: int) -> Reply:
        status = response.status
        if status >= _FINAL:
            _drain(response)
            raise TransportError(
                f"HTTP {status} {response.reason}".strip(),
                gone=status in {403, 404, 410},
                beyond=status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            )
        start, total = 0, _length(response)
        if status == HTTPStatus.PARTIAL_CONTENT:
            match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
            if match is None or int(match[1]) != offset:
                raise TransportError("returned another range than the requested one")
            start = offset
            total = None if match[3] == "*" else int(match[3])
        elif status != HTTPStatus.OK:
            raise TransportError(f"HTTP {status} {response.reason}, which is not a file")

        def read(amount: int) -> bytes:
            try:
                return response.read1(amount, decode_content=False)
            except (HTTPError, OSError, ValueError) as error:
                self._drop()
                raise TransportError(_said(error, self._stall)) from error

        return Reply(start=start, total=total, read=read)


def _pool_classes(began: Callable[[HTTPConnection], None]) -> dict[str, type[HTTPConnectionPool]]:
    """Return pools whose connections say when they ask: before an answer begins, only they can be broken off."""

    class Plain(HTTPConnection):
        def request(self, *args: Any, **words: Any) -> None:  # noqa: ANN401  (as they come)
            began(self)
            super().request(*args, **words)

    class Secure(Plain, HTTPSConnection):
        pass

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


def _length(response: urllib3.BaseHTTPResponse) -> int | None:
    text = response.headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= LONGEST_NUMBER else None


def _drain(response: urllib3.BaseHTTPResponse) -> None:
    """Leave the connection ready for the next request where that takes little reading, else close it."""
    length = _length(response)
    if length is not None and length <= DRAIN:
        response.drain_conn()
    else:
        response.close()


def _said(error: Exception, stall: float) -> str:
    """Return what went wrong in the words of the system below the library."""
    if type(error) in {TimeoutError, ConnectTimeoutError, ReadTimeoutError}:
        return f"sent nothing for {stall:g} seconds"
    causes = (error, error.__cause__, *error.args)
    below = next((each for each in causes if isinstance(each, OSError) and each.strerror), None)
    return (below.strerror if below else None) or f"{type(error).__name__}: {error}".rstrip(": ")


def _local(path: str, offset: int) -> Reply:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        gone = isinstance(error, FileNotFoundError)
        raise TransportError(error.strerror or "cannot be opened", gone=gone) from error
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        os.close(handle)
        raise TransportError("is not a regular file")
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
