"""What the two Python sources share: their keys, the store of their files, refs as plain data, staging."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeAlias

from buildstream import Source, SourceError  # type: ignore[attr-defined]  # re-exported without saying so

from rootstream.archives import deb
from rootstream.fetch import fetched
from rootstream.fetch.store import Store
from rootstream.formats import requirement
from rootstream.formats.faults import Fault
from rootstream.formats.python_files import Sdist, Wheel
from rootstream.formats.records import Item
from rootstream_bst.python import wheels
from rootstream_bst.source_errors import as_source_errors

STORE = "python"  # below BuildStream's folder of sources
KEYS = ("python", "machine", "glibc", "requirements", "constraints", "digest", "keep", "ref")
ENTRY_KEYS = ("name", "version", "file", "size", "sha256")

Entry: TypeAlias = Wheel | Sdist
Node: TypeAlias = Any  # a MappingNode; BuildStream's stub of it lacks half of what plugins use


class Ref(list[dict[str, Any]]):
    """A ref that BuildStream's messages show as one short line instead of dozens of files."""

    def __str__(self) -> str:
        return f"{len(self)} files, {sum(row['size'] for row in self) / 1e6:.1f} MB"


class PipSource(Source):
    """Base of sources whose content are files of a Python index, named by SHA-256 in the ref."""

    BST_MIN_VERSION = "2.0"

    target: wheels.TargetPython
    requirements: str
    constraints: str
    kept: tuple[str, ...]
    ref: Sequence[object] | None

    def configure_pip(self, node: Node, *keys: str) -> None:
        """Read the keys that say for which Python; `keys` are the plugin's own."""
        node.validate_keys([*Source.COMMON_CONFIG_KEYS, *KEYS, *keys])
        python = node.get_str("python")
        if not wheels.PYTHON.fullmatch(python):
            raise SourceError(
                f"{node.get_provenance()}: python is {python!r}; expected such as 3.13", reason="invalid-python"
            )
        self.target = wheels.TargetPython(
            python=python, machine=node.get_str("machine"), glibc=node.get_int("glibc")
        )
        self.requirements = node.get_str("requirements")
        self.constraints = node.get_str("constraints")
        self.kept = tuple(node.get_str_list("keep", []))
        node.get_str("digest", "")
        self.load_ref(node)

    def rows(self, node: Node) -> tuple[Node, ...] | None:
        """Return the mappings of a ref, None without one."""
        found = node.get_sequence("ref", None)
        return None if found is None else tuple(found.mapping_at(number) for number in range(len(found)))

    def words(self, row: Node) -> dict[str, Any]:
        """Return what `python_files` want to know of a file of the ref."""
        texts = {key: row.get_str(key) for key in ENTRY_KEYS if key != "size"}
        return {**texts, "size": row.get_int("size"), "where": str(row.get_provenance())}

    def faults(self) -> AbstractContextManager[None]:
        """Turn a `Fault` into BuildStream's own error."""
        return as_source_errors(self)

    def preflight(self) -> None:
        """Check nothing: pip is needed to track and fetch only."""

    def set_ref(self, ref: Any, node: Node) -> None:  # noqa: ANN401  (as BuildStream declares it)
        """Take a new ref and write it to the YAML; None takes it back, where a project keeps refs elsewhere."""
        if ref is None:
            self.ref = None
            return
        node["ref"] = list(ref)
        self.load_ref(node)

    def lines(self, path: str) -> list[str]:
        """Return the requirement lines of a file of the project, without comments."""
        text = Path(self.get_project_directory(), path).read_text(encoding="utf-8")
        return [line for _, line in requirement.lines(text)]

    def _store(self) -> Store:
        return Store(Path(self.get_mirror_directory()).parent / STORE)

    def has(self, entry: Entry) -> bool:
        """Tell whether a file is in the store."""
        return self._store().has(_item(entry))

    def missing(self, entries: Iterable[Entry]) -> frozenset[Entry]:
        """Return the files that neither the store has nor a folder of the user's; raises `Fault`."""
        wanted = [entry for entry in entries if not self.has(entry)]
        fetched.bring([_item(entry) for entry in wanted], self._store())
        return frozenset(entry for entry in wanted if not self.has(entry))

    def keep(self, entry: Entry, path: Path) -> None:
        """Put a downloaded file into the store."""
        store, item = self._store(), _item(entry)
        with store.partial(item, lambda: None) as handle:
            if handle is not None:
                place = store.path(item)
                shutil.copyfile(path, place.with_name(f"{place.name}.part"))
                store.complete(item)

    def take(self, entries: Iterable[Entry], got: Mapping[str, Path]) -> None:
        """Put the files that a ref names, by SHA-256 out of `got`, into the store; raises `Fault` no-wheel."""
        for entry in entries:
            if entry.sha256 not in got:
                raise Fault("no-wheel", f"{entry.file} is not what the index gives for its version")
            self.keep(entry, got[entry.sha256])

    def fetch_wheels(self, entries: Iterable[Entry]) -> None:
        """Download wheels by name, version and hash; raises `Fault`."""
        wanted = list(entries)
        if wanted:
            lines = [f"{entry.name}=={entry.version} --hash=sha256:{entry.sha256}" for entry in wanted]
            with wheels.downloaded(self.target, lines, (), "--no-deps", "--require-hashes") as folder:
                self.take(wanted, {wheel.sha256: path for wheel, path in wheels.found(folder)})

    def put(self, entry: Entry, folder: Path) -> None:
        """Copy a file out of the store into a folder; raises `SourceError` stage-failed or hash-mismatch."""
        stored = self._store().path(_item(entry))
        with self.faults():
            deb.check_hash(stored, entry.sha256)
            try:
                folder.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(stored, folder / entry.file)
            except OSError as error:
                raise Fault("stage-failed", f"{error.filename}: {error.strerror}") from error

    def entry_info(self, entry: Entry) -> Any:  # noqa: ANN401  (a type that BuildStream does not export)
        """Describe a file, for a bill of materials."""
        return self.create_source_info(
            entry.file,
            "python-sdist" if isinstance(entry, Sdist) else "python-wheel",
            "sha256",
            entry.sha256,
            version_guess=entry.version,
            extra_data={"name": entry.name},
        )


def plain(entry: Entry) -> dict[str, Any]:
    """Return a file as a row of a ref."""
    return {key: getattr(entry, key) for key in ENTRY_KEYS}


def _item(entry: Entry) -> Item:
    return Item(path=entry.file, size=entry.size, sha256=entry.sha256)
