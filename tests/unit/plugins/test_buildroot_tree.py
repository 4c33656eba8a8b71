"""Buildroot's tree as a source: copied as it is, and compared with the digest that its key is made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from rootstream.archives import digests
from rootstream.formats.faults import Fault
from rootstream_bst.buildroot import buildroot_tree

SKIP = (".git", "output")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    for name in ("Makefile", "support/run", ".git/HEAD", "output/.config", "package/output/file"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (folder / "support" / "run").chmod(0o700)
    (folder / "link").symlink_to("support/run")
    return folder


def digest(folder: Path, tmp_path: Path) -> str:
    return digests.together(digests.listing(folder, tmp_path / "note.json", skip=SKIP))


def test_it_is_copied_as_it_is(tree: Path, tmp_path: Path) -> None:
    to = tmp_path / "staged"
    buildroot_tree.copy(tree, to, digest(tree, tmp_path), SKIP)
    names = sorted(str(path.relative_to(to)) for path in to.rglob("*") if not path.is_dir())
    assert names == ["Makefile", "link", "package/output/file", "support/run"]
    assert (to / "support" / "run").stat().st_mode & 0o777 == 0o755
    assert (to / "link").is_symlink()


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("Makefile", lambda path: path.write_text("changed!")),
        ("Makefile", lambda path: path.chmod(0o755)),
        ("Makefile", Path.unlink),
        ("new", Path.touch),
        ("link", lambda path: (path.unlink(), path.symlink_to("Makefile"))),
    ],
)
def test_another_content_is_an_error(tree: Path, tmp_path: Path, name: str, change: object) -> None:
    before = digest(tree, tmp_path)
    assert callable(change)
    change(tree / name)
    with pytest.raises(Fault, match="has changed since it was looked at"):
        buildroot_tree.copy(tree, tmp_path / "staged", before, SKIP)


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(Fault, match=r"none cannot be read"):
        buildroot_tree.copy(tmp_path / "none", tmp_path / "staged", "0", SKIP)
