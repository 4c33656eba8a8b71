"""Files over HTTP: by sendfile, with HEAD, ranges and validators, and no client that takes for ever."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from pathlib import Path

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.web_request import BaseRequest

from rootstream.netboot.http import requests

PATIENCE = 30.0  # seconds
LEAST_RATE = 64 << 10  # bytes a second, of the whole file; `senders` looks at each stretch of it


class SentFile(web.FileResponse):
    """A regular file; `done` is called when all of it has been sent."""

    def __init__(self, path: Path, *, headers: dict[str, str], done: Callable[[], None] | None = None) -> None:
        super().__init__(path, chunk_size=1 << 20, headers=headers)
        self._file = path
        self._done = done

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:
        """Send the file, at least at `LEAST_RATE`; a client that takes longer is cut off. Raises `OSError`."""
        if self.prepared:
            return await web.StreamResponse.prepare(self, request)
        try:
            status = self._file.lstat()
        except FileNotFoundError:  # the build was dropped meanwhile
            return await super().prepare(request)
        headers = requests.conditions(request)
        tag = f'"{status.st_mtime_ns:x}-{status.st_size:x}"'
        # aiohttp reads only dates here, and takes a tag for a date that is missing (RFC 9110, 13.1.5)
        if headers.pop(hdrs.IF_RANGE, tag).strip() != tag:
            headers.pop(hdrs.RANGE, None)
        try:
            async with asyncio.timeout(PATIENCE + status.st_size / LEAST_RATE):
                writer = await super().prepare(request.clone(headers=headers))
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
            raise ConnectionResetError("too slow") from None
        whole = self.status == web.HTTPOk.status_code and request.method == hdrs.METH_GET
        if whole and self._done is not None:
            self._done()
        return writer

    def set_status(self, status: int, reason: str | None = None) -> None:
        """Set the status; aiohttp says "not found" of a file that is there when no descriptor is left."""
        if status == web.HTTPNotFound.status_code and self._file.exists():
            status, reason = web.HTTPServiceUnavailable.status_code, None
            self.headers[hdrs.RETRY_AFTER] = "1"
        super().set_status(status, reason)


class BuildFile(SentFile):
    """A file of a build, which never changes."""

    def __init__(self, path: Path, sha256: str, *, done: Callable[[], None] | None = None) -> None:
        headers = {
            hdrs.CONTENT_TYPE: "application/octet-stream",
            hdrs.CACHE_CONTROL: "public, max-age=31536000, immutable",
            "Repr-Digest": f"sha-256=:{_base64(sha256)}:",
        }
        super().__init__(path, headers=headers, done=done)


def _base64(digest: str) -> str:
    return base64.b64encode(bytes.fromhex(digest)).decode()
