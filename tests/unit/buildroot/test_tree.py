"""The Buildroot tree from Git, a tarball and a folder: pinned, unpacked, patched, refused."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from rootstream import events
from rootstream.buildroot.sources import git, tree
from rootstream.buildroot.workspace import Caches
from rootstream.description.roots import BuildrootTree, FromAnyFolder
from rootstream.description.system import FromGit, FromTarball
from rootstream.errors import UserError

FILES = {
    "Makefile": "export BR2_VERSION := 2026.02\nall:\n",
    "Config.in": "mainmenu\n",
    "package/Makefile.in": "#\n",
    "support/kconfig/conf.c": "int x;\n",
}
GOOD = "--- a/Config.in\n+++ b/Config.in\n@@ -1 +1 @@\n-mainmenu\n+patched\n"
BAD = "--- a/Config.in\n+++ b/Config.in\n@@ -1 +1 @@\n-something else\n+patched\n"


def buildroot(folder: Path) -> Path:
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_a_tree_that_is_not_there_is_told_as_that(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder") as caught:
        tree.require(tmp_path / "nowhere")
    assert caught.value.reason == "no-buildroot"


def patches(folder: Path, text: str) -> tuple[Path, ...]:
    folder.mkdir()
    (folder / "0001-menu.patch").write_text(text)
    return (folder,)


@pytest.fixture
def env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("ROOTSTREAM_BUILDROOT_CACHE", str(tmp_path / "cache"))
    return {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}


def run_git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = buildroot(tmp_path / "repository")
    run_git(folder, "init", "-q")
    run_git(folder, "add", ".")
    run_git(folder, "commit", "-qm", "one")
    run_git(folder, "tag", "-a", "-m", "release", "2026.02")
    (folder / "README").write_text("later\n")
    run_git(folder, "add", ".")
    run_git(folder, "commit", "-qm", "two")
    return folder


def from_git(repository: Path, track: str) -> FromGit:
    return FromGit.model_validate({"git": {"url": repository.as_uri(), "track": track}})


def from_tar(path: Path) -> FromTarball:
    return FromTarball.model_validate({"tar": {"url": path.as_uri()}})


def prepared(where: BuildrootTree, ref: object, env: dict[str, str], *folders: Path, project: Path) -> Path:
    return tree.ready(where, ref, folders, project=project, caches=Caches.of(env), env=env, report=events.ignore)


def test_a_tag_is_pinned_to_its_commit_and_unpacked(repository: Path, env: dict[str, str], tmp_path: Path) -> None:
    wanted = from_git(repository, "2026.02")
    ref = tree.pin(wanted, env=env, report=events.ignore)
    assert ref["commit"] == run_git(repository, "rev-parse", "2026.02^{commit}")
    place = prepared(wanted, ref, env, project=tmp_path)
    assert tree.version(place) == "2026.02"
    assert not (place / "README").exists()


def test_what_is_in_the_cache_needs_no_repository(repository: Path, env: dict[str, str], tmp_path: Path) -> None:
    wanted = from_git(repository, "main")
    ref = tree.pin(wanted, env=env, report=events.ignore)
    first = prepared(wanted, ref, env, project=tmp_path)
    repository.rename(tmp_path / "gone")
    assert prepared(wanted, ref, env, project=tmp_path) == first
    folders = patches(tmp_path / "patches", GOOD)
    second = prepared(wanted, ref, env, *folders, project=tmp_path)
    assert (second / "Config.in").read_text() == "patched\n"
    assert (first / "Config.in").read_text() == "mainmenu\n"


def test_a_lock_file_of_a_killed_git_does_not_matter(
    repository: Path, env: dict[str, str], tmp_path: Path
) -> None:
    wanted = from_git(repository, "main")
    ref = tree.pin(wanted, env=env, report=events.ignore)
    bare = git.repository(tmp_path / "cache" / "git", repository.as_uri())
    bare.mkdir(parents=True)
    run_git(bare, "init", "-q", "--bare")
    (bare / "shallow.lock").touch()
    assert (prepared(wanted, ref, env, project=tmp_path) / "README").is_file()
    assert run_git(bare, "rev-list", "--count", ref["commit"]) == "1"  # shallow: not the whole history


def test_what_a_killed_run_left_is_swept(repository: Path, env: dict[str, str], tmp_path: Path) -> None:
    wanted = from_git(repository, "main")
    ref = tree.pin(wanted, env=env, report=events.ignore)
    name = tree.identity(wanted, ref, (), tmp_path)[:32]
    left = tmp_path / "cache" / "trees" / f".{name}.abc"
    left.mkdir(parents=True)
    prepared(wanted, ref, env, project=tmp_path)
    assert not left.exists()


def test_an_unknown_branch_is_named(repository: Path, env: dict[str, str]) -> None:
    with pytest.raises(UserError) as caught:
        tree.pin(from_git(repository, "nowhere"), env=env, report=events.ignore)
    assert caught.value.reason == "unknown-ref"


def test_a_commit_that_the_repository_has_not_is_refused(
    repository: Path, env: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(UserError) as caught:
        prepared(from_git(repository, "main"), {"commit": "0" * 40}, env, project=tmp_path)
    assert caught.value.reason == "tree-unreachable"


@pytest.mark.parametrize("url", ["ext::sh -c touch% /tmp/x", "--upload-pack=x", "a b", "", "https://x\n"])
def test_addresses_that_could_run_programs_are_refused(url: str) -> None:
    with pytest.raises(UserError) as caught:
        git.checked_url(url)
    assert caught.value.reason == "bad-url"


@pytest.mark.parametrize("commit", ["--output=x", "main", "abc", ""])
def test_a_lock_with_something_else_than_a_commit_is_refused(
    commit: str, repository: Path, env: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(UserError) as caught:
        git.fetch(tmp_path / "git", repository.as_uri(), commit, "main", env)
    assert caught.value.reason == "bad-ref"


@pytest.mark.parametrize("compression", ["", "gz", "bz2", "xz"])
def test_a_tarball_of_any_compression(compression: str, env: dict[str, str], tmp_path: Path) -> None:
    archive = tmp_path / "buildroot.download"
    with tarfile.open(archive, f"w:{compression}") as packed:  # type: ignore[call-overload]
        packed.add(buildroot(tmp_path / "source"), "buildroot-2026.02")
    wanted = from_tar(archive)
    ref = tree.pin(wanted, env=env, report=events.ignore)
    archive.unlink()
    assert tree.version(prepared(wanted, ref, env, project=tmp_path)) == "2026.02"


def hostile(name: str, **values: object) -> bytes:
    member = tarfile.TarInfo(name)
    for key, value in values.items():
        setattr(member, key, value)
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as packed:
        packed.addfile(member)
    return stream.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        hostile("../escaped"),
        hostile("link", type=tarfile.SYMTYPE, linkname="../../../etc"),
        hostile("device", type=tarfile.CHRTYPE),
        b"not an archive",
        b"",
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xff\xff\xff\xff",
        b"\xfd7zXZ\x00\x00\x04\xe6\xd6\xb4Fgarbage",
    ],
    ids=["parent", "link", "device", "text", "empty", "gzip", "xz"],
)
def test_hostile_and_broken_archives_are_refused(content: bytes, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    archive.write_bytes(content)
    with pytest.raises(UserError) as caught:
        tree.unpack(archive, tmp_path / "place" / "tree")
    assert caught.value.reason == "bad-archive"
    assert not (tmp_path / "place" / "escaped").exists()


@pytest.mark.parametrize("command", ["cat", "gzip -c", "bzip2 -c", "xz -c", "zstd -qc"])
def test_archives_of_every_compression(command: str, tmp_path: Path) -> None:
    words = command.split()
    if shutil.which(words[0]) is None:
        pytest.skip(f"{words[0]} is not installed")
    source = buildroot(tmp_path / "source")
    with tarfile.open(tmp_path / "plain.tar", "w") as packed:
        packed.add(source, "buildroot-1")
    with (tmp_path / "archive").open("wb") as file:
        subprocess.run([*words, str(tmp_path / "plain.tar")], check=True, stdout=file)
    tree.unpack(tmp_path / "archive", tmp_path / "tree")
    names = sorted(str(path.relative_to(source)) for path in source.rglob("*"))
    assert sorted(str(path.relative_to(tmp_path / "tree")) for path in (tmp_path / "tree").rglob("*")) == names


@pytest.mark.parametrize("compression", ["gz", "xz"])
def test_an_archive_broken_in_its_middle_is_refused(compression: str, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    (tmp_path / "noise").write_bytes(bytes(range(256)) * 400)
    with tarfile.open(archive, f"w:{compression}") as packed:  # type: ignore[call-overload]
        packed.add(tmp_path / "noise", "noise")
        packed.add(tmp_path / "noise", "again")
    content = bytearray(archive.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 40] = b"\xff" * 40
    archive.write_bytes(content)
    with pytest.raises(UserError) as caught:
        tree.unpack(archive, tmp_path / "tree")
    assert caught.value.reason == "bad-archive"


def test_a_patch_that_does_not_apply_is_named(env: dict[str, str], tmp_path: Path) -> None:
    source = buildroot(tmp_path / "source")
    where = FromAnyFolder.model_validate({"local": str(source)})
    folders = patches(tmp_path / "patches", BAD)
    with pytest.raises(UserError) as caught:
        prepared(where, None, env, *folders, project=tmp_path)
    assert caught.value.reason == "patch-failed"
    assert caught.value.where is not None
    assert caught.value.where.path.name == "0001-menu.patch"
    assert "Hunk #1 FAILED" in (caught.value.detail or "")
    assert [path for path in (tmp_path / "cache" / "trees").iterdir() if path.is_dir()] == []


def test_a_folder_is_used_as_it_is_and_copied_for_patches(env: dict[str, str], tmp_path: Path) -> None:
    source = buildroot(tmp_path / "source")
    where = FromAnyFolder.model_validate({"local": str(source)})
    assert tree.request(where) is None
    assert prepared(where, None, env, project=tmp_path) == source
    copy = prepared(where, None, env, *patches(tmp_path / "patches", GOOD), project=tmp_path)
    assert (copy / "Config.in").read_text() == "patched\n"
    assert (source / "Config.in").read_text() == "mainmenu\n"


@pytest.mark.usefixtures("env")
def test_the_identity_of_a_folder_follows_its_content(tmp_path: Path) -> None:
    source = buildroot(tmp_path / "source")
    where = FromAnyFolder.model_validate({"local": str(source)})
    before = tree.identity(where, None, (), tmp_path)
    (source / "Config.in").write_text("MAINMENU\n")
    changed = tree.identity(where, None, (), tmp_path)
    (source / "Config.in").write_text(FILES["Config.in"])
    assert before != changed
    assert tree.identity(where, None, (), tmp_path) == before


def test_a_folder_without_buildroot_is_refused(env: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        prepared(FromAnyFolder.model_validate({"local": str(tmp_path)}), None, env, project=tmp_path)
    assert caught.value.reason == "no-buildroot"


def test_a_tree_that_cannot_say_its_packages_is_too_old(tmp_path: Path) -> None:
    folder = buildroot(tmp_path)
    with pytest.raises(UserError) as raised:
        tree.require_recent(folder)
    assert raised.value.reason == "buildroot-too-old"
    (folder / "Makefile").write_text("all:\nshow-info:\n")
    tree.require_recent(folder)
