"""A download without a hash, such as a branch of Git, is pinned by the first build; later ones hold to that."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.buildroot import smalltree, test_graph, test_rebuild
from tests.buildroot.conftest import Command

pytestmark = pytest.mark.buildroot


def commit(repository: Path, text: str) -> None:
    """Have a branch with another commit."""
    (repository / "text").write_text(text)
    git = ["git", "-C", str(repository), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-qm", text]):
        subprocess.run([*git, *words], check=True)


@pytest.fixture(params=["make", "graph"])
def box(request: pytest.FixtureRequest, small_tree: Path, tmp_path: Path) -> Path:
    """Return a project with a package that comes from a branch."""
    folder = tmp_path / "box"
    folder.mkdir()
    if request.param == "make":
        test_rebuild.project(folder, small_tree, smalltree.DEFCONFIG)
    else:
        test_graph.small_packages(folder, small_tree)
    repository = tmp_path / "repository"
    shutil.copytree(folder / "external" / "package" / "other" / "source", repository)
    commit(repository, f"first of {tmp_path}\n")
    rules = folder / "external" / "package" / "other" / "other.mk"
    lines = [line for line in rules.read_text().splitlines() if "_SITE" not in line and "_VERSION" not in line]
    head = f"OTHER_VERSION = main\nOTHER_SITE = file://{repository}\nOTHER_SITE_METHOD = git\n"
    rules.write_text(head + "\n".join(lines) + "\n")
    return folder


def lock(box: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((box / "system.lock").read_text())
    return found


def entries(box: Path) -> dict[str, str]:
    found = [each for each in lock(box)["sources"] if each["source"]["kind"] == "buildroot_download"]
    return {each["source"]["path"]: each["ref"]["sha256"] for each in found}


def forget(box: Path) -> None:
    """Take the downloads out of the lock."""
    told = lock(box)
    told["sources"] = [each for each in told["sources"] if each["source"]["kind"] != "buildroot_download"]
    (box / "system.lock").write_text(json.dumps(told))


def test_what_has_no_hash_is_pinned_by_the_first_build(box: Path, tmp_path: Path, run: Command) -> None:
    downloads = tmp_path / "dl"
    env = {"BR2_DL_DIR": str(downloads)}
    done = run("build", cwd=box, env=env)
    ((path, digest),) = entries(box).items()
    assert f"pinned in system.lock, as no package has a hash of it: {path}" in done.stderr
    run("build", "--locked", cwd=box, env=env)  # post.sh may read the lock, too
    assert "nothing to do" in run("build", "--locked", cwd=box, env=env).stderr
    assert "up to date" in run("update", "--missing", cwd=box, env=env).stderr
    run("update", cwd=box, env=env)
    assert entries(box) == {path: digest}

    commit(tmp_path / "repository", "second\n")
    shutil.rmtree(downloads)
    shutil.rmtree(box / ".rootstream")
    done = run("build", cwd=box, env=env, check=False)
    if (
        "graph: true" in (box / "system.yaml").read_text()
    ):  # what was pinned is in the cache: nothing is downloaded
        assert done.returncode == 0, done.stderr
        assert (box / "out" / "box" / "other").read_text().startswith(f"first of {tmp_path}\n")
        assert not list(downloads.rglob("*.tar.gz"))
    else:
        assert done.returncode == 2, done.stderr
        assert f"{path} has another content than system.lock says" in done.stderr

    forget(box)
    done = run("build", "--locked", cwd=box, env=env, check=False)
    assert done.returncode == 2
    assert f"system.lock lacks downloads that no package has a hash of: {path}" in done.stderr
    assert entries(box) == {}
    run("build", cwd=box, env=env)
    assert entries(box)[path] != digest
    assert (box / "out" / "box" / "other").read_text().startswith("second\n")


def test_another_pin_is_another_result(box: Path, tmp_path: Path, run: Command) -> None:
    env = {"BR2_DL_DIR": str(tmp_path / "dl")}
    run("build", cwd=box, env=env)
    ((path, digest),) = entries(box).items()
    text = (box / "system.lock").read_text().replace(digest, "0" * 64)
    (box / "system.lock").write_text(text)
    done = run("build", cwd=box, env=env, check=False)
    assert done.returncode == 2
    assert path in done.stderr
    assert "nothing to do" not in done.stderr
