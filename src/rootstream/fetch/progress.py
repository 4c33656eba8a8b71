"""How far a download is, in the one line that Rootstream's engine reads, and how fast."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

WINDOW = 5.0  # seconds that the shown rate is an average of


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a fetch is: files and bytes done and wanted, and the rate in bytes per second."""

    files: int
    all_files: int
    bytes: int
    all_bytes: int
    rate: int

    def __str__(self) -> str:
        return f"transfer files={self.files}/{self.all_files} bytes={self.bytes}/{self.all_bytes} rate={self.rate}"


class Rate:
    """The transfer rate over the last seconds."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()

    def add(self, now: float, amount: int) -> int:
        """Take a sample and return the rate in bytes per second."""
        self._samples.append((now, amount))
        while len(self._samples) > 1 and now - self._samples[0][0] > WINDOW:
            self._samples.popleft()
        then, before = self._samples[0]
        return max(0, round((amount - before) / (now - then))) if now > then else 0
