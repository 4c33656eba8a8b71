"""What the entries of a lock look like, kind by kind: a lock is edited by hand and by merges, too."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from rootstream.fetch import git_guard
from rootstream.formats import python_files, records
from rootstream.formats.faults import Fault

_HEX = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


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
        return f"its source, of kind {kind}, has missing or invalid keys: {', '.join(missing)}"
    wrong = _git_problem(source) if kind in ("git", "buildroot_git") else None
    if wrong or not right(ref):
        return wrong or f"its ref is not {expected}"
    return _rows_problem(kind, ref["files"] if kind == "debian_source" else ref) if kind in _ROW_WORDS else None


def _git_problem(source: Mapping[str, Any]) -> str | None:
    """Return what keeps the words of a source from Git."""
    url, track = source["url"], source.get("track", "HEAD")
    problem = git_guard.address_problem(url)
    if problem is not None:
        return f"its url {url!r} is not the address of a Git repository: {problem}"
    if not isinstance(track, str) or git_guard.ref_problem(track) is not None:
        return f"its track {track!r} is not the name of a branch, tag or commit"
    return None


def _is_texts(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, list) and bool(value) and all(isinstance(each, str) for each in value)


def _row_problem(kind: str, row: Any) -> str | None:  # noqa: ANN401
    """Return what the plugin that stages a file of the lock would refuse in its row."""
    if not isinstance(row, dict):
        return "is not a mapping"
    wanted = _ROW_WORDS[kind]
    lacking = [word for word in wanted if word not in row]
    if lacking or row.keys() - {*wanted, *_FREE_WORDS}:
        return f"has other keys than {', '.join(wanted)}"
    if not isinstance(row["size"], int) or isinstance(row["size"], bool):
        return "has a size that is not an integer"
    if not all(isinstance(value, str) for word, value in row.items() if word != "size"):
        return "has values that are not strings"
    try:
        _CHECKS[kind](row)
    except Fault as fault:
        return fault.message
    return None


def _package(row: Mapping[str, Any]) -> None:
    records.name(row["name"], "name")
    records.version(row["version"], "version")
    records.architecture(row["architecture"], "architecture")
    _file(row)


def _file(row: Mapping[str, Any]) -> None:
    records.item(path=row["path"], size=row["size"], sha256=row["sha256"], where="its file")


def _wheel(row: Mapping[str, Any]) -> None:
    python_files.wheel(**{word: row[word] for word in _ROW_WORDS["python_wheels"]}, where="its file")


def _python(row: Mapping[str, Any]) -> None:
    if row["role"] not in ("wheel", "source", "build"):
        raise Fault("invalid-ref", f"its role is {row['role']!r}")
    checked = python_files.sdist if row["role"] == "source" else python_files.wheel
    checked(**{word: row[word] for word in _ROW_WORDS["python_wheels"]}, where="its file")


_ROW_WORDS: Mapping[str, tuple[str, ...]] = {
    "debian_packages": ("name", "version", "architecture", "path", "size", "sha256"),
    "debian_source": ("path", "size", "sha256"),
    "python_wheels": ("name", "version", "file", "size", "sha256"),
    "python_sources": ("role", "name", "version", "file", "size", "sha256"),
}
CORRESPONDING = "debian_corresponding"
DOWNLOAD = "buildroot_download"  # of a package, which has no hash of it
_FREE_WORDS = ("repository",)
_CHECKS: Mapping[str, Callable[[Mapping[str, Any]], None]] = {
    "debian_packages": _package,
    "debian_source": _file,
    "python_wheels": _wheel,
    "python_sources": _python,
}


def _rows_problem(kind: str, rows: Any) -> str | None:  # noqa: ANN401
    if not isinstance(rows, list):
        return "its files are not a list"
    found = ((number, _row_problem(kind, row)) for number, row in enumerate(rows, 1))
    return next((f"file {number} of its ref {text}" for number, text in found if text), None)


def _are_sources(ref: Any) -> bool:  # noqa: ANN401
    """Say whether a ref lists source packages: each with its version, what is built from it, and its files."""
    if not isinstance(ref, list):
        return False
    words = ("name", "version", "binaries", "files")
    for row in ref:
        if not isinstance(row, dict) or row.keys() != set(words):
            return False
        texts = [row["name"], row["version"], *(row["binaries"] if isinstance(row["binaries"], list) else [None])]
        if not all(isinstance(each, str) for each in texts) or not isinstance(row["files"], list):
            return False
        if any(_row_problem("debian_source", each) for each in row["files"]):
            return False
    return True


def _are_rows(ref: Any) -> bool:  # noqa: ANN401
    return isinstance(ref, list)


def _is_source(ref: Any) -> bool:  # noqa: ANN401
    return isinstance(ref, dict) and ref.keys() == {"version", "files"} and isinstance(ref["version"], str)


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
    CORRESPONDING: (("architecture",), ("suites", "packages"), _are_sources, "a list of source packages"),
    "python_wheels": (("python", "machine"), (), _are_rows, _ROWS),
    "python_sources": (("python", "machine"), (), _are_rows, _ROWS),
    "git": (("url",), (), _is_git_commit, "a commit"),
    "remote": (("url",), (), _is_text, "a hash"),
    "buildroot_git": (("url", "track"), (), _is_commit, "a commit"),
    "buildroot_tar": (("url",), (), _is_hash, "a SHA-256"),
    DOWNLOAD: (("path",), (), _is_hash, "a SHA-256"),
}
