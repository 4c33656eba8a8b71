"""Feeds of vulnerabilities as users download them, told apart by their contents. Every size in them is bounded.

- Debian: https://security-tracker.debian.org/tracker/data/json
- OSV: records of schema 1.x, in a ZIP archive as osv-vulnerabilities has one for each ecosystem, or alone
- NVD: answers of the CVE API 2.0, or its yearly files
- CVE: records of format 5 in a ZIP archive or alone; only those of the kernel's CNA are used
- KEV: CISA's catalog of known exploited vulnerabilities
"""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rootstream.errors import UserError, Where

MOST = 1 << 30  # bytes of a file
MOST_RECORD = 16 << 20  # bytes of a record in an archive
MOST_RECORDS = 5_000_000
MOST_UNPACKED = 16 << 30  # bytes of all records of an archive
MOST_LOOKED_AT = 100  # records of an archive that are parsed whatever they are, to tell its kind
DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    NotImplementedError,
    RuntimeError,
    OSError,
    ValueError,
)
Record = Mapping[str, Any]
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedName:
    """A feed: its kind, the name and SHA-256 of its file, and the newest day in it."""

    kind: str
    file: str
    sha256: str
    newest: str | None


@dataclass(slots=True)
class Feeds:
    """What feeds hold: `names` are those of each, with its newest day, where it has one.

    `debian` is by source package; `osv` by ecosystem and package; `nvd` and `cve` are records.
    """

    names: list[FeedName] = field(default_factory=list)
    debian: dict[str, Record] = field(default_factory=dict)
    osv: dict[tuple[str, str], list[Record]] = field(default_factory=dict)
    nvd: list[Record] = field(default_factory=list)
    cve: list[Record] = field(default_factory=list)
    exploited: set[str] = field(default_factory=set)
    newest: str | None = None

    def kinds(self) -> frozenset[str]:
        """Return the kinds of feeds that there are."""
        return frozenset(each.kind for each in self.names)

    def dated(self, value: object) -> None:
        """Remember the day of something in a feed that is read."""
        day = value[:10] if isinstance(value, str) else ""
        if _DAY.fullmatch(day) and day > (self.newest or ""):
            self.newest = day


def read(paths: Sequence[Path], wanted: frozenset[tuple[str, str]]) -> Feeds:
    """Read feeds; of OSV only records on the `wanted` packages, each its ecosystem and name, are kept.

    Raises `UserError` cannot-read, bad-feed.
    """
    found = Feeds()
    for path in paths:
        try:
            found.newest = None
            kind = _archive(found, path, wanted) if zipfile.is_zipfile(path) else _file(found, path, wanted)
            found.names.append(FeedName(kind=kind, file=path.name, sha256=_digest(path), newest=found.newest))
        except DAMAGED as error:
            if isinstance(error, OSError) and not isinstance(error, zipfile.BadZipFile):
                raise UserError(
                    "cannot-read", f"cannot be read: {error.strerror}", where=Where(path=path)
                ) from error
            raise _fault(path, f"is damaged: {error!s:.100}") from error
    return found


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _file(found: Feeds, path: Path, wanted: frozenset[tuple[str, str]]) -> str:
    if path.stat().st_size > MOST:
        raise _fault(path, f"has more than {MOST >> 20} MiB")
    try:
        data = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise _fault(path, "is neither JSON nor a ZIP archive") from error
    if isinstance(data, list):
        kinds = {_record(found, each, wanted) for each in data} - {None}
    else:
        kinds = {_whole(found, data) or _record(found, data, wanted)} - {None}
    return _one_kind(path, kinds)


