"""Further apt repositories in a description: what is right, what is wrong and at which line, and their keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from rootstream.description.roots import FromDebianPackages
from rootstream.errors import UserError
from rootstream.host.file_text import MOST_KEY, openpgp_key
from tests.loading import one, read, system, wrong

HEAD = "root:\n  debian:\n    repositories:\n      vendor:\n"
ARMORED = b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDME\n-----END PGP PUBLIC KEY BLOCK-----\n"


def written(folder: Path, **changes: str) -> str:
    (folder / "key.asc").write_bytes(ARMORED)
    words = {"url": "https://v.invalid/apt", "suites": "[stable]", "key": "key.asc", **changes}
    return HEAD + "".join(f"        {word}: {value}\n" for word, value in words.items() if value)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"url": "http://[::1]:8080/apt/"},
        {"url": "file:///srv/repository"},
        {"suites": "[bookworm/vendor/7.0, Stable_1]", "components": "[main, '17', non-free]"},
        {"suites": "[./]"},
        {"suites": "[/]"},
        {"suites": "[all/, amd64/]"},
    ],
)
def test_what_is_right(tmp_path: Path, changes: dict[str, str]) -> None:
    root = system(tmp_path, written(tmp_path, **changes)).root
    assert isinstance(root, FromDebianPackages)
    assert root.debian.repositories["vendor"].key == "key.asc"


@pytest.mark.parametrize(
    ("changes", "reason", "line"),
    [
        ({"url": "ftp://v.invalid"}, "bad-value", 5),
        ({"url": "v.invalid/apt"}, "bad-value", 5),
        ({"url": "https://me:secret@v.invalid/apt"}, "bad-value", 5),
        ({"url": "'https://v.invalid/a b'"}, "bad-value", 5),
        ({"url": "https://v.invalid/apt?x"}, "bad-value", 5),
        ({"url": "https://v.invalid:99999/apt"}, "bad-value", 5),
        ({"url": "file:srv"}, "bad-value", 5),
        ({"url": ""}, "missing-key", 4),
        ({"suites": "[]"}, "bad-value", 6),
        ({"suites": "[../up]"}, "bad-value", 6),
        ({"suites": "['a b']"}, "bad-value", 6),
        ({"suites": "[stable, ./]"}, "bad-value", 6),
        ({"suites": "[./]", "components": "[main]"}, "bad-value", 8),
        ({"components": "[]"}, "bad-value", 8),
        ({"components": "[-x]"}, "bad-value", 8),
        ({"key": "other.asc"}, "missing-file", 7),
        ({"key": "../key.asc"}, "bad-value", 7),
        ({"more": "x"}, "unknown-key", 8),
    ],
)
def test_what_is_wrong(tmp_path: Path, changes: dict[str, str], reason: str, line: int) -> None:
    assert wrong(tmp_path, written(tmp_path, **changes)) == [(reason, line)]


def test_a_key_outside_the_project(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    words = written(project)
    (project / "key.asc").rename(tmp_path / "key.asc")
    (project / "key.asc").symlink_to("../key.asc")
    assert wrong(project, words) == [("outside-project", 7)]


def test_the_archive_has_that_name(tmp_path: Path) -> None:
    words = written(tmp_path).replace("      vendor:", "      debian:")
    assert wrong(tmp_path, words) == [("bad-value", 4)]


def test_a_folder_of_this_machine_is_no_source_for_an_image(tmp_path: Path) -> None:
    words = written(tmp_path, url="file:///srv/apt")

    def cautions(words: str) -> list[tuple[str, int | None]]:
        (described,) = read(tmp_path, one(words)).systems
        found = [each for each in described.cautions if each.where]
        return [(each.reason, each.where.line) for each in found if each.where and "repository" in each.reason]

    assert cautions(words) == [("repository-of-this-machine", 7)]
    assert cautions(f"{words}    apt: none\n") == []
    assert cautions(written(tmp_path)) == []


def test_keys(tmp_path: Path) -> None:
    path = tmp_path / "key"
    for data in (ARMORED, b"\x98\x33binary", b"\xc6\x33binary"):
        path.write_bytes(data)
        assert openpgp_key(path) == data
    path.write_bytes(ARMORED.replace(b"\n", b"\r\n"))
    assert openpgp_key(path) == ARMORED


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no key",
        ARMORED.replace(b"PUBLIC", b"PRIVATE"),
        b"-----BEGIN PGP SIGNATURE-----\n",
        b"\x95private",
        b"\x00\x00\x00\x20\x01\x01\x00\x02KBXf",
        ARMORED + b" " * MOST_KEY,
    ],
)
def test_what_is_no_key(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "key").write_bytes(data)
    with pytest.raises(UserError) as caught:
        openpgp_key(tmp_path / "key")
    assert caught.value.reason == "not-a-public-key"


def test_a_key_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        openpgp_key(tmp_path / "none")
    assert caught.value.reason == "file-unreadable"
