"""BuildStream source: Python packages of which some are built from source: wheels, sdists, and what builds these.

Keys as `python_wheels`, and `sdists` (requirement lines to take as source), `trees` (folders of the sources before
it), `build` (further requirements of building). Staged are `wheels` for the root, `wheels/source` with sdists and
`wheels/build` with what builds them and the trees, pip among it. Nothing of a package is run here.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

from buildstream import Source, SourceError  # type: ignore[attr-defined]  # re-exported without saying so

from rootstream_bst import deb, pysource, sdists, wheels
from rootstream_bst.faults import Fault
from rootstream_bst.python_wheels import KEYS, STORE, Node, Ref
from rootstream_bst.raising import as_source_errors
from rootstream_bst.records import Item
from rootstream_bst.sdists import Sdist
from rootstream_bst.store import Store
from rootstream_bst.wheels import Wheel

FORMAT = 1  # part of the unique key: to be raised when the same ref stages something else
REF_KEYS = ["role", "name", "version", "file", "size", "sha256"]
PLACES = {"wheel": "wheels", "source": "wheels/source", "build": "wheels/build"}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class PythonSources(Source):
    """The plugin."""

    BST_MIN_VERSION = "2.0"
    BST_REQUIRES_PREVIOUS_SOURCES_TRACK = True

    target: wheels.Target
    ref: tuple[tuple[str, Wheel | Sdist], ...] | None

    def configure(self, node: Node) -> None:
        """Read and check the keys."""
        node.validate_keys([*Source.COMMON_CONFIG_KEYS, *KEYS, "sdists", "trees", "build"])
        python = node.get_str("python")
        if not wheels.PYTHON.fullmatch(python):
            raise SourceError(
                f"{node.get_provenance()}: python is {python!r}; expected such as 3.13", reason="invalid-python"
            )
        self.target = wheels.Target(python=python, machine=node.get_str("machine"), glibc=node.get_int("glibc"))
        self.requirements = node.get_str("requirements")
        self.constraints = node.get_str("constraints")
        self.sdists = tuple(node.get_str_list("sdists", []))
        self.trees = tuple(node.get_str_list("trees", []))
        self.building = tuple(node.get_str_list("build", []))
        node.get_str("digest", "")
        self.load_ref(node)

    def load_ref(self, node: Node) -> None:
        """Take the ref from the YAML; raises `SourceError` invalid-ref with its place."""
        rows = node.get_sequence("ref", None)
        self.ref = None if rows is None else tuple(self._entry(rows.mapping_at(n)) for n in range(len(rows)))

    def _entry(self, row: Node) -> tuple[str, Wheel | Sdist]:
        row.validate_keys(REF_KEYS)
        role, where = row.get_str("role"), str(row.get_provenance())
        words: dict[str, Any] = {key: row.get_str(key) for key in ("name", "version", "file", "sha256")}
        with as_source_errors(self):
            if role not in PLACES:
                raise Fault("invalid-ref", f"{where}: role is {role!r}")
            check = sdists.checked if role == "source" else wheels.checked
            return role, check(**words, size=row.get_int("size"), where=where)

    def preflight(self) -> None:
        """Check nothing: pip is needed to track and fetch only."""

    def get_ref(self) -> list[dict[str, Any]] | None:
        """Return the ref as plain data."""
        return None if self.ref is None else Ref(_plain(role, entry) for role, entry in self.ref)

    def set_ref(self, ref: Any, node: Node) -> None:  # noqa: ANN401  (as BuildStream declares it)
        """Take a new ref and write it to the YAML; None takes it back, where a project keeps refs elsewhere."""
        if ref is None:
            self.ref = None
            return
        node["ref"] = list(ref)
        self.load_ref(node)

    def get_unique_key(self) -> list[Any]:
        """Return what decides the content."""
        return [FORMAT, self.get_ref()]

    def _lines(self, path: str) -> list[str]:
        text = Path(self.get_project_directory(), path).read_text(encoding="utf-8")
        return [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]

    def _store(self) -> Store:
        return Store(Path(self.get_mirror_directory()).parent / STORE)

    def _keep(self, entry: Wheel | Sdist, path: Path) -> None:
        store, item = self._store(), _item(entry)
        with store.partial(item, lambda: None) as handle:
            if handle is not None:
                place = store.path(item)
                shutil.copyfile(path, place.with_name(f"{place.name}.part"))
                store.complete(item)

    def track(self, *, previous_sources_dir: str | None = None) -> list[dict[str, Any]]:
        """Resolve everything anew; what that downloads is kept."""
        limits = self._lines(self.constraints)
        rows: list[dict[str, Any]] = []
        with self.timed_activity("Resolving Python packages and sources"), as_source_errors(self):
            needs = [pysource.of_folder(Path(previous_sources_dir or "", tree)) for tree in self.trees]
            if self.sdists:
                with sdists.downloaded(self.target, self.sdists, limits) as (found, _):
                    for sdist, path in found.items():
                        needs.append(pysource.of_archive(path))
                        self._keep(sdist, path)
                        rows.append(_plain("source", sdist))
            ours = {_plain_name(line) for line in self.sdists} | {os.path.basename(tree) for tree in self.trees}  # noqa: PTH119
            wanted = [*self._lines(self.requirements), *(line for need in needs for line in need.run)]
            wanted = [line for line in wanted if _plain_name(line) not in ours]
            rows += self._wheels("wheel", wanted, limits)
            lines = [line for need in needs for line in need.build]
            rows += self._wheels("build", ["pip", *lines, *self.building], ())
        return Ref(rows)

    def _wheels(self, role: str, lines: list[str], limits: list[str] | tuple[()]) -> list[dict[str, Any]]:
        if not lines:
            return []
        with wheels.downloaded(self.target, lines, limits) as folder:
            found = list(wheels.found(folder))
            for wheel, path in found:
                self._keep(wheel, path)
        return [_plain(role, wheel) for wheel, _ in found]

    def is_cached(self) -> bool:
        """Tell whether every file is in the store."""
        store = self._store()
        return all(store.has(_item(entry)) for _, entry in self.ref or ())

    def fetch(self, *, previous_sources_dir: str | None = None) -> None:  # noqa: ARG002  (unused)
        """Download what is missing, by name, version and hash."""
        store = self._store()
        missing = [(role, entry) for role, entry in self.ref or () if not store.has(_item(entry))]
        with self.timed_activity(f"Fetching {len(missing)} Python packages"), as_source_errors(self):
            for role in ("wheel", "build"):  # two versions of one package may be needed
                entries = [entry for each, entry in missing if each == role]
                lines = [f"{entry.name}=={entry.version} --hash=sha256:{entry.sha256}" for entry in entries]
                if lines:
                    with wheels.downloaded(self.target, lines, (), "--no-deps", "--require-hashes") as folder:
                        self._take(entries, {wheel.sha256: path for wheel, path in wheels.found(folder)})
            entries = [entry for role, entry in missing if role == "source"]
            if entries:
                lines = [f"{entry.name}=={entry.version}" for entry in entries]
                with sdists.downloaded(self.target, lines, ()) as (found, _):
                    self._take(entries, {sdist.sha256: path for sdist, path in found.items()})

    def _take(self, entries: list[Wheel | Sdist], got: dict[str, Path]) -> None:
        for entry in entries:
            if entry.sha256 not in got:
                raise Fault("no-wheel", f"{entry.file} is not what the index gives for its version")
            self._keep(entry, got[entry.sha256])

    def stage(self, directory: str) -> None:
        """Put the files into a folder and those below it."""
        store = self._store()
        with as_source_errors(self):
            for role, entry in self.ref or ():
                stored, folder = store.path(_item(entry)), Path(directory, PLACES[role])
                deb.check_hash(stored, entry.sha256)
                try:
                    folder.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(stored, folder / entry.file)
                except OSError as error:
                    raise Fault("stage-failed", f"{error.filename}: {error.strerror}") from error

    def collect_source_info(self) -> list[Any]:
        """Describe every file, for a bill of materials."""
        return [
            self.create_source_info(
                entry.file,
                "python-sdist" if role == "source" else "python-wheel",
                "sha256",
                entry.sha256,
                version_guess=entry.version,
                extra_data={"name": entry.name},
            )
            for role, entry in self.ref or ()
        ]


def _plain_name(line: str) -> str:
    """Return the normalized name of a requirement line (PEP 503)."""
    match = _NAME.match(line.strip())
    return re.sub(r"[-_.]+", "-", match[0]).lower() if match else ""


def _item(entry: Wheel | Sdist) -> Item:
    return Item(path=entry.file, size=entry.size, sha256=entry.sha256)


def _plain(role: str, entry: Wheel | Sdist) -> dict[str, Any]:
    return {
        "role": role,
        "name": entry.name,
        "version": entry.version,
        "file": entry.file,
        "size": entry.size,
        "sha256": entry.sha256,
    }


def setup() -> type[PythonSources]:
    """Give BuildStream the plugin."""
    return PythonSources
