"""What apt prints, as data: stanzas, resolved sets, index targets, and the order of versions.

Pure functions over text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from rootstream.formats.faults import Fault
from rootstream.formats.records import DebianPackage, Item, architecture, item, name, version

_FETCHED = re.compile(r"'([^']*)' ([^_\s]+)_([^_\s]+)_([^_\s]+)\.deb \d+")
_PROXY = re.compile(r'Acquire::(https?)::Proxy(::[^ ]+)? "(.*)";')
_SOURCE = re.compile(r"(\S+)(?:\s+\((\S+)\))?")  # deb-control(5)
_USING = re.compile(r"(\S+)\s+\(=\s*(\S+)\)(?:\s.*)?")
_PARTS = re.compile(r"(\d+)")

TARGET_FORMAT = "$(ORIGIN)|$(RELEASE)|$(REPO_URI)"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexTarget:
    """An index that the host's apt knows: who publishes it, the suite, the root of the archive."""

    origin: str
    suite: str
    root: str


def targets(text: str) -> tuple[IndexTarget, ...]:
    """Return the index targets printed with `TARGET_FORMAT`, each once."""
    found: dict[IndexTarget, None] = {}
    for line in text.splitlines():
        fields = line.split("|")
        if len(fields) == 3:  # noqa: PLR2004  (the fields of TARGET_FORMAT)
            origin, suite, root = fields
            origin = "" if origin.startswith("$(") else origin
            found[IndexTarget(origin=origin, suite=suite, root=root.rstrip("/"))] = None
    return tuple(found)


def proxies(text: str) -> dict[str, str]:
    """Return the proxies in the output of `apt-config dump`, by `http`, `https`, or with `::host` behind it."""
    found = {}
    for line in text.splitlines():
        match = _PROXY.fullmatch(line)
        if match and match[3]:
            found[match[1] + (match[2] or "")] = match[3]
    return found


def stanzas(text: str) -> Iterator[Mapping[str, str]]:
    """Yield the stanzas of a deb822 text; a field's further lines follow its first after a newline."""
    stanza: dict[str, str] = {}
    field = ""
    for line in text.splitlines():
        if not line.strip():
            if stanza:
                yield stanza
            stanza, field = {}, ""
        elif line[0] in " \t":
            if field:
                stanza[field] += "\n" + line.strip()
        else:
            field, _, value = line.partition(":")
            stanza[field] = value.strip()
    if stanza:
        yield stanza


def resolved(text: str) -> tuple[tuple[str, str, str], ...]:
    """Return (name, version, architecture) of what `apt-get --print-uris install` would fetch, sorted by name.

    Simulating the installation says the same, and takes four times as long.
    """
    matches = (_FETCHED.match(line) for line in text.splitlines())
    return tuple(sorted({(match[2], unquote(match[3]), match[4]) for match in matches if match}))


def addresses(text: str) -> dict[tuple[str, str], str]:
    """Return where `apt-get --print-uris install` would fetch what it does, by name and version."""
    matches = (_FETCHED.match(line) for line in text.splitlines())
    return {(match[2], unquote(match[3])): match[1] for match in matches if match}


def packages(text: str) -> dict[tuple[str, str], DebianPackage]:
    """Return the packages of `apt-cache show` by name and version; raises `Fault` invalid-index."""
    found: dict[tuple[str, str], DebianPackage] = {}
    for stanza in stanzas(text):
        where = f"index entry of {stanza.get('Package', '?')}"
        try:
            package = DebianPackage(
                name=name(stanza["Package"], where),
                version=version(stanza["Version"], where),
                architecture=architecture(stanza["Architecture"], where),
                item=item(
                    path=stanza["Filename"].removeprefix("./"),
                    size=int(stanza["Size"]),
                    sha256=stanza["SHA256"].lower(),
                    where=where,
                ),
            )
        except (KeyError, ValueError) as error:
            raise Fault("invalid-index", f"{where}: no usable {error}") from error
        found.setdefault((package.name, package.version), package)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOf:
    """The source package of a binary package with its version, and those of which it has parts (`Built-Using`)."""

    name: str
    version: str
    using: tuple[tuple[str, str], ...]


def sources_of(text: str) -> dict[tuple[str, str], SourceOf]:
    """Return where packages of `apt-cache show` are from, by name and version; raises `Fault` invalid-index."""
    found: dict[tuple[str, str], SourceOf] = {}
    for stanza in stanzas(text):
        where = f"index entry of {stanza.get('Package', '?')}"
        own = version(stanza.get("Version", ""), where)
        match = _SOURCE.fullmatch(stanza.get("Source", stanza.get("Package", "")))
        if match is None:
            raise Fault("invalid-index", f"{where}: its source is {stanza.get('Source')!r}")
        words = ",".join(stanza.get(field, "") for field in ("Built-Using", "Static-Built-Using"))
        using = (_USING.fullmatch(each.strip()) for each in words.replace("\n", " ").split(","))
        found[stanza.get("Package", ""), own] = SourceOf(
            name=name(match[1], where),
            version=version(match[2] or own, where),
            using=tuple(dict.fromkeys((name(each[1], where), version(each[2], where)) for each in using if each)),
        )
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePackage:
    """A source package at one version and its files."""

    name: str
    version: str
    items: tuple[Item, ...]


def sources(text: str) -> tuple[SourcePackage, ...]:
    """Return the source packages of `apt-cache showsrc`; raises `Fault` invalid-index."""
    found = []
    for stanza in stanzas(text):
        where = f"source index entry of {stanza.get('Package', '?')}"
        try:
            folder = stanza["Directory"].strip("/")
            rows = [line.split() for line in stanza["Checksums-Sha256"].splitlines() if line.strip()]
            items = tuple(
                item(path=f"{folder}/{row[2]}", size=int(row[1]), sha256=row[0].lower(), where=where)
                for row in rows
            )
            found.append(
                SourcePackage(
                    name=name(stanza["Package"], where),
                    version=version(stanza["Version"], where),
                    items=tuple(sorted(items, key=lambda entry: entry.path)),
                )
            )
        except (KeyError, ValueError, IndexError) as error:
            raise Fault("invalid-index", f"{where}: no usable {error}") from error
    return tuple(found)


def _weights(text: str) -> tuple[int, ...]:
    """Return the sort weights of a part without digits: tilde, end, letters, the rest."""
    weights = [-1 if c == "~" else ord(c) if c.isalpha() else ord(c) + 256 for c in text]
    return (*weights, 0)


def _part_key(text: str) -> tuple[object, ...]:
    pieces = _PARTS.split(text)
    if pieces[-1]:
        pieces += ["0", ""]  # a missing number counts as 0
    return tuple(int(piece) if index % 2 else _weights(piece) for index, piece in enumerate(pieces))


def version_key(text: str) -> tuple[object, ...]:
    """Return a key that sorts versions as dpkg does (deb-version(7))."""
    epoch, colon, rest = text.partition(":")
    if not colon:
        epoch, rest = "0", text
    upstream, _, revision = rest.rpartition("-") if "-" in rest else (rest, "", "0")
    return (int(epoch) if epoch.isdigit() else 0, _part_key(upstream), _part_key(revision))
