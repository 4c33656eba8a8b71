"""A signed list of results in a shared cache: which digest an artifact's name stands for, says one key.

It is a statement of in-toto whose subjects are the artifacts. Its predicate has a number that only grows, so that
an older list is known as such, the time until which it is valid, and digests that are revoked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from rootstream.engine.stored import Digest

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner, SSlibKey

_FORMAT = "urn:rootstream:predicate:signed-results:"
PREDICATE = f"{_FORMAT}1"
DAYS = 30  # that a list is valid
MOST = 64 << 20  # bytes of a list with its envelope
MOST_ENTRIES = 200_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+/-]{1,500}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LARGEST = 1 << 62


class NotAList(ValueError):  # noqa: N818  (what it is)
    """Bytes that are no list, or whose signature is not of the key; the message says which."""


class OfAnotherVersion(NotAList):
    """A list that the key has signed, in a format that only another version of Rootstream reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedList:
    """Artifacts by their names PROJECT/ELEMENT/KEY, each with the digest of its message; `revoked` are hashes."""

    number: int = 0
    expires: datetime
    entries: Mapping[str, Digest] = field(default_factory=dict)
    revoked: frozenset[str] = frozenset()

    def is_valid(self, now: datetime) -> bool:
        """Say whether it has not expired."""
        return now < self.expires

    def renewed(
        self,
        now: datetime,
        *,
        days: int = DAYS,
        more: Mapping[str, Digest] | None = None,
        keep: Iterable[str] | None = None,
        revoke: Iterable[str] = (),
    ) -> SignedList:
        """Return the next list: with `more`, and of what is in this one only the names to `keep`, by default all.

        What is revoked once stays so.
        """
        revoked = self.revoked | set(revoke)
        kept = self.entries.keys() if keep is None else set(keep)
        entries = {name: digest for name, digest in self.entries.items() if name in kept} | dict(more or {})
        entries = {name: digest for name, digest in entries.items() if digest.hash not in revoked}
        expires = now.replace(microsecond=0) + timedelta(days=days)
        # a server may have lost the last list: the time goes on all the same
        number = max(self.number + 1, int(now.timestamp()))
        return replace(self, number=number, expires=expires, entries=entries, revoked=revoked)


def empty() -> SignedList:
    """Return what the first list of a key follows."""
    return SignedList(expires=datetime.fromtimestamp(0, UTC))


def statement(told: SignedList) -> dict[str, Any]:
    """Return the statement of a list."""
    from rootstream.host.envelopes import STATEMENT  # noqa: PLC0415  (cryptography: only who signs waits for it)

    return {
        "_type": STATEMENT,
        "subject": [
            {"name": name, "digest": {"sha256": digest.hash}, "annotations": {"size": digest.size}}
            for name, digest in sorted(told.entries.items())
        ],
        "predicateType": PREDICATE,
        "predicate": {
            "number": told.number,
            "expires": told.expires.isoformat(),
            "revoked": sorted(told.revoked),
        },
    }


def encoded(told: SignedList, signer: CryptoSigner) -> bytes:
    """Return a list in an envelope, signed."""
    from rootstream.host import envelopes  # noqa: PLC0415

    return json.dumps(envelopes.signed(statement(told), signer), separators=(",", ":")).encode()


def decoded(data: bytes, key: SSlibKey) -> SignedList:
    """Return the list in an envelope that a key has signed. Raises `NotAList`, `OfAnotherVersion`."""
    from rootstream.host import envelopes  # noqa: PLC0415

    if len(data) > MOST:
        raise NotAList(f"has more than {MOST >> 20} MiB")
    try:
        envelope = envelopes.opened(data)
    except envelopes.NotAnEnvelope as error:
        raise NotAList(str(error)) from error
    if not envelopes.is_signed_by(envelope, key):
        raise NotAList("has no signature of the key")
    try:
        return _of_statement(json.loads(envelope.payload), envelopes.STATEMENT)
    except OfAnotherVersion:
        raise
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError) as error:
        raise NotAList("is signed, but is no list of results in a cache") from error


def _of_statement(read: Any, kind: str) -> SignedList:  # noqa: ANN401  (what JSON holds)
    format_ = read["predicateType"]
    if read["_type"] != kind or not format_.startswith(_FORMAT):
        raise ValueError(format_)
    if format_ != PREDICATE:
        raise OfAnotherVersion("is in a format of another version of Rootstream")
    predicate, subjects = read["predicate"], read["subject"]
    number, expires = predicate["number"], datetime.fromisoformat(predicate["expires"])
    revoked = predicate["revoked"]
    if type(number) is not int or not 0 <= number < _LARGEST or expires.tzinfo is None:
        raise ValueError(number)
    if len(subjects) > MOST_ENTRIES or len(revoked) > MOST_ENTRIES:
        raise ValueError("too many entries")
    if not all(isinstance(each, str) and _SHA256.fullmatch(each) for each in revoked):
        raise ValueError("revoked")
    entries = {}
    for each in subjects:
        name, digest = each["name"], Digest(each["digest"]["sha256"], each["annotations"]["size"])
        if not _NAME.fullmatch(name) or not _SHA256.fullmatch(digest.hash):
            raise ValueError(name)
        if type(digest.size) is not int or not 0 < digest.size < _LARGEST:
            raise ValueError(digest.size)
        entries[name] = digest
    return SignedList(number=number, expires=expires, entries=entries, revoked=frozenset(revoked))
