"""BuildStream source: a Debian source package, found by apt, pinned by hash, unpacked or as its archive.

Keys: `package`, `suites`, `version`, `patches`, `unpack`, `filename`; `ref` holds the version and the files.
"""

from __future__ import annotations

import os
import shutil
from typing import Any

from buildstream import MappingNode, Source, SourceError

from rootstream_bst import apt, records, sourcefiles
from rootstream_bst.archive import ArchiveSource
from rootstream_bst.records import Item
from rootstream_bst.sourcefiles import Part, Parts
from rootstream_bst.unpack import check_hash

FORMAT = 1  # part of the unique key: to be raised when the same ref unpacks to something else
ARCHITECTURE = "amd64"  # source packages have none, but apt wants to know one


class DebianSource(ArchiveSource):
    """The plugin."""

    def configure(self, node: MappingNode) -> None:
        """Read and check the keys."""
        node.validate_keys(
            [
                *Source.COMMON_CONFIG_KEYS,
                *ArchiveSource.COMMON_KEYS,
                "package",
                "version",
                "patches",
                "unpack",
                "filename",
            ]
        )
        self.configure_archive(node)
        where = str(node.get_provenance())
        self.version = node.get_str("version", "")
        with self.faults():
            self.package = records.name(node.get_str("package"), f"{where}: package")
            if self.version:
                records.version(self.version, f"{where}: version")
        self.patches = node.get_bool("patches", False)
        self.unpack = node.get_bool("unpack", True)
        self.filename = node.get_str("filename", "")
        if self.filename and (self.unpack or "/" in self.filename or self.filename in {".", ".."}):
            raise SourceError(
                f"{where}: filename is {self.filename!r}; it is a name without folders, and for `unpack: false` only",
                reason="invalid-filename",
            )
        self.load_ref(node)

    def load_ref(self, node: MappingNode) -> None:
        """Take the ref from the YAML; raises `SourceError` invalid-ref with its place."""
        self.items: tuple[Item, ...] = ()
        self.locked_version = ""
        ref = node.get_mapping("ref", None)
        if ref is None:
            return
        ref.validate_keys(["version", "files"])
        rows = ref.get_sequence("files")
        with self.faults():
            self.locked_version = records.version(ref.get_str("version"), str(ref.get_provenance()))
            self.items = tuple(self._item(rows.mapping_at(number)) for number in range(len(rows)))
            sourcefiles.parts(self.items)

    def _item(self, row: MappingNode) -> Item:
        row.validate_keys(["path", "size", "sha256"])
        return records.item(
            path=row.get_str("path"),
            size=row.get_int("size"),
            sha256=row.get_str("sha256"),
            where=str(row.get_provenance()),
        )

    def get_ref(self) -> dict[str, Any] | None:
        """Return the ref as plain data."""
        return _plain(self.locked_version, self.items) if self.items else None

    def set_ref(self, ref: dict[str, Any], node: MappingNode) -> None:
        """Take a new ref and write it to the YAML."""
        node["ref"] = ref
        self.load_ref(node)

    def get_unique_key(self) -> list[Any]:
        """Return what decides the content: the files and their treatment, not where they come from."""
        return [FORMAT, self.get_ref(), self.patches, self.unpack, self.filename]

    def track(self) -> dict[str, Any]:
        """Look for the package anew."""
        with self.timed_activity(f"Looking for the source of {self.package}"), self.faults():
            with apt.opened(self.archive(ARCHITECTURE, sources=True)) as archive:
                found = archive.source(self.package, self.version)
        return _plain(found.version, sourcefiles.kept(found.items))

    def _parts(self) -> Parts:
        return sourcefiles.parts(self.items)

    def is_cached(self) -> bool:
        """Tell whether every file that is needed is in the store."""
        store = self.store()
        return all(store.has(item) for item in self._parts().needed(patches=self.patches))

    def fetch(self) -> None:
        """Download what is missing."""
        self.fetch_items(self._parts().needed(patches=self.patches))

    def stage(self, directory: str) -> None:
        """Lay out the source, or its archives, in a folder."""
        parts = self._parts()
        if self.patches and not (parts.debian or parts.diff):
            self.warn(f"{self.package} is a native package: there are no patches")
        if not self.unpack:
            with self.faults():
                self._stage_archives(parts, directory)
            return
        job = {
            "root": directory,
            "orig": self._archive(parts.orig),
            "components": [self._archive(part) for part in parts.components],
            "debian": self._archive(parts.debian) if self.patches else None,
            "diff": self._archive(parts.diff) if self.patches else None,
        }
        self.run_program("rootstream_bst.sourcetree", job, f"Unpacking {self.package} {self.locked_version}")

    def _archive(self, part: Part | None) -> dict[str, str] | None:
        if part is None:
            return None
        return {
            "path": str(self.store().path(part.item)),
            "suffix": part.suffix,
            "sha256": part.item.sha256,
            "component": part.component,
        }

    def _stage_archives(self, parts: Parts, directory: str) -> None:
        named = [(self.filename or f"orig.tar.{parts.orig.suffix}", parts.orig)]
        named += [(f"orig-{part.component}.tar.{part.suffix}", part) for part in parts.components]
        if self.patches and parts.debian:
            named.append((f"debian.tar.{parts.debian.suffix}", parts.debian))
        if self.patches and parts.diff:
            named.append((f"debian.diff.{parts.diff.suffix}", parts.diff))
        for name, part in named:
            path = str(self.store().path(part.item))
            check_hash(path, part.item.sha256)
            shutil.copyfile(path, os.path.join(directory, name))

    def collect_source_info(self) -> list[Any]:
        """Describe every file, for a bill of materials."""
        return [
            self.create_source_info(
                item.path,
                "debian-source",
                "sha256",
                item.sha256,
                version_guess=self.locked_version,
                extra_data={"name": self.package},
            )
            for item in self._parts().needed(patches=self.patches)
        ]


def _plain(version: str, items: tuple[Item, ...]) -> dict[str, Any]:
    return {
        "version": version,
        "files": [{"path": item.path, "size": item.size, "sha256": item.sha256} for item in items],
    }


def setup() -> type[DebianSource]:
    """Give BuildStream the plugin."""
    return DebianSource
