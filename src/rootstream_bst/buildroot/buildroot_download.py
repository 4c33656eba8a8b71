"""buildroot_download: a file of Buildroot's download folder, known by the hash that its package has of it.

    kind: buildroot_download
    path: zlib/zlib-1.3.1.tar.xz    below the folder, and where it is staged
    digest: sha256:9a93b2b7...
    folder: /home/me/dl             where it is here: no part of the key

Who has in a cache what is built of it needs no such file. Fetching it is up to whoever writes the project.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from buildstream import (  # type: ignore[attr-defined]  # re-exported without saying so
    Source,
    SourceError,
    SourceInfoMedium,
    SourceVersionType,
)

from rootstream.formats.faults import Fault
from rootstream_bst.buildroot.known_content import KnownContent
from rootstream_bst.source_errors import as_source_errors

CHUNK = 1 << 20
ALGORITHMS = ("sha256", "sha384", "sha512")


class BuildrootDownload(KnownContent):
    """One file; its content is compared with the hash whenever it is staged."""

    def configure(self, node: Any) -> None:  # noqa: ANN401  (as BuildStream declares it)
        """Read the words of the source. Raises `SourceError` for a weak hash, or a path that leads elsewhere."""
        node.validate_keys(["path", "digest", "folder", *Source.COMMON_CONFIG_KEYS])
        self.path: str = node.get_str("path")
        self.digest = node.get_str("digest")
        self.place: Path = Path(node.get_str("folder")) / self.path
        algorithm = self.digest.partition(":")[0]
        parts = Path(self.path).parts
        if algorithm not in ALGORITHMS or ".." in parts or self.path.startswith("/"):
            raise SourceError(
                f"{self}: {self.path} with {self.digest} is not a path below a folder with a strong hash"
            )

    def get_unique_key(self) -> list[str]:
        """Return what decides the content."""
        return [self.path, self.digest]

    def is_cached(self) -> bool:
        """Say whether the file is there."""
        return self.place.is_file()

    def fetch(self, *, previous_sources_dir: str | None = None) -> None:  # noqa: ARG002  (unused)
        """Fail: the file is not there. Raises `SourceError`."""
        raise SourceError(f"{self}: {self.place} is not there", reason="download-missing")

    def stage(self, directory: str) -> None:
        """Copy the file into a folder. Raises `SourceError` if it is not what the hash says."""
        with as_source_errors(self):
            copy(self.place, Path(directory) / self.path, self.digest)

    def collect_source_info(self) -> list[Any]:
        """Return where the content comes from."""
        medium, kind = SourceInfoMedium.REMOTE_FILE, SourceVersionType.SHA256
        if not self.digest.startswith("sha256:"):
            return []
        return [self.create_source_info(self.path, medium, kind, self.digest.partition(":")[2])]


def copy(place: Path, to: Path, digest: str) -> None:
    """Copy a file to a place that is new. Raises `Fault` wrong-hash, unreadable."""
    algorithm, _, wanted = digest.partition(":")
    state = hashlib.new(algorithm)
    to.parent.mkdir(parents=True, exist_ok=True)
    try:
        with place.open("rb") as file, to.open("xb") as out:
            while chunk := file.read(CHUNK):
                state.update(chunk)
                out.write(chunk)
    except OSError as error:
        raise Fault("unreadable", f"{place} cannot be read: {error.strerror}") from error
    if state.hexdigest() != wanted:
        raise Fault("wrong-hash", f"{place} has another {algorithm} than {wanted}")
    to.chmod(0o644)


def setup() -> type[BuildrootDownload]:
    """Return the plugin, as BuildStream asks for it."""
    return BuildrootDownload
