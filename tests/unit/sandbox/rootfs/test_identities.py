"""What packages' scripts make at random: known, settled by the description, or refused with package and path."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from rootstream.sandbox.program import Mistake
from rootstream.sandbox.rootfs.identities import (
    MADE,
    PROGRAM,
    UNIT,
    UNITS,
    Identity,
    databases,
    differing,
    package_of,
    read_run,
    script,
    settle,
)
from rootstream.sandbox.tree import Tree, text_file

KEY = "etc/munge/munge.key"
OTHER = "etc/other/secret"


@pytest.fixture
def tree() -> Tree:
    tree = Tree()
    tree.put("usr/lib/systemd/systemd", text_file(b"", 0o755))
    tree.put(KEY, text_file(b"", 0o600, 105, 106))
    tree.put(OTHER, text_file(b"random", 0o640))
    tree.put("var/lib/dpkg/info/munge.list", text_file(b"/.\n/etc\n/etc/munge\n"))
    tree.put("var/lib/dpkg/info/other:amd64.list", text_file(b"/.\n/etc\n/etc/other\n"))
    return tree


def test_what_is_empty_is_filled_by_the_machine(tree: Tree) -> None:
    settle(tree, [], [])
    assert tree.find(f"{UNITS}/sysinit.target.wants/{UNIT}") is not None
    program = tree.get(PROGRAM)
    assert program is not None
    assert program.mode == 0o755


def test_what_is_kept_is_not(tree: Tree) -> None:
    tree.put(KEY, text_file(b"random", 0o600, 105, 106))
    settle(tree, [KEY], [Identity(path=f"/{KEY}", choice="keep")])
    assert tree.find(PROGRAM) is None


def test_an_unknown_one_is_an_error_with_package_and_path(tree: Tree) -> None:
    with pytest.raises(Mistake) as caught:
        settle(tree, [OTHER], [])
    (problem,) = caught.value.problems
    assert problem.startswith(f"identities: /{OTHER}: a file of other differs ")
    assert problem.endswith("\nAsked for other")


def test_an_unknown_one_is_settled(tree: Tree) -> None:
    settle(tree, [OTHER], [Identity(path=f"/{OTHER}", choice="keep")])
    assert tree.get(OTHER) is not None


@pytest.mark.parametrize("path", ["etc/aliases.db", "etc/ssl/certs/java/cacerts"])
def test_a_file_that_only_notes_its_own_making_needs_nothing(tree: Tree, path: str) -> None:
    tree.put(path, text_file(b"made"))
    settle(tree, [path], [])


def test_what_cleaning_took_away_needs_nothing(tree: Tree) -> None:
    settle(tree, ["var/log/some.log"], [])


def test_packages_are_found_by_the_nearest_folder_of_only_one(tree: Tree) -> None:
    assert package_of(tree, OTHER) == "other"
    assert package_of(tree, "etc/file") == ""


def test_runs_are_compared_by_content_target_and_presence(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"aa  ./same\0bb  ./file\0../x  ./link\0cc  ./once\0")
    (tmp_path / "two").write_bytes(b"aa  ./same\0bc  ./file\0../y  ./link\0")
    runs = [read_run(tmp_path / name) for name in ("one", "two")]
    assert differing(runs) == ("file", "link", "once")
    assert differing(runs[:1]) == ()


def test_a_damaged_list_is_told(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"no path\0")
    with pytest.raises(Mistake):
        read_run(tmp_path / "one")


def filled(text: str, root: Path) -> subprocess.CompletedProcess[str]:
    """Run the program for a folder instead of the root."""
    for path, _ in MADE:
        text = text.replace(f"fill {path} ", f"fill {root}{path} ")
    return subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=False)


def test_a_machine_fills_only_what_is_empty(tmp_path: Path) -> None:
    """The program, run in a folder instead of the root; what it needs of packages is not there."""
    full, _, uuid = (tmp_path / path.lstrip("/") for path, _ in MADE[:3])
    for path, before in ((full, "mine\n"), (uuid, "")):
        path.parent.mkdir(parents=True)
        path.write_text(before)
        path.chmod(0o640)
    done = filled(script().decode(), tmp_path)
    assert full.read_text() == "mine\n"
    assert len(uuid.read_text()) == 37
    assert uuid.stat().st_mode & 0o777 == 0o640
    assert not (tmp_path / "etc/bind/rndc.key").exists()
    assert done.returncode == 0, done.stderr


def test_a_machine_says_what_it_could_not_make(tmp_path: Path) -> None:
    path = tmp_path / KEY
    path.parent.mkdir(parents=True)
    path.touch()
    done = filled(script().decode().replace(f"fill /{KEY} made", f"fill /{KEY} false"), tmp_path)
    assert done.returncode == 1
    assert str(path) in done.stderr


@pytest.mark.parametrize(
    ("mark", "beside"),
    [
        ("var/lib/postgresql/17/main/global/pg_control", "var/lib/postgresql/17/main/pg_wal/1"),
        ("var/lib/mysql/ibdata1", "var/lib/mysql/mysql/db.MAI"),
        ("var/lib/ldap/data.mdb", "var/lib/ldap/lock.mdb"),
        ("etc/ldap/slapd.d/cn=config.ldif", "etc/ldap/slapd.d/cn=config/olcDatabase={1}mdb.ldif"),
    ],
)
def test_a_database_is_settled_and_told(tree: Tree, mark: str, beside: str) -> None:
    assert list(databases(tree)) == []
    for path in (mark, beside):
        tree.put(path, text_file(b"id"))
    settle(tree, [mark, beside], [])
    (warning,) = databases(tree)
    assert warning.partition(" contains a database of ")[0] in f"/{mark}"
