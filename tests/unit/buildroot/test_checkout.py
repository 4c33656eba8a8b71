"""An existing Buildroot checkout: where its parts are, and what of it is not committed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from rootstream import events
from rootstream.buildroot.sources import checkout, worktree
from rootstream.errors import UserError
from rootstream.verbs import import_checkout

FILES = {
    "Makefile": "export BR2_VERSION := 2026.02\nshow-info:\n",
    "Config.in": "mainmenu\n",
    "package/Makefile.in": "#\n",
    "support/kconfig/conf.c": "int x;\n",
}
WRAPPER = "# Automatically generated\nMAKEARGS := -C {tree}\nMAKEARGS += O=$(CURDIR)\n"
ENV = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "buildroot"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def run_git(folder: Path, *words: str) -> None:
    argv = ["git", "-c", "user.name=A", "-c", "user.email=a@example.org", *words]
    subprocess.run(argv, cwd=folder, env=ENV, check=True, capture_output=True)


def test_an_output_folder_tells_its_tree_and_external_trees(tree: Path, tmp_path: Path) -> None:
    output, ext = tmp_path / "o", tmp_path / "ext"
    output.mkdir()
    ext.mkdir()
    (output / "Makefile").write_text(WRAPPER.format(tree=tree))
    (output / ".config").write_text("BR2_x86_64=y\n")
    (output / ".br2-external.mk").write_text(f"#\n\nBR2_EXTERNAL ?= {ext}\nexport BR2_EXTERNAL_NAMES = EXT\n")
    found = checkout.of(output)
    assert (found.tree, found.output, found.config) == (tree, output, output / ".config")
    assert found.externals == (ext,)
    assert found.overrides is None
    (output / "local.mk").write_text("")
    assert found.overrides == output / "local.mk"


def test_a_tree_with_a_config_of_its_own(tree: Path) -> None:
    assert checkout.of(tree).config is None
    (tree / ".config").write_text("BR2_x86_64=y\n")
    found = checkout.of(tree)
    assert (found.tree, found.output, found.config, found.externals) == (
        tree,
        tree / "output",
        tree / ".config",
        (),
    )


@pytest.mark.parametrize("missing", ["package/Makefile.in", "Makefile"])
def test_what_is_no_buildroot(tree: Path, missing: str) -> None:
    (tree / missing).unlink()
    with pytest.raises(UserError) as raised:
        checkout.of(tree)
    assert raised.value.reason == "no-buildroot"


def test_what_is_not_committed(tree: Path) -> None:
    assert worktree.changes(tree, ENV) is None
    run_git(tree, "init", "-q")
    run_git(tree, "add", ".")
    run_git(tree, "commit", "-qm", "one")
    run_git(tree, "tag", "2026.02")
    assert worktree.changes(tree, ENV) == ()
    assert worktree.origin(tree, ENV) is None
    run_git(tree, "remote", "add", "origin", "https://example.org/buildroot.git")
    assert worktree.origin(tree, ENV) == ("https://example.org/buildroot.git", "2026.02")
    (tree / "Config.in").write_text("changed\n")
    (tree / "package/mine").write_text("")
    assert worktree.changes(tree, ENV) == (" M Config.in", "?? package/mine")
    assert worktree.changes(tree / "package", ENV) is None


def refused(tree: Path, folder: Path, *externals: Path) -> str:
    with pytest.raises(UserError) as raised:
        import_checkout.create(tree, folder, None, None, externals, ENV, events.ignore)
    return raised.value.reason


def test_what_cannot_be_imported_leaves_nothing(tree: Path, tmp_path: Path) -> None:
    place = tmp_path / "project"
    assert refused(tree, place) == "no-config"
    ext = tmp_path / "ext"
    ext.mkdir()
    (tree / ".config").write_text('BR2_DEFCONFIG="/x/a_defconfig"\n')
    assert refused(tree, place, ext) == "external-outside"
    assert refused(tree, ext, ext) == "external-outside"
    assert not place.exists()
    place.mkdir()
    (place / "system.yaml").write_text("mine\n")
    assert refused(tree, place) == "is-project"
    assert (place / "system.yaml").read_text() == "mine\n"


def test_symbols_of_places_are_not_the_users(tree: Path) -> None:
    assert tree.is_dir()
    text = 'BR2_A=y\nBR2_DEFCONFIG="/x"\nBR2_EXTERNAL_ACME_PATH="/ext"\nBR2_EXTERNALS=y\n# BR2_B is not set\n'
    assert checkout.own_values(text) == {"BR2_A": "y", "BR2_EXTERNALS": "y", "BR2_B": "n"}
    assert checkout.origin(text) == '"/x"'
    assert checkout.origin("BR2_A=y\n") == ""


def test_the_local_mk_that_make_reads(tree: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    output.mkdir(exist_ok=True)
    alone = checkout.Checkout(tree=tree, output=output, config=None, externals=())
    beside = checkout.Checkout(tree=tree, output=output, config=tree / ".config", externals=())
    assert (alone.overrides, beside.overrides) == (None, None)
    (output / "local.mk").touch()
    assert (alone.overrides, beside.overrides) == (output / "local.mk", None)
    (tree / "local.mk").touch()
    assert (alone.overrides, beside.overrides) == (output / "local.mk", tree / "local.mk")


@pytest.mark.parametrize("url", ["", "ext::sh -c x", "--upload-pack=x"])
def test_an_address_that_is_none(tree: Path, url: str) -> None:
    run_git(tree, "init", "-q")
    run_git(tree, "add", ".")
    run_git(tree, "commit", "-qm", "one")
    run_git(tree, "config", "remote.origin.url", url)
    assert worktree.origin(tree, ENV) is None


def test_an_index_that_is_too_large_is_not_copied(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_git(tree, "init", "-q")
    run_git(tree, "add", ".")
    run_git(tree, "commit", "-qm", "one")
    size = (tree / ".git/index").stat().st_size
    monkeypatch.setattr(worktree, "MOST_INDEX", size)
    assert worktree.changes(tree, ENV) == ()
    monkeypatch.setattr(worktree, "MOST_INDEX", size - 1)
    changes = worktree.changes(tree, ENV)
    assert changes  # without an index everything is new
    (tree / ".git/index").unlink()
    assert worktree.changes(tree, ENV) == changes
