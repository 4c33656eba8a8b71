"""Wheels installed into a root: places, programs, byte code, records; hostile ones refused."""

from __future__ import annotations

import io
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from rootstream.formats import python_files
from rootstream.formats.faults import Fault
from rootstream.sandbox.program import Mistake
from rootstream.sandbox.rootfs.wheels import Places, byte_code, install, record, write
from rootstream_bst.python import wheels

PLACES = Places(site="/usr/lib/python3/dist-packages", prefix="/usr/local", python="/usr/bin/python3")
SITE = "usr/lib/python3/dist-packages"


def wheel(folder: Path, name: str, files: dict[str, str]) -> Path:
    path = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        for inner, text in {
            f"{info}/WHEEL": "Wheel-Version: 1.0\n",
            f"{info}/METADATA": "Name: x\n",
            **files,
        }.items():
            archive.writestr(inner, text)
    return path


def test_everything_has_its_place(tmp_path: Path) -> None:
    path = wheel(
        tmp_path,
        "one",
        {
            "one/__init__.py": "A = 1\n",
            "one-1.0.data/scripts/run": "#!python\nprint()\n",
            "one-1.0.data/data/share/one.txt": "x",
            "one-1.0.data/purelib/extra.py": "B = 2\n",
            "one-1.0.dist-info/entry_points.txt": "[console_scripts]\none = one.cli:main.run\n[other]\na = b:c\n",
        },
    )
    made = install(path, PLACES)
    assert made.files[f"{SITE}/one/__init__.py"] == (0o644, b"A = 1\n")
    assert made.files[f"{SITE}/extra.py"] == (0o644, b"B = 2\n")
    assert made.files["usr/local/bin/run"] == (0o755, b"#!/usr/bin/python3\nprint()\n")
    assert made.files["usr/local/share/one.txt"] == (0o644, b"x")
    mode, script = made.files["usr/local/bin/one"]
    assert mode == 0o755
    assert b"from one.cli import main\n" in script
    assert b"sys.exit(main.run())" in script
    assert "usr/local/bin/a" not in made.files
    lines = record(made).decode().splitlines()
    assert "one-1.0.dist-info/RECORD,," in lines
    assert any(line.startswith("../../../local/bin/one,sha256=") for line in lines)


@pytest.mark.parametrize("name", ["../evil.py", "one-1.0.data/scripts/../../../evil", "one-1.0.data/odd/x"])
def test_names_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Mistake):
        install(wheel(tmp_path, "one", {name: "x"}), PLACES)


def test_entry_points_are_checked(tmp_path: Path) -> None:
    for text in ("[console_scripts]\n../x = a:b\n", "[console_scripts]\nx = a; import os:b\n"):
        with pytest.raises(Mistake, match="entry point"):
            install(wheel(tmp_path, "one", {"one-1.0.dist-info/entry_points.txt": text}), PLACES)


def test_what_is_no_wheel_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x-1-py3-none-any.whl"
    path.write_bytes(b"no zip")
    with pytest.raises(Mistake, match="not a valid wheel"):
        install(path, PLACES)


def test_a_file_that_says_to_be_larger_than_the_wheel_is_refused(tmp_path: Path) -> None:
    path = wheel(tmp_path, "one", {})
    data = bytearray(path.read_bytes())
    begin = data.rindex(b"PK\x01\x02")  # the entry in the central directory: its packed size is at 20
    data[begin + 20 : begin + 24] = (1 << 31).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(Mistake, match="larger than the wheel"):
        install(path, PLACES)


def test_byte_code_is_loaded_without_a_look_at_the_source() -> None:
    made = byte_code({f"{SITE}/one.py": (0o644, b"A = 1\n"), f"{SITE}/bad.py": (0o644, b"A = \n")})
    tag = sys.implementation.cache_tag
    assert list(made) == [f"{SITE}/__pycache__/one.{tag}.pyc"]
    flags = made[f"{SITE}/__pycache__/one.{tag}.pyc"][1][4]
    assert flags == 0b01  # PEP 552: by a hash, unchecked


def test_the_tar_is_the_same_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    paths = [wheel(tmp_path, name, {f"{name}/__init__.py": "import os\nX = 'x'\n"}) for name in ("one", "two")]
    outs = [tmp_path / "1.tar", tmp_path / "2.tar"]
    for out in outs:
        write(paths, PLACES, out, compiled=True)
    assert outs[0].read_bytes() == outs[1].read_bytes()
    with tarfile.open(fileobj=io.BytesIO(outs[0].read_bytes())) as tar:
        assert f"./{SITE}/two/__init__.py" in tar.getnames()


def test_two_wheels_do_not_overwrite_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    paths = [wheel(tmp_path, name, {"same.py": name}) for name in ("one", "two")]
    with pytest.raises(Mistake, match=r"both have /usr/lib/python3/dist-packages/same\.py"):
        write(paths, PLACES, tmp_path / "out.tar", compiled=False)


def test_pip_is_told_of_the_other_python() -> None:
    target = wheels.TargetPython(python="3.13", machine="aarch64", glibc=36)
    options = target.options()
    assert "--python-version=3.13" in options
    assert "--abi=cp313" in options
    assert "--platform=manylinux_2_36_aarch64" in options
    assert "--platform=manylinux_2_37_aarch64" not in options
    assert target.markers()["python_version"] == "3.13"


def test_a_ref_is_checked() -> None:
    right = {"name": "one", "version": "1.0", "file": "one-1.0-py3-none-any.whl", "size": 1, "sha256": "0" * 64}
    assert python_files.wheel(**right, where="here").name == "one"  # type: ignore[arg-type]
    for change in ({"file": "../one-1.0-py3-none-any.whl"}, {"sha256": "x"}, {"size": -1}, {"name": "-e"}):
        with pytest.raises(Fault) as caught:
            python_files.wheel(**{**right, **change}, where="here")  # type: ignore[arg-type]
        assert caught.value.reason == "invalid-ref"
