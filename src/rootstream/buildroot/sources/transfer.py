"""One file from a URL: resumed where it stopped, bounded, verified by hash, in place all at once."""

from __future__ import annotations

import hashlib
import http.client
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO

from rootstream.errors import UserError

SCHEMES = ("https", "http", "ftp", "file")
CHUNK = 1 << 17
SILENCE = 20.0  # seconds without a byte after which a server is given up
LARGEST = 8 << 30
SLOWEST = 512  # bytes a second; a server that stays below is given up as if it were silent
SHOWN_EVERY = 0.2
NOT_THERE = (404, 410)
PARTIAL = 206
TOO_FAR = 416

Progress = Callable[[int, int, float], None]


def nothing(_done: int, _total: int, _rate: float) -> None:
    """Show no progress."""


def checked_url(url: str) -> str:
    """Return a URL that may be asked. Raises `UserError` bad-url."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in SCHEMES or any(ord(c) <= 32 for c in url):  # noqa: PLR2004
        words = ", ".join(f"{scheme}://" for scheme in SCHEMES)
        raise UserError("bad-url", f"{url!r} is not a URL to download from: expected one of {words}")
    return url


def file_hash(path: Path, algorithm: str = "sha256") -> str:
    """Return the hash of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def download(
    url: str,
    place: Path,
    *,
    expected: str | None,
    algorithm: str = "sha256",
    limit: int = LARGEST,
    silence: float = SILENCE,
    progress: Progress = nothing,
) -> str:
    """Bring the file of a URL to `place` and return its hash.

    What an interrupted run left beside it (`.part`) is gone on from. `limit` is in bytes, `silence` in seconds.
    Raises `UserError` bad-url, download-missing, download-failed, hash-mismatch, download-too-large; then
    nothing is at `place`.
    """
    part = place.with_name(f".{place.name}.part")
    place.parent.mkdir(parents=True, exist_ok=True)
    resumed = part.stat().st_size if part.exists() else 0
    try:
        _receive(checked_url(url), part, resumed, limit, silence, progress)
        found = file_hash(part, algorithm)
        if expected is not None and found != expected and resumed:
            # what was there may have been of another file
            part.unlink()
            _receive(url, part, 0, limit, silence, progress)
            found = file_hash(part, algorithm)
    except urllib.error.HTTPError as error:
        error.close()
        reason = "download-missing" if error.code in NOT_THERE else "download-failed"
        raise UserError(reason, f"{url}: {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        missing = isinstance(getattr(error, "reason", None), FileNotFoundError | IsADirectoryError)
        reason = "download-missing" if missing else "download-failed"
        raise UserError(reason, f"{url}: {error}") from error
    if expected is not None and found != expected:
        part.unlink()
        raise UserError(
            "hash-mismatch",
            f"{url} has {algorithm} {found}, expected {expected}",
            hint="It is not the pinned file: the release was changed, or a web page was returned instead.",
        )
    part.replace(place)
    return found


def _receive(url: str, part: Path, resumed: int, limit: int, silence: float, progress: Progress) -> None:
    request = urllib.request.Request(url, headers={"User-Agent": "rootstream"})  # noqa: S310  (checked by download)
    if resumed:
        request.add_header("Range", f"bytes={resumed}-")
    try:
        answer = urllib.request.urlopen(request, timeout=silence)  # noqa: S310
    except urllib.error.HTTPError as error:
        if error.code != TOO_FAR:
            raise
        error.close()
        part.unlink(missing_ok=True)
        answer = urllib.request.urlopen(url, timeout=silence)  # noqa: S310
    with answer, part.open("ab" if getattr(answer, "status", 0) == PARTIAL else "wb") as out:
        _copy(answer, out, url, limit, silence, progress)


def _copy(answer: IO[bytes], out: IO[bytes], url: str, limit: int, silence: float, progress: Progress) -> None:
    headers = getattr(answer, "headers", {})
    declared = int(headers.get("Content-Length") or 0)
    done = start = out.tell()
    total = start + declared
    began = shown = time.monotonic()
    read = getattr(answer, "read1", answer.read)  # `read` would wait for a whole chunk from one that drips
    while chunk := read(CHUNK):
        done += len(chunk)
        if done > limit:
            raise UserError("download-too-large", f"{url} is larger than {limit} bytes")
        out.write(chunk)
        now = time.monotonic()
        if now - began > silence and done - start < SLOWEST * (now - began):
            raise TimeoutError(f"sent only {done - start} bytes in {now - began:.0f} seconds")
        if now - shown >= SHOWN_EVERY:
            shown = now
            progress(done, max(total, done), (done - start) / max(now - began, 1e-6))
    if declared and done < total:
        raise OSError(f"the connection ended after {done} of {total} bytes")
    progress(done, done, (done - start) / max(time.monotonic() - began, 1e-6))
