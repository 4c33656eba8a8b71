"""dpkg's database of an unpacked set: made from packages, read by the real dpkg where it is installed."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import shutil
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from rootstream.archives import deb
from rootstream.formats.faults import Fault
from rootstream_bst.debian import dpkg
from rootstream_bst.debian.unpack import Archive, unpack

DOCS = dpkg.DatabaseChoice(exclude=("/usr/share/doc/*",), include=("/usr/share/doc/*/copyright",))
Member = tuple[
    str, bytes, int, int, int
]  # name, content, mode, uid, gid; a name with a slash at its end: a folder


def archive(members: Sequence[Member]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, content, mode, uid, gid in members:
            member = tarfile.TarInfo(name.rstrip("/"))
            member.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            member.mode, member.uid, member.gid, member.size = mode, uid, gid, len(content)
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


def package(
    folder: Path, name: str, files: Sequence[Member], control: Mapping[str, str] | None = None, fields: str = ""
) -> Archive:
    text = f"Package: {name}\nVersion: 1\nArchitecture: amd64\nMaintainer: x\n{fields}Description: a\n b\n"
    scripts = {"control": text, **(control or {})}
    parts = [
        ("debian-binary", b"2.0\n"),
        (
            "control.tar.gz",
            gzip.compress(archive([(f"./{key}", value.encode(), 0o755, 0, 0) for key, value in scripts.items()])),
        ),
        ("data.tar.xz", lzma.compress(archive(files))),
    ]
    content = b"!<arch>\n"
    for part, data in parts:
        content += f"{part:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode() + data
        content += b"\n" * (len(data) % 2)
    path = folder / f"{name}.deb"
    path.write_bytes(content)
    return Archive(name=name, path=str(path), sha256=hashlib.sha256(content).hexdigest())


def unpacked(folder: Path, *packages: Archive) -> Path:
    root = folder / "root"
    root.mkdir()
    unpack(packages, str(root), jobs=1, fix=False, database=DOCS)
    return root


def plain(name: str, content: bytes = b"x", mode: int = 0o644, uid: int = 0, gid: int = 0) -> Member:
    return name, b"" if name.endswith("/") else content, mode, uid, gid


def test_the_database_says_what_dpkg_would(tmp_path: Path) -> None:
    files = [plain("./etc/"), plain("./etc/one.conf", b"a=1\n"), plain("./usr/"), plain("./usr/one")]
    one = package(tmp_path, "one", files, {"conffiles": "/etc/one.conf\n", "postinst": "#!/bin/sh\n"})
    same = package(tmp_path, "lib", [plain("./usr/lib/lib.so")], fields="Multi-Arch: same\n")
    root = unpacked(tmp_path, one, same)
    place = root / dpkg.DATABASE
    status = (place / "status").read_text()
    assert "Package: one\nStatus: install ok unpacked\nVersion: 1\n" in status
    digest = hashlib.md5(b"a=1\n", usedforsecurity=False).hexdigest()
    assert f"Conffiles:\n /etc/one.conf {digest}\n" in status
    assert (place / "info/one.list").read_text() == "/etc\n/etc/one.conf\n/usr\n/usr/one\n"
    assert (place / "info/one.postinst").stat().st_mode & 0o111
    assert (place / "info/lib:amd64.list").exists()
    if shutil.which("dpkg-query"):
        words = ["dpkg-query", f"--admindir={place}", "-W", "-f", "${Package} ${db:Status-Status}\n"]
        assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == (
            "lib unpacked\none unpacked\n"
        )


def test_a_conffile_that_an_upgrade_removes_is_noted(tmp_path: Path) -> None:
    one = package(tmp_path, "one", [plain("./usr/one")], {"conffiles": "remove-on-upgrade /etc/old.conf\n"})
    status = (unpacked(tmp_path, one) / dpkg.DATABASE / "status").read_text()
    assert "Conffiles:\n /etc/old.conf newconffile remove-on-upgrade\n" in status


def test_owners_and_modes_are_noted(tmp_path: Path) -> None:
    files = [plain("./usr/bin/su", mode=0o4755), plain("./etc/shadow", mode=0o640, gid=42), plain("./usr/x")]
    root = unpacked(tmp_path, package(tmp_path, "one", files))
    notes = root / dpkg.PLACE
    assert {path.name: path.read_bytes() for path in (notes / "modes").iterdir()} == {
        "4755": b"/usr/bin/su\0",
        "0640": b"/etc/shadow\0",
    }
    assert {path.name: path.read_bytes() for path in (notes / "owners").iterdir()} == {"0:42": b"/etc/shadow\0"}


def test_what_is_left_out_is_noted_with_its_size(tmp_path: Path) -> None:
    files = [plain("./usr/share/doc/one/README", b"12345"), plain("./usr/share/doc/one/copyright"), plain("./a")]
    root = unpacked(tmp_path, package(tmp_path, "one", files))
    assert (root / dpkg.PLACE / "dropped").read_text() == "5 /usr/share/doc/one/README\n"
    assert not (root / "usr/share/doc/one/README").exists()
    assert (root / "usr/share/doc/one/copyright").exists()


def test_folders_that_are_left_out_are_noted_for_what_scripts_put_into_them(tmp_path: Path) -> None:
    doc, gone = ("./usr/share/doc/one", "./usr/share/doc/one/examples")
    files = [*(plain(f"{name}/") for name in (doc, gone, "./usr/kept")), plain(f"{doc}/copyright")]
    root = unpacked(tmp_path, package(tmp_path, "one", files))
    noted = (root / dpkg.PLACE / "folders").read_bytes()
    assert noted == b"".join(name.removeprefix(".").encode() + b"\0" for name in (doc, gone))
    assert not (root / gone).exists()


def test_triggers_of_files_are_activated_where_another_package_has_some(tmp_path: Path) -> None:
    waits = package(
        tmp_path, "waits", [plain("./usr/a")], {"triggers": "interest-noawait /usr/lib/x\ninterest mine\n"}
    )
    has = package(tmp_path, "has", [plain("./usr/lib/"), plain("./usr/lib/x/"), plain("./usr/lib/x/y")])
    root = unpacked(tmp_path, waits, has)
    assert (root / dpkg.PLACE / "triggers").read_text() == "has /usr/lib/x\n"
    assert (root / dpkg.DATABASE / "triggers/File").read_text() == "/usr/lib/x waits/noawait\n"
    assert (root / dpkg.DATABASE / "triggers/mine").read_text() == "waits\n"


def test_a_library_that_waits_is_noted_with_its_architecture(tmp_path: Path) -> None:
    triggers = {"triggers": "interest /usr/lib/x\ninterest-noawait mine\n"}
    waits = package(tmp_path, "libx", [plain("./usr/lib/")], triggers, "Multi-Arch: same\n")
    root = unpacked(tmp_path, waits)
    assert (root / dpkg.DATABASE / "triggers/File").read_text() == "/usr/lib/x libx:amd64\n"
    assert (root / dpkg.DATABASE / "triggers/mine").read_text() == "libx:amd64/noawait\n"


def test_a_package_that_diverts_a_file_of_the_set_is_left_to_dpkg(tmp_path: Path) -> None:
    divert = {"preinst": "#!/bin/sh\ndpkg-divert --add --rename /usr/x\n"}
    files = [plain("./usr/x", b"theirs")]
    first = package(tmp_path, "a", files, divert)
    alone = package(tmp_path, "alone", [plain("./usr/y")], divert)
    second = package(tmp_path, "b", [plain("./usr/x", b"own")])
    root = unpacked(tmp_path, first, alone, second)
    assert [path.name for path in (root / dpkg.PLACE / "debs").iterdir()] == ["a.deb"]
    assert (root / "usr/x").read_bytes() == b"own"
    assert "Package: a\n" not in (root / dpkg.DATABASE / "status").read_text()
    assert (root / dpkg.PLACE / "preinst-rest").read_text() == "alone amd64\n"
    assert (root / dpkg.PLACE / "control/alone/preinst").stat().st_mode & 0o111


def test_a_control_file_of_another_package_is_refused(tmp_path: Path) -> None:
    right = package(tmp_path, "one", [])
    with pytest.raises(Fault) as caught:
        unpacked(tmp_path, Archive(name="two", path=right.path, sha256=right.sha256))
    assert caught.value.reason == "broken-archive"


def test_control_files_without_bounds_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deb, "MAX_CONTROL", 100)
    with pytest.raises(Fault) as caught:
        deb.control(Path(package(tmp_path, "one", [], {"postinst": "x" * 200}).path))
    assert caught.value.reason == "unsafe-archive"


def test_a_package_without_md5sums_gets_those_that_dpkg_would_write(tmp_path: Path) -> None:
    files: list[Member] = [
        ("./usr/", b"", 0o755, 0, 0),
        ("./usr/bin/", b"", 0o755, 0, 0),
        ("./usr/bin/b", b"b", 0o755, 0, 0),
        ("./usr/bin/a", b"", 0o644, 0, 0),
        ("./usr/share/doc/x/left", b"out", 0o644, 0, 0),
    ]
    root = unpacked(
        tmp_path, package(tmp_path, "plain", files), package(tmp_path, "own", files[:2], {"md5sums": "own"})
    )
    info = root / "var/lib/dpkg/info"
    assert (info / "plain.md5sums").read_text() == (
        "92eb5ffee6ae2fec3ad71c777531578f  usr/bin/b\nd41d8cd98f00b204e9800998ecf8427e  usr/bin/a\n"
    )
    assert (info / "own.md5sums").read_text() == "own"
