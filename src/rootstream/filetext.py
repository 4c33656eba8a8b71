"""What files of the project hold, read where they enter: bytes, text, public keys."""

from __future__ import annotations

from pathlib import Path

from rootstream.errors import UserError, Where


def bytes_of(path: Path) -> bytes:
    """Return the bytes of a file. Raises `UserError` file-unreadable."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError("file-unreadable", f"cannot be read: {error.strerror}", where=Where(path=path)) from error


def text_of(path: Path) -> str:
    """Return the text of a file. Raises `UserError` file-unreadable."""
    try:
        return bytes_of(path).decode()
    except UnicodeDecodeError as error:
        raise UserError("file-unreadable", "is not UTF-8 text", where=Where(path=path)) from error


def key_lines(path: Path) -> tuple[str, ...]:
    """Return the public keys of a file of OpenSSH. Raises `UserError` file-unreadable, not-a-public-key."""
    lines = []
    for number, line in enumerate(text_of(path).splitlines(), 1):
        if "PRIVATE KEY" in line:
            raise UserError(
                "not-a-public-key",
                "this is a private key; an image takes public ones",
                where=Where(path=path, line=number),
                hint="Name the file that ends in .pub.",
            )
        if line.strip() and not line.startswith("#"):
            lines.append(line.strip())
    return tuple(lines)
