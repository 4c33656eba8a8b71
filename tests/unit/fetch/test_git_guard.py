"""What may reach Git: addresses, names, command lines; and that nothing runs where they hold commands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rootstream.buildroot.sources import worktree
from rootstream.description.load import load
from rootstream.engine import programs
from rootstream.errors import Problems, UserError
from rootstream.fetch import git_guard
from rootstream.project.lock import from_text

ENV = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}

GOOD: tuple[str, ...] = (
    "https://git.example.org/linux.git",
    "https://user:secret@git.example.org:8443/a%20b.git",
    "http://127.0.0.1:8000/x",
    "ssh://git@git.example.org/x",
    "ssh://[2001:db8::1]:22/x",
    "git://git.example.org/x",
    "file:///srv/git/x y.git",
    "git@git.example.org:group/x.git",
    "git.example.org:x",
    "/srv/git/x.git",
)
BAD: tuple[str, ...] = (
    "",
    " ",
    "-x",
    "--upload-pack=touch x",
    "%2d%2dupload-pack=x",
    "ext::sh -c x",
    "fd::3",
    "foo::bar",
    "persistent-https::x",
    "foo://example.org/x",
    "ftp://example.org/x",
    "FILE:///x",
    "file://-x",
    "file://",
    "https:///x",
    "ssh://-oProxyCommand=x/y",
    "ssh://%2doProxyCommand=x/y",
    "ssh://a@-oProxyCommand=x/y",
    "ssh://-a@host/y",
    "ssh://example.org:x/y",
    "-oProxyCommand=x:y",
    "a@-oProxyCommand=x:y",
    "-a@host:y",
    "https://x\n--upload-pack=y",
    "https://x/%0ay",
    "https://x/\x1b[2J",
    "https://x/\u2028",
    "../upstream",
    "relative/path",
    "host:",
    "host::path",
    "https://[::1",
)
BAD_REFS: tuple[str, ...] = (
    "",
    "-x",
    "--upload-pack=x",
    "+a:b",
    "a:b",
    "a b",
    "a..b",
    "@{-1}",
    "a^{}",
    "a~1",
    "x.lock",
    "/a",
    "a/",
)
BAD_REFS += ("a\n", "a\u202e", "*", "a\\b", "@", "a//b", "a/.b", ".a", "a.")


@pytest.mark.parametrize("url", GOOD)
def test_an_address(url: str) -> None:
    assert git_guard.address_problem(url) is None


@pytest.mark.parametrize("url", BAD)
def test_what_is_no_address(url: str) -> None:
    assert git_guard.address_problem(url)


@pytest.mark.parametrize("name", ["HEAD", "main", "v6.12", "refs/tags/v1", "feature/issue#12", "2026.02.x", "ä"])
def test_a_ref(name: str) -> None:
    assert git_guard.ref_problem(name) is None


@pytest.mark.parametrize("name", BAD_REFS)
def test_what_is_no_ref(name: str) -> None:
    assert git_guard.ref_problem(name)


@pytest.mark.parametrize(
    "words",
    [
        "--version",
        "init --bare /tmp/x",
        "fetch --prune https://h/x +refs/heads/*:refs/heads/* +refs/tags/*:refs/tags/*",
        "fetch --depth=1 https://h/x +refs/tags/v1:refs/tags/v1",
        "fetch --depth=1 -- https://h/x v1",
        "fetch origin --prune --tags --force",
        "ls-remote https://h/x",
        "ls-remote origin",
        "remote add --mirror=fetch origin https://h/x",
        "remote set-url origin https://h/x",
        "remote",
        "clone --no-checkout --shared /cache/mirror /build/tree",
        "-c advice.detachedHead=false checkout --force abc",
        "rev-list -n 1 main",
        "describe --tags --abbrev=40 --long --always main",
        "show abc:.gitmodules",
        "show -s --format=%ct abc",
        "hash-object -w -t commit --stdin",
        "config --get remote.origin.url",
        "config remote.origin.url https://h/x",
        "lfs --version",
    ],
)
def test_what_plugins_say_to_git(words: str) -> None:
    assert git_guard.command_problem(words.split(" ")) is None


@pytest.mark.parametrize(
    "words",
    [
        ["fetch", "--prune", "--upload-pack=touch x", "+refs/heads/*:refs/heads/*"],
        ["fetch", "--depth=1", "--upload-p=touch x", "r"],
        ["fetch", "ext::sh -c x", "r"],
        ["fetch", "--", "--upload-pack=x", "r"],
        ["fetch", "--recurse-submodules", "https://h/x"],
        ["ls-remote", "--upload-pack=x"],
        ["ls-remote", "--exec=x", "/x"],
        ["ls-remote", "-o", "x", "/x"],
        ["clone", "--no-checkout", "-c", "core.fsmonitor=x", "/m", "/d"],
        ["clone", "--template=/x", "/m", "/d"],
        ["clone", "-u", "x", "/m", "/d"],
        ["clone", "relative", "/d"],
        ["remote", "add", "--mirror=fetch", "origin", "ext::x"],
        ["remote", "set-url", "origin", "--upload-pack=x"],
        ["config", "remote.origin.url", "ext::x"],
        ["config", "core.fsmonitor", "x"],
        ["-c", "core.sshCommand=x", "fetch", "https://h/x"],
        ["--exec-path=/x", "fetch", "https://h/x"],
        ["submodule", "update"],
        ["show", "--output=/x:.gitmodules"],
        ["show", "--out=/x"],
        ["describe", "--ext-diff"],
    ],
)
def test_what_nobody_may_say_to_git(words: list[str]) -> None:
    assert git_guard.command_problem(words)


def git(folder: Path, *words: str) -> None:
    folder.mkdir(exist_ok=True)
    argv = ["git", "-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main", *words]
    subprocess.run(argv, cwd=folder, env=ENV, check=True, capture_output=True)


def test_the_engines_git_is_the_hosts_with_its_command_lines_checked(tmp_path: Path) -> None:
    path = programs.guarded_path(tmp_path / "cache", os.environ["PATH"])
    env = {**ENV, "PATH": path}
    done = subprocess.run(["git", "--version"], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("git version")
    git(tmp_path / "repository", "init", "-q")
    words = ["git", "ls-remote", f"--upload-pack=touch {tmp_path}/canary; git-upload-pack", "/"]
    done = subprocess.run(words, env=env, cwd=tmp_path / "repository", capture_output=True, text=True, check=False)
    assert done.returncode == git_guard.STATUS
    assert "git-refused" in done.stderr
    assert not (tmp_path / "canary").exists()
    assert programs.guarded_path(tmp_path / "cache", os.environ["PATH"]) == path


def test_no_git_on_the_host_is_no_git_for_the_engine(tmp_path: Path) -> None:
    assert programs.guarded_path(tmp_path, str(tmp_path)) == str(tmp_path)


def test_a_description_may_not_give_options_to_git(tmp_path: Path) -> None:
    (tmp_path / "system.yaml").write_text(
        "systems:\n  a:\n    root: busybox\n    images: [kernel]\n    kernel:\n      source:\n        git:\n"
        "          url: '--upload-pack=touch x;'\n          track: --exec=x\n"
    )
    with pytest.raises(Problems) as raised:
        load(tmp_path / "system.yaml")
    found = {(each.reason, each.where.line if each.where else None) for each in raised.value.problems}
    assert found == {("bad-value", 8), ("bad-value", 9)}


@pytest.mark.parametrize(
    ("url", "track", "ref"),
    [
        ("--upload-pack=x", "main", "a" * 40),
        ("https://h/x", "--exec=x", "a" * 40),
        ("https://h/x", "main", "--output=x"),
    ],
)
def test_a_lock_may_not_give_options_to_git(url: str, track: str, ref: str, tmp_path: Path) -> None:
    text = f'{{"version": 1,\n "sources": [\n  {{"source": {{"kind":"git","track":"{track}","url":"{url}"}},\n'
    with pytest.raises(UserError) as raised:
        from_text(f'{text}   "ref": "{ref}"}}\n ]}}\n', tmp_path / "system.lock")
    assert (raised.value.reason, raised.value.where and raised.value.where.line) == ("lock-broken", 3)


HOSTILE = """\
[core]
	repositoryformatversion = 0
	fsmonitor = {command}
	hooksPath = {hooks}
	sshCommand = {command}
	pager = {command}
