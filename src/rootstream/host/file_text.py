"""What files of the project hold, read where they enter: bytes, text, public keys."""

from __future__ import annotations

import re
from pathlib import Path

from rootstream.errors import UserError, Where

MOST_KEY = 1 << 20
_TEXT = r"[^\x00-\x1f\x7f]"
# A line of authorized_keys, options before it included: sshd(8).
PUBLIC_KEY = re.compile(
    rf"({_TEXT}+ )?(ssh|ecdsa|sk)-[a-z0-9-]+(@openssh\.com)? [A-Za-z0-9+/]{{16,}}={{0,3}}( {_TEXT}*)?"
)
ARMOR = b"-----BEGIN PGP "
# First bytes of a packet with a public key, in the old and the new format (RFC 9580, 4.2), and with a private one.
PUBLIC = (0x98, 0x99, 0x9A, 0xC6)
PRIVATE = (0x94, 0x95, 0x96, 0xC5)


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
                "this is a private key; only public keys are allowed in an image",
                where=Where(path=path, line=number),
                hint="Use the file with the suffix .pub.",
            )
        if line.strip() and not line.startswith("#"):
            if not PUBLIC_KEY.fullmatch(line.strip()):
                message = "is not an SSH public key, such as `ssh-ed25519 AAAA... name`"
                raise UserError("not-a-public-key", message, where=Where(path=path, line=number))
            lines.append(line.strip())
    return tuple(lines)


def openpgp_key(path: Path) -> bytes:
    """Return a file with OpenPGP public keys, armored or binary.

    Raises `UserError` file-unreadable, not-a-public-key.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_KEY + 1)
    except OSError as error:
        raise UserError("file-unreadable", f"cannot be read: {error.strerror}", where=Where(path=path)) from error
    hint = "Create one with `gpg --armor --export KEY`."
    armored = data.startswith(ARMOR)
    if b"PRIVATE KEY" in data[:100] if armored else data[:1] and data[0] in PRIVATE:
        message = "this is a private key; packages are verified with the public key"
        raise UserError("not-a-public-key", message, where=Where(path=path), hint=hint)
    public = data.startswith(ARMOR + b"PUBLIC KEY BLOCK-----") if armored else data[:1] and data[0] in PUBLIC
    if not public or len(data) > MOST_KEY:
        raise UserError("not-a-public-key", "is not an OpenPGP public key", where=Where(path=path), hint=hint)
    return data.replace(b"\r\n", b"\n") if armored else data
