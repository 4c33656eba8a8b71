"""What the two Debian sources share: where the archive is, the store of its files, fetching, and errors."""

from __future__ import annotations

import functools
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeAlias

from buildstream import Source, SourceError  # type: ignore[attr-defined]  # re-exported without saying so

from rootstream.archives import deb
from rootstream.fetch import download, fetched, process
from rootstream.fetch import mirrors as mirrors_
from rootstream.fetch.store import Store
from rootstream.fetch.transport import Transport
from rootstream.formats import records
from rootstream.formats.faults import Fault
from rootstream.formats.records import Item
from rootstream_bst.debian import apt
from rootstream_bst.debian.repositories import PinnedRepository
from rootstream_bst.source_errors import as_source_errors

STAGE_TIMEOUT = 3600  # seconds
STORE = "debian"  # below BuildStream's folder of sources

Node: TypeAlias = Any  # a MappingNode; BuildStream's stub of it lacks half of what plugins use


@functools.cache
def _found(own: tuple[str, ...], _environment: str) -> tuple[mirrors_.Mirror, ...]:
    return mirrors_.find(own)


@functools.cache
def _proxies() -> Mapping[str, str]:
    return mirrors_.host_proxies(os.environ)


class ArchiveSource(Source):
    """Base of sources whose content are files of a Debian archive, named by SHA-256 in the ref."""

    BST_MIN_VERSION = "2.0"
    ARCHIVE_KEYS = ("suites", "components", "mirrors", "keyring", "ref")

    suites: tuple[str, ...]
    components: tuple[str, ...]
    mirrors: tuple[str, ...]
    keyring: str

    def configure_archive(self, node: Node, *keys: str) -> None:
        """Read the keys that say where the archive is; `keys` are the plugin's own."""
        node.validate_keys([*Source.COMMON_CONFIG_KEYS, *self.ARCHIVE_KEYS, *keys])
        self.suites = self.checked_list(node, "suites", records.word)
        self.components = self.checked_list(node, "components", records.word, ["main"])
        self.mirrors = tuple(self._address(url) for url in node.get_str_list("mirrors", []))
        self.keyring = node.get_str("keyring", "")

    def checked_list(
        self, node: Node, key: str, check: Callable[[str, str], str], default: list[str] | None = None
    ) -> tuple[str, ...]:
        """Return a list of checked words that is not empty; raises `SourceError` with the place."""
        given = default if default is not None and key not in node else node.get_str_list(key)
        where = f"{node.get_provenance()}: {key}"
        if not given:
            raise SourceError(f"{where} is empty", reason="empty-list")
        with self.faults():
            return tuple(dict.fromkeys(check(text, where) for text in given))

    def checked_item(self, row: Node) -> Item:
        """Return a file of the ref; raises `SourceError` invalid-ref with its place."""
        where = str(row.get_provenance())
        with self.faults():
            return records.item(
                path=row.get_str("path"), size=row.get_int("size"), sha256=row.get_str("sha256"), where=where
            )

    def _address(self, url: str) -> str:
        """Return a mirror's base address, through the project's aliases if it uses one.

        A full address is no part of the project's content, so it is not held to its rule about aliases.
        """
        if url.partition(":")[0].lower() not in mirrors_.SCHEMES:
            url = self.translate_url(url, primary=False)
        with self.faults():
            return mirrors_.checked(url, "mirrors")

    def faults(self) -> AbstractContextManager[None]:
        """Turn a `Fault` into BuildStream's own error."""
        return as_source_errors(self)

    def preflight(self) -> None:
        """Check nothing: apt is needed to track only."""

    def _mirrors(self) -> tuple[mirrors_.Mirror, ...]:
        return _found(self.mirrors, os.environ.get(mirrors_.VARIABLE, ""))

    def _without_mirrors(self) -> bool:
        """Tell whether there is none, as on a machine without a network and without apt."""
        try:
            return not self._mirrors()
        except Fault as fault:
            if fault.reason != "no-mirror":
                raise
            return True

    def archive(
        self, architecture: str, *, sources: bool = False, repositories: tuple[PinnedRepository, ...] = ()
    ) -> apt.Archive:
        """Return what apt is to look at; raises `Fault` no-mirror or no-keyring."""
        return apt.Archive(
            suites=self.suites,
            components=self.components,
            architecture=architecture,
            mirrors=self._mirrors(),
            keyring=apt.keyring(self.keyring and str(Path(self.get_project_directory(), self.keyring))),
            sources=sources,
            repositories=repositories,
        )

    def store(self) -> Store:
        """Return the store, common to both kinds of source."""
        return Store(Path(self.get_mirror_directory()).parent / STORE)

    def has_items(self, items: Sequence[Item]) -> bool:
        """Tell whether all files are in the store."""
        store = self.store()
        return all(store.has(item) for item in items)

    def are_there(self, items: Sequence[Item]) -> bool:
        """Tell whether each file is in the store or on a mirror."""
        store, mirrors = self.store(), self._mirrors()
        missing = [item for item in items if not store.has(item)]
        with Transport(proxies=_proxies()) as web:
            return all(any(map(web.exists, mirrors_.addresses(item.path, mirrors))) for item in missing)

    def fetch_items(self, items: Sequence[Item]) -> None:
        """Get files into the store, saying once a second how far it is."""
        began = time.monotonic()
        with self.faults():
            folders, snapshots = fetched.folders(), fetched.snapshots()
            size = download.fetch(
                items,
                () if folders and self._without_mirrors() else self._mirrors(),
                self.store(),
                progress=lambda progress: self.status(str(progress)),
                warn=self.warn,
                proxies=_proxies(),
                folders=folders,
                snapshots=snapshots,
            )
        seconds = time.monotonic() - began
        self.info(f"{len(items)} files, {size / 1e6:.1f} MB downloaded in {seconds:.1f} s")

    def stage_file(self, item: Item, path: str) -> None:
        """Copy a file out of the store."""
        stored = self.store().path(item)
        with self.faults():
            try:
                deb.check_hash(stored, item.sha256)
                shutil.copyfile(stored, path)
            except OSError as error:
                raise Fault("stage-failed", f"{error.filename}: {error.strerror}") from error

    def run_program(self, module: str, job: Mapping[str, Any], activity: str) -> dict[str, Any]:
        """Let a module of this package do a job in a process of its own; raises `SourceError` with its fault."""
        argv = [sys.executable, "-m", module]
        env = {**os.environ, "PYTHONUTF8": "1"}
        with self.timed_activity(activity), self.faults():
            done = process.run(argv, env=env, timeout=STAGE_TIMEOUT, stdin=json.dumps(job))
            return _answer(module, done)


def _answer(module: str, done: process.CompletedTool) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        message = f"{module} ended with status {done.status}"
        raise Fault("unpack-failed", message, detail=process.tail(done.stderr)) from error
    if "reason" in answer:
        raise Fault(answer["reason"], answer["message"], detail=answer.get("detail"))
    return answer
