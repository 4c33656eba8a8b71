"""What a user demands of results that come from others: a signature of a key that they trust.

Each key has one list on each server, at a URI of its own. The newest one that was ever seen is kept here, so that
nobody can go back to an older one, and so that its revocations hold.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rootstream.engine import origins, signed_list
from rootstream.engine.remotes import Remote, Signatures
from rootstream.engine.sharing import Lease
from rootstream.engine.signed_list import NotAList, OfAnotherVersion, SignedList
from rootstream.engine.stored import Artifact, Digest
from rootstream.errors import Where
from rootstream.events import Notice, Reporter

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner, SSlibKey

    from rootstream.engine.remote_api import Api

FOLDER = "rootstream-signed"
PATIENCE = 5.0  # seconds for another run to write down what it has just built
_TICK = 0.25


def uri(key: str) -> str:
    """Return where servers have the list of a key."""
    return f"urn:rootstream:signed-results:{key}"


class Trust:
    """The keys that a user trusts, and the lists that these have signed; made once for a command.

    Raises `UserError` bad-key.
    """

    def __init__(
        self, wanted: Signatures, cache: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        from rootstream.host import envelopes  # noqa: PLC0415  (only who demands signatures waits for it)

        self.cache = cache
        self.now = now
        self.signer: CryptoSigner | None = envelopes.private_key(wanted.sign_with) if wanted.sign_with else None
        self.keys: dict[str, SSlibKey] = {}
        self.names: dict[str, str] = {}
        for path in wanted.signed_by:
            key = envelopes.public_key(path)
            self.keys[key.keyid], self.names[key.keyid] = key, path.name
        if self.signer and wanted.sign_with:
            key = self.signer.public_key
            self.keys.setdefault(key.keyid, key)
            self.names.setdefault(key.keyid, wanted.sign_with.name)
        self._notes: list[Notice] = []
        self._foreign: set[str] = set()
        self.lists: dict[str, SignedList] = {key: found for key in [*self.keys] if (found := self._saved(key))}
        self._asked: set[str] = set()
        self._checked = False

    def digests(self) -> Mapping[str, Digest]:
        """Return what the names of artifacts stand for, by lists that are valid now; the first key goes first."""
        found: dict[str, Digest] = {}
        revoked = self.revoked()
        for key in self.keys:
            if key in self.lists and self.lists[key].is_valid(self.now()):
                entries = self.lists[key].entries
                found = {**{name: each for name, each in entries.items() if each.hash not in revoked}, **found}
        return found

    def revoked(self) -> frozenset[str]:
        """Return the hashes that any key has revoked, also in a list that has expired."""
        return frozenset().union(*(each.revoked for each in self.lists.values()))

    def refresh(self, remotes: Sequence[Remote], *, summary: bool = True) -> None:
        """Read the lists of servers that were not asked yet in this command, and note what is wrong with them.

        With `summary`, also which keys have no list that is valid.
        """
        new = [each for each in remotes if each.url not in self._asked]
        if not new:
            return
        for remote in new:
            self._asked.add(remote.url)
            self._read(remote)
        for key, name in self.names.items() if summary else ():
            found = self.lists.get(key)
            servers = ", ".join(each.name for each in new)
            if found is None and key not in self._foreign:
                level = "info" if key == self.own else "warning"
                self._note(f"no list signed by {name} is on {servers}: nothing is used by this key", level)
            elif found and not found.is_valid(self.now()):
                until = found.expires.strftime("%Y-%m-%d %H:%M UTC")
                fix = "`rootstream cache sign` renews it where the key is (or is the clock of this host wrong?)"
                self._note(f"the list signed by {name} expired at {until}: nothing is used by it; {fix}")

    @property
    def own(self) -> str:
        """Return the identifier of the key that signs, empty where there is none."""
        return str(self.signer.public_key.keyid) if self.signer else ""

    def reread(self, api: Api) -> None:
        """Read the list of the key that signs.

        Raises `OSError` if the server does not answer, or for a list that is not for this version to replace.
        """
        from rootstream.engine import remote_blobs  # noqa: PLC0415  (gRPC)

        if self.own not in self.keys:
            raise OSError("had a list of this key in a format of another version of Rootstream: update this one")
        if (entry := api.entry(uri(self.own))) is None:
            return
        try:
            self._take(self.own, remote_blobs.download(api, entry, signed_list.MOST), api.remote)
        except OfAnotherVersion as error:
            raise OSError(f"has a list of this key that {error}: update this one") from error

    def _read(self, remote: Remote) -> None:
        from rootstream.engine import remote_blobs  # noqa: PLC0415  (gRPC)
        from rootstream.engine.remote_api import Api  # noqa: PLC0415

        try:
            with Api(remote) as api:
                for key in self.keys:
                    if (entry := api.entry(uri(key))) is not None:
                        self._take_or_tell(key, remote_blobs.download(api, entry, signed_list.MOST), remote)
        except OSError as error:
            self._note(f"the signed lists of {remote.name} cannot be read: it {error.strerror or error}")

    def _take_or_tell(self, key: str, data: bytes, remote: Remote) -> None:
        try:
            self._take(key, data, remote)
        except OfAnotherVersion as error:
            text = f"the list of {self.names[key]} on {remote.name} {error}: it is not used; update this one"
            self._note(text)
            self._foreign.add(key)

    def _take(self, key: str, data: bytes, remote: Remote) -> None:
        """Take a list if it is signed by the key, and not older than the one that was seen before.

        Raises `OfAnotherVersion`.
        """
        try:
            found = signed_list.decoded(data, self.keys[key])
        except OfAnotherVersion:
            raise
        except NotAList as error:
            self._note(f"what {remote.name} has as the list of {self.names[key]} {error}: it is not used")
            return
        seen = self.lists.get(key)
        if seen and found.number < seen.number:
            text = f"the list of {self.names[key]} on {remote.name} is older than one that was seen before"
            self._note(f"{text}: the newer one is used")
        elif seen is None or found.number > seen.number:
            self.keep(key, found, data)

    def keep(self, key: str, found: SignedList, data: bytes) -> None:
        """Use a list from now on, and remember it for the next command."""
        self.lists[key] = found
        origins.write(self._place(key), data)

    def _saved(self, key: str) -> SignedList | None:
        try:
            return signed_list.decoded(self._place(key).read_bytes(), self.keys[key])
        except OfAnotherVersion as error:
            # what it revokes cannot be known
            del self.keys[key]
            name = self.names.pop(key)
            self._note(f"the list of {name} that was seen last {error}: nothing is used by this key")
        except (OSError, NotAList):
            pass
        return None

    def _place(self, key: str) -> Path:
        return self.cache / FOLDER / f"{key}.json"

    def _note(self, text: str, level: str = "warning") -> None:
        self._notes.append(Notice(level="info" if level == "info" else "warning", text=text))

    def tell(self, report: Reporter | None) -> None:
        """Tell what was noticed, once there is somebody to tell."""
        if report is not None:
            notes, self._notes = self._notes, []
            for each in notes:
                report(each)

    def leave_out(self, found: Sequence[tuple[str, Where]]) -> None:
        """Say, once in a command, what of the user's own configuration of BuildStream is not used."""
        if not self._checked:
            for keys, where in found:
                self._note(
                    f"{where}: `{keys}` is not used: nobody signs what it provides, and signatures are demanded"
                )

    def check_cache(self, *, alone: bool) -> None:
        """Forget, once in a command, what is in the local cache and nobody vouches for."""
        if self._checked:
            return
        self._checked = True
        origins.trust_sources(self.cache)
        unknown = self.unknown()
        deadline = time.monotonic() + (0 if alone else PATIENCE)
        while unknown and time.monotonic() < deadline:
            time.sleep(_TICK)  # another run has just built it, and is about to write that down
            unknown = self.unknown()
        for each in unknown:
            origins.forget(self.cache, each)
        if elements := sorted({each.element for each in unknown}):
            some = ", ".join(elements[:3]) + (f" and {len(elements) - 3} more" if elements[3:] else "")
            self._note(f"in the local cache, {some} have no trusted signature and were not built here: forgotten")

    def unknown(self) -> list[Artifact]:
        """Return what of the local cache may not be used, and write down what was pulled and is signed."""
        digests, revoked = self.digests(), self.revoked()
        return [
            each
            for each in origins.artifacts(self.cache)
            if each.digest.hash in revoked
            or (origins.origin(self.cache, each) is None and not self.record_signed(each, digests))
        ]

    def record_signed(self, found: Artifact, digests: Mapping[str, Digest]) -> bool:
        """Write down that an artifact is signed, if it is."""
        signed = digests.get(found.name) == found.digest and origins.is_of(found)
        if signed:
            origins.record(self.cache, found, "signed")
        return signed


@contextlib.contextmanager
def guarded(
    trust: Trust | None,
    remotes: Sequence[Remote],
    left_out: Sequence[tuple[str, Where]],
    report: Reporter | None,
    *,
    push: bool,
    lease: Lease,
) -> Iterator[str | None]:
    """Have a run of `bst` use only what is trusted; gives the URL of the index that it pulls by, if it pulls.

    `left_out` are keys of the user's own configuration, with their places, that are not used.
    """
    if trust is None:
        yield None
        return
    trust.leave_out(left_out)
    trust.refresh(() if push else remotes)
    trust.check_cache(alone=lease.alone)
    trust.tell(report)
    if push or not remotes:
        yield None
        return
    from rootstream.engine import asset_index  # noqa: PLC0415  (gRPC)

    try:
        with asset_index.serving(trust.digests(), lease.temporary) as url:
            yield url
    finally:
        trust.unknown()  # writes down what was pulled
