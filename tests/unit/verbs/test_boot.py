"""Which of the exported images a machine boots: read from the description and the manifest, without a machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rootstream.description.machine import BootImage
from rootstream.errors import UserError
from rootstream.project.project import Project
from rootstream.verbs.boot import Trial, _choose, _described
from tests.loading import read


def exported(folder: Path, words: str, **kinds: str) -> Trial:
    """Return what can be booted of a system whose images are there, by file and kind."""
    description = read(folder, f"systems:\n  box:\n    root: busybox\n    kernel: {{}}\n    {words}\n")
    project = Project(folder=folder, kind="described")
    out = project.out("box")
    out.mkdir(parents=True)
    files = [{"name": name, "kind": kind, "size": 1, "sha256": "0" * 64} for name, kind in kinds.items()]
    (out / "manifest.json").write_text(json.dumps({"arch": "x86_64", "files": files}))
    return _described(project, description.systems[0])


def names(images: tuple[BootImage, ...]) -> list[tuple[str, str]]:
    return [(image.label, Path(image.file).name) for image in images]


def test_of_several_images_of_a_kind_the_first_is_booted(tmp_path: Path) -> None:
    words = (
        "images: [kernel, {initramfs: {name: a}}, {initramfs: {name: b}}, {disk: {name: c}}, {disk: {name: d}}]"
    )
    found = exported(tmp_path, words, bzImage="kernel", a="initramfs", b="initramfs", c="disk", d="disk")
    assert names(found.images) == [("disk", "c"), ("initramfs", "a")]
    assert Path(found.images[1].kernel or "").name == "bzImage"
    assert found.images[0].kernel is None


def test_a_file_system_is_booted_rather_than_a_ramdisk_of_it(tmp_path: Path) -> None:
    words = "images: [kernel, {ext: {gzip: true, name: packed}}, {ext: {name: plain}}, squashfs, erofs]"
    found = exported(tmp_path, words, bzImage="kernel", packed="ext", plain="ext")
    assert names(found.images) == [("ext", "plain"), ("squashfs", "rootfs.squashfs"), ("erofs", "rootfs.erofs")]


def test_an_iso_is_booted_from_both_firmwares_and_a_gpt_disk_from_uefi(tmp_path: Path) -> None:
    words = "images: [kernel, initramfs, iso, {disk: {table: gpt}}, uki]"
    found = exported(tmp_path, words, bzImage="kernel")
    firmwares = [(image.kind, image.firmware) for image in found.images]
    assert firmwares == [
        ("disk", "uefi"),
        ("iso", "bios"),
        ("iso", "uefi"),
        ("uki", "uefi"),
        ("initramfs", "bios"),
    ]
    ramdisks = {image.kind: Path(image.ramdisk or "-").name for image in found.images}
    assert ramdisks == {"disk": "-", "iso": "initramfs.cpio.zst", "uki": "initramfs.cpio.zst", "initramfs": "-"}


def test_what_is_asked_for_and_not_made_is_an_error(tmp_path: Path) -> None:
    found = exported(tmp_path, "images: [kernel, initramfs]", bzImage="kernel")
    assert names(_choose(found, "initramfs").images) == [("initramfs", "initramfs.cpio.zst")]
    with pytest.raises(UserError) as caught:
        _choose(found, "squashfs")
    assert (caught.value.reason, "it has: initramfs" in caught.value.message) == ("not-an-image", True)


def test_a_kernel_alone_boots_nothing(tmp_path: Path) -> None:
    found = exported(tmp_path, "images: [kernel]", bzImage="kernel")
    with pytest.raises(UserError) as caught:
        _choose(found, None)
    assert caught.value.reason == "nothing-to-boot"
