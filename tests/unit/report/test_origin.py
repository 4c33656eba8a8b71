"""Where files of an image come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rootstream.report import components, contents, inventory, origin
from rootstream.report.inventory import Deb
from tests.unit.report.exports import BUILDROOT, DEBIAN, ELEMENTS, HELLO, INVENTORY, deb, export, packages


def file(path: str, layer: str = "the root", **more: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "record": "file",
        "path": path,
        "kind": "file",
        "mode": 420,
        "uid": 0,
        "gid": 0,
        "layer": layer,
        **more,
    }


def explained(
    folder: Path, told: dict[str, Any], path: str, *rows: dict[str, Any], listed: bool = True
) -> origin.Explanation | None:
    order = sorted(rows, key=lambda row: str(row["path"]))
    place = export(folder / "box", told, [*INVENTORY, *order] if listed else None)
    data, found = components.find(place)
    known = inventory.read(found) if found else None
    manifest = place / "manifest.json"
    return origin.explain(components.system(data, known, manifest), contents.read(data, manifest), known, path)


def names(found: origin.Explanation | None) -> list[str]:
    assert found is not None
    return [each.name for each in found.components]


@pytest.mark.parametrize(
    ("told", "row", "expected", "layer"),
    [
        (HELLO, file("bin/ls"), ["busybox"], "built for the system"),
        (HELLO, file("usr/lib/rootstream/apply-xattrs"), ["rootstream"], "added by Rootstream"),
        (HELLO, file("etc/inittab", "0-skeleton.tar"), ["rootstream"], "built for the system"),
        (HELLO, file("x", "other.tar"), [], "other.tar: origin unknown"),
        (HELLO, file("x", "the description"), [], origin.DESCRIBED),
        (HELLO, file("x", "secrets.tar"), [], "a secret, injected into the exported files"),
        (DEBIAN, file("lib/libc.so", packages=["libc6"]), ["libc6"], "packages of Debian"),
        (DEBIAN, file("etc/ld.so.cache"), [], origin.SCRIPTS),
        (DEBIAN, file("x", "python.tar", packages=["my-wheel"]), ["my-wheel"], "wheels of a `python` layer"),
        (BUILDROOT, file("usr/lib/libz.so", "buildroot", packages=["zlib"]), ["zlib"], "built by Buildroot"),
        (BUILDROOT, file("etc/os-release", "buildroot"), [], origin.UNKNOWN_BUILDROOT),
    ],
)
def test_files(tmp_path: Path, told: dict[str, Any], row: dict[str, Any], expected: list[str], layer: str) -> None:
    found = explained(tmp_path, told, f"/{row['path']}", row)
    assert names(found) == expected
    assert found is not None
    assert found.layer == layer


def test_an_element_is_unknown(tmp_path: Path) -> None:
    found = explained(tmp_path, ELEMENTS, "/x", file("x"))
    assert found is not None
    assert "origin unknown" in found.layer


def test_an_overlay_replaces_a_file_of_a_package(tmp_path: Path) -> None:
    overlay = {"1-overlay.tar": {"overlay": "overlay/", "component": "overlay"}}
    told = {**HELLO, "contents": {**HELLO["contents"], "origins": overlay}}
    found = explained(tmp_path, told, "/etc/motd", file("etc/x", "1-overlay.tar", replaces=["base-files"]))
    assert names(found) == ["overlay"]
    found = explained(tmp_path / "2", told, "/etc/x", file("etc/x", "1-overlay.tar", replaces=["base-files"]))
    assert found is not None
    assert (found.replaces, found.asked) == (("base-files",), ("overlay/",))


def test_modules_are_of_the_package_that_has_them(tmp_path: Path) -> None:
    kernel = packages(
        deb("linux-image-amd64", "6.12-1", "a"), deb("linux-image-6.12-amd64", "6.12-1", "b"), ships="packages"
    )
    told = {"inputs": [kernel], "contents": {"origins": {"modules.tar": {"packages": ["linux-image-amd64"]}}}}
    row = file("usr/lib/modules/6.12-amd64/kernel/x.ko", "modules.tar")
    assert explained(tmp_path, told, "/lib/modules/6.12-amd64/kernel/x.ko", row) is None  # no link there
    found = explained(tmp_path / "2", told, "/usr/lib/modules/6.12-amd64/kernel/x.ko", row)
    assert names(found) == ["linux-image-6.12-amd64"]


def test_paths_go_through_links(tmp_path: Path) -> None:
    link = {
        "record": "file",
        "path": "bin",
        "kind": "symlink",
        "mode": 511,
        "layer": "the root",
        "target": "usr/bin",
    }
    loop = {**link, "path": "loop", "target": "loop/x"}
    found = explained(tmp_path, HELLO, "/bin/../bin/./ls", link, loop, file("usr/bin/ls"))
    assert found is not None
    assert found.path == "usr/bin/ls"
    last = explained(tmp_path / "2", HELLO, "/bin", link)
    assert last is not None
    assert last.path == "bin"
    assert explained(tmp_path / "3", HELLO, "/loop/y", loop) is None


def test_a_folder_counts_what_is_in_it(tmp_path: Path) -> None:
    folder = {**file("bin"), "kind": "directory"}
    found = explained(tmp_path, HELLO, "/bin", folder, file("bin/a"), file("bin/b"), file("bin/c", "x.tar"))
    assert found is not None
    assert dict(found.below) == {"busybox": 2, "x.tar: origin unknown": 1}


def test_images(tmp_path: Path) -> None:
    assert names(explained(tmp_path, HELLO, "bzImage", listed=False)) == ["linux"]
    assert explained(tmp_path / "2", HELLO, "/etc/motd", listed=False) is None


def package(name: str, depends: str = "", *, essential: bool = False) -> Deb:
    return Deb(
        record="deb",
        name=name,
        version="1",
        architecture="all",
        source=name,
        source_version="1",
        depends=depends,
        essential=essential,
    )


def test_the_way_to_a_package() -> None:
    debs = [
        package("init", "libc6 (>= 2), gone | shell"),
        package("shell", "terminal:any"),
        package("terminal"),
        package("libc6"),
        package("base", "tzdata", essential=True),
        package("tzdata", "base"),
        package("alone"),
    ]
    named = frozenset(("init", "not-there"))
    assert origin.chain_to(debs, named, "terminal") == ("init", "shell", "terminal")
    assert origin.chain_to(debs, named, "init") == ("init",)
    assert origin.chain_to(debs, named, "tzdata") == ("base", "tzdata")
    assert origin.chain_to(debs, named, "alone") == ()
