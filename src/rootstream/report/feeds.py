"""Feeds of vulnerabilities as users download them, told apart by their contents. Every size in them is bounded.

- Debian: https://security-tracker.debian.org/tracker/data/json
- OSV: records of schema 1.x, in an archive as osv-vulnerabilities has one for each ecosystem, or alone
- NVD: answers of the CVE API 2.0, or its yearly files
- CVE: records of format 5 in an archive or alone; only those of the kernel's CNA are used
- KEV: CISA's catalog of known exploited vulnerabilities

Only what the components of a system may need is kept, so that memory does not grow with the feeds.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import stat
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rootstream.errors import UserError, Where
from rootstream.formats import json_stream
from rootstream.formats.faults import Fault
from rootstream.report import feed_archive, kernel, nvd

MOST = 1 << 30  # bytes of a file
HINT = "See docs/how-to/audit.md for the feeds that are read."
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
_LISTS = frozenset({"vulnerabilities"})
_NAME = re.compile(rb'"name"\s*:\s*("(?:[^"\\]|\\.)*")')
_DATED = re.compile(rb'"(?:modified|dateUpdated)"\s*:\s*"([0-9]{4}-[0-9]{2}-[0-9]{2})')
_CVE = b"CVE_RECORD"
_LINUX = b'"Linux"'


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedFile:
    """A file of a feed: where it is, and what it is called."""

    path: Path
    name: str
    stored: str | None = None
    """Day on which the project's store got it; None for one that is not from there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedName:
    """A feed: its kind, the name and SHA-256 of its file, and the newest day in it."""

    kind: str
    file: str
    sha256: str
    newest: str | None
    stored: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked of feeds: source packages of Debian, ecosystems and names of OSV, products of CPEs."""

    debian: frozenset[str] = frozenset()
    osv: frozenset[tuple[str, str]] = frozenset()
    nvd: frozenset[nvd.Product] = frozenset()


@dataclass(slots=True)
class Feeds:
    """What feeds hold of what was asked: `names` are those of each, with its newest day, where it has one.

    `debian` is by source package; `osv` by ecosystem and package; `nvd` and `cve` are records; `severities` are
    NVD's, of all that it has one of.
    """

    wanted: Wanted = field(default_factory=Wanted)
    names: list[FeedName] = field(default_factory=list)
    debian: dict[str, Record] = field(default_factory=dict)
    osv: dict[tuple[str, str], list[Record]] = field(default_factory=dict)
    nvd: list[Record] = field(default_factory=list)
    severities: dict[str, str] = field(default_factory=dict)
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


def read(files: Sequence[FeedFile], wanted: Wanted) -> Feeds:
    """Read feeds; only what is wanted is kept. Raises `UserError` cannot-read, bad-feed."""
    found = Feeds(wanted=wanted)
    for file in files:
        try:
            found.newest = None
            status = file.path.stat()
            if not stat.S_ISREG(status.st_mode):
                raise _fault(file.path, "is no file: a feed is read more than once")
            if status.st_size > MOST:
                raise _fault(file.path, f"has more than {MOST >> 20} MiB")
            packed = zipfile.is_zipfile(file.path) or feed_archive.is_tar(file.path)
            kind, digest = _archive(found, file.path) if packed else _file(found, file.path)
        except Fault as error:
            hint = f"{HINT} A single file is read unpacked, records as a tar or ZIP archive."
            raise _fault(file.path, f"cannot be unpacked: {error!s:.200}", hint) from error
        except DAMAGED as error:
            if isinstance(error, OSError) and not isinstance(error, zipfile.BadZipFile):
                raise UserError(
                    "cannot-read", f"cannot be read: {error.strerror}", where=Where(path=file.path)
                ) from error
            raise _fault(file.path, f"is damaged: {error!s:.100}") from error
        found.names.append(
            FeedName(kind=kind, file=file.name, sha256=digest, newest=found.newest, stored=file.stored)
        )
    return found


def _file(found: Feeds, path: Path) -> tuple[str, str]:
    whole = _Whole(found=found)
    with path.open("rb") as file:
        reader = json_stream.StreamReader(file, _LISTS)
        try:
            for entry in reader.entries():
                whole.take(entry)
        except (ValueError, RecursionError) as error:
            raise _fault(path, "is neither JSON nor an archive") from error
    return _one_kind(path, whole.kinds()), reader.sha256


@dataclass(slots=True, kw_only=True)
class _Whole:
    """A file of JSON, taken piece by piece: what it is only shows at its end."""

    found: Feeds
    head: dict[str, Any] = field(default_factory=dict)
    of_records: set[str | None] = field(default_factory=set)
    tracked: bool = False
    scored: int = 0
    other: int = 0
    exploited: set[str] = field(default_factory=set)

    def take(self, entry: json_stream.StreamEntry) -> None:
        if entry.key is None:
            self.of_records.add(_record(self.found, entry.value))
        elif entry.item:
            self._vulnerability(entry.value)
        elif isinstance(entry.value, dict) and _is_tracked(entry.value):
            self.tracked = True
            if entry.key in self.found.wanted.debian:
                self.found.debian[entry.key] = entry.value
        else:
            self.head[entry.key] = entry.value

    def _vulnerability(self, value: object) -> None:
        if isinstance(value, dict) and "cve" in value:
            self.scored += 1
            if isinstance(value["cve"], dict):
                _scored(self.found, value["cve"])
            return
        self.other += 1
        if isinstance(value, dict):
            self.exploited.add(str(value.get("cveID")))

    def kinds(self) -> set[str]:
        """Return the kinds of feeds that it is; it should be one."""
        kinds = self.of_records | ({"Debian"} if self.tracked else set())
        if isinstance(self.head.get("vulnerabilities"), list):
            kinds.add(self._list())
        elif self.head and not self.tracked:
            kinds.add(_record(self.found, self.head))
        elif self.head:
            kinds.add("something else")
        return {each for each in kinds if each is not None}

    def _list(self) -> str | None:
        if "catalogVersion" in self.head and not self.scored:
            self.found.dated(self.head.get("dateReleased"))
            self.found.exploited |= self.exploited
            return "KEV"
        if not self.other:
            self.found.dated(self.head.get("timestamp"))
            return "NVD"
        return None


def _scored(found: Feeds, record: Record) -> None:
    """Take a record of NVD: its severity, and all of it where it is about a product that is wanted."""
    severity = nvd.severity(record)
    if severity is not None:
        found.severities[str(record.get("id"))] = severity
    if found.wanted.nvd and not found.wanted.nvd.isdisjoint(nvd.products(record)):
        found.nvd.append(record)


def _is_tracked(package: Record) -> bool:
    """Say whether a mapping is of a source package of Debian's tracker: issues, each with releases."""
    first = next(iter(package.values()), None)
    return isinstance(first, dict) and isinstance(first.get("releases"), dict)


