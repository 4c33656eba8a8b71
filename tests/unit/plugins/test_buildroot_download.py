"""Downloads of Buildroot's packages as sources: compared with their hash when they are staged."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from rootstream.formats.faults import Fault
from rootstream_bst.buildroot import buildroot_download


@pytest.mark.parametrize("algorithm", buildroot_download.ALGORITHMS)
def test_a_file_is_copied_to_its_path(tmp_path: Path, algorithm: str) -> None:
    place, to = tmp_path / "app.tar", tmp_path / "staged" / "app" / "app.tar"
    place.write_bytes(b"content")
    place.chmod(0o600)
    digest = hashlib.new(algorithm, b"content").hexdigest()
    buildroot_download.copy(place, to, f"{algorithm}:{digest}")
    assert (to.read_bytes(), to.stat().st_mode & 0o777) == (b"content", 0o644)


def test_another_content_is_an_error(tmp_path: Path) -> None:
    place = tmp_path / "app.tar"
    place.write_bytes(b"another")
    with pytest.raises(Fault, match="has another sha256 than 00"):
        buildroot_download.copy(place, tmp_path / "staged", "sha256:00")


def test_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="cannot be read"):
        buildroot_download.copy(tmp_path / "none.tar", tmp_path / "staged", "sha256:00")
