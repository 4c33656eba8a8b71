"""apt's sources in a finished Debian: the archive that its package names, or the one that is given."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rootstream.sandbox.program import Mistake
from rootstream.sandbox.rootfs.apt_sources import (
    APT,
    EXAMPLES,
    FILE,
    AptRepository,
    AptSources,
    addresses,
    has_sources,
    warnings,
    write,
)
from rootstream.sandbox.rootfs.settings import read_text
from rootstream.sandbox.tree import Tree, text_file

KEYRING = "usr/share/keyrings/debian-archive-keyring.gpg"
DEB822 = """\
## Suites: see below
## URIs: and this
Types: deb
URIs: http://archive.invalid/debian
Suites: one one-updates
Components: main contrib

## more
Types: deb
URIs: http://archive.invalid/security
Suites: one-security
"""
LINES = """\
# see sources.list(5)
deb [arch=amd64] http://archive.invalid/debian one main
deb http://archive.invalid/security one-security main
#deb-src http://archive.invalid/other one main
"""
WANTED = AptSources(suites=("one", "one-updates", "one-security"), components=("main",))


@pytest.fixture
def tree() -> Tree:
    made = Tree()
    made.put(APT, text_file(b""))
    made.put(KEYRING, text_file(b""))
    made.put(f"{EXAMPLES}/debian.sources", text_file(DEB822.encode()))
    made.put(f"{EXAMPLES}/apt.conf", text_file(b""))
    return made


@pytest.mark.parametrize("text", [DEB822, LINES])
def test_addresses_in_both_forms(text: str) -> None:
    assert addresses(text) == {False: "http://archive.invalid/debian", True: "http://archive.invalid/security"}


def test_the_archive_of_apt_s_own_package(tree: Tree) -> None:
    write(tree, WANTED)
    assert read_text(tree, FILE) == (
        "Types: deb\nURIs: http://archive.invalid/debian\nSuites: one one-updates\nComponents: main\n"
        f"Signed-By: /{KEYRING}\n\n"
        "Types: deb\nURIs: http://archive.invalid/security\nSuites: one-security\nComponents: main\n"
        f"Signed-By: /{KEYRING}\n"
    )
    assert tree.get(EXAMPLES) is None


def test_an_archive_that_is_given(tree: Tree) -> None:
    suites = ("one", "one-security")
    wanted = AptSources(suites=suites, components=("main",), url="https://a.invalid/d", docs=True)
    write(tree, wanted)
    text = read_text(tree, FILE) or ""
    assert text.count("URIs: https://a.invalid/d\n") == 2
    assert "archive.invalid" not in text
    assert tree.get(EXAMPLES) is not None


def test_sources_that_are_there_stay(tree: Tree) -> None:
    tree.put("etc/apt/sources.list", text_file(b"# nothing\n"))
    assert not has_sources(tree)
    tree.put("etc/apt/sources.list.d/own.list", text_file(b"deb file:/x one main\n"))
    write(tree, WANTED)
    assert tree.get(FILE) is None


def test_a_root_without_apt_or_without_examples() -> None:
    tree = Tree()
    write(tree, WANTED)
    assert tree.get(FILE) is None
    with pytest.raises(Mistake, match="no apt"):
        write(tree, AptSources(suites=("one",), components=("main",), url="http://a.invalid"))
    assert warnings(tree, WANTED) == ()
    tree.put(APT, text_file(b""))
    write(tree, WANTED)
    assert len(warnings(tree, WANTED)) == 1


def repository(name: str, **changes: Any) -> AptRepository:  # noqa: ANN401
    vendor = AptRepository(
        name=name,
        url="https://v.invalid/apt",
        suites=("stable",),
        components=("main",),
        key=b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n",
    )
    return replace(vendor, **changes)


def test_further_repositories_have_a_file_and_a_key_each(tree: Tree) -> None:
    flat = repository("flat", url="https://w.invalid", suites=("./",), components=(), key=b"\x981\x04")
    wanted = AptSources(suites=("one",), components=("main",), repositories=(repository("vendor"), flat))
    write(tree, wanted)
    assert read_text(tree, "etc/apt/sources.list.d/vendor.sources") == (
        "Types: deb\nURIs: https://v.invalid/apt\nSuites: stable\nComponents: main\n"
        "Signed-By: /etc/apt/keyrings/vendor.asc\n"
    )
    assert read_text(tree, "etc/apt/sources.list.d/flat.sources") == (
        "Types: deb\nURIs: https://w.invalid\nSuites: ./\nSigned-By: /etc/apt/keyrings/flat.gpg\n"
    )
    assert read_text(tree, "etc/apt/keyrings/vendor.asc") == "-----BEGIN PGP PUBLIC KEY BLOCK-----\n"
    assert tree.get("etc/apt/keyrings/flat.gpg") is not None
    assert "http://archive.invalid/debian" in (read_text(tree, FILE) or "")
    assert warnings(tree, wanted) == ()
    tree.remove(FILE)
    assert len(warnings(tree, wanted)) == 1


def test_a_repository_that_its_package_brings_stays_as_it_is(tree: Tree) -> None:
    brought = "etc/apt/sources.list.d/x.list"
    tree.put(brought, text_file(b"deb [signed-by=/x.gpg] https://v.invalid/apt/ stable main\n"))
    further = (repository("vendor"), repository("other", url="https://v.invalid/apt/2"))
    wanted = AptSources(suites=(), components=(), repositories=further)
    write(tree, wanted)
    assert tree.get("etc/apt/sources.list.d/vendor.sources") is None
    assert tree.get("etc/apt/sources.list.d/other.sources") is not None
