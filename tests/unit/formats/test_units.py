from __future__ import annotations

import math

import pytest

from rootstream.formats.units import duration, parse_duration, parse_size, show_size, size


@pytest.mark.parametrize(
    ("written", "size"),
    [
        (0, 0),
        (4096, 4096),
        ("4096", 4096),
        ("1K", 1024),
        ("1k", 1024),
        ("512M", 512 << 20),
        ("512MiB", 512 << 20),
        ("512 MB", 512 << 20),
        ("1.5G", 3 << 29),
        ("2T", 2 << 40),
        (" 1G ", 1 << 30),
    ],
)
def test_sizes(written: int | str, size: int) -> None:
    assert parse_size(written) == size


@pytest.mark.parametrize(
    "written",
    ["", "M", "-1", -1, "1X", "1,5G", "1e3", True, None, 1.5, (), "9" * 400, 1 << 60, "9999999T"],
)
def test_what_is_no_size(written: object) -> None:
    with pytest.raises(ValueError, match="size"):
        parse_size(written)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [(1, 1.0), (0.5, 0.5), ("30", 30.0), ("30s", 30.0), ("2m", 120.0), ("1.5h", 5400.0), ("250ms", 0.25)],
)
def test_durations(written: float | str, seconds: float) -> None:
    assert parse_duration(written) == seconds


@pytest.mark.parametrize(
    "written",
    ["", "s", 0, "0s", -1, "-1s", "1d", True, None, (), math.inf, math.nan, "9" * 400, "169h"],
)
def test_what_is_no_duration(written: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(written)


def test_sizes_for_people() -> None:
    assert [show_size(size) for size in (0, 1023, 1024, 5 << 20, 3 << 29)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "5.0 MiB",
        "1.5 GiB",
    ]


def test_the_largest_sizes_and_durations() -> None:
    assert parse_size("1024T") == parse_size(1 << 50) == 1 << 50
    assert parse_duration("168h") == 7 * 86400.0
    for written in ((1 << 50) + 1, "1025T"):
        with pytest.raises(ValueError, match="size"):
            parse_size(written)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        *((0.44, "0.4 s"), (9.94, "9.9 s"), (9.95, "10 s"), (59.4, "59 s"), (59.5, "1m00s")),
        *((3599.4, "59m59s"), (3599.5, "1h00m"), (3725, "1h02m"), (90000, "25h00m")),
    ],
)
def test_times_for_people(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        *((0, "0 B"), (999, "999 B"), (999.4, "999 B"), (999.5, "1.0 kB"), (2_600_000, "2.6 MB")),
        *((99_940, "99.9 kB"), (99_950, "100 kB"), (999_499, "999 kB"), (999_500, "1.0 MB")),
    ],
)
def test_decimal_sizes_for_people(count: float, shown: str) -> None:
    assert size(count) == shown
