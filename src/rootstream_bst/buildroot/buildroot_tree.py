"""buildroot_tree: a folder of this machine with many files, known by the digest of all of them.

    kind: buildroot_tree
    digest: 9a93b2b7...              rootstream.archives.digests: paths, executable bits, contents, links
    skip: [.git, output]             names at its top that are left out
    folder: /home/me/buildroot       where it is here: no part of the key

BuildStream's `local` reads all files to know a key. Here, whoever writes the project knows the digest, and nothing
is read for what is in a cache; what is staged is compared with it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from buildstream import Source, SourceError  # type: ignore[attr-defined]  # re-exported without saying so

from rootstream.archives import digests
from rootstream.formats.faults import Fault
from rootstream_bst.buildroot.known_content import KnownContent
from rootstream_bst.source_errors import as_source_errors


class BuildrootTree(KnownContent):
    """The files and links of a folder."""

    def configure(self, node: Any) -> None:  # noqa: ANN401  (as BuildStream declares it)
        """Read the words of the source."""
        node.validate_keys(["digest", "skip", "folder", *Source.COMMON_CONFIG_KEYS])
        self.digest = node.get_str("digest")
        self.skip: tuple[str, ...] = tuple(node.get_str_list("skip", []))
        self.place: Path = Path(node.get_str("folder"))

    def get_unique_key(self) -> list[str]:
        """Return what decides the content."""
        return [self.digest]

    def is_cached(self) -> bool:
        """Say whether the folder is there."""
        return self.place.is_dir()

    def fetch(self, *, previous_sources_dir: str | None = None) -> None:  # noqa: ARG002  (unused)
        """Fail: the folder is not there. Raises `SourceError`."""
        raise SourceError(f"{self}: {self.place} is not there", reason="tree-missing")

    def stage(self, directory: str) -> None:
        """Copy the folder. Raises `SourceError` if it is not what the digest says."""
        with as_source_errors(self):
            copy(self.place, Path(directory), self.digest, self.skip)

    def collect_source_info(self) -> list[Any]:
        """Return where the content comes from: nothing that others could fetch."""
        return []


def copy(folder: Path, to: Path, digest: str, skip: tuple[str, ...]) -> None:
    """Copy the files and links of a folder into another one. Raises `Fault` changed, unreadable."""
    try:
        found = digests.copied(folder, to, skip)
    except OSError as error:
        raise Fault("unreadable", f"{error.filename or folder} cannot be read: {error.strerror}") from error
    if digests.together(found) != digest:
        raise Fault("changed", f"{folder} has changed since it was looked at: build again")


def setup() -> type[BuildrootTree]:
    """Return the plugin, as BuildStream asks for it."""
    return BuildrootTree
