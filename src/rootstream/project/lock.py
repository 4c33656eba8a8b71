"""`system.lock`: every input by content. `rootstream update` writes it, a build adds what it lacks.

JSON with one locked thing to a line, so that a change of one package is a change of one line.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rootstream.errors import UserError, Where
from rootstream.host import nofollow
from rootstream.project import lock_entries

VERSION = 1
FILE_NAME = "system.lock"
MAX_BYTES = 64 << 20
_CONFLICT = re.compile(r"^(?:<{7}|={7}|>{7}|\|{7})(?: .*)?$", re.MULTILINE)
_SOURCES = re.compile(r'"sources"\s*:\s*\[\s*')
_NEXT = re.compile(r"\s*,?\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """What was asked for (a source's request, as JSON text) and what it stands for (the source's ref)."""

    refs: Mapping[str, Any] = field(default_factory=dict)


def _entry(request: str, ref: Any) -> str:  # noqa: ANN401  (whatever a source plugin calls a ref)
    head = f'  {{"source": {request},\n   "ref": '
    if isinstance(ref, list) and ref:
        lines = ",\n".join("     " + json.dumps(item, sort_keys=False) for item in ref)
        return f"{head}[\n{lines}]}}"
    return head + json.dumps(ref) + "}"


def to_text(lock: Lock) -> str:
    """Return the lock as the text of its file: same lock, same bytes."""
    entries = ",\n".join(_entry(request, lock.refs[request]) for request in sorted(lock.refs))
    return f'{{"version": {VERSION},\n "sources": [\n{entries}\n ]}}\n'


def from_text(text: str, path: Path) -> Lock:
    """Read a lock. Raises `UserError` lock-broken, or lock-conflict for what a merge left, with the place."""
    conflict = _CONFLICT.search(text)
    if conflict:
        raise UserError(
            "lock-conflict",
            f"the lock has a merge conflict: {conflict[0][:7]}",
            where=Where(path=path, line=_line(text, conflict.start())),
            hint="Take one side, `git checkout --ours system.lock` or --theirs; "
            "`rootstream update --missing` then pins what is missing.",
        )
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else None
        raise _broken("not a lock: it cannot be parsed", path, line) from error
    if not isinstance(data, dict) or data.get("version") != VERSION or not isinstance(data.get("sources"), list):
        raise _broken(f"not a lock of version {VERSION}", path)
    refs: dict[str, Any] = {}
    for number, item in enumerate(data["sources"]):
        if not isinstance(item, dict) or not isinstance(item.get("source"), dict) or "ref" not in item:
            raise _broken(f"entry {number + 1} has no source and ref", path, _line_of(text, number))
        wrong = lock_entries.problem(item["source"], item["ref"])
        if wrong:
            raise _broken(f"entry {number + 1}: {wrong}", path, _line_of(text, number))
        request = json.dumps(item["source"], sort_keys=True, separators=(",", ":"))
        if request in refs:
            raise _broken(f"entry {number + 1} is a duplicate: {describe(request)}", path, _line_of(text, number))
        refs[request] = item["ref"]
    return Lock(refs=refs)


def _broken(message: str, path: Path, line: int | None = None) -> UserError:
    hint = "Restore it from version control, or delete it and run `rootstream update`."
    return UserError("lock-broken", message, where=Where(path=path, line=line), hint=hint)


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def _line_of(text: str, number: int) -> int | None:
    """Return the line that an entry of a lock begins in, None where that cannot be told."""
    begin = _SOURCES.search(text)
    at = begin.end() if begin else len(text)
    try:
        for _ in range(number):
            _, at = json.JSONDecoder().raw_decode(text, at)
            at = _NEXT.match(text, at).end()  # type: ignore[union-attr]  # it matches nothing, too
    except ValueError:
        return None
    return _line(text, at) if begin else None


def read(path: Path) -> Lock | None:
    """Return the lock of a file, or None if there is none yet. Raises `UserError` lock-broken."""
    try:
        data = nofollow.read_bytes(path.parent, path, most=MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise _broken("too large for a lock", path)
        return from_text(data.decode("utf-8"), path)
    except FileNotFoundError:
        return None
    except (UnicodeDecodeError, OSError) as error:
        raise UserError("lock-broken", f"cannot be read: {error}", where=Where(path=path)) from error


def write(lock: Lock, path: Path) -> bool:
    """Put the lock in place, whole or not at all. Returns whether it changed."""
    text = to_text(lock)
    try:
        if nofollow.read_bytes(path.parent, path) == text.encode():
            return False
    except FileNotFoundError:
        pass
    nofollow.write(path.parent, path, text.encode())
    return True


def write_atomically(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write a file beside its place and move it there. Raises `UserError` cannot-write."""
    name = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as out:
            name = out.name
            out.write(content)
            out.flush()
            os.fchmod(out.fileno(), mode)
            os.fsync(out.fileno())
        Path(name).replace(path)
    except OSError as error:
        if name:
            Path(name).unlink(missing_ok=True)
        raise UserError(
            "cannot-write",
            f"cannot be written: {error.strerror}",
            where=Where(path=path),
            hint="The old file is unchanged.",
        ) from error


def changes(old: Lock | None, new: Lock) -> tuple[str, ...]:
    """Return what an update changed, a line each, for people."""
    before: Mapping[str, Any] = old.refs if old else {}
    lines = []
    for request in sorted(new.refs):
        if before.get(request) == new.refs[request]:
            continue
        name = describe(request)
        if request not in before:
            lines.append(f"new: {name}")
            continue
        lines.extend(f"{name}: {line}" for line in _differences(before[request], new.refs[request]))
    lines.extend(f"gone: {describe(request)}" for request in sorted(before) if request not in new.refs)
    return tuple(lines)


def _versions(ref: Any) -> dict[str, str]:  # noqa: ANN401
    if isinstance(ref, list):
        return {item["name"]: item["version"] for item in ref if isinstance(item, dict) and "name" in item}
    if isinstance(ref, dict) and "version" in ref:
        return {"version": str(ref["version"])}
    return {"ref": str(ref)[:40]}


def _differences(old: Any, new: Any) -> list[str]:  # noqa: ANN401
    before, after = _versions(old), _versions(new)
    lines = [
        f"{name} {before.get(name, '(none)')} -> {after.get(name, '(none)')}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]
    return lines or ["content changed"]


def describe(request: str) -> str:
    """Return a short name for what a request asks for."""
    words = json.loads(request)
    kind = words.get("kind")
    if kind in ("debian_packages", lock_entries.CORRESPONDING):
        count = len(words["packages"])
        what = words["packages"][0] if count == 1 else f"{count} packages"
        of = "the sources of " if kind == lock_entries.CORRESPONDING else ""
        return f"{of}{what} of {'+'.join(words['suites'])} for {words['architecture']}"
    if kind == "debian_source":
        return f"source package {words['package']} of {'+'.join(words['suites'])}"
    if kind in ("python_wheels", "python_sources"):
        return f"Python packages for Python {words['python']} on {words['machine']}"
    texts = {
        "buildroot_git": f"Buildroot {words.get('track')} of {words.get('url')}",
        "buildroot_tar": f"Buildroot of {words.get('url')}",
        lock_entries.DOWNLOAD: f"download {words.get('path')}",
    }
    return texts.get(kind) or f"{kind} {words.get('url', '')}".strip()
