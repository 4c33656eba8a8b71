"""Builds that machines boot: complete, never changed, current by one step."""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path

import pytest

from rootstream.errors import UserError
from rootstream.netboot.store.builds import Build, Builds


@pytest.fixture
def builds(tmp_path: Path) -> Builds:
    return Builds(tmp_path / "builds", tmp_path / "content")


def export(folder: Path, **files: bytes) -> Path:
    folder.mkdir(exist_ok=True, parents=True)
    items = []
    for kind, data in files.items():
        name = {"kernel": "bzImage", "initramfs": "initramfs.cpio.xz"}.get(kind, kind)
        (folder / name).write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        items.append({"name": name, "kind": kind, "size": len(data), "sha256": digest})
    (folder / "manifest.json").write_text(json.dumps({"arch": "x86_64", "files": items}))
    return folder


def keep(builds: Builds, folder: Path, number: int, target: str = "it") -> Build:
    data = str(number).encode()
    build = builds.record(
        target, export(folder, kernel=b"k" + data, initramfs=b"i" + data, disk=b"d"), args="quiet"
    )
    assert build is not None
    return build


def read(builds: Builds, build: Build, kind: str) -> bytes:
    file = build.file(kind)
    assert file is not None
    return builds.path(build, file).read_bytes()


def test_a_build_has_what_boots_over_a_network_and_stays_as_it_is(builds: Builds, tmp_path: Path) -> None:
    first = keep(builds, tmp_path / "out", 1)
    assert {file.kind for file in first.files} == {"kernel", "initramfs"}
    second = keep(builds, tmp_path / "out", 2)
    assert builds.current("it") == second
    assert (read(builds, first, "kernel"), read(builds, second, "kernel")) == (b"k1", b"k2")
    assert builds.of("it") == (second, first)


def test_the_same_export_is_the_same_build(builds: Builds, tmp_path: Path) -> None:
    assert keep(builds, tmp_path / "out", 1) == keep(builds, tmp_path / "out", 1)
    assert len(builds.of("it")) == 1


def test_what_was_before_is_a_build_of_its_own_when_it_comes_again(builds: Builds, tmp_path: Path) -> None:
    made = [keep(builds, tmp_path / "out", number) for number in (1, 2, 1)]
    assert builds.of("it") == tuple(reversed(made))
    assert builds.current("it") == made[2]


def test_files_are_shared_by_content(builds: Builds, tmp_path: Path) -> None:
    one, two = keep(builds, tmp_path / "out", 1, "one"), keep(builds, tmp_path / "out", 1, "two")
    paths = [builds.path(build, build.files[0]) for build in (one, two)]
    assert paths[0].stat().st_ino == paths[1].stat().st_ino


def test_what_is_not_what_was_exported_is_not_kept(builds: Builds, tmp_path: Path) -> None:
    folder = export(tmp_path / "out", kernel=b"right")
    (folder / "bzImage").write_bytes(b"wrong")
    with pytest.raises(UserError) as caught:
        builds.record("it", folder, args="")
    assert caught.value.reason == "export-changed"
    assert builds.current("it") is None
    assert builds.of("it") == ()


def test_nothing_to_boot(builds: Builds, tmp_path: Path) -> None:
    assert builds.record("it", export(tmp_path / "out", disk=b"d", initramfs=b"i"), args="") is None


def test_rollback(builds: Builds, tmp_path: Path) -> None:
    made = [keep(builds, tmp_path / "out", number) for number in range(3)]
    assert builds.select("it", None) == made[1]
    assert builds.select("it", None) == made[0]
    with pytest.raises(UserError) as caught:
        builds.select("it", None)
    assert caught.value.reason == "unknown-build"
    assert builds.current("it") == made[0]
    for name in ("20260101-000000-00000000", "../other", "current", ""):
        with pytest.raises(UserError):
            builds.select("it", name)


def test_only_so_many_are_kept(builds: Builds, tmp_path: Path) -> None:
    made = [keep(builds, tmp_path / "out", number) for number in range(6)]
    builds.select("it", made[0].id)
    gone = builds.prune("it", 2, {made[1].id})
    assert set(gone) == {each.id for each in made[2:4]}
    assert {each.id for each in builds.of("it")} == {made[at].id for at in (0, 1, 4, 5)}
    assert len(list(builds.content.iterdir())) == 8
    assert read(builds, made[1], "kernel")


def test_who_asks_meanwhile_gets_a_complete_build(builds: Builds, tmp_path: Path) -> None:
    keep(builds, tmp_path / "out", 0)
    done = threading.Event()
    seen: set[bytes] = set()
    wrong: list[object] = []

    def ask() -> None:
        while not done.is_set():
            build = builds.current("it")
            if build is None:
                wrong.append("none")
            else:
                kernel, ramdisk = read(builds, build, "kernel"), read(builds, build, "initramfs")
                seen.add(kernel)
                if kernel[1:] != ramdisk[1:]:
                    wrong.append((kernel, ramdisk))

    thread = threading.Thread(target=ask)
    thread.start()
    for number in range(40):
        keep(builds, tmp_path / "out", number)
    done.set()
    thread.join()
    assert wrong == []
    assert seen


@pytest.mark.parametrize("name", ["..", "20260101-000000-0000000g", "/etc", "20260101-000000-00000000/../x"])
def test_an_id_is_no_path(builds: Builds, name: str) -> None:
    assert builds.get("it", name) is None