def _whole(found: Feeds, data: object) -> str | None:
    """Take a file that is a feed by itself."""
    if not isinstance(data, dict):
        return None
    rows = data.get("vulnerabilities")
    if isinstance(rows, list) and "catalogVersion" in data:
        found.dated(data.get("dateReleased"))
        found.exploited.update(str(each.get("cveID")) for each in rows if isinstance(each, dict))
        return "KEV"
    if isinstance(rows, list) and all(isinstance(each, dict) and "cve" in each for each in rows):
        found.dated(data.get("timestamp"))
        found.nvd += [each["cve"] for each in rows if isinstance(each["cve"], dict)]
        return "NVD"
    if data and all(isinstance(each, dict) and _is_tracked(each) for each in data.values()):
        found.debian.update(data)
        return "Debian"
    return None


def _is_tracked(package: Record) -> bool:
    """Say whether a mapping is of a source package of Debian's tracker: issues, each with releases."""
    first = next(iter(package.values()), None)
    return isinstance(first, dict) and isinstance(first.get("releases"), dict)


def _record(found: Feeds, data: object, wanted: frozenset[tuple[str, str]]) -> str | None:
    if not isinstance(data, dict):
        return None
    if data.get("dataType") == "CVE_RECORD":
        metadata = data.get("cveMetadata")
        found.dated(metadata.get("dateUpdated") if isinstance(metadata, dict) else None)
        if _is_of_linux(data):
            found.cve.append(data)
        return "CVE"
    affected = data.get("affected")
    found.dated(data.get("modified") if "affected" in data else None)
    if not isinstance(affected, list) or not isinstance(data.get("id"), str):
        return "OSV" if isinstance(data.get("id"), str) and "modified" in data else None
    for each in affected:
        package = each.get("package") if isinstance(each, dict) else None
        if isinstance(package, dict):
            key = (str(package.get("ecosystem")), str(package.get("name")))
            if key in wanted and data not in found.osv.get(key, ()):
                found.osv.setdefault(key, []).append(data)
    return "OSV"


def _is_of_linux(data: Record) -> bool:
    cna = data.get("containers", {}).get("cna") if isinstance(data.get("containers"), dict) else None
    affected = cna.get("affected") if isinstance(cna, dict) else None
    rows = affected if isinstance(affected, list) else ()
    return any(isinstance(each, dict) and each.get("product") == "Linux" for each in rows)


def _archive(found: Feeds, path: Path, wanted: frozenset[tuple[str, str]]) -> str:
    kinds = set()
    for data in _members(path, _naming(wanted)):
        kinds.add(_record(found, data, wanted))
    return _one_kind(path, kinds - {None})


def _naming(wanted: frozenset[tuple[str, str]]) -> re.Pattern[bytes]:
    """Return what a record must hold to be worth parsing: a name, or what a name may be hidden behind."""
    names = (re.escape(f'"{name}"'.encode()) for _, name in sorted(wanted))
    return re.compile(b"|".join([rb"CVE_RECORD", rb"\\[/u]", *names]))


def _members(path: Path, naming: re.Pattern[bytes]) -> Iterator[object]:
    """Give the JSON of the records of an archive that may be wanted, and of the first ones; pass others over."""
    unpacked = 0
    given = 0
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if len(members) > MOST_RECORDS:
            raise _fault(path, f"has more than {MOST_RECORDS} files")
        for member in members:
            if not member.filename.endswith(".json"):
                continue
            with archive.open(member) as file:
                text = file.read(MOST_RECORD + 1)
            unpacked += len(text)
            if len(text) > MOST_RECORD or unpacked > MOST_UNPACKED:
                raise _fault(path, f"unpacks to too much: {member.filename!r:.100}")
            if given >= MOST_LOOKED_AT and not naming.search(text):
                continue
            given += 1
            try:
                yield json.loads(text)
            except RecursionError as error:
                raise ValueError("nested too deeply") from error


def _one_kind(path: Path, kinds: set[str | None]) -> str:
    names = sorted(str(each) for each in kinds)
    if len(names) != 1:
        raise _fault(path, "is not a feed of Debian, OSV, NVD, CVE or KEV" if not names else f"mixes {names}")
    return names[0]


def _fault(path: Path, message: str) -> UserError:
    hint = "See docs/how-to/audit.md for the feeds that are read."
    return UserError("bad-feed", message, where=Where(path=path), hint=hint)
