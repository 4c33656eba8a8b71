"""Systems of Buildroot: what may stand beside `root: buildroot`, and which files a description names."""

from __future__ import annotations

from pathlib import Path

import pytest

from rootstream.description.files import paths_of
from rootstream.description.roots import FromBuildroot
from tests.loading import message, system, wrong

ROOT = "root: {buildroot: {tree: {local: ../buildroot}}}\n"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (ROOT + "kernel: {}\nimages: [files]", [("bad-value", 2)]),
        (ROOT + "kernel: null\nimages: [disk]", [("not-available", 3)]),
        ("root: busybox\nimages: [files]", [("bad-value", 2)]),
        (ROOT + "kernel: null\nimages: [files: {names: {../x: y}}]", [("bad-value", 3)]),
        (ROOT + "kernel: null\nimages: [files: {names: {x: /etc/y}}]", [("bad-value", 3)]),
        ("root: {buildroot: {}}\nkernel: null\nimages: [files]", [("missing-key", 1)]),
        ("root: {buildroot: {tree: {local: ''}}}\nkernel: null\nimages: [files]", [("bad-value", 1)]),
        (
            "root: {buildroot: {tree: {local: x}, defconfig: no_defconfig}}\nkernel: null\nimages: [files]",
            [("missing-file", 1)],
        ),
        (ROOT + "kernel: null\nimages: [tar]\nmachine:\n  boot: [ext]", [("image-needed", 5)]),
    ],
)
def test_mistakes(tmp_path: Path, words: str, expected: list[tuple[str, int]]) -> None:
    assert wrong(tmp_path, words) == expected


def test_the_kernel_belongs_to_buildroot(tmp_path: Path) -> None:
    assert "Buildroot builds the kernel" in message(tmp_path, ROOT + "kernel: {}\nimages: [files]")


@pytest.mark.parametrize("arch", ["x86_64", "aarch64", "riscv64"])
def test_every_architecture_and_every_image_of_buildroot(tmp_path: Path, arch: str) -> None:
    words = f"arch: {arch}\n{ROOT}kernel: null\nimages: [kernel, initramfs, ext, squashfs, tar, files]\n"
    found = system(tmp_path, words + "machine: {boot: [initramfs], firmware: uefi}\nchecks: [console: x]")
    assert isinstance(found.root, FromBuildroot)


def test_files_of_buildroot_may_be_anything_to_boot(tmp_path: Path) -> None:
    system(tmp_path, ROOT + "kernel: null\nimages: [files]\nmachine: {boot: [ext]}\nchecks: [console: x]")


def test_all_paths_of_a_system_are_found(tmp_path: Path) -> None:
    for name in ("a_defconfig", "b.config", "linux.config", "extra.config", "post.sh", "key.pub", "table"):
        (tmp_path / name).write_text("")
    for name in ("external", "patches", "over"):
        (tmp_path / name).mkdir()
    words = """
        root:
          buildroot:
            tree: {local: /anywhere}
            defconfig: a_defconfig
            fragments: [b.config]
            external: [external]
            global_patches: [patches]
            configs: {linux: {base: {file: linux.config}, fragments: [extra.config]}}
            scripts: {post_build: [post.sh]}
        kernel: null
        images: [files]
        layers:
        - overlay: over
        - root_login: {authorized_keys: [key.pub]}
        - device_table: table
    """
    found = paths_of(system(tmp_path, words))
    assert set(found) == {path.name for path in tmp_path.iterdir()} - {"system.yaml"}
