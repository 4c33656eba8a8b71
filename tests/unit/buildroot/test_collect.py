"""Files of Buildroot's images folder: which are exported, under which names, and what each is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rootstream.buildroot.build import collect
from rootstream.buildroot.build.collect import CollectedImage
from rootstream.description.images.files import Files
from rootstream.errors import UserError


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    (folder / "efi").mkdir(parents=True)
    for name in ("bzImage", "rootfs.ext4", "rootfs.tar.xz", "efi/boot.efi"):
        (folder / name).write_text(name)
    (folder / "rootfs.ext2").symlink_to("rootfs.ext4")
    return folder


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *(
            (name, "kernel")
            for name in ("bzImage", "zImage.board", "Image.gz", "vmlinuz", "fitImage", "vmlinux.bin")
        ),
        *((name, "file") for name in ("rootfs.cpio.uboot", "rootfs.initramfs", "vmlinux.old", "notes", "xImage")),
        *((name, "initramfs") for name in ("rootfs.cpio", "rootfs.cpio.zst", "sub/rootfs.cpio.gz")),
        *((name, "ext") for name in ("rootfs.ext2", "rootfs.ext4.gz")),
        *(("rootfs.squashfs", "squashfs"), ("rootfs.erofs", "erofs"), ("rootfs.tar.xz", "tar")),
        *((name, "iso") for name in ("rootfs.iso9660", "x.iso")),
        *((name, "disk") for name in ("disk.img", "sdcard.img", "emmc.img", "a.wic")),
        *(("a.qcow2", "qcow2"), ("other.img", "file")),
    ],
)
def test_a_kind_follows_from_the_name(name: str, kind: str) -> None:
    assert collect.kind_of(name) == kind


def test_what_is_present(images: Path) -> None:
    (images / "hanging").symlink_to("nothing")
    os.mkfifo(images / "pipe")
    assert collect.present(images) == ("bzImage", "efi/boot.efi", "rootfs.ext2", "rootfs.ext4", "rootfs.tar.xz")


@pytest.mark.parametrize("target", ["../secret", "/etc/passwd"])
def test_a_link_that_leads_elsewhere(images: Path, target: str) -> None:
    (images.parent / "secret").touch()
    (images / "efi/link").symlink_to(f"../{target}" if target.startswith(".") else target)
    with pytest.raises(UserError) as caught:
        collect.present(images)
    assert caught.value.reason == "image-outside"
    assert str(caught.value.where) == str(images / "efi/link")


def test_images_by_their_names(images: Path) -> None:
    words = (("kernel", ("zImage", "bzImage"), None), ("ext", ("rootfs.ext4",), "root.ext4"))
    assert collect.chosen(images, words, ()) == (
        CollectedImage(source=images / "bzImage", name="bzImage", kind="kernel"),
        CollectedImage(source=images / "rootfs.ext4", name="root.ext4", kind="ext"),
    )


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (Files(), ["bzImage", "efi/boot.efi", "rootfs.ext2", "rootfs.ext4", "rootfs.tar.xz"]),
        (
            Files(only=True, names={"rootfs.ext4": "root", "efi/boot.efi": "efi/boot.efi"}),
            ["efi/boot.efi", "root"],
        ),
        (
            Files(names={"bzImage": "kernel"}),
            ["kernel", "efi/boot.efi", "rootfs.ext2", "rootfs.ext4", "rootfs.tar.xz"],
        ),
    ],
)
def test_files_of_the_folder(images: Path, files: Files, expected: list[str]) -> None:
    found = collect.chosen(images, (), (files,))
    assert [each.name for each in found] == expected
    assert all(each.kind == collect.kind_of(each.source.name) for each in found)


def test_a_file_that_is_asked_for_twice_is_exported_once(images: Path) -> None:
    words = (("ext", ("rootfs.ext2",), None),)
    found = collect.chosen(images, words, (Files(only=True, names={"rootfs.ext4": "rootfs.ext2"}),))
    assert found == (CollectedImage(source=images / "rootfs.ext2", name="rootfs.ext2", kind="ext"),)


def test_two_files_of_one_name(images: Path) -> None:
    with pytest.raises(UserError) as caught:
        collect.chosen(images, (), (Files(names={"bzImage": "rootfs.tar.xz"}),))
    assert caught.value.reason == "name-taken"


@pytest.mark.parametrize(
    ("words", "files", "message"),
    [
        ((("kernel", ("zImage", "Image"), None),), (), "Buildroot did not create zImage or Image for `kernel`"),
        ((), (Files(names={"nothing": "x"}),), "Buildroot did not create nothing"),
    ],
)
def test_what_buildroot_did_not_make(
    images: Path,
    words: tuple[tuple[str, tuple[str, ...], str | None], ...],
    files: tuple[Files, ...],
    message: str,
) -> None:
    with pytest.raises(UserError) as caught:
        collect.chosen(images, words, files)
    assert (caught.value.reason, caught.value.message) == ("image-missing", message)
    assert "bzImage, efi/boot.efi, " in str(caught.value.hint)


def test_nothing_at_all(tmp_path: Path) -> None:
    assert "It created: nothing." in str(collect.missing(tmp_path, "kernel", ("Image",), ()).hint)


def test_copies(images: Path, tmp_path: Path) -> None:
    files = (
        CollectedImage(source=images / "rootfs.ext2", name="sub/root", kind="ext"),
        CollectedImage(source=images / "bzImage", name="kernel", kind="kernel"),
        CollectedImage(source=images / "efi/boot.efi", name="sub/boot", kind="file"),
    )
    collect.copy(files, tmp_path / "out", os.environ)
    there = {
        str(path.relative_to(tmp_path / "out")): path for path in (tmp_path / "out").rglob("*") if path.is_file()
    }
    assert {name: path.read_text() for name, path in there.items()} == {
        "sub/root": "rootfs.ext4",
        "kernel": "bzImage",
        "sub/boot": "efi/boot.efi",
    }
    assert not any(path.is_symlink() for path in there.values())


def test_a_copy_that_fails_leaves_nothing(images: Path, tmp_path: Path) -> None:
    files = (
        CollectedImage(source=images / "bzImage", name="kernel", kind="kernel"),
        CollectedImage(source=images / "gone", name="gone", kind="file"),
    )
    with pytest.raises(UserError) as caught:
        collect.copy(files, tmp_path / "out", os.environ)
    assert caught.value.reason == "cannot-write"
    assert "gone could not be copied" in caught.value.message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("notes", "sub/Image", "bzImage"), "bzImage"),
        (("notes", "sub/Image"), "sub/Image"),
        (("other", "more"), "other"),
        ((), None),
    ],
)
def test_the_kernel_to_boot(names: tuple[str, ...], expected: str | None) -> None:
    assert collect.first_kernel(names) == expected
