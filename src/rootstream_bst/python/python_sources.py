"""BuildStream source: Python packages of which some are built from source: wheels, sdists, and what builds these.

Keys as `python_wheels`, and `sdists` (requirement lines to take as source), `trees` (folders of the sources before
it), `build` (further requirements of building). Staged are `wheels` for the root, `wheels/source` with sdists and
`wheels/build` with what builds them and the trees, pip among it. Nothing of a package is run here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rootstream.formats import python_files
from rootstream.formats.faults import Fault
from rootstream_bst.python import sdists, source_metadata, wheels
from rootstream_bst.python.pip_source import ENTRY_KEYS, Entry, Node, PipSource, Ref, plain

FORMAT = 1  # part of the unique key: to be raised when the same ref stages something else
PLACES = {"wheel": "wheels", "source": "wheels/source", "build": "wheels/build"}


class PythonSources(PipSource):
    """The plugin."""

    BST_REQUIRES_PREVIOUS_SOURCES_TRACK = True

    ref: tuple[tuple[str, Entry], ...] | None

    def configure(self, node: Node) -> None:
        """Read and check the keys."""
        self.configure_pip(node, "sdists", "trees", "build", "keep-build")
        self.sdists = tuple(node.get_str_list("sdists", []))
        self.trees = tuple(node.get_str_list("trees", []))
        self.building = tuple(node.get_str_list("build", []))
        self.kept_build = tuple(node.get_str_list("keep-build", []))

    def load_ref(self, node: Node) -> None:
        """Take the ref from the YAML; raises `SourceError` invalid-ref with its place."""
        rows = self.rows(node)
        self.ref = None if rows is None else tuple(self._entry(row) for row in rows)

    def _entry(self, row: Node) -> tuple[str, Entry]:
        row.validate_keys(["role", *ENTRY_KEYS])
        role, words = row.get_str("role"), self.words(row)
        with self.faults():
            if role not in PLACES:
                raise Fault("invalid-ref", f"{words['where']}: role is {role!r}")
            return role, python_files.sdist(**words) if role == "source" else python_files.wheel(**words)

    def get_ref(self) -> list[dict[str, Any]] | None:
        """Return the ref as plain data."""
        return None if self.ref is None else Ref(_row(role, entry) for role, entry in self.ref)

    def get_unique_key(self) -> list[Any]:
        """Return what decides the content."""
        return [FORMAT, self.get_ref()]

    def track(self, *, previous_sources_dir: str | None = None) -> list[dict[str, Any]]:
        """Resolve everything anew; what that downloads is kept."""
        limits = self.lines(self.constraints)
        rows: list[dict[str, Any]] = []
        with self.timed_activity("Resolving Python packages and sources"), self.faults():
            needs = [source_metadata.of_folder(Path(previous_sources_dir or "", tree)) for tree in self.trees]
            if self.sdists:
                with sdists.downloaded(self.target, self.sdists, [*limits, *self.kept]) as (found, _):
                    for sdist, path in found.items():
                        needs.append(source_metadata.of_archive(path))
                        self.keep(sdist, path)
                        rows.append(_row("source", sdist))
            ours = {wheels.plain_name(line) for line in self.sdists} | {Path(tree).name for tree in self.trees}
            wanted = [*self.lines(self.requirements), *(line for need in needs for line in need.run)]
            wanted = [line for line in wanted if wheels.plain_name(line) not in ours]
            rows += self._wheels("wheel", wanted, limits, self.kept)
            lines = [line for need in needs for line in need.build]
            rows += self._wheels("build", ["pip", *lines, *self.building], (), self.kept_build)
        return Ref(rows)

    def _wheels(
        self, role: str, lines: list[str], limits: list[str] | tuple[()], kept: tuple[str, ...]
    ) -> list[dict[str, Any]]:
        if not lines:
            return []
        with wheels.downloaded(self.target, lines, limits, kept=kept) as folder:
            found = list(wheels.found(folder))
            for wheel, path in found:
                self.keep(wheel, path)
        return [_row(role, wheel) for wheel, _ in found]

    def is_cached(self) -> bool:
        """Tell whether every file is in the store."""
        return all(self.has(entry) for _, entry in self.ref or ())

    def fetch(self, *, previous_sources_dir: str | None = None) -> None:  # noqa: ARG002  (unused)
        """Download what is missing, by name, version and hash."""
        with self.faults():
            lacking = self.missing(entry for _, entry in self.ref or ())
        missing = [(role, entry) for role, entry in self.ref or () if entry in lacking]
        with self.timed_activity(f"Fetching {len(missing)} Python packages"), self.faults():
            for role in ("wheel", "build"):  # two versions of one package may be needed
                self.fetch_wheels(entry for each, entry in missing if each == role)
            entries = [entry for role, entry in missing if role == "source"]
            if entries:
                lines = [f"{entry.name}=={entry.version}" for entry in entries]
                with sdists.downloaded(self.target, lines, ()) as (found, _):
                    self.take(entries, {sdist.sha256: path for sdist, path in found.items()})

    def stage(self, directory: str) -> None:
        """Put the files into a folder and those below it."""
        for role, entry in self.ref or ():
            self.put(entry, Path(directory, PLACES[role]))

    def collect_source_info(self) -> list[Any]:
        """Describe every file, for a bill of materials."""
        return [self.entry_info(entry) for _, entry in self.ref or ()]


def _row(role: str, entry: Entry) -> dict[str, Any]:
    return {"role": role, **plain(entry)}


def setup() -> type[PythonSources]:
    """Give BuildStream the plugin."""
    return PythonSources
