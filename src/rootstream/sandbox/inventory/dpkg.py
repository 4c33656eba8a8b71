"""What dpkg's database and the copyright files of a root say of its packages, before anything is dropped from it.

Formats: deb-control(5), the `info` folder and `diversions` of dpkg, copyright-format 1.0 of Debian Policy.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rootstream.sandbox.program import Mistake
from rootstream.sandbox.tree import InodeKind, Tree

DATABASE = "var/lib/dpkg"
MOST_TEXT = 64 << 20  # bytes of dpkg's status, or of a list of files
MOST_COPYRIGHT = 4 << 20
_FORMAT = re.compile(r"https?://(www\.)?debian\.org/doc/packaging-manuals/copyright-format/1\.0/?", re.IGNORECASE)
_BUILT_USING = ("built-using", "static-built-using")
_SOURCE = re.compile(r"(\S+)(?:\s+\(([^)\s]+)\))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """An installed package.

    `built_using` are source packages of which parts are in it. `licenses` are the short names of its copyright
    file, None where there is none that a program can read; `copyright` is that file's SHA-256.
    """

    name: str
    version: str
    architecture: str
    source: str
    source_version: str
    maintainer: str
    homepage: str
    essential: bool
    depends: str
    built_using: str
    licenses: tuple[str, ...] | None
    copyright: str | None


def packages(tree: Tree) -> tuple[Package, ...]:
    """Return the packages that dpkg's status calls installed, none where there is no such file."""
    return tuple(
        _package(tree, fields)
        for fields in paragraphs(text_of(tree, f"{DATABASE}/status", MOST_TEXT) or "")
        if fields.get("status", "").split()[-1:] == ["installed"] and fields.get("package")
    )


def paragraphs(text: str) -> Iterator[Mapping[str, str]]:
    """Give the paragraphs of a control file as fields with lower-case names, with lines that go on below."""
    fields: dict[str, str] = {}
    last = ""
    for line in (*text.splitlines(), ""):
        if not line.strip():
            if fields:
                yield fields
            fields, last = {}, ""
        elif line[0] in " \t":
            if last:
                fields[last] += f"\n{line}"
        elif line[0] != "#":
            key, colon, value = line.partition(":")
            last = key.strip().lower() if colon else ""
            if last:
                fields[last] = value.strip()


def _package(tree: Tree, fields: Mapping[str, str]) -> Package:
    name, version = fields["package"], fields.get("version", "")
    match = _SOURCE.match(fields.get("source", ""))
    text = text_of(tree, f"usr/share/doc/{name}/copyright", MOST_COPYRIGHT)
    depends = ", ".join(fields[word] for word in ("pre-depends", "depends") if fields.get(word))
    return Package(
        name=name,
        version=version,
        architecture=fields.get("architecture", ""),
        source=match.group(1) if match else name,
        source_version=(match.group(2) if match else None) or version,
        maintainer=fields.get("maintainer", ""),
        homepage=fields.get("homepage", ""),
        essential=fields.get("essential") == "yes",
        depends=" ".join(depends.split()),
        built_using=" ".join(", ".join(fields[word] for word in _BUILT_USING if fields.get(word)).split()),
        licenses=None if text is None else licenses(text),
        copyright=None if text is None else hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest(),
    )


def licenses(text: str) -> tuple[str, ...] | None:
    """Return the licenses of files in a copyright file of format 1.0, None for one that is written for people."""
    found: list[str] = []
    first = True
    for fields in paragraphs(text):
        if first and not _FORMAT.fullmatch(fields.get("format", "").split("\n")[0].strip()):
            return None
        if (first or "files" in fields) and fields.get("license"):
            found.append(" ".join(fields["license"].split("\n")[0].split()))
        first = False
    return tuple(sorted({each for each in found if each})) or None


def owners(tree: Tree, installed: Sequence[Package]) -> dict[str, tuple[str, ...]]:
    """Return the packages that a path in the tree belongs to, by dpkg's lists; folders are left out."""
    diverted = _diverted(tree)
    found: dict[str, list[str]] = {}
    for package in installed:
        name = package.name
        text = _list(tree, name) or _list(tree, f"{name}:{package.architecture}") or ""
        for line in text.splitlines():
            moved = diverted.get(line)
            path = moved[0] if moved and moved[1] != name else line
            try:
                real = tree.resolve(path)
            except Mistake:  # what stands in its way has replaced it
                continue
            inode = tree.get(real)
            if inode is not None and inode.kind is not InodeKind.DIRECTORY and name not in found.get(real, ()):
                found.setdefault(real, []).append(name)
    return {path: tuple(names) for path, names in found.items()}


def _list(tree: Tree, name: str) -> str | None:
    return text_of(tree, f"{DATABASE}/info/{name}.list", MOST_TEXT)


def _diverted(tree: Tree) -> dict[str, tuple[str, str]]:
    """Return where a path went, and the package that took its place: the one that does not follow it."""
    lines = (text_of(tree, f"{DATABASE}/diversions", MOST_TEXT) or "").splitlines()
    return {lines[at]: (lines[at + 1], lines[at + 2]) for at in range(0, len(lines) - 2, 3)}


def text_of(tree: Tree, path: str, most: int) -> str | None:
    """Return the text of a file in a tree, links followed; None if there is none, or too much."""
    try:
        found = tree.find(path)
    except Mistake:  # a loop, or a file on the way
        return None
    if found is None or found[1].content is None or found[1].content.size > most:
        return None
    return b"".join(found[1].content.chunks()).decode("utf-8", "surrogateescape")
