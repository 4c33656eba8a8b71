"""The real Buildroot as a tree: by Git, and as a folder that is only looked at when nothing changed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from rootstream import events
from rootstream.buildroot.sources import tree
from rootstream.buildroot.workspace import Caches
from rootstream.description.roots import FromAnyFolder
from rootstream.description.system import FromGit

Command = Callable[..., "subprocess.CompletedProcess[str]"]
GIVEN = os.environ.get("ROOTSTREAM_BUILDROOT", "")
pytestmark = pytest.mark.skipif(not GIVEN, reason="ROOTSTREAM_BUILDROOT names no folder with Buildroot")


@pytest.fixture
def env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("ROOTSTREAM_BUILDROOT_CACHE", str(tmp_path / "cache"))
    return dict(os.environ)


def test_the_folder_keeps_its_identity_and_gets_a_patch(env: dict[str, str], tmp_path: Path) -> None:
    where = FromAnyFolder.model_validate({"local": GIVEN})
    (tmp_path / "patches").mkdir()
    diff = "--- /dev/null\n+++ b/added\n@@ -0,0 +1 @@\n+new\n"
    (tmp_path / "patches/0001-add.patch").write_text(diff)
    folders = (tmp_path / "patches",)
    plain = tree.identity(where, None, (), tmp_path)
    assert tree.identity(where, None, (), tmp_path) == plain
    assert tree.identity(where, None, folders, tmp_path) != plain
    place = tree.ready(
        where, None, folders, project=tmp_path, caches=Caches.of(env), env=env, report=events.ignore
    )
    assert (place / "added").read_text() == "new\n"
    assert tree.version(place) == tree.version(Path(GIVEN)) != ""
    assert not (Path(GIVEN) / "added").exists()


def test_an_external_tree_without_its_three_files_and_the_wrong_architecture(tmp_path: Path, run: Command) -> None:
    package = tmp_path / "ours" / "package" / "thing"
    package.mkdir(parents=True)
    (package / "Config.in").write_text('config BR2_PACKAGE_THING\n\tbool "thing"\n')
    (package / "thing.mk").write_text("THING_VERSION =\n$(eval $(generic-package))\n")
    (tmp_path / "thing.config").write_text("BR2_PACKAGE_THING=y\n")
    root = f"tree: {{local: {GIVEN}}}, external: [ours], defconfig: {{defconfig: qemu_x86_64}}"
    text = (
        f"systems:\n  box:\n    root: {{buildroot: {{{root}, fragments: [thing.config]}}}}\n    images: [files]\n"
    )
    (tmp_path / "system.yaml").write_text(text)
    assert "all have the requested values" in run("config", "check", cwd=tmp_path).stdout
    assert '"name": "thing"' in run("make", "-s", "show-info", cwd=tmp_path).stdout
    assert sorted(path.name for path in (tmp_path / "ours").iterdir()) == ["package"]
    (tmp_path / "system.yaml").write_text(text + "    arch: riscv64\n")
    done = run("config", "check", cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert "system.yaml:5: arch: riscv64, but this configuration is for x86_64" in done.stdout


def test_a_commit_has_the_files_that_git_lists(env: dict[str, str], tmp_path: Path) -> None:
    if not (Path(GIVEN) / ".git").exists():
        pytest.skip("ROOTSTREAM_BUILDROOT is no work tree of Git")
    wanted = FromGit.model_validate({"git": {"url": Path(GIVEN).resolve().as_uri(), "track": "HEAD"}})
    ref = tree.pin(wanted, env=env, report=events.ignore)
    place = tree.ready(wanted, ref, (), project=tmp_path, caches=Caches.of(env), env=env, report=events.ignore)
    argv = ["git", "-C", GIVEN, "ls-tree", "-rz", "--name-only", ref["commit"]]
    listed = subprocess.run(argv, check=True, capture_output=True).stdout.split(b"\0")[:-1]
    found = [
        os.fsencode(path.relative_to(place)) for path in place.rglob("*") if path.is_symlink() or path.is_file()
    ]
    assert sorted(found) == sorted(listed)
