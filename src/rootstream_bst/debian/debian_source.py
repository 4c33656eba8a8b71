"""BuildStream source: a Debian source package, found by apt, pinned by hash, unpacked or as its archive.

Keys: `package`, `suites`; optional `version`, `patches`, `unpack`, `filename`, `components`, `mirrors`, `keyring`.
`ref` holds the version and the files, made by tracking.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from buildstream import SourceError  # type: ignore[attr-defined]  # re-exported without saying so

from rootstream.formats import records
from rootstream.formats.apt_index import SourcePackage
from rootstream.formats.records import Item
from rootstream_bst.debian import apt, source_files
from rootstream_bst.debian.archive import ArchiveSource, Node
from rootstream_bst.debian.source_files import Part, SourceParts

FORMAT = 1  # part of the unique key: to be raised when the same ref unpacks to something else
ARCHITECTURE = "amd64"  # source packages have none, but apt wants to know one


class Ref(dict[str, Any]):
    """A ref that BuildStream's messages show as one short line."""

    def __str__(self) -> str:
        size = sum(row["size"] for row in self["files"])
        return f"version {self['version']}, {len(self['files'])} files, {size / 1e6:.1f} MB"


class DebianSource(ArchiveSource):
    """The plugin."""

    package: str
    version: str
    patches: bool
    unpack: bool
    filename: str
    items: tuple[Item, ...]
    locked_version: str

    def configure(self, node: Node) -> None:
        """Read and check the keys."""
        self.configure_archive(node, "package", "version", "patches", "unpack", "filename")
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
                f"{where}: filename is {self.filename!r}; expected a name without folders, with `unpack: false`",
                reason="invalid-filename",
            )
        self.load_ref(node)

    def load_ref(self, node: Node) -> None:
        """Take the ref from the YAML; raises `SourceError` invalid-ref with its place."""
        self.items, self.locked_version = (), ""
        ref = node.get_mapping("ref", None)
        if ref is None:
            return
        ref.validate_keys(["version", "files"])
        rows = ref.get_sequence("files")
        with self.faults():
            self.locked_version = records.version(ref.get_str("version"), str(ref.get_provenance()))
            self.items = tuple(self._item(rows.mapping_at(number)) for number in range(len(rows)))
            source_files.parts(self.items, str(ref.get_provenance()))

    def _item(self, row: Node) -> Item:
        row.validate_keys(["path", "size", "sha256"])
        return self.checked_item(row)

    def get_ref(self) -> dict[str, Any] | None:
        """Return the ref as plain data."""
        return _plain(self.locked_version, self.items) if self.items else None

    def set_ref(self, ref: Any, node: Node) -> None:  # noqa: ANN401  (as BuildStream declares it)
        """Take a new ref and write it to the YAML; None takes it back, where a project keeps refs elsewhere."""
        if ref is None:
            self.items, self.locked_version = (), ""
            return
        node["ref"] = dict(ref)
        self.load_ref(node)

    def get_unique_key(self) -> list[Any]:
        """Return what decides the content: the files and their treatment, not where they come from."""
        return [FORMAT, self.get_ref(), self.patches, self.unpack, self.filename]

    def track(self, *, previous_sources_dir: str | None = None) -> dict[str, Any]:  # noqa: ARG002  (unused)
        """Look for the package anew."""
        activity = f"Looking for the source of {self.package}"
        with (
            self.timed_activity(activity),
            self.faults(),
            apt.opened(self.archive(ARCHITECTURE, sources=True)) as archive,
        ):
            found = archive.sources(self.package, self.version)
            chosen = self._newest_there(found) or found[0]
            if chosen != found[0]:
                self.warn(
                    f"{self.package} {found[0].version} is in the index, but its files are on no mirror: "
                    f"{chosen.version} is taken"
                )
            items = source_files.kept(chosen.items)
            source_files.parts(items, f"{chosen.name} {chosen.version}")
        return _plain(chosen.version, items)

    def _newest_there(self, found: Sequence[SourcePackage]) -> SourcePackage | None:
        """Return the first whose files a mirror has: an index may be ahead of the pool."""
        for package in found if len(found) > 1 else ():
            parts = source_files.parts(source_files.kept(package.items), f"{package.name} {package.version}")
            if self.are_there(parts.needed(patches=self.patches)):
                return package
        return None

    def _parts(self) -> SourceParts:
        return source_files.parts(self.items, str(self))

    def is_cached(self) -> bool:
        """Tell whether every file that is needed is in the store."""
        return self.has_items(self._parts().needed(patches=self.patches))

    def fetch(self, *, previous_sources_dir: str | None = None) -> None:  # noqa: ARG002  (unused)
        """Download what is missing."""
        self.fetch_items(self._parts().needed(patches=self.patches))

    def stage(self, directory: str) -> None:
        """Lay out the source, or put its archives in a folder."""
        parts = self._parts()
        if self.patches and not (parts.debian or parts.diff):
            self.warn(f"{self}: {self.package} is a native package, there are no patches")
        if not self.unpack:
            for name, part in parts.named(self.filename, patches=self.patches):
                self.stage_file(part.item, f"{directory}/{name}")
            return
        job = {
            "root": directory,
            "orig": self._archive(parts.orig),
            "components": [self._archive(part) for part in parts.components],
            "debian": self._archive(parts.debian) if self.patches else None,
            "diff": self._archive(parts.diff) if self.patches else None,
        }
        self.run_program(
            "rootstream_bst.debian.source_tree", job, f"Unpacking {self.package} {self.locked_version}"
        )

    def _archive(self, part: Part | None) -> dict[str, str] | None:
        if part is None:
            return None
        return {
            "path": str(self.store().path(part.item)),
            "suffix": part.suffix,
            "sha256": part.item.sha256,
            "component": part.component,
        }

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


def _plain(version: str, items: tuple[Item, ...]) -> Ref:
    rows = [{"path": item.path, "size": item.size, "sha256": item.sha256} for item in items]
    return Ref(version=version, files=rows)


def setup() -> type[DebianSource]:
    """Give BuildStream the plugin."""
    return DebianSource
