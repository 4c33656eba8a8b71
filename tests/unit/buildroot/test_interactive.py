"""Targets of make: which build nothing, which download, and what of a user's words is refused."""

from __future__ import annotations

import pytest

from rootstream.buildroot import interactive


@pytest.mark.parametrize(
    ("words", "downloads"),
    [
        ((), False),
        (("V=1", "-j4"), False),
        (("source",), True),
        (("-k", "source", "V=1"), True),
        (("zlib-source",), True),
        (("zlib-source", "all"), False),
        (("all",), False),
    ],
)
def test_targets_that_only_download(words: tuple[str, ...], downloads: bool) -> None:
    assert interactive.downloads_only(words) is downloads


@pytest.mark.parametrize(
    ("words", "looks"),
    [((), False), (("V=1",), False), (("help",), True), (("help", "all"), False), (("all",), False)],
)
def test_targets_that_build_nothing(words: tuple[str, ...], looks: bool) -> None:
    assert interactive.looks_only(words) is looks
