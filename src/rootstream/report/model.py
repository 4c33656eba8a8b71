"""A component of a system: what it is called, where it is from, what is known of its terms."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Literal

Role = Literal["image", "build"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A file or commit that a component is made from: where it was asked for, and its digest."""

    name: str
    algorithm: Literal["SHA-256", "SHA-1", "SHA-512"]
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenseText:
    """A license text that came with a component; `text` is None where another component has the same."""

    path: str
    sha256: str
    text: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A part of a system. `role` tells parts of images from what only builds them.

    `license` is an SPDX expression, None if it is unknown; `stated` is what was read. `source` is the source
    package with its version, where that is known. `patches` are sets of patches that were applied. `notes` are
    further facts.
    """

    name: str
    version: str | None
    kind: str
    role: Role = "image"
    purl: str | None = None
    cpe: str | None = None
    files: tuple[SourceFile, ...] = ()
    supplier: str | None = None
    homepage: str | None = None
    license: str | None = None
    stated: tuple[str, ...] = ()
    source: tuple[str, str | None] | None = None
    patches: tuple[str, ...] = ()
    texts: tuple[LicenseText, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()

    @property
    def ref(self) -> str:
        """Return what tells it from all others of its system, the same in each build of it."""
        own = self.purl or f"{self.kind}:{self.name}@{self.version or ''}"
        told = [self.role, own, [(each.name, each.digest) for each in self.files]]
        return f"{self.kind}/{self.name}/{hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]}"
