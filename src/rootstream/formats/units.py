"""Sizes and durations as people write and read them: `512M`, `1.5G`, `30s`, `2m`; `2.6 MB`, `3m05s`."""

from __future__ import annotations

import re

# Written so that a JSON Schema can hold them, too.
SIZE = r"^\s*([0-9]+(?:\.[0-9]+)?)\s*([KMGTkmgt]?)(?:[iI]?[bB])?\s*$"
DURATION = r"^\s*([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h)?\s*$"
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
UNITS = ("B", "kB", "MB", "GB", "TB")
_STEPS = ("", "K", "M", "G", "T")
STEP = 1024
MOST_BYTES = 1 << 50
MOST_SECONDS = 7 * 86400.0


def parse_size(value: object) -> int:
    """Return bytes; K, M, G and T are powers of 1024. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("expected a size such as 512M or a number of bytes")
    if isinstance(value, int):
        size = value
    else:
        match = re.match(SIZE, value)
        if match is None:
            raise ValueError(f"{value!r} is not a size: expected a number with K, M, G or T, such as 512M")
        wanted = float(match[1]) * STEP ** _STEPS.index(match[2].upper())
        size = int(min(wanted, MOST_BYTES + 1.0))  # digits without end make an infinite float
    if not 0 <= size <= MOST_BYTES:
        raise ValueError(f"a size must be between 0 and {MOST_BYTES >> 40}T")
    return size


def parse_duration(value: object) -> float:
    """Return seconds. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("expected a duration such as 30s or a number of seconds")
    if isinstance(value, int | float):
        seconds = float(value)
    else:
        match = re.match(DURATION, value)
        if match is None:
            raise ValueError(f"{value!r} is not a duration: expected a number with ms, s, m or h, such as 30s")
        seconds = float(match[1]) * _SECONDS[match[2] or "s"]
    if not 0 < seconds <= MOST_SECONDS:
        raise ValueError("a duration must be more than 0 and at most a week (168h)")
    return seconds


def show_size(size: float) -> str:
    """Return bytes for people: `4.8 MB`-like, in powers of 1024."""
    step = 0
    while size >= STEP and step < len(_STEPS) - 1:
        size /= STEP
        step += 1
    return f"{size:.0f} B" if step == 0 else f"{size:.1f} {_STEPS[step]}iB"


def duration(seconds: float) -> str:
    """Return a time for people: 0.4 s, 12 s, 3m05s, 1h02m."""
    if seconds < 9.95:  # noqa: PLR2004  (rounds to 10)
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:  # noqa: PLR2004
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:  # noqa: PLR2004
        return f"{minutes}m{rest:02d}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m"


def size(count: float) -> str:
    """Return a number of bytes for people, in decimal units: 512 B, 2.6 MB."""
    unit = 0
    while count >= 999.5 and unit < len(UNITS) - 1:  # noqa: PLR2004  (rounds to 1000)
        count /= 1000
        unit += 1
    return f"{count:.0f} {UNITS[unit]}" if unit == 0 or count >= 99.95 else f"{count:.1f} {UNITS[unit]}"  # noqa: PLR2004