[filter "evil"]
	clean = {command}
	smudge = {command}
	process = {command}
[remote "origin"]
	url = https://example.org/x.git
	uploadpack = {command}
	promisor = true
[diff "evil"]
	command = {command}
	textconv = {command}
[alias]
	status = !{command}
"""


def test_a_foreign_work_tree_runs_nothing(tmp_path: Path) -> None:
    tree, canary = tmp_path / "tree", tmp_path / "canary"
    git(tree, "init", "-q")
    (tree / "file").write_text("one\n")
    (tree / ".gitattributes").write_text("* filter=evil diff=evil\n")
    git(tree, "add", ".")
    git(tree, "commit", "-qm", "one")
    git(tree, "tag", "v1")
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("post-index-change", "post-checkout"):
        (hooks / name).write_text(f"#!{sys.executable}\nopen({str(canary)!r}, 'w')\n")
        (hooks / name).chmod(0o755)
    (tree / ".git/config").write_text(HOSTILE.format(command=f"touch {canary};", hooks=hooks))
    (tree / "file").write_text("two\n")
    before = (tree / ".git/index").read_bytes()
    git_before = sorted(path.name for path in (tree / ".git").iterdir())
    assert worktree.changes(tree, ENV) == (" M file",)
    assert worktree.origin(tree, ENV) == ("https://example.org/x.git", "v1")
    assert not canary.exists()
    assert (tree / ".git/index").read_bytes() == before
    assert sorted(path.name for path in (tree / ".git").iterdir()) == git_before


def test_a_linked_work_tree(tmp_path: Path) -> None:
    git(tmp_path / "main", "init", "-q")
    (tmp_path / "main/file").write_text("one\n")
    git(tmp_path / "main", "add", ".")
    git(tmp_path / "main", "commit", "-qm", "one")
    git(tmp_path / "main", "remote", "add", "origin", "ext::sh -c x")
    git(tmp_path / "main", "worktree", "add", "-q", str(tmp_path / "other"), "-b", "b")
    assert worktree.changes(tmp_path / "other", ENV) == ()
    assert worktree.origin(tmp_path / "other", ENV) is None
