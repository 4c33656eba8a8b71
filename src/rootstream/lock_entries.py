"""What the entries of a lock look like, kind by kind: a lock is edited by hand and by merges, too."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from rootstream_bst import git_guard

_HEX = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_TEXTS = ("name", "version", "architecture", "path", "sha256", "file", "role", "repository")


def problem(source: Mapping[str, Any], ref: Any) -> str | None:  # noqa: ANN401  (JSON)
    """Return what is wrong with an entry, None if nothing is. Kinds that are not known are not looked at."""
    kind = source.get("kind")
    if not isinstance(kind, str):
        return "its source has no kind"
    known = _KINDS.get(kind)
    if known is None:
        return None
    words, lists, right, expected = known
    missing = [word for word in words if not isinstance(source.get(word), str)]
    bare = source.get("essential") is True and source.get("packages") == []  # a root of the essential packages
    missing += [word for word in lists if not _is_texts(source.get(word)) and not (bare and word == "packages")]
    if missing:
        return f"its source, of kind {kind}, has no proper {', '.join(missing)}"
    wrong = _git_problem(source) if kind in ("git", "buildroot_git") else None
    return wrong or (None if right(ref) else f"its ref is not {expected}")


def _git_problem(source: Mapping[str, Any]) -> str | None:
    """Return what keeps the words of a source from Git."""
    url, track = source["url"], source.get("track", "HEAD")
    problem = git_guard.address_problem(url)
    if problem is not None:
        return f"its url {url!r} is no address of a Git repository: {problem}"
    if not isinstance(track, str) or git_guard.ref_problem(track) is not None:
        return f"its track {track!r} is no name of a branch, tag or commit"
    return None


def _is_texts(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, list) and bool(value) and all(isinstance(each, str) for each in value)


def _is_row(row: Any) -> bool:  # noqa: ANN401
    return (
        isinstance(row, dict)
        and {"name", "version"} <= row.keys()
        and all(isinstance(row[word], str) for word in _TEXTS if word in row)
        and isinstance(row.get("size", 0), int)
    )


def _are_rows(ref: Any) -> bool:  # noqa: ANN401
    return isinstance(ref, list) and all(_is_row(row) for row in ref)


def _is_source(ref: Any) -> bool:  # noqa: ANN401
    return isinstance(ref, dict) and isinstance(ref.get("version"), str)


def _is_text(ref: Any) -> bool:  # noqa: ANN401
    return isinstance(ref, str) and bool(ref)


def _is_git_commit(ref: Any) -> bool:  # noqa: ANN401
    return isinstance(ref, str) and bool(_HEX.fullmatch(ref))


def _is_commit(ref: Any) -> bool:  # noqa: ANN401
    return isinstance(ref, dict) and isinstance(ref.get("commit"), str) and bool(_HEX.fullmatch(ref["commit"]))


def _is_hash(ref: Any) -> bool:  # noqa: ANN401
    return isinstance(ref, dict) and isinstance(ref.get("sha256"), str) and bool(_SHA256.fullmatch(ref["sha256"]))


_ROWS = "a list of files, each with name and version"
# For each kind: words of the source that are texts, those that are lists of texts, what the ref is.
_KINDS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...], Callable[[Any], bool], str]] = {
    "debian_packages": (("architecture",), ("suites", "packages"), _are_rows, _ROWS),
    "debian_source": (("package",), ("suites",), _is_source, "a version with its files"),
    "python_wheels": (("python", "machine"), (), _are_rows, _ROWS),
    "python_sources": (("python", "machine"), (), _are_rows, _ROWS),
    "git": (("url",), (), _is_git_commit, "a commit"),
    "remote": (("url",), (), _is_text, "a hash"),
    "buildroot_git": (("url", "track"), (), _is_commit, "a commit"),
    "buildroot_tar": (("url",), (), _is_hash, "a SHA-256"),
}
