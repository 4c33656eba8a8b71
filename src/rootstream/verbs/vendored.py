"""The licenses of crates and Go modules, where a package of the project has them vendored.

Crates say their license in Cargo.toml. Go modules have no such field: theirs is the one that their license files
are the text of, word by word. License files of both are taken as texts.
"""

from __future__ import annotations

import hashlib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rootstream.errors import UserError
from rootstream.host import nofollow
from rootstream.report import license_texts

MOST_CRATES = 20_000
MOST_MANIFEST = 1 << 20  # bytes of a Cargo.toml
MOST_TEXT = 1 << 20  # bytes of a license file
MOST_TEXTS = 16 << 20  # bytes of all texts of an export; of further ones, there are only hashes
MOST_FILES = 50  # license files of a crate or module
_FILE = re.compile(r"(?:LICEN[CS]E|COPYING|NOTICE|UNLICENSE|COPYRIGHT)\b[^/]*", re.IGNORECASE)


@dataclass(slots=True, kw_only=True)
class Texts:
    """The license texts of an export, each once, by their SHA-256."""

    found: dict[str, str] = field(default_factory=dict)
    size: int = 0

    def rows(self, base: Path, folder: Path) -> list[dict[str, str]]:
        """Return the license files of a folder, each its name and SHA-256; links are left out."""
        rows = []
        for name in _names(folder)[:MOST_FILES]:
            try:
                data = nofollow.read_bytes(base, folder / name, most=MOST_TEXT + 1)
            except (OSError, UserError):  # a link, say, that leads somewhere else
                continue
            if len(data) > MOST_TEXT:
                continue
            digest = hashlib.sha256(data).hexdigest()
            rows.append({"path": name, "sha256": digest})
            if digest not in self.found and self.size + len(data) <= MOST_TEXTS:
                self.found[digest] = data.decode("utf-8", "replace")
                self.size += len(data)
        return rows


def _names(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            found = (each.name for each in entries if each.is_file(follow_symlinks=False))
            return sorted(name for name in found if _FILE.fullmatch(name))
    except OSError:
        return []


def crates(base: Path, folder: Path, texts: Texts) -> dict[tuple[str, str], dict[str, Any]]:
    """Return what is known of crates in a package's vendor/, by name and version: `license` and `texts`."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for place in _folders(folder / "vendor"):
        told = _package(base, place / "Cargo.toml")
        name, version, license_ = told.get("name"), told.get("version"), told.get("license")
        if isinstance(name, str) and isinstance(version, str):
            row: dict[str, Any] = {"license": license_} if isinstance(license_, str) else {}
            rows = texts.rows(base, place)
            found[name, version] = row | ({"texts": rows} if rows else {})
    return found


def _folders(vendor: Path) -> Iterator[Path]:
    try:
        with os.scandir(vendor) as entries:
            names = sorted(each.name for each in entries if each.is_dir(follow_symlinks=False))
    except OSError:
        return
    yield from (vendor / name for name in names[:MOST_CRATES])


def _package(base: Path, path: Path) -> dict[str, Any]:
    try:
        data = nofollow.read_bytes(base, path, most=MOST_MANIFEST + 1)
        told = tomllib.loads(data.decode("utf-8", "replace")).get("package")
    except (OSError, UserError, tomllib.TOMLDecodeError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def module(base: Path, folder: Path, told: Mapping[str, Any], texts: Texts) -> dict[str, Any]:
    """Return the row of a Go module with what is known of it in a package's vendor/: `license` and `texts`."""
    path = str(told.get("vendored", told["path"]))
    row = {word: value for word, value in told.items() if word != "vendored"}
    if any(part in ("", ".", "..") for part in path.split("/")):
        return row
    found = texts.rows(base, folder / "vendor" / path)
    license_ = license_texts.of_files([(each["path"], texts.found.get(each["sha256"], "")) for each in found])
    return row | ({"texts": found} if found else {}) | ({"license": license_} if license_ else {})
