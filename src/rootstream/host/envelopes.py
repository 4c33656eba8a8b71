"""Signed statements: envelopes (DSSE) that hold a statement of in-toto, as sigstore and others have them.

Format: https://github.com/secure-systems-lab/dsse, by securesystemslib. Keys are PEM files: Ed25519, ECDSA or RSA.
Nothing in an envelope is a key: who signed is decided by the keys that the reader is given.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import Error as SecureSystemsError
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner, SSlibKey

from rootstream.errors import UserError, Where
from rootstream.host.file_text import bytes_of

STATEMENT = "https://in-toto.io/Statement/v1"
PAYLOAD = "application/vnd.in-toto+json"
MOST_KEY = 1 << 20
_MAKE = "`openssl genpkey -algorithm ed25519 -out key.pem` makes one."
_FAULTS = (ValueError, TypeError, UnsupportedAlgorithm, SecureSystemsError)


class NotAnEnvelope(ValueError):  # noqa: N818  (what it is)
    """Bytes that are no envelope with a statement; the message says why."""


def is_encrypted(path: Path) -> bool:
    """Say whether a passphrase protects a private key."""
    try:
        load_pem_private_key(_key_bytes(path), password=None)
    except TypeError:  # what it raises for a key that needs a password
        return True
    except _FAULTS:
        return False
    return False


def private_key(path: Path, passphrase: bytes | None = None) -> CryptoSigner:
    """Return what signs with a private key. Raises `UserError` bad-key."""
    try:
        return CryptoSigner(load_pem_private_key(_key_bytes(path), password=passphrase))
    except _FAULTS as error:
        kind = "with the passphrase that it needs" if passphrase is not None else "without a passphrase"
        hint = f"Give a private key in PEM {kind}: Ed25519, ECDSA or RSA. {_MAKE}"
        message = f"cannot be used to sign: {error}"
        raise UserError("bad-key", message, where=Where(path=path), hint=hint) from error


def public_key(path: Path) -> SSlibKey:
    """Return a public key. Raises `UserError` bad-key."""
    try:
        return SSlibKey.from_crypto(load_pem_public_key(_key_bytes(path)))
    except _FAULTS as error:
        hint = "Give the public key in PEM: `openssl pkey -in key.pem -pubout -out key.pub.pem`."
        raise UserError("bad-key", f"is no public key: {error}", where=Where(path=path), hint=hint) from error


def signed(statement: Mapping[str, Any], signer: CryptoSigner) -> Mapping[str, Any]:
    """Return the envelope of a statement with a signature."""
    envelope = Envelope(json.dumps(statement).encode(), PAYLOAD, {})
    envelope.sign(signer)
    found: Mapping[str, Any] = envelope.to_dict()
    return found


def opened(data: bytes) -> Envelope:
    """Return an envelope whose signatures are not verified yet. Raises `NotAnEnvelope`."""
    try:
        read = json.loads(data)
        base64.b64decode(read["payload"], validate=True)
        envelope = Envelope.from_dict(read)
    except (*_FAULTS, LookupError, AttributeError, RecursionError, binascii.Error) as error:
        raise NotAnEnvelope("is not a signed statement (DSSE)") from error
    if envelope.payload_type != PAYLOAD:
        raise NotAnEnvelope(f"holds {envelope.payload_type!r:.100}, not a statement of in-toto")
    return envelope


def is_signed_by(envelope: Envelope, key: SSlibKey) -> bool:
    """Say whether an envelope has a signature of a key."""
    try:
        envelope.verify([key], 1)
    except (VerificationError, *_FAULTS):
        return False
    return True


def _key_bytes(path: Path) -> bytes:
    with contextlib.suppress(OSError):  # `bytes_of` tells of it
        if path.stat().st_size > MOST_KEY:
            raise ValueError(f"it has more than {MOST_KEY} bytes")
    return bytes_of(path)
