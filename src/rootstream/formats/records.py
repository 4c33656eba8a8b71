"""What a ref holds: packages and files by path, size and SHA-256, checked wherever they enter.

Pure data; the plugins hand in plain values and the place in the YAML for messages.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rootstream.formats.faults import Fault

_SHA256 = re.compile(r"[0-9a-f]{64}")
_PATH = re.compile(r"[A-Za-z0-9._+~:%@=,-]+(?:/[A-Za-z0-9._+~:%@=,-]+)*")
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]*")
_VERSION = re.compile(r"[A-Za-z0-9.+~:-]+")
_ARCHITECTURE = re.compile(r"[a-z0-9][a-z0-9-]*")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~/-]*")
MAX_SIZE = 1 << 36  # 64 GiB: no file of the archive comes near
MAX_PATH = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A file of the archive: path relative to the mirror, size in bytes, SHA-256 in hex.

    `base` is the address of the repository that it is from, where that is not the archive.
    """

    path: str
    size: int
    sha256: str
    base: str | None = None

    @property
    def name(self) -> str:
        """Return the file's own name."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class DebianPackage:
    """A binary package at one version; `repository` is the name of the further one that it is from."""

    name: str
    version: str
    architecture: str
    item: Item
    repository: str | None = None


def item(*, path: str, size: int, sha256: str, where: str) -> Item:
    """Return a checked item; raises `Fault` invalid-ref naming `where`."""
    if not _PATH.fullmatch(path) or len(path) > MAX_PATH or any(p in {".", ".."} for p in path.split("/")):
        raise Fault("invalid-ref", f"{where}: path is {path!r}; expected a relative path without '..'")
    if not 0 <= size <= MAX_SIZE:
        raise Fault("invalid-ref", f"{where}: size is {size}; expected 0 to {MAX_SIZE} bytes")
    if not _SHA256.fullmatch(sha256):
        raise Fault("invalid-ref", f"{where}: sha256 is {sha256!r}; expected 64 lower-case hexadecimal digits")
    return Item(path=path, size=size, sha256=sha256)


def name(text: str, where: str) -> str:
    """Return a checked package name (Debian policy 5.6.1); raises `Fault` invalid-name."""
    if not _NAME.fullmatch(text) or text.endswith("-"):
        raise Fault("invalid-name", f"{where}: {text!r} is not a package name")
    return text


def version(text: str, where: str) -> str:
    """Return a checked version (deb-version(7)); raises `Fault` invalid-version."""
    if not _VERSION.fullmatch(text):
        raise Fault("invalid-version", f"{where}: {text!r} is not a Debian version")
    return text


def architecture(text: str, where: str) -> str:
    """Return a checked architecture; raises `Fault` invalid-architecture."""
    if not _ARCHITECTURE.fullmatch(text):
        raise Fault("invalid-architecture", f"{where}: {text!r} is not a Debian architecture")
    return text


def word(text: str, where: str) -> str:
    """Return a checked suite or component; raises `Fault` invalid-suite."""
    if not _WORD.fullmatch(text) or ".." in text:
        raise Fault("invalid-suite", f"{where}: {text!r} is not a suite or component of an archive")
    return text
