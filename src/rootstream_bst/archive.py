"""What the two Debian sources share: where the archive is, the store of its files, fetching, and errors."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from buildstream import MappingNode, Source, SourceError

from rootstream_bst import apt, download, mirrors, process, records
from rootstream_bst.faults import Fault
from rootstream_bst.records import Item
from rootstream_bst.store import Store

STAGE_TIMEOUT = 3600  # seconds
STORE = "debian"  # below BuildStream's folder of sources


class ArchiveSource(Source):  # type: ignore[misc]  # buildstream is not typed throughout
    """Base of sources whose content are files of a Debian archive, named by SHA-256 in the ref."""

    BST_MIN_VERSION = "2.0"

    suites: tuple[str, ...]
    components: tuple[str, ...]
    mirrors: tuple[str, ...]
    keyring: str

    COMMON_KEYS = ("suites", "components", "mirrors", "keyring", "ref")

    def configure_archive(self, node: MappingNode) -> None:
        """Read the keys that say where the archive is."""
        self.suites = self.checked_list(node, "suites", records.word)
        self.components = self.checked_list(node, "components", records.word, ["main"])
        self.mirrors = tuple(self._address(url) for url in node.get_str_list("mirrors", []))
        self.keyring = node.get_str("keyring", "")

    def checked_list(
        self, node: MappingNode, key: str, check: Callable[[str, str], str], default: list[str] | None = None
    ) -> tuple[str, ...]:
        """Return a list of checked words that is not empty; raises `SourceError` with the place."""
        given = default if default is not None and key not in node else node.get_str_list(key)
        where = f"{node.get_provenance()}: {key}"
        if not given:
            raise SourceError(f"{where} is empty", reason="empty-list")
        with self.faults():
            return tuple(dict.fromkeys(check(text, where) for text in given))

    def _address(self, url: str) -> str:
        """Return a mirror's base address, through the project's aliases if it uses one.

        A full address is no part of the project's content, so it is not held to its rule about aliases.
        """
        if url.partition(":")[0].lower() not in mirrors.SCHEMES:
            url = self.translate_url(url, primary=False)
        with self.faults():
            return mirrors.checked(url, f"{self}: mirrors")

    @contextmanager
    def faults(self) -> Iterator[None]:
        """Turn a `Fault` into BuildStream's own error."""
        try:
            yield
        except Fault as fault:
            raise SourceError(
                f"{self}: {fault.message}", detail=fault.detail, reason=fault.reason, temporary=fault.temporary
            ) from fault

    def preflight(self) -> None:
        """Check nothing: apt is needed to track only."""

    def archive(self, architecture: str, *, sources: bool = False) -> apt.Archive:
        """Return what apt is to look at."""
        path = self.keyring and os.path.join(self.get_project_directory(), self.keyring)
        return apt.Archive(
            suites=self.suites,
            components=self.components,
            architecture=architecture,
            mirrors=mirrors.find(self.mirrors),
            keyring=apt.keyring(path),
            sources=sources,
        )

    def store(self) -> Store:
        """Return the store, common to both kinds of source."""
        return Store(Path(self.get_mirror_directory()).parent / STORE)

    def fetch_items(self, items: Sequence[Item]) -> None:
        """Get files into the store, saying once a second how far it is."""
        began = time.monotonic()
        with self.faults():
            size = download.fetch(
                items,
                mirrors.find(self.mirrors),
                self.store(),
                progress=lambda progress: self.status(str(progress)),
                warn=self.warn,
            )
        seconds = time.monotonic() - began
        self.info(f"{len(items)} files, {size / 1e6:.1f} MB downloaded in {seconds:.1f} s")

    def run_program(self, module: str, job: Mapping[str, Any], activity: str) -> dict[str, Any]:
        """Let a module of this package do a job in a process of its own; raises `SourceError` with its fault."""
        argv = [sys.executable, "-m", module]
        env = {**os.environ, "PYTHONUTF8": "1"}
        with self.timed_activity(activity), self.faults():
            done = process.run(argv, env=env, timeout=STAGE_TIMEOUT, stdin=json.dumps(job))
            try:
                answer: dict[str, Any] = json.loads(done.stdout)
            except ValueError as error:
                message = f"{module} ended with status {done.status}"
                raise Fault("unpack-failed", message, detail=process.tail(done.stderr)) from error
            if "reason" in answer:
                raise Fault(answer["reason"], answer["message"], detail=answer.get("detail"))
        return answer
