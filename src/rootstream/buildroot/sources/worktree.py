"""What Git knows of a work tree that somebody else made: where it is from, and what of it is not committed.

A repository's own .git/config may name programs (filters, fsmonitor, hooks, helpers of a promisor remote) that a
mere `git status` runs. So Git is given a repository of ours instead, in a temporary folder, whose objects and refs
are links to the real ones, with a copy of the index and a configuration that names no program.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from rootstream.fetch import git_guard
from rootstream.host import process

ASKING = 60.0
MOST_INDEX = 256 << 20  # bytes
_CONFIG = "[core]\n\trepositoryformatversion = 1\n\tbare = false\n\tfilemode = {filemode}\n"
_FORMAT = "[extensions]\n\tobjectformat = {format}\n"


def origin(folder: Path, env: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the address and the tag or commit that a work tree was cloned from, if it is one.

    None, too, for an address that Git must not be given.
    """
    url = (_asked(folder, env, "config", "--get", "remote.origin.url") or "").strip()
    with _plain_repository(folder, env) as repository:
        if not url or repository is None or git_guard.address_problem(url) is not None:
            return None
        words = ("describe", "--tags", "--exact-match", "HEAD")
        track = _git(repository, folder, env, *words) or _git(repository, folder, env, "rev-parse", "HEAD")
    return (url, track.strip()) if track else None


def changes(folder: Path, env: Mapping[str, str]) -> tuple[str, ...] | None:
    """Return the files of a work tree that are not as committed, as `git status` has them; None if unknown."""
    if (_asked(folder, env, "rev-parse", "--show-cdup") or "x").strip():
        return None  # no work tree, or a folder in that of another project
    words = ("status", "--porcelain", "--untracked-files=normal", "--ignore-submodules=all")
    with _plain_repository(folder, env) as repository:
        told = _git(repository, folder, env, *words) if repository is not None else None
    return None if told is None else tuple(told.splitlines())


def head(folder: Path, env: Mapping[str, str]) -> tuple[str, bool] | None:
    """Return the commit that a folder of a work tree is at, and whether all files in it are as committed.

    Files that Git ignores do not count. None where there is no commit.
    """
    prefix = _asked(folder, env, "rev-parse", "--show-prefix")
    with _plain_repository(folder, env) as repository:
        if repository is None or prefix is None:
            return None
        commit = (_git(repository, folder, env, "rev-parse", "--verify", "--quiet", "HEAD^{commit}") or "").strip()
        words = ("status", "--porcelain", "--untracked-files=normal", "--ignore-submodules=all", "--")
        told = _git(repository, _top(folder, prefix), env, *words, prefix.strip() or ".")
    return (commit, not told.strip()) if commit and told is not None else None


def archive(folder: Path, revision: str, place: Path, env: Mapping[str, str]) -> bool:
    """Write a folder of a work tree, as it is at a revision, as a tar; False if Git knows no such thing."""
    prefix = _asked(folder, env, "rev-parse", "--show-prefix")
    with _plain_repository(folder, env) as repository:
        if repository is None or prefix is None:
            return False
        words = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        commit = (_git(repository, folder, env, *words) or "").strip()
        tree = f"{commit}:{prefix.strip().rstrip('/')}" if prefix.strip() else commit
        made = ("archive", "--format=tar", f"--output={place}", tree)
        return bool(commit) and _git(repository, _top(folder, prefix), env, *made) is not None


def _top(folder: Path, prefix: str) -> Path:
    """Return the top of the work tree that a folder is in."""
    return folder.parents[len(Path(prefix.strip()).parts) - 1] if prefix.strip() else folder


@contextlib.contextmanager
def _plain_repository(folder: Path, env: Mapping[str, str]) -> Iterator[Path | None]:
    """Give a repository with the objects, refs, HEAD and index of a work tree's own, and none of its settings."""
    asked = _asked(folder, env, "rev-parse", "--absolute-git-dir", "--git-common-dir", "--show-object-format")
    if asked is None or len(asked.splitlines()) != 3:  # noqa: PLR2004  (an answer for each)
        yield None
        return
    own, shared, form = asked.splitlines()
    common = (folder / shared).resolve()
    with tempfile.TemporaryDirectory(prefix="rootstream-git-") as scratch:
        made = Path(scratch)
        for name in ("objects", "refs", "packed-refs"):
            if (common / name).exists():
                (made / name).symlink_to(common / name)
        for name in ("HEAD", "index"):
            path = Path(own, name)
            if path.is_file() and path.stat().st_size <= MOST_INDEX:
                shutil.copyfile(path, made / name)
        filemode = (_asked(folder, env, "config", "--type=bool", "--get", "core.filemode") or "true").strip()
        text = _CONFIG.format(filemode=filemode) + (_FORMAT.format(format=form) if form != "sha1" else "")
        (made / "config").write_text(text)
        yield made


def _asked(folder: Path, env: Mapping[str, str], *words: str) -> str | None:
    """Return what Git reads of a repository as it is; only for what looks at neither contents nor objects."""
    return _answer(["git", "-C", str(folder), *words], env)


def _git(repository: Path, folder: Path, env: Mapping[str, str], *words: str) -> str | None:
    where = ["--git-dir", str(repository), "--work-tree", str(folder)]
    return _answer(["git", "-C", str(folder), *where, *words], env)


def _answer(argv: list[str], env: Mapping[str, str]) -> str | None:
    done = process.run(argv, env=git_guard.environment(env), timeout=ASKING, check=False)
    return done.stdout if done.status == 0 else None
