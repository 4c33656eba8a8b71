"""The folder that dnsmasq works in: nobody else's, and gone afterwards."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rootstream.errors import UserError
from rootstream.netboot import daemon


@pytest.fixture
def programs(tmp_path: Path) -> dict[str, Path]:
    path = tmp_path / "undionly.kpxe"
    path.write_bytes(b"iPXE")
    return {"undionly.kpxe": path}


def test_it_is_made_filled_and_cleared(tmp_path: Path, programs: dict[str, Path]) -> None:
    place = tmp_path / "run/rootstream"
    for _ in range(2):
        runtime = daemon.prepare(place, programs)
        assert (place / "tftp/undionly.kpxe").read_bytes() == b"iPXE"
    runtime.files().leases.write_text("")
    runtime.clear()
    assert not place.exists()
    daemon.prepare(place, programs)
    runtime.files().leases.write_text("1 52:54:00:12:34:56 10.0.2.15 box *\n")
    runtime.clear()
    assert [path.name for path in place.iterdir()] == ["leases"]


def test_a_folder_of_somebody_else_is_not_taken(tmp_path: Path, programs: dict[str, Path]) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "link").symlink_to(elsewhere)
    (tmp_path / "file").touch()
    found = [("link", "not-ours"), ("file", "cannot-write")]
    if os.geteuid() == 0:
        (tmp_path / "theirs").mkdir()
        os.chown(tmp_path / "theirs", 65534, 65534)
        found.append(("theirs", "not-ours"))
    for name, reason in found:
        with pytest.raises(UserError) as caught:
            daemon.prepare(tmp_path / name, programs)
        assert caught.value.reason == reason
    assert list(elsewhere.iterdir()) == []
