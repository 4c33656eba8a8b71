"""Boots that go on at once: how many a host can take, how they are ended, and their events in order."""

from __future__ import annotations

import os
import threading

from rootstream import events
from rootstream.boot.machine import Guest
from rootstream.description.machine import USUAL_MEMORY, Machine
from rootstream.errors import Interrupted

_MOST_TEXT = 1 << 20  # characters of a console that waits for its turn; its log has all of them


def at_once(machine: Machine, count: int) -> int:
    """Return how many of `count` such machines run at once: all have half of the memory, each its own cores.

    One more than that runs, since one or another is always waiting (BusyBox rests for 2 s before it powers off).
    """
    cores = len(os.sched_getaffinity(0)) // machine.cores + 1
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2 // (machine.memory or USUAL_MEMORY)
    return max(1, min(count, cores, memory))


class RunningBoot:
    """The machines that are on; `end` switches them off, and whatever is started after it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._guests: list[Guest] = []
        self._ended = False

    def add(self, guest: Guest) -> None:
        """Note a machine that was started. Raises `Interrupted` if all are to end."""
        with self._lock:
            self._guests.append(guest)
            if self._ended:
                raise Interrupted("the boots were stopped")

    def end(self) -> None:
        """Switch all of them off: what waits for their consoles ends at once."""
        with self._lock:
            self._ended = True
            for guest in self._guests:
                guest.kill()


class Turns:
    """Passes on the events of boots as if they went on one after the other.

    The first that has not ended is heard at once, the later ones when their turn comes.
    """

    def __init__(self, report: events.Reporter, count: int) -> None:
        self._report = report
        self._lock = threading.Lock()
        self._waiting: list[list[events.Event]] = [[] for _ in range(count + 1)]  # nobody is the last
        self._room = [_MOST_TEXT] * count
        self._ended = [False] * count
        self._now = 0

    def of(self, number: int) -> events.Reporter:
        """Return what takes the events of a boot."""

        def take(event: events.Event) -> None:
            with self._lock:
                if number == self._now:
                    self._report(event)
                    return
                if isinstance(event, events.Console):
                    self._room[number] -= len(event.text)
                if not isinstance(event, events.Console) or self._room[number] >= 0:
                    self._waiting[number].append(event)

        return take

    def end(self, number: int) -> None:
        """Note that a boot has ended: the next one is heard."""
        with self._lock:
            self._ended[number] = True
            while self._now < len(self._ended) and self._ended[self._now]:
                self._now += 1
                for event in self._waiting[self._now]:
                    self._report(event)

    def close(self) -> None:
        """Pass on nothing more."""
        with self._lock:
            self._now = len(self._ended)
