"""What apt says of binary packages: the source that each is from, and others of which it has parts."""

from __future__ import annotations

import pytest

from rootstream.formats import apt_index
from rootstream.formats.faults import Fault

SHOWN = """\
Package: hello
Version: 1.0-1+b2
Source: greetings (1.0-1)
Built-Using: gcc-14 (= 14.2.0-19), glibc (= 2.41-12)
Static-Built-Using: rust-a (= 1.0),
 rust-b (= 2.0-1)

Package: plain
Version: 2:3

Package: renamed
Version: 4
Source: other
"""


def test_sources_of_packages() -> None:
    found = apt_index.sources_of(SHOWN)
    assert {name: (each.name, each.version) for name, each in found.items()} == {
        ("hello", "1.0-1+b2"): ("greetings", "1.0-1"),
        ("plain", "2:3"): ("plain", "2:3"),
        ("renamed", "4"): ("other", "4"),
    }
    using = (("gcc-14", "14.2.0-19"), ("glibc", "2.41-12"), ("rust-a", "1.0"), ("rust-b", "2.0-1"))
    assert found["hello", "1.0-1+b2"].using == using
    assert found["plain", "2:3"].using == ()


@pytest.mark.parametrize("line", ["Source: a b c", "Source: ../up", "Source: x (1;2)"])
def test_what_is_no_source(line: str) -> None:
    with pytest.raises(Fault) as caught:
        apt_index.sources_of(f"Package: hello\nVersion: 1\n{line}\n")
    assert caught.value.reason in ("invalid-index", "invalid-name", "invalid-version")
