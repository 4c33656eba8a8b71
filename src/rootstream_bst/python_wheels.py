"""BuildStream source: Python wheels for a system, resolved by pip, pinned by hash, staged as files.

Keys: `python`, `machine`, `glibc`, and `requirements` and `constraints`, files of the project; `digest` stands for
their content. `ref` is a list of wheels, made by tracking. Where they come from is the user's pip configuration.
"""

from __future__ import annotations

import shutil
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeAlias

from buildstream import Source, SourceError  # type: ignore[attr-defined]  # re-exported without saying so

from rootstream_bst import deb, wheels
from rootstream_bst.faults import Fault
from rootstream_bst.raising import as_source_errors
from rootstream_bst.records import Item
from rootstream_bst.store import Store
from rootstream_bst.wheels import Wheel

FORMAT = 1  # part of the unique key: to be raised when the same ref stages something else
KEYS = ("python", "machine", "glibc", "requirements", "constraints", "digest", "ref")
REF_KEYS = ["name", "version", "file", "size", "sha256"]
STORE = "python"  # below BuildStream's folder of sources
MAX_LINE = 2000

Node: TypeAlias = Any  # a MappingNode; BuildStream's stub of it lacks half of what plugins use


class Ref(list[dict[str, Any]]):
    """A ref that BuildStream's messages show as one short line instead of dozens of wheels."""

    def __str__(self) -> str:
        return f"{len(self)} wheels, {sum(row['size'] for row in self) / 1e6:.1f} MB"


class PythonWheels(Source):
    """The plugin."""

    BST_MIN_VERSION = "2.0"

    target: wheels.Target
    requirements: str
    constraints: str
    ref: tuple[Wheel, ...] | None

    def configure(self, node: Node) -> None:
        """Read and check the keys."""
        node.validate_keys([*Source.COMMON_CONFIG_KEYS, *KEYS])
        python = node.get_str("python")
        if not wheels.PYTHON.fullmatch(python):
            raise SourceError(
                f"{node.get_provenance()}: python is {python!r}; expected such as 3.13", reason="invalid-python"
            )
        self.target = wheels.Target(python=python, machine=node.get_str("machine"), glibc=node.get_int("glibc"))
        self.requirements = node.get_str("requirements")
        self.constraints = node.get_str("constraints")
        node.get_str("digest", "")
        self.load_ref(node)

    def load_ref(self, node: Node) -> None:
        """Take the ref from the YAML; raises `SourceError` invalid-ref with its place."""
        rows = node.get_sequence("ref", None)
        self.ref = None if rows is None else tuple(self._wheel(rows.mapping_at(n)) for n in range(len(rows)))

    def _wheel(self, row: Node) -> Wheel:
        row.validate_keys(REF_KEYS)
        with self._faults():
            return wheels.checked(
                name=row.get_str("name"),
                version=row.get_str("version"),
                file=row.get_str("file"),
                size=row.get_int("size"),
                sha256=row.get_str("sha256"),
                where=str(row.get_provenance()),
            )

    def _faults(self) -> AbstractContextManager[None]:
        """Turn a `Fault` into BuildStream's own error."""
        return as_source_errors(self)

    def preflight(self) -> None:
        """Check nothing: pip is needed to track and fetch only."""

    def get_ref(self) -> list[dict[str, Any]] | None:
        """Return the ref as plain data."""
        return None if self.ref is None else Ref(_plain(wheel) for wheel in self.ref)

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

    def track(self, *, previous_sources_dir: str | None = None) -> list[dict[str, Any]]:  # noqa: ARG002  (unused)
        """Resolve the requirements anew; what that downloads is kept."""
        wanted = self._lines(self.requirements)
        with (
            self.timed_activity(f"Resolving {len(wanted)} Python requirements"),
            self._faults(),
            wheels.downloaded(self.target, wanted, self._lines(self.constraints)) as folder,
        ):
            found = list(wheels.found(folder))
            for wheel, path in found:
                self._keep(wheel, path)
        return Ref(_plain(wheel) for wheel, _ in found)

    def _keep(self, wheel: Wheel, path: Path) -> None:
        store, item = self._store(), _item(wheel)
        with store.partial(item, lambda: None) as handle:
            if handle is not None:
                place = store.path(item)
                shutil.copyfile(path, place.with_name(f"{place.name}.part"))
                store.complete(item)

    def is_cached(self) -> bool:
        """Tell whether every wheel is in the store."""
        store = self._store()
        return all(store.has(_item(wheel)) for wheel in self.ref or ())

    def fetch(self, *, previous_sources_dir: str | None = None) -> None:  # noqa: ARG002  (unused)
        """Download what is missing, by name, version and hash."""
        store = self._store()
        missing = [wheel for wheel in self.ref or () if not store.has(_item(wheel))]
        if not missing:
            return
        lines = [f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.sha256}" for wheel in missing]
        with (
            self.timed_activity(f"Fetching {len(missing)} wheels"),
            self._faults(),
            wheels.downloaded(self.target, lines, (), "--no-deps", "--require-hashes") as folder,
        ):
            got = dict(wheels.found(folder))
            for wheel in missing:
                path = next((path for each, path in got.items() if each.sha256 == wheel.sha256), None)
                if path is None:
                    raise Fault("no-wheel", f"{wheel.file} is not what the index gives for its version")
                self._keep(wheel, path)

    def stage(self, directory: str) -> None:
        """Put the wheels into a folder."""
        store = self._store()
        with self._faults():
            for wheel in self.ref or ():
                stored = store.path(_item(wheel))
                deb.check_hash(stored, wheel.sha256)
                try:
                    shutil.copyfile(stored, Path(directory, wheel.file))
                except OSError as error:
                    raise Fault("stage-failed", f"{error.filename}: {error.strerror}") from error

    def collect_source_info(self) -> list[Any]:
        """Describe every wheel, for a bill of materials."""
        return [
            self.create_source_info(
                wheel.file,
                "python-wheel",
                "sha256",
                wheel.sha256,
                version_guess=wheel.version,
                extra_data={"name": wheel.name},
            )
            for wheel in self.ref or ()
        ]


def _item(wheel: Wheel) -> Item:
    return Item(path=wheel.file, size=wheel.size, sha256=wheel.sha256)


def _plain(wheel: Wheel) -> dict[str, Any]:
    return {
        "name": wheel.name,
        "version": wheel.version,
        "file": wheel.file,
        "size": wheel.size,
        "sha256": wheel.sha256,
    }


def setup() -> type[PythonWheels]:
    """Give BuildStream the plugin."""
    return PythonWheels
