"""Files of Python packages as a ref holds them: wheels and sdists, checked wherever they enter."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rootstream.formats.faults import Fault

WHEEL = re.compile(
    r"([A-Za-z0-9][A-Za-z0-9._]*)-([A-Za-z0-9][A-Za-z0-9.!+_]*)(?:-[0-9][^-]*)?-[^-/]+-[^-/]+-[^-/]+\.whl"
)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]*")
SHA256 = re.compile(r"[0-9a-f]{64}")
MAX_SIZE = 1 << 33
SDIST = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)-([0-9][A-Za-z0-9.!+_]*)\.tar\.(?:gz|bz2|xz)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """A wheel at one version: its file name, size in bytes and SHA-256 in hex."""

    name: str
    version: str
    file: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sdist:
    """An sdist: name and version, file name, size in bytes, SHA-256 in hex."""

    name: str
    version: str
    file: str
    size: int
    sha256: str


def wheel(*, name: str, version: str, file: str, size: int, sha256: str, where: str) -> Wheel:
    """Return a wheel of a ref; raises `Fault` invalid-ref naming `where`."""
    right = NAME.fullmatch(name) and VERSION.fullmatch(version) and WHEEL.fullmatch(file)
    if not right or not SHA256.fullmatch(sha256) or not 0 <= size <= MAX_SIZE:
        raise Fault("invalid-ref", f"{where}: not a wheel with its name, version, file, size and sha256")
    return Wheel(name=name, version=version, file=file, size=size, sha256=sha256)


def sdist(*, name: str, version: str, file: str, size: int, sha256: str, where: str) -> Sdist:
    """Return an sdist of a ref; raises `Fault` invalid-ref naming `where`."""
    right = NAME.fullmatch(name) and VERSION.fullmatch(version) and SDIST.fullmatch(file)
    if not right or not SHA256.fullmatch(sha256) or not 0 <= size <= MAX_SIZE:
        raise Fault("invalid-ref", f"{where}: not an sdist with its name, version, file, size and sha256")
    return Sdist(name=name, version=version, file=file, size=size, sha256=sha256)
