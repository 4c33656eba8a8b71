"""The real pip, with packages that would run something: it builds none, and none runs."""

from __future__ import annotations

import io
import os
import re
import tarfile
import zipfile
from pathlib import Path

import pytest

from rootstream.formats import requirement
from rootstream.formats.faults import Fault
from rootstream_bst.python import sdists, wheels

SETUP = "open({canary!r}, 'w')\nfrom setuptools import setup\nsetup(name='evil', version='1.0')\n"


def evil(folder: Path, canary: Path) -> Path:
    """Make an sdist that leaves a file where its setup.py runs."""
    path = folder / "evil-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, text in (("setup.py", SETUP.format(canary=str(canary))), ("PKG-INFO", "Name: evil\n")):
            member = tarfile.TarInfo(f"evil-1.0/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return path


def wheel(folder: Path, name: str, needs: str) -> None:
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as archive:
        info = f"{name}-1.0.dist-info"
        text = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nRequires-Dist: {needs}\n"
        archive.writestr(f"{info}/METADATA", text)
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have pip know one folder of packages and no index."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


TARGET = wheels.TargetPython(python="3.13", machine="x86_64", glibc=41)


@pytest.mark.parametrize("needs", ["evil @ {url}", "evil"])
def test_what_a_wheel_needs_is_not_built_here(tmp_path: Path, index: Path, needs: str) -> None:
    canary = tmp_path / "canary"
    wheel(index, "good", needs.format(url=evil(index, canary).as_uri()))
    with pytest.raises(Fault) as raised, wheels.downloaded(TARGET, ["good"], ()):
        pass
    assert raised.value.reason == ("no-wheel" if needs == "evil" else "requirement-refused")
    assert not canary.exists()


def test_pip_itself_may_not_build(tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    canary = tmp_path / "canary"
    monkeypatch.setattr(requirement, "_LINE", re.compile("(?P<name>)(.*)"))  # as if a line had got through
    with (
        pytest.raises(Fault) as raised,
        wheels.downloaded(TARGET, [evil(index, canary).as_uri()], (), "--no-build-isolation"),
    ):
        pass
    assert raised.value.reason == "needs-building"
    assert not canary.exists()


def test_an_sdist_is_downloaded_and_not_run(tmp_path: Path, index: Path) -> None:
    canary = tmp_path / "canary"
    path = evil(index, canary)
    with sdists.downloaded(TARGET, ["evil"], ()) as (found, _):
        assert [each.file for each in found] == [path.name]
    with pytest.raises(Fault) as raised, sdists.downloaded(TARGET, [path.as_uri()], ()):
        pass
    assert raised.value.reason == "requirement-refused"
    assert not canary.exists()
