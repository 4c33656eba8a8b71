"""The fix-ups for a build sandbox, on small trees."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rootstream.formats.faults import Fault
from rootstream_bst.debian import fixups


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)


def test_links_only_where_something_is(tmp_path: Path) -> None:
    touch(tmp_path, "usr/bin/gcc", "usr/bin/mawk", "usr/bin/xz", "usr/bin/which.debianutils", "usr/bin/bison.yacc")
    fixups.apply(tmp_path)
    links = {path.name: str(path.readlink()) for path in (tmp_path / "usr/bin").iterdir() if path.is_symlink()}
    assert links == {
        "cc": "gcc",
        "awk": "mawk",
        "nawk": "mawk",
        "lzma": "xz",
        "which": "which.debianutils",
        "yacc": "bison.yacc",
    }


def test_preference_and_what_is_shipped(tmp_path: Path) -> None:
    touch(tmp_path, "usr/bin/gawk", "usr/bin/mawk", "usr/bin/gcc", "usr/bin/cc")
    fixups.apply(tmp_path)
    assert (tmp_path / "usr/bin/awk").readlink() == Path("gawk")
    assert (tmp_path / "usr/bin/cc").read_text() == "usr/bin/cc"


def test_accounts_and_folders(tmp_path: Path) -> None:
    touch(tmp_path, "usr/share/base-passwd/passwd.master", "usr/share/base-passwd/group.master", "etc/hosts")
    fixups.apply(tmp_path)
    assert (tmp_path / "etc/passwd").read_text() == "usr/share/base-passwd/passwd.master"
    assert (tmp_path / "etc/group").read_text() == "usr/share/base-passwd/group.master"
    assert (tmp_path / "etc/shells").read_text() == ""
    assert (tmp_path / "etc/hosts").read_text() == "etc/hosts"
    assert not os.path.lexists(tmp_path / "etc/resolv.conf")
    assert (tmp_path / "tmp").is_dir()
    assert (tmp_path / "var/tmp").is_dir()


def test_again_changes_nothing(tmp_path: Path) -> None:
    touch(tmp_path, "usr/bin/gcc")
    fixups.apply(tmp_path)
    before = sorted(str(path) for path in tmp_path.rglob("*"))
    fixups.apply(tmp_path)
    assert sorted(str(path) for path in tmp_path.rglob("*")) == before


def test_links_of_a_package_do_not_lead_out(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    outside.mkdir()
    root.mkdir()
    (root / "etc").symlink_to("../outside")
    with pytest.raises(Fault) as caught:
        fixups.apply(root)
    assert caught.value.reason == "unsafe-archive"
    (root / "etc").unlink()
    (root / "etc").symlink_to(outside)
    fixups.apply(root)
    assert list(outside.iterdir()) == []
    assert (root / str(outside).lstrip("/") / "shells").exists()
