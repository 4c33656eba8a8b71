"""Folders with everything that locks name, by SHA-256: written by `rootstream fetch --to`, on a disk or a server.

They are asked before all mirrors. Snapshot archives, which have what mirrors dropped, are asked after them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from rootstream.fetch import download
from rootstream.fetch import mirrors as mirrors_
from rootstream.fetch.store import Store
from rootstream.formats.faults import Fault
from rootstream.formats.records import Item


def _addresses(variable: str, env: Mapping[str, str]) -> tuple[str, ...]:
    words = env.get(variable, "").split()
    return tuple(mirrors_.checked(f"file://{word}" if word.startswith("/") else word, variable) for word in words)


def folders(env: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return the base addresses of the user's folders; raises `Fault` invalid-mirror."""
    return _addresses(mirrors_.FETCHED, env)


def snapshots(env: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return the base addresses of the user's snapshot archives; raises `Fault` invalid-mirror."""
    return _addresses(mirrors_.SNAPSHOTS, env)


def bring(items: Sequence[Item], store: Store) -> None:
    """Get into a store what the user's folders have; what they have not is left to others."""
    bases = folders()
    for item in items if bases else ():
        try:
            download.fetch([item], (), store, progress=lambda _: None, warn=lambda _: None, folders=bases)
        except Fault as fault:
            if fault.reason != "not-on-mirror":
                raise
