"""Files that are named by their hash: what is counted, and what is damaged."""

from __future__ import annotations

import hashlib
from pathlib import Path

from rootstream.host.blob_check import check


def put(objects: Path, content: bytes, stored: bytes | None = None) -> Path:
    name = hashlib.sha256(content).hexdigest()
    path = objects / name[:2] / name[2:]
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content if stored is None else stored)
    return path


def test_only_what_differs_from_its_name_is_damaged(tmp_path: Path) -> None:
    put(tmp_path, b"sound")
    put(tmp_path, b"")
    flipped = put(tmp_path, b"flipped", b"flippee")
    short = put(tmp_path, b"short", b"sho")
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp" / "something").write_bytes(b"is no blob")
    (flipped.parent / "note").write_bytes(b"nor is this")
    told: list[tuple[int, int]] = []
    found = check(tmp_path, lambda count, size: told.append((count, size)))
    assert (found.count, found.size, set(found.damaged)) == (4, 5 + 0 + 7 + 3, {flipped, short})
    assert told[-1] == (4, 15)