def _record(found: Feeds, data: object) -> str | None:
    if not isinstance(data, dict):
        return None
    if data.get("dataType") == "CVE_RECORD":
        metadata = data.get("cveMetadata")
        found.dated(metadata.get("dateUpdated") if isinstance(metadata, dict) else None)
        record = kernel.lean(data)
        if record is not None:
            found.cve.append(record)
        return "CVE"
    affected = data.get("affected")
    found.dated(data.get("modified") if "affected" in data else None)
    if not isinstance(affected, list) or not isinstance(data.get("id"), str):
        return "OSV" if isinstance(data.get("id"), str) and "modified" in data else None
    for each in affected:
        package = each.get("package") if isinstance(each, dict) else None
        if isinstance(package, dict):
            key = (str(package.get("ecosystem")), str(package.get("name")))
            if key in found.wanted.osv and data not in found.osv.get(key, ()):
                found.osv.setdefault(key, []).append(data)
    return "OSV"


def _archive(found: Feeds, path: Path) -> tuple[str, str]:
    """Take an archive: the records that may be wanted and the first ones are parsed, of others the day is read."""
    kinds: set[str | None] = set()
    names = frozenset(name.encode() for _, name in found.wanted.osv)
    numbers = itertools.count()

    def take(text: bytes) -> None:
        if next(numbers) >= MOST_LOOKED_AT and not _may_be_wanted(text, names):
            dated = _DATED.search(text)
            found.dated(dated.group(1).decode() if dated else None)
            return
        try:
            kinds.add(_record(found, json.loads(text)))
        except RecursionError as error:
            raise ValueError("nested too deeply") from error

    feed_archive.texts(path, take)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return _one_kind(path, {each for each in kinds if each is not None}), digest


def _may_be_wanted(text: bytes, names: frozenset[bytes]) -> bool:
    """Say whether a record may name a package that is wanted, or be the kernel's; in doubt, it does."""
    if _CVE in text:
        return _LINUX in text
    for quoted in _NAME.findall(text):
        if quoted[1:-1] in names:
            return True
        if b"\\" in quoted and json.loads(quoted).encode(errors="replace") in names:
            return True
    return False


def _one_kind(path: Path, kinds: set[str]) -> str:
    names = sorted(kinds)
    if len(names) != 1 or names == ["something else"]:
        raise _fault(
            path, "mixes " + ", ".join(names) if names else "is not a feed of Debian, OSV, NVD, CVE or KEV"
        )
    return names[0]


def _fault(path: Path, message: str, hint: str = HINT) -> UserError:
    return UserError("bad-feed", message, where=Where(path=path), hint=hint)
