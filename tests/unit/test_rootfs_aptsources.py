"""apt's sources in a finished Debian: the archive that its package names, or the one that is given."""

from __future__ import annotations

import pytest

from rootstream.sandbox.aptsources import APT, EXAMPLES, FILE, AptSources, addresses, has_sources, warnings, write
from rootstream.sandbox.program import Mistake
from rootstream.sandbox.rootspec import parse_root_spec
from rootstream.sandbox.settings import read_text
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
    spec = {"suites": ["one", "one-security"], "components": ["main"], "url": "https://a.invalid/d", "docs": True}
    wanted = parse_root_spec({"apt": spec}).apt
    assert wanted is not None
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
    assert warnings(tree) == ()
    tree.put(APT, text_file(b""))
    write(tree, WANTED)
    assert len(warnings(tree)) == 1
