"""Hashes of passwords, as crypt(5) has them, by openssl: Python's own crypt module is gone since 3.13."""

from __future__ import annotations

import os

from rootstream.errors import UserError
from rootstream.host import process

HASHING = 60.0


def crypt(password: str) -> str:
    """Return the SHA-512 crypt hash of a password with a random salt. Raises `UserError` bad-password."""
    if not password or any(ord(c) < 32 for c in password):  # noqa: PLR2004
        raise UserError("bad-password", "a password must be one non-empty line")
    # On its standard input: a command line can be seen by others.
    argv = ["openssl", "passwd", "-6", "-stdin"]
    return process.run(argv, env=os.environ, timeout=HASHING, stdin=f"{password}\n").stdout.strip()
