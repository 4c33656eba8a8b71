"""Further apt repositories: what apt is told, and what it said when something was wrong (captured)."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from rootstream.formats.faults import Fault
from rootstream.formats.records import Item
from rootstream_bst.debian import repositories
from rootstream_bst.debian.repositories import PinnedRepository

SHA = "ab" * 32
ONE = PinnedRepository(
    name="one",
    url="http://v.invalid/A/",
    suites=("s",),
    components=("main",),
    key=SHA,
    key_file=Path("/keys") / SHA,
)
FLAT = PinnedRepository(
    name="flat", url="file:///srv/F", suites=("./",), components=(), key=SHA, key_file=Path(SHA)
)
NO_KEY = """\
W: An error occurred during the signature verification. The repository is not updated and the previous index \
files will be used. GPG error: file:/srv/F ./ InRelease: The following signatures couldn't be verified because \
the public key is not available: NO_PUBKEY 5456642A463E5660
E: Failed to fetch file:/srv/F/./InRelease  The following signatures couldn't be verified because the public key \
is not available: NO_PUBKEY 5456642A463E5660
E: Some index files failed to download. They have been ignored, or old ones used instead.
"""
UNSIGNED = "E: The repository 'file:/srv/F ./ Release' is not signed.\n"
NO_RELEASE = "E: The repository 'http://v.invalid/A s Release' does not have a Release file.\n"
NO_HOST = """\
E: Failed to fetch http://v.invalid/A/dists/s/InRelease  Could not connect to v.invalid:80 (127.0.0.1).
E: Some index files failed to download. They have been ignored, or old ones used instead.
"""


def words(**changes: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "name": "vendor",
        "url": "https://v.invalid/x",
        "suites": ["stable"],
        "components": ["main"],
        "key": SHA,
        **changes,
    }


def test_a_stanza_names_its_own_key() -> None:
    assert repositories.stanza(ONE, "amd64", Path("/k/one.asc")) == (
        "Types: deb\nURIs: http://v.invalid/A\nSuites: s\nComponents: main\nArchitectures: amd64\n"
        "Signed-By: /k/one.asc\n"
    )
    assert "Components" not in repositories.stanza(FLAT, "amd64", Path("/k"))


@pytest.mark.parametrize(
    ("said", "reason", "url"),
    [
        (NO_KEY, "repository-unsigned", FLAT.url),
        (UNSIGNED, "repository-unsigned", FLAT.url),
        (NO_RELEASE, "repository-unusable", ONE.url),
        (NO_HOST, "repository-unusable", ONE.url),
    ],
)
def test_what_apt_has_against_one(said: str, reason: str, url: str) -> None:
    fault = repositories.refused(said, (ONE, FLAT))
    assert fault is not None
    assert fault.reason == reason
    assert list(fault.asked) == [url]


def test_what_apt_has_against_others() -> None:
    for other in ("http://v.invalid/A-more s", "http://v.invalid/A s-updates", "http://w.invalid/A s"):
        assert repositories.refused(f"E: The repository '{other} Release' is not signed.", (ONE, FLAT)) is None


def test_an_index_that_is_not_there() -> None:
    there = "http://v.invalid/A/|s|main\nfile:/srv/F/|./|$(COMPONENT)\nhttp://m.invalid/|trixie|main\n"
    assert repositories.incomplete(there, (ONE, FLAT), "amd64") is None
    fault = repositories.incomplete("http://v.invalid/A/|s|other\n", (ONE, FLAT), "amd64")
    assert fault is not None
    assert set(fault.asked) == {ONE.url, FLAT.url}


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("http://v.invalid/A/pool/t_1%2bb.deb", ONE),
        ("file:/srv/F/./pool/t_1%2bb.deb", FLAT),
        ("file:/srv/F/pool/t_1+b.deb", FLAT),
        ("http://v.invalid/A/B/pool/t_1%2bb.deb", None),
        ("http://m.invalid/debian/pool/t_1%2bb.deb", None),
    ],
)
def test_where_a_package_is_from(address: str, found: PinnedRepository | None) -> None:
    item = Item(path="pool/t_1+b.deb", size=1, sha256=SHA)
    assert repositories.origin(address, item, (ONE, FLAT)) == found


def test_two_packages_of_one_name_and_version() -> None:
    with pytest.raises(Fault) as caught:
        repositories.origin("http://v.invalid/A/t.deb", Item(path="other/t.deb", size=1, sha256=SHA), (ONE,))
    assert caught.value.reason == "invalid-index"


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "../x"},
        {"url": "ftp://v.invalid"},
        {"suites": []},
        {"suites": ["./"]},
        {"suites": ["stable"], "components": []},
        {"suites": ["a\nb"]},
        {"components": ["a b"]},
        {"key": "key.asc"},
    ],
)
def test_what_a_repository_cannot_be(changes: dict[str, Any]) -> None:
    with pytest.raises(Fault):
        repositories.repository(words(**changes), Path("/keys"), "here")


def test_a_key_is_written_with_its_form(tmp_path: Path) -> None:
    for data, name in ((b"\x98binary", "vendor.gpg"), (b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n", "vendor.asc")):
        digest = hashlib.sha256(data).hexdigest()
        (tmp_path / digest).write_bytes(data)
        made = repositories.repository(words(key=digest), tmp_path, "here")
        assert repositories.write_key(made, tmp_path) == tmp_path / name
        assert (tmp_path / name).read_bytes() == data
    (tmp_path / digest).write_bytes(b"another")
    with pytest.raises(Fault) as caught:
        repositories.write_key(made, tmp_path)
    assert caught.value.reason == "no-keyring"
