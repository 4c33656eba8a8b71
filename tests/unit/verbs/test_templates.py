"""What `init` makes: files that Git is not to keep are ignored, and nothing that is there is overwritten."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from rootstream.errors import UserError
from rootstream.verbs.templates import TEMPLATES, create, not_ignored


@pytest.mark.parametrize("template", sorted(TEMPLATES))
def test_what_is_derived_is_ignored(tmp_path: Path, template: str) -> None:
    folder = tmp_path / "project"
    assert folder / ".gitignore" in create(template, folder)
    for name in (".rootstream/plan/x", "out/hello/disk.img"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text("derived\n")
    subprocess.run(["git", "init", "-q", folder], check=True)
    subprocess.run(["git", "-C", folder, "add", "-A"], check=True)
    listed = subprocess.run(["git", "-C", folder, "ls-files"], check=True, capture_output=True, text=True)
    names = listed.stdout.splitlines()
    assert ".gitignore" in names
    assert not [name for name in names if name.startswith((".rootstream", "out/"))]
    assert not_ignored(folder) == ()


def test_a_repository_without_files_is_filled_and_its_gitignore_stays(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / ".gitignore").write_text("*.tmp\nout\n")
    files = create("x86-disk", tmp_path)
    assert tmp_path / "system.yaml" in files
    assert not [path for path in files if ".git" in path.parts]
    assert (tmp_path / ".gitignore").read_text() == "*.tmp\nout\n"
    assert not_ignored(tmp_path) == (".rootstream/",)
    assert (tmp_path / ".git" / "HEAD").is_file()


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "system.yaml").write_text("mine\n")
    with pytest.raises(UserError) as caught:
        create("x86-disk", tmp_path)
    assert caught.value.reason == "not-empty"
    assert [path.name for path in tmp_path.iterdir()] == ["system.yaml"]
