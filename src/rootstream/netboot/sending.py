"""Files of builds over HTTP: by sendfile, with HEAD, ranges and validators, and no client that takes for ever."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from pathlib import Path

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.web_request import BaseRequest

PATIENCE = 30.0  # seconds
LEAST_RATE = 64 << 10  # bytes a second


class BuildFile(web.FileResponse):
    """A file that never changes; `done` is called when all that was asked for has been sent."""

    def __init__(self, path: Path, sha256: str, *, done: Callable[[], None] | None = None) -> None:
        headers = {
            hdrs.CONTENT_TYPE: "application/octet-stream",
            hdrs.CACHE_CONTROL: "public, max-age=31536000, immutable",
            "Repr-Digest": f"sha-256=:{_base64(sha256)}:",
        }
        super().__init__(path, chunk_size=1 << 20, headers=headers)
        self._file = path
        self._done = done

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:
        """Send the file, at least at `LEAST_RATE`; a client that takes longer is cut off."""
        try:
            status = self._file.stat()
        except OSError:  # the build was dropped meanwhile
            return await super().prepare(request)
        asked = request
        if hdrs.IF_RANGE in request.headers and hdrs.RANGE in request.headers:
            tag = f'"{status.st_mtime_ns:x}-{status.st_size:x}"'
            headers = request.headers.copy()
            # aiohttp reads only dates here, and takes a tag for a date that is missing (RFC 9110, 13.1.5)
            given = headers.pop(hdrs.IF_RANGE)
            if given.strip() != tag:
                headers.popall(hdrs.RANGE, None)
            asked = request.clone(headers=headers)
        try:
            async with asyncio.timeout(PATIENCE + status.st_size / LEAST_RATE):
                writer = await super().prepare(asked)
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
            raise ConnectionResetError("too slow") from None
        whole = self.status == web.HTTPOk.status_code and request.method == hdrs.METH_GET
        if whole and self._done is not None:
            self._done()
        return writer


def _base64(digest: str) -> str:
    return base64.b64encode(bytes.fromhex(digest)).decode()
