"""A full disk is told with its path, and the right one of two is named."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from rootstream.host import disk_space


@pytest.mark.parametrize("code", disk_space.FULL)
def test_a_write_without_space(code: int) -> None:
    error = disk_space.disk_full(OSError(code, "x", "/somewhere/file"))
    assert error is not None
    assert error.reason == "disk-full"
    assert str(error.where) == "/somewhere/file"


def test_other_errors_are_not_of_space() -> None:
    assert disk_space.disk_full(OSError(errno.EACCES, "x", "/somewhere/file")) is None


def test_the_fuller_disk(tmp_path: Path) -> None:
    """/proc has no space at all, ever."""
    assert disk_space.fullest({"a": tmp_path / "new", "b": Path("/proc/self")}) == "b"
    assert disk_space.fullest({"a": tmp_path, "b": tmp_path}) == "a"
