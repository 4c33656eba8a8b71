"""Whether the servers that a run of `bst` transfers from or to are still there.

BuildStream's casd waits for minutes for one that has gone, and says nothing. What passes through the relay tells
more: while something is transferred and nothing comes, the servers are asked whether they answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from rootstream.engine import remote_api
from rootstream.engine.connect_relay import Relay
from rootstream.engine.remotes import Remote
from rootstream.events import CacheTransfer

TRANSFERS = frozenset({"pull", "push", "fetch"})
QUIET = 4.0  # seconds without a byte until servers are asked
TOLD = 1.0  # seconds between two reports of bytes
SILENT = 60.0  # seconds without a byte until a transfer is given up, whatever they answer


class Watch:
    """Looks after the transfers of one run; `gone` has the servers that are lost, each with what is wrong."""

    def __init__(self, remotes: Sequence[Remote], relay: Relay | None, workers: Remote | None = None) -> None:
        self._remotes = remotes
        self._relay = relay
        self._workers = workers
        self._building: float | None = None
        self._since: float | None = None
        self._asked = 0.0
        self._failures = 0
        self.gone: dict[str, str] = {}

    def lost(self, running: Sequence[tuple[str, str]], now: float) -> bool:
        """Say whether the run waits for a server that has gone; `running` are its elements and actions."""
        return self._without_workers(running, now) or self._without_server(running, now)

    def _without_workers(self, running: Sequence[tuple[str, str]], now: float) -> bool:
        """Ask now and then whether the workers answer while something is built, which may be silent for long."""
        if self._workers is None or not any(action == "build" for _, action in running):
            self._building = None
            return False
        self._building = now if self._building is None else self._building
        if now - self._building < QUIET:
            return False
        self._building = now
        (answer,) = remote_api.probe((self._workers,))
        if not answer.ok:
            self.gone = {self._workers.url: answer.text}
        return not answer.ok

    def _without_server(self, running: Sequence[tuple[str, str]], now: float) -> bool:
        if not self._remotes or not any(action in TRANSFERS for _, action in running):
            self._since = None
            return False
        if self._since is None:
            self._since = self._asked = now
        quiet = now - max(self._since, self._last(now))
        failures = sum(each.failures for each in self._relay.counts.values()) if self._relay else 0
        if failures == self._failures and (quiet < QUIET or now - self._asked < QUIET):
            return False
        self._failures, self._asked = failures, now
        answers = remote_api.probe(self._remotes)
        self.gone = {
            remote.url: answer.text for remote, answer in zip(self._remotes, answers, strict=True) if not answer.ok
        }
        if not self.gone and self._relay and quiet > SILENT:
            self.gone = {remote.url: f"has sent nothing for {SILENT:.0f} s" for remote in self._remotes}
        return bool(self.gone)

    def _last(self, now: float) -> float:
        """Return when the last byte passed; long ago where nobody counts, so that servers are asked regularly."""
        if self._relay is None:
            return now - QUIET
        return max((each.last for each in self._relay.counts.values()), default=0.0)


class Traffic:
    """Bytes from or to the servers of one run, while actions with them go on."""

    def __init__(self, remotes: Sequence[Remote], relay: Relay | None, direction: Literal["pull", "push"]) -> None:
        self._remotes = remotes
        self._relay = relay
        self._direction = direction
        self._told: dict[str, tuple[float, int]] = {}

    def bytes(self, remote: Remote) -> int:
        """Return the bytes of the direction so far, 0 where nobody counts."""
        if self._relay is None:
            return 0
        counts = self._relay.counts[remote.address]
        return counts.received if self._direction == "pull" else counts.sent

    @property
    def total(self) -> int:
        """Return the bytes of all servers."""
        return sum(self.bytes(each) for each in {each.address: each for each in self._remotes}.values())

    def due(self, running: Sequence[tuple[str, str]], now: float) -> list[CacheTransfer]:
        """Return an event for each server that has moved bytes since the last one."""
        if not any(action == self._direction for _, action in running):
            return []
        found = []
        for remote in self._remotes:
            before, had = self._told.get(remote.url, (now, 0))
            have = self.bytes(remote)
            self._told.setdefault(remote.url, (now, 0))
            if have > had and now - before >= TOLD:
                rate = (have - had) / (now - before)
                self._told[remote.url] = now, have
                found.append(
                    CacheTransfer(server=remote.name, direction=self._direction, bytes_done=have, rate=rate)
                )
        return found
