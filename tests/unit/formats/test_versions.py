"""Orders of versions, against dpkg itself where it is installed."""

from __future__ import annotations

import itertools
import shutil
import subprocess

import pytest

from rootstream.formats import versions

# each before the next
DEBIAN = (
    *(
        "0~~",
        "0~~a",
        "0~",
        "0",
        "0a",
        "0+",
        "0.",
        "1~rc1-1",
        "1-1~deb13u1",
        "1-1",
        "1-1+b1",
        "1-1.1",
        "1-2",
        "1.0-1",
    ),
    *("1.2.5", "1.2.10", "1.10", "2.0+dfsg1-1", "10", "1:0.1", "2:0"),
)
SEMVER = (
    "0.1.0",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0",
    "1.0.1",
)


@pytest.mark.parametrize("pair", list(itertools.pairwise(DEBIAN)), ids=" < ".join)
def test_dpkg(pair: tuple[str, str]) -> None:
    assert (versions.dpkg(*pair), versions.dpkg(*reversed(pair)), versions.dpkg(pair[0], pair[0])) == (-1, 1, 0)


@pytest.mark.skipif(not shutil.which("dpkg"), reason="dpkg is not installed")
def test_dpkg_says_the_same() -> None:
    more = ("1.0-1", "1.0-01", "1", "1-0", "0:1", "a1", "1a", "1.0~", "1.0-1~", "1.0-~1", "3.4-5-6")
    for one, other in itertools.product(("1.0", *more), repeat=2):
        relation = {-1: "lt", 0: "eq", 1: "gt"}[versions.dpkg(one, other)]
        done = subprocess.run(
            ["dpkg", "--compare-versions", one, relation, other], check=False, capture_output=True
        )
        assert done.returncode == 0, (one, relation, other)


@pytest.mark.parametrize("pair", list(itertools.pairwise(SEMVER)), ids=" < ".join)
def test_semver(pair: tuple[str, str]) -> None:
    assert (versions.semver(*pair), versions.semver(*reversed(pair))) == (-1, 1)
    assert versions.semver(f"v{pair[0]}+build", pair[0]) == 0


def test_what_is_no_semver() -> None:
    assert versions.semver("1.0", "1.0.0") == 0
    assert versions.semver("latest", "1.0.0") is None
    assert versions.semver("1.0.0", "") is None
