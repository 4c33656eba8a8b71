"""External trees that lack a part of what Buildroot wants, completed beside the project."""

from __future__ import annotations

from pathlib import Path

import pytest

from rootstream.buildroot.generate import completed
from rootstream.errors import UserError


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "own tree-2"
    for name in ("tool", "other"):
        (tree / "package" / name).mkdir(parents=True)
        (tree / "package" / name / "Config.in").write_text(f"config BR2_PACKAGE_{name.upper()}\n")
        (tree / "package" / name / f"{name}.mk").write_text("")
    return tree


def test_a_whole_tree_is_given_as_it_is(tree: Path, tmp_path: Path) -> None:
    for name in ("external.desc", "Config.in", "external.mk"):
        (tree / name).write_text("")
    assert completed.place(tmp_path, 0, tree) == tree


def test_what_a_tree_lacks_is_made_beside_it(tree: Path, tmp_path: Path) -> None:
    before = sorted(tree.rglob("*"))
    place = completed.place(tmp_path / "work", 3, tree)
    assert place == tmp_path / "work" / "completed" / "3-OWN_TREE_2"
    completed.complete(tree, place)
    assert (place / "external.desc").read_text() == "name: OWN_TREE_2\n"
    assert (place / "Config.in").read_text().splitlines() == [
        'source "$BR2_EXTERNAL_OWN_TREE_2_PATH/package/other/Config.in"',
        'source "$BR2_EXTERNAL_OWN_TREE_2_PATH/package/tool/Config.in"',
    ]
    assert "$(BR2_EXTERNAL_OWN_TREE_2_PATH)/package/*/*.mk" in (place / "external.mk").read_text()
    assert (place / "package" / "tool" / "tool.mk").is_file()
    assert sorted(tree.rglob("*")) == before


def test_it_follows_the_tree(tree: Path, tmp_path: Path) -> None:
    place = completed.place(tmp_path, 0, tree)
    completed.complete(tree, place)
    stamp = (place / "external.desc").stat().st_mtime_ns
    (tree / "Config.in").write_text("# mine\n")
    (tree / "configs").mkdir()
    completed.complete(tree, place)
    assert (place / "Config.in").read_text() == "# mine\n"
    assert (place / "configs").is_symlink()
    assert (place / "external.desc").stat().st_mtime_ns == stamp
    (tree / "Config.in").unlink()
    (tree / "configs").rmdir()
    completed.complete(tree, place)
    assert "package/tool" in (place / "Config.in").read_text()
    assert not (place / "configs").is_symlink()
    assert not (tree / "Config.in").exists()


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("external.mk", "include $(sort $(wildcard $(BR2_EXTERNAL)/package/*/*.mk))"),
        ("Config.in", 'source "$BR2_EXTERNAL/package/tool/Config.in"'),
    ],
)
def test_trees_from_before_they_had_names_are_told(tree: Path, tmp_path: Path, file: str, line: str) -> None:
    (tree / file).write_text(f"# old\n{line}\n")
    with pytest.raises(UserError, match="is no longer a single path") as caught:
        completed.complete(tree, tmp_path / "place")
    assert caught.value.where is not None
    assert (caught.value.where.path, caught.value.where.line) == (tree / file, 2)


def test_a_tree_that_uses_its_new_name_is_not_old(tree: Path, tmp_path: Path) -> None:
    (tree / "external.mk").write_text("include $(BR2_EXTERNAL_OWN_TREE_2_PATH)/package/tool/tool.mk\n")
    completed.complete(tree, tmp_path / "place")


def test_a_tree_is_called_as_its_description_says(tree: Path, tmp_path: Path) -> None:
    (tree / "external.desc").write_text("desc: ours\nname: ACME\n")
    place = completed.place(tmp_path, 0, tree)
    completed.complete(tree, place)
    assert (place / "Config.in").read_text().startswith('source "$BR2_EXTERNAL_ACME_PATH/package/other/Config.in"')
    assert "$(BR2_EXTERNAL_ACME_PATH)/package/*/*.mk" in (place / "external.mk").read_text()
