"""Signing results in a shared cache: what was built here from what was built here, or is signed by trusted keys.

The list of a key is on the server itself. Each time it is read, extended and written again: what another process
with the same key signs in between is noticed, and both are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta

from rootstream.engine import origins, remote_blobs, signed_list
from rootstream.engine.remote_api import Api
from rootstream.engine.remotes import Remote
from rootstream.engine.signed_list import SignedList
from rootstream.engine.stored import Artifact, Digest
from rootstream.engine.trust import Trust, uri
from rootstream.events import Notice, Reporter

TRIES = 5
_RENEWED = timedelta(days=signed_list.DAYS // 2)  # a list that is valid for less is renewed with every push


def sign(trust: Trust, remote: Remote, found: Sequence[Artifact], report: Reporter) -> None:
    """Sign those of some artifacts, which a server has, that were built here; whatever goes wrong is a warning."""
    told = {each: origins.origin(trust.cache, each) for each in found}
    own = {each.name: each.digest for each, origin in told.items() if origin == "built"}
    accepted = sum(origin == "accepted" for origin in told.values())
    unknown = sum(origin is None for origin in told.values())
    try:
        with Api(remote) as api:
            before = _current(trust, api)
            new = {name: digest for name, digest in own.items() if before.entries.get(name) != digest}
            # of what somebody else has signed, the server may not have ours
            missing = api.missing(tuple(new.values())) if new else set()
            new = {name: digest for name, digest in new.items() if digest.hash not in missing | before.revoked}
            if new or (before.number and before.expires - trust.now() < _RENEWED):
                after = _write(trust, api, lambda current: current.renewed(trust.now(), more=new))
                text = f"signed {len(new)} of {_results(len(found))} {_told(remote, after)}"
                report(Notice(level="info", text=text))
    except OSError as error:
        report(Notice(level="warning", text=f"nothing was signed on {remote.name}: it {error.strerror or error}"))
        return
    if accepted + unknown:
        why = "workers built them, or what they were built from" if accepted else "their origin is not known"
        text = f"{_results(accepted + unknown)} on {remote.name} are not signed: {why}"
        report(Notice(level="info", text=text))


def renew(trust: Trust, remote: Remote, *, days: int, revoke: Iterable[str], report: Reporter) -> bool:
    """Renew the list of the own key, without what the server has lost; say whether each word revoked something.

    `revoke` are names of artifacts, beginnings of them that end before a `/`, names of elements, or SHA-256.
    Raises `OSError` if the server does not take it.
    """
    wanted = dict.fromkeys(revoke)
    with Api(remote) as api:
        before = _current(trust, api)
        missing = api.missing(tuple(before.entries.values())) if before.entries else set()
        matching = {word: _matching(before.entries, word) for word in wanted}
        hashes = set().union(*matching.values())

        def renewed(current: SignedList) -> SignedList:
            keep = [name for name, digest in current.entries.items() if digest.hash not in missing]
            return current.renewed(trust.now(), days=days, keep=keep, revoke=hashes)

        after = _write(trust, api, renewed)
    for word in (word for word, found in matching.items() if not found):
        text = f"nothing is revoked by {word!r}: no result in the list on {remote.name} is called so"
        report(Notice(level="warning", text=text))
    report(Notice(level="info", text=f"renewed the list {_told(remote, after)}"))
    return all(matching.values())


def _matching(entries: Mapping[str, Digest], word: str) -> set[str]:
    """Return the hashes that a word names, itself if it is one: an artifact need not be in the list."""
    if len(word) == 64 and not set(word) - set("0123456789abcdef"):  # noqa: PLR2004
        hashes = {digest.hash for name, digest in entries.items() if name.endswith(f"/{word}")}
        return hashes or {word}
    matching = (name for name in entries if f"{name}/".startswith(f"{word}/") or word == name.split("/")[1])
    return {entries[name].hash for name in matching}


def _current(trust: Trust, api: Api) -> SignedList:
    """Return the newest list of the own key."""
    trust.reread(api)
    return trust.lists.get(trust.own, signed_list.empty())


def _write(trust: Trust, api: Api, renewed: Callable[[SignedList], SignedList]) -> SignedList:
    """Write the next list; again if another process has written one meanwhile. Raises `OSError`."""
    assert trust.signer is not None  # noqa: S101  (who calls this has a key)
    for _ in range(TRIES):
        after = renewed(_current(trust, api))
        data = signed_list.encoded(after, trust.signer)
        digest = remote_blobs.upload(api, uri(trust.own), data)
        if api.entry(uri(trust.own)) == digest:
            trust.keep(trust.own, after, data)
            return after
    raise OSError(f"has had another list of the same key {TRIES} times; sign with a key for each machine")


def _told(remote: Remote, after: SignedList) -> str:
    until = after.expires.strftime("%Y-%m-%d")
    revoked = f", {len(after.revoked)} revoked" if after.revoked else ""
    return f"on {remote.name} (its list has {_results(len(after.entries))}{revoked}, and is valid until {until})"


def _results(count: int) -> str:
    return f"{count} result{'' if count == 1 else 's'}"
