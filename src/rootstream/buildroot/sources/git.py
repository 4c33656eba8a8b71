"""Git repositories as sources of trees: which commit a name stands for, and that commit as files.

A bare repository for each URL is kept in the cache; only the wanted commit is fetched where the server allows it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from rootstream.errors import UserError
from rootstream.fetch import git_guard
from rootstream.host import process

COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
ASKING = 120.0
FETCHING = 3600.0


def checked_url(url: str) -> str:
    """Return an address of a repository that may be given to Git. Raises `UserError` bad-url."""
    problem = git_guard.address_problem(url)
    if problem is not None:
        raise UserError(
            "bad-url",
            f"{url!r} is not the address of a Git repository: {problem}",
            hint=f"Expected {git_guard.EXPECTED}.",
        )
    return url


def checked_name(name: str) -> str:
    """Return a branch, tag or commit that may be given to Git. Raises `UserError` bad-ref."""
    if git_guard.ref_problem(name) is not None:
        raise UserError("bad-ref", f"{name!r} is not the name of a branch, tag or commit")
    return name


def commit_of(url: str, name: str, env: Mapping[str, str]) -> str:
    """Return the commit that a branch, tag or commit of a repository stands for, asked now.

    Raises `UserError` bad-url, bad-ref, tree-unreachable, unknown-ref.
    """
    checked_url(url)
    if COMMIT.fullmatch(checked_name(name)):
        return name
    wanted = [name] if name == "HEAD" or name.startswith("refs/") else [f"refs/tags/{name}", f"refs/heads/{name}"]
    patterns = [each for ref in wanted for each in (f"{ref}^{{}}", ref)]
    try:
        done = process.run(
            ["git", "ls-remote", "--", url, *patterns], env=git_guard.environment(env), timeout=ASKING
        )
    except UserError as error:
        if error.reason == "program-missing":
            raise
        raise UserError(
            "tree-unreachable",
            f"{url} could not be queried for {name}",
            detail=error.detail or error.message,
            hint="Check the address and the network. Inputs that are in the lock already need neither.",
        ) from error
    found = {ref: commit for commit, _, ref in (line.partition("\t") for line in done.stdout.splitlines())}
    commit = next((found[each] for each in patterns if each in found), None)
    if commit is None:
        raise UserError(
            "unknown-ref", f"{url} has no branch or tag {name!r}", hint="`git ls-remote URL` lists them."
        )
    return commit


def repository(cache: Path, url: str) -> Path:
    """Return the place of the bare repository that is kept for a URL."""
    return cache / hashlib.sha256(url.encode()).hexdigest()[:20]


def has(bare: Path, commit: str, env: Mapping[str, str]) -> bool:
    """Say whether a commit is in a repository, whole."""
    if not (bare / "HEAD").is_file():
        return False
    argv = ["git", "--git-dir", str(bare), "cat-file", "-e", f"{commit}^{{tree}}"]
    return process.run(argv, env=git_guard.environment(env), timeout=ASKING, check=False).status == 0


def fetch(cache: Path, url: str, commit: str, name: str, env: Mapping[str, str]) -> Path:
    """Return a bare repository that has a commit; the network is asked only if it has not yet.

    Raises `UserError` bad-url, bad-ref, tree-unreachable.
    """
    bare = repository(cache, checked_url(url))
    checked_name(name)
    if not COMMIT.fullmatch(commit):
        raise UserError(
            "bad-ref", f"{commit!r} is not a commit", hint="Run `rootstream update` to pin the tree again."
        )
    if has(bare, commit, env):
        return bare
    bare.mkdir(parents=True, exist_ok=True)
    with _alone(bare):
        if not has(bare, commit, env):
            _receive(bare, url, commit, name, env)
    return bare


@contextlib.contextmanager
def _alone(bare: Path) -> Iterator[None]:
    """Hold a repository of the cache, and delete lock files of its own that a killed Git left."""
    handle = os.open(bare.with_name(f".{bare.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        for left in bare.rglob("*.lock"):
            left.unlink(missing_ok=True)
        yield
    finally:
        os.close(handle)


def _receive(bare: Path, url: str, commit: str, name: str, env: Mapping[str, str]) -> None:
    given = git_guard.environment(env)
    process.run(["git", "init", "--quiet", "--bare", str(bare)], env=given, timeout=ASKING)
    base = ["git", "--git-dir", str(bare), "fetch", "--quiet", "--no-tags", "--force"]
    attempts = (
        [*base, "--depth=1", "--", url, commit],
        [*base, "--depth=1", "--", url, name],
        [*base, "--", url, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"],
    )
    last = ""
    for argv in attempts:
        done = process.run(argv, env=given, timeout=FETCHING, check=False)
        if has(bare, commit, env):
            return
        last = done.stderr or last
    raise UserError(
        "tree-unreachable",
        f"{url} does not provide commit {commit}",
        detail=process.tail(last) if last else None,
        hint="Check the address and the network; `rootstream update` resolves its name again.",
    )


def unpack(bare: Path, commit: str, place: Path, env: Mapping[str, str]) -> None:
    """Write the files of a commit into a folder."""
    place.mkdir(parents=True, exist_ok=True)
    packed = place.with_name(f"{place.name}.tar")
    argv = ["git", "--git-dir", str(bare), "archive", "--format=tar", "-o", str(packed), commit]
    process.run(argv, env=git_guard.environment(env), timeout=FETCHING)
    process.run(
        ["tar", "-xf", str(packed), "-C", str(place), "--no-same-owner"],
        env=git_guard.environment(env),
        timeout=FETCHING,
    )
    packed.unlink()
