"""Git through BuildStream's plugin: addresses that hold commands, in elements and in upstreams, run nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from engine_project import engine

from rootstream.errors import UserError

CONF = """\
name: tiny
min-version: 2.4
element-path: elements
plugins:
- {{origin: pip, package-name: buildstream-plugins, sources: [git]}}
aliases:
  helper: "ext::touch {canary} "
"""
ELEMENT = "kind: import\nsources:\n- {{kind: git, url: '{url}', track: {track}}}\n"

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(shutil.which("git") is None, reason="needs git"),
]


def git(folder: Path, *words: str) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    argv = ["git", "-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main", *words]
    return subprocess.run(argv, cwd=folder, env=env, check=True, capture_output=True, text=True).stdout.strip()


def project(folder: Path, url: str, track: str = "main", **words: str) -> Path:
    (folder / "elements").mkdir(parents=True)
    (folder / "project.conf").write_text(CONF.format(canary=folder.parent / "canary"))
    text = ELEMENT.format(url=url, track=track)
    text = text.replace("}", "".join(f", {name}: {value}" for name, value in words.items()) + "}")
    (folder / "elements/tree.bst").write_text(text)
    return folder


def repository(folder: Path, submodule: str, address: str) -> Path:
    """Make a repository with a submodule, which it says is at another address."""
    git(folder.parent / "inner", "init", "-q")
    (folder.parent / "inner/file").write_text("inner\n")
    git(folder.parent / "inner", "add", ".")
    git(folder.parent / "inner", "commit", "-qm", "one")
    commit = git(folder.parent / "inner", "rev-parse", "HEAD")
    git(folder, "init", "-q")
    (folder / "outer").write_text("outer\n")
    (folder / ".gitmodules").write_text(f'[submodule "x"]\n\tpath = {submodule}\n\turl = {address}\n')
    git(folder, "add", ".")
    git(folder, "update-index", "--add", "--cacheinfo", f"160000,{commit},{submodule}")
    git(folder, "commit", "-qm", "one")
    return folder


@pytest.mark.parametrize("track", ["main", "--output=canary"])
@pytest.mark.parametrize("url", ["--upload-pack=touch {canary};", "helper:x", "-utouch {canary};"])
def test_an_element_gives_git_no_commands(tmp_path: Path, url: str, track: str) -> None:
    canary = tmp_path / "canary"
    made = project(tmp_path / "project", url.format(canary=canary), track)
    with pytest.raises(UserError) as raised:
        engine(tmp_path / "cache").track(made, ["tree.bst"])
    assert raised.value.reason == "git-refused"
    assert raised.value.where is not None
    assert (raised.value.where.path.name, raised.value.where.line) == ("tree.bst", 3)
    assert not canary.exists()


def test_an_upstream_gives_git_no_commands(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    upstream = repository(tmp_path / "upstream", "x", f"--upload-pack=touch {canary};")
    made = project(tmp_path / "project", upstream.as_uri(), ref=git(upstream, "rev-parse", "HEAD"))
    with pytest.raises(UserError) as raised:
        engine(tmp_path / "cache").fetch(made, ["tree.bst"])
    assert raised.value.reason == "git-refused"
    assert not canary.exists()


@pytest.mark.parametrize("wanted", [True, False])
def test_submodules_are_checked_out_where_they_are_asked_for(tmp_path: Path, wanted: bool) -> None:
    upstream = repository(tmp_path / "upstream", "x", (tmp_path / "inner").as_uri())
    words = {"ref": git(upstream, "rev-parse", "HEAD"), "checkout-submodules": str(wanted)}
    made = project(tmp_path / "project", upstream.as_uri(), **words)
    bst = engine(tmp_path / "cache")
    bst.build(made, ["tree.bst"])
    bst.checkout(made, "tree.bst", tmp_path / "out")
    assert (tmp_path / "out/outer").read_text() == "outer\n"
    assert (tmp_path / "out/x/file").exists() is wanted
