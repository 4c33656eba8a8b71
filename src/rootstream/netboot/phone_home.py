"""A booted system reports to the server that it is up, signed with a token that was made for this one boot.

The kernel is told where the report goes, and the token. The report is a form: `up`, the seconds since the kernel
began, and `sign`, which shows that the sender has the token without telling it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass

MOST = 200  # bytes of a report
_FORM = re.compile(rb"(up=([0-9]{1,9}(?:\.[0-9]{1,9})?))&sign=([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Report:
    """What a system says: the text that is signed, the seconds that its kernel is up, and the signature."""

    text: str
    up: float
    sign: str


def words(base: str, boot: int, token: str) -> tuple[str, ...]:
    """Return what the kernel is told; nothing if there is no token."""
    return (f"rootstream.home={base}/api/v1/boots/{boot}/home", f"rootstream.token={token}") if token else ()


def understood(body: bytes) -> Report | None:
    """Read a report; None if it is none."""
    said = _FORM.fullmatch(body)
    return Report(said[1].decode(), float(said[2]), said[3].decode()) if said else None


def signature(token: str, text: str) -> str:
    """Return how a text is signed: SHA-256 of the token and of the SHA-256 of token and text, in hexadecimal."""
    inner = hashlib.sha256(f"{token}{text}".encode()).hexdigest()
    return hashlib.sha256(f"{token}{inner}".encode()).hexdigest()


def signed(report: Report, token: str) -> bool:
    """Whether a report was signed with a token; with none, nothing is."""
    return bool(token) and hmac.compare_digest(signature(token, report.text), report.sign)
