"""What an export says of the packages of Buildroot, and which file is of which."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from rootstream.buildroot import info
from rootstream.buildroot.build import parts
from rootstream.buildroot.workspace import Workspace, workspace
from rootstream.description.load import load
from rootstream.project.project import find
from rootstream.sandbox.buildroot import inventory

TEXT = """\
systems:
  box:
    root: {buildroot: {tree: {local: /nowhere}}}
    product: {version: "1.4"}
    layers:
      - overlay: overlay
      - packages:
          - {name: agent, source: overlay, build: make, license: MIT}
    images: [files]
"""
PACKAGES: dict[str, Any] = {
    "zlib": {
        "type": "target",
        "version": "1.3.1",
        "stamp_dir": "build/zlib-1.3.1",
        "package_dir": "package/zlib",
        "downloads": [
            {
                "source": "zlib-1.3.1.tar.xz",
                "uris": ["https+https://example.org/zlib", "http|urlencode+http://mirror"],
            }
        ],
        "hashes": ["package/zlib/zlib.hash"],
    },
    "host-m4": {"type": "host", "version": "1.4", "stamp_dir": "build/host-m4-1.4"},
    "agent": {"type": "target", "version": "local", "stamp_dir": "build/agent-local"},
}
VARIABLES = {
    "zlib": {
        "ZLIB_LICENSE": "Zlib",
        "ZLIB_SITE": "https://example.org/zlib",
        "ZLIB_LICENSE_FILES": "README ../secret link big folder",
        "ZLIB_CPE_ID": "cpe:2.3:a:zlib:zlib:1.3.1:*:*:*:*:*:*:*",
        "ZLIB_CPE_ID_VALID": "YES",
        "ZLIB_IGNORE_CVES": "CVE-2023-45853",
    },
    "host-m4": {"HOST_M4_CPE_ID": "cpe:2.3:a:gnu:m4:*:*:*:*:*:*:*:*"},
    "agent": {},
    info.NO_PACKAGE: {},
}


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    (tmp_path / "system.yaml").write_text(TEXT)
    (tmp_path / "overlay/etc").mkdir(parents=True)
    (tmp_path / "overlay/etc/motd").write_text("mine")
    (tmp_path / "tree/package/zlib").mkdir(parents=True)
    (tmp_path / "tree/package/zlib/zlib.hash").write_text(
        f"# from upstream\nsha256  {'a' * 64}  zlib-1.3.1.tar.xz\n"
    )
    where = find(tmp_path)
    made = workspace(where, load(where.description).systems[0], tmp_path / "tree", {})
    for name in ("build/zlib-1.3.1", "build/agent-local", "target/etc", "target/usr/lib"):
        (made.output / name).mkdir(parents=True)
    made.state.mkdir(parents=True)
    kept = {"format": info.FORMAT, "key": "", "asked": "", "packages": PACKAGES, "variables": VARIABLES}
    (made.state / info.NOTE).write_text(json.dumps(kept))
    return made


def rows(space: Workspace, tmp_path: Path) -> list[dict[str, Any]]:
    assert parts.write(space, tmp_path / "list")
    return [json.loads(line) for line in (tmp_path / "list").read_text().splitlines()]


def test_packages(space: Workspace) -> None:
    told = parts.contents(space, None)
    zlib, host = told["buildroot"]
    assert zlib == {
        "name": "zlib",
        "version": "1.3.1",
        "license": "Zlib",
        "cpe": "cpe:2.3:a:zlib:zlib:1.3.1:*:*:*:*:*:*:*",
        "ignored": ["CVE-2023-45853"],
        "downloads": [
            {
                "name": "zlib-1.3.1.tar.xz",
                "url": "https://example.org/zlib/zlib-1.3.1.tar.xz",
                "sha256": "a" * 64,
            }
        ],
    }
    assert host == {"name": "host-m4", "version": "1.4", "host": True}  # Buildroot does not vouch for its CPE
    assert told["own"][1] == {"kind": "package", "name": "agent", "folder": "overlay", "license": "MIT"}
    assert told["product"] == {"version": "1.4"}
    assert (told["graph"], parts.contents(space, {})["graph"]) == (False, True)


def test_patches_are_those_that_were_applied(space: Workspace) -> None:
    (space.tree / "package/zlib/0001-there.patch").touch()
    (space.tree / "package/zlib/1.3.1").mkdir()
    (space.tree / "package/zlib/1.3.1/0001-version.patch").touch()
    assert parts.contents(space, None)["buildroot"][0]["patches"] == ["0001-there.patch", "0001-version.patch"]
    (space.output / "build/zlib-1.3.1" / inventory.APPLIED).write_text("/tree/package/zlib/0002-applied.patch\n")
    assert parts.contents(space, None)["buildroot"][0]["patches"] == ["0002-applied.patch"]


def test_files_and_the_packages_that_installed_them(space: Workspace, tmp_path: Path) -> None:
    target = space.output / "target"
    (target / "usr/lib/libz.so").write_text("zlib")
    (target / "usr/lib/libz.so").chmod(0o755)
    (target / "usr/lib/link").symlink_to("/etc/passwd")
    (target / "etc/motd").write_text("mine")
    (target / "etc/os-release").write_text("made by a hook")
    (space.output / "build/zlib-1.3.1/.files-list.txt").write_text("zlib,./usr/lib/libz.so\nzlib,./etc/motd\n")
    (space.output / ".config").write_text("BR2_x86_64=y\n# BR2_ARM is not set\n")
    found = {row["path"]: row for row in rows(space, tmp_path) if row["record"] == "file"}
    assert found["usr/lib/libz.so"] == {
        "record": "file",
        "path": "usr/lib/libz.so",
        "kind": "file",
        "mode": 0o755,
        "uid": None,
        "gid": None,
        "layer": "buildroot",
        "packages": ["zlib"],
        "size": 4,
        "sha256": hashlib.sha256(b"zlib").hexdigest(),
    }
    assert (found["etc/motd"]["layer"], found["etc/motd"]["replaces"]) == ("overlay overlay", ["zlib"])
    assert "packages" not in found["etc/os-release"]
    assert (found["usr/lib/link"]["target"], "sha256" in found["usr/lib/link"]) == ("/etc/passwd", False)
    (config,) = (row for row in rows(space, tmp_path) if row["record"] == "config")
    assert (config["tree"], config["symbols"]) == ("buildroot", {"BR2_x86_64": "y"})


def test_license_texts_are_files_of_the_package_itself(space: Workspace, tmp_path: Path) -> None:
    folder = space.output / "build/zlib-1.3.1"
    (folder / "README").write_text("Do as you like.\n")
    (folder.parent / "secret").write_text("secret")
    (folder / "link").symlink_to(tmp_path / "system.yaml")
    (folder / "folder").mkdir()
    with (folder / "big").open("wb") as file:
        file.truncate(inventory.MOST_TEXT + 1)
    texts = [row for row in rows(space, tmp_path) if row["record"] == "text"]
    assert [(row["component"], row["path"], row["text"]) for row in texts] == [
        ("zlib", "README", "Do as you like.\n")
    ]


def test_without_a_target_there_is_no_list(space: Workspace, tmp_path: Path) -> None:
    (space.output / "target").rename(space.output / "other")
    assert not parts.write(space, tmp_path / "list")


def test_owners_and_devices_are_those_of_the_packed_root(tmp_path: Path) -> None:
    (tmp_path / "target/etc").mkdir(parents=True)
    (tmp_path / "target/etc/motd").write_text("x")
    (tmp_path / "target/etc/new").write_text("x")
    (tmp_path / "images").mkdir()
    with tarfile.open(tmp_path / "images/rootfs.tar", "w") as archive:
        file, device = tarfile.TarInfo("./etc/motd"), tarfile.TarInfo("./dev/console")
        file.mode, file.uid, file.gid = 0o4755, 7, 8
        device.type, device.mode, device.devmajor, device.devminor = tarfile.CHRTYPE, 0o600, 5, 1
        archive.addfile(file)
        archive.addfile(device)
    built = inventory.Built(output=tmp_path, packages={}, owners={}, overlays={})

    def rows() -> dict[str, Any]:
        inventory.write(built, tmp_path / "list")
        found = [json.loads(line) for line in (tmp_path / "list").read_text().splitlines()]
        return {each["path"]: each for each in found if each["record"] == "file"}

    (tmp_path / ".config").write_text("# BR2_TARGET_ROOTFS_TAR is not set\n")
    assert rows()["etc/motd"]["uid"] is None  # an earlier configuration has left the tar
    (tmp_path / ".config").write_text("BR2_TARGET_ROOTFS_TAR=y\n")
    found = rows()
    assert list(found) == ["dev/console", "etc", "etc/motd", "etc/new"]
    assert {word: found["dev/console"][word] for word in ("kind", "mode", "device")} == {
        "kind": "character device",
        "mode": 0o600,
        "device": [5, 1],
    }
    assert [found["etc/motd"][word] for word in ("mode", "uid", "gid")] == [0o4755, 7, 8]
    assert found["etc/new"]["uid"] is None
    (tmp_path / "images/rootfs.tar").write_bytes(b"no tar")
    assert rows()["etc/motd"]["uid"] is None


def test_paths_in_configurations_are_those_in_the_project(tmp_path: Path) -> None:
    (tmp_path / "output/target").mkdir(parents=True)
    (tmp_path / "output/.config").write_text(f'BR2_DEFCONFIG="{tmp_path}/box_defconfig"\nBR2_x86_64=y\n')
    built = inventory.Built(output=tmp_path / "output", packages={}, owners={}, overlays={}, project=tmp_path)
    inventory.write(built, tmp_path / "list")
    (row,) = (json.loads(line) for line in (tmp_path / "list").read_text().splitlines() if '"config"' in line)
    assert row["symbols"] == {"BR2_DEFCONFIG": '"box_defconfig"', "BR2_x86_64": "y"}
