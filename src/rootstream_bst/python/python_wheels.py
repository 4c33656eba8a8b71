"""BuildStream source: Python wheels for a system, resolved by pip, pinned by hash, staged as files.

Keys: `python`, `machine`, `glibc`, and `requirements` and `constraints`, files of the project; `digest` stands for
their content. `keep` (name==version) holds packages at a version while tracking. `ref` is a list of wheels, made
by tracking. Where they come from is the user's pip configuration.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rootstream.formats import python_files
from rootstream.formats.python_files import Wheel
from rootstream_bst.python import wheels
from rootstream_bst.python.pip_source import ENTRY_KEYS, Node, PipSource, Ref, plain

FORMAT = 1  # part of the unique key: to be raised when the same ref stages something else


class PythonWheels(PipSource):
    """The plugin."""

    ref: tuple[Wheel, ...] | None

    def configure(self, node: Node) -> None:
        """Read and check the keys."""
        self.configure_pip(node)

    def load_ref(self, node: Node) -> None:
        """Take the ref from the YAML; raises `SourceError` invalid-ref with its place."""
        rows = self.rows(node)
        self.ref = None if rows is None else tuple(self._wheel(row) for row in rows)

    def _wheel(self, row: Node) -> Wheel:
        row.validate_keys(list(ENTRY_KEYS))
        with self.faults():
            return python_files.wheel(**self.words(row))

    def get_ref(self) -> list[dict[str, Any]] | None:
        """Return the ref as plain data."""
        return None if self.ref is None else Ref(plain(wheel) for wheel in self.ref)

    def get_unique_key(self) -> list[Any]:
        """Return what decides the content."""
        return [FORMAT, self.get_ref()]

    def track(self, *, previous_sources_dir: str | None = None) -> list[dict[str, Any]]:  # noqa: ARG002  (unused)
        """Resolve the requirements anew; what that downloads is kept."""
        wanted = self.lines(self.requirements)
        with (
            self.timed_activity(f"Resolving {len(wanted)} Python requirements"),
            self.faults(),
            wheels.downloaded(self.target, wanted, self.lines(self.constraints), kept=self.kept) as folder,
        ):
            found = list(wheels.found(folder))
            for wheel, path in found:
                self.keep(wheel, path)
        return Ref(plain(wheel) for wheel, _ in found)

    def is_cached(self) -> bool:
        """Tell whether every wheel is in the store."""
        return all(self.has(wheel) for wheel in self.ref or ())

    def fetch(self, *, previous_sources_dir: str | None = None) -> None:  # noqa: ARG002  (unused)
        """Download what is missing, by name, version and hash."""
        with self.faults():
            lacking = self.missing(self.ref or ())
        missing = [wheel for wheel in self.ref or () if wheel in lacking]
        with self.timed_activity(f"Fetching {len(missing)} wheels"), self.faults():
            self.fetch_wheels(missing)

    def stage(self, directory: str) -> None:
        """Put the wheels into a folder."""
        for wheel in self.ref or ():
            self.put(wheel, Path(directory))

    def collect_source_info(self) -> list[Any]:
        """Describe every wheel, for a bill of materials."""
        return [self.entry_info(wheel) for wheel in self.ref or ()]


def setup() -> type[PythonWheels]:
    """Give BuildStream the plugin."""
    return PythonWheels
