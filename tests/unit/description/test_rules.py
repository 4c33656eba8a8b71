"""Rules that go across words, and the files that a description names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rootstream.description.images.base import ENDINGS
from tests.loading import GOOD, line, message, one, problems, read, system, wrong

BOOT = "{filesystem: vfat, mount: /boot}"
ROOT = "{filesystem: ext4, mount: /}"


def disk(*partitions: str, words: str = "") -> str:
    listed = "".join(f"\n    - {partition}" for partition in partitions)
    return f"images:\n- disk:\n    partitions:{listed}{words}"


SOFTWARE = """
layers:
- packages:
  - {name: a, source: ., build: python}
  - {name: b, source: ., build: make, depends: [c]}
  - {name: c, source: ., build: make}
  - {name: c, source: ., build: autotools}
"""


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        # names
        ("images:\n- tar\n- tar", [("name-taken", 3)]),
        ("images:\n- tar\n- squashfs: {name: rootfs.tar}\n- tar", [("name-taken", n) for n in (3, 4)]),
        ("images:\n- tar: {name: SHA256SUMS}\n- ext: {name: manifest.json}", [("name-taken", n) for n in (2, 3)]),
        ("images:\n- kernel: {name: a}\n- kernel: {name: a}", [("name-taken", 3)]),
        # kernel
        ("kernel: null\nimages:\n- disk\n- kernel\n- initramfs\n- tar", [("kernel-needed", n) for n in (3, 4, 5)]),
        ("kernel: null\nimages:\n- disk: {bootloader: none}\nmachine: {boot: [disk]}", [("bad-value", 4)]),
        ("kernel: null\nimages: [squashfs]\nmachine:\n  boot: [squashfs]", [("kernel-needed", 4)]),
        ("kernel:\n  debian: linux-image-amd64\n  modules: true\nimages: [tar]", [("bad-value", 3)]),
        ("arch: powerpc\nkernel:\n  debian: {}\nimages: [tar]", [("not-available", 3)]),
        ("kernel: {}\nimages:\n- initrd", [("bad-value", 3)]),
        ("kernel:\n  modules: true\nimages: [kernel]", [("image-needed", 2)]),
        ("kernel: {debian: {}}\nimages:\n- uimage", [("not-available", 3)]),
        ("kernel: {debian: {}}\nimages: [ext]\nmachine:\n  boot: [ext]", [("image-needed", 4)]),
        # disks
        (disk(BOOT), [("partition-needed", 4)]),
        (disk(ROOT), [("partition-needed", 4)]),
        (disk(BOOT, ROOT, "{filesystem: ext4, mount: /}"), [("duplicate-name", 6)]),
        (disk(BOOT, ROOT, "{filesystem: ext4, mount: //boot/}"), [("duplicate-name", 6)]),
        (disk("{filesystem: ext4, mount: /boot}", ROOT), [("bad-value", 4)]),
        (disk(BOOT, "{filesystem: vfat, mount: /}"), [("bad-value", 5)]),
        (disk(BOOT, ROOT, "{filesystem: ext4, mount: '/a b'}"), [("bad-value", 6)]),
        (disk(BOOT, ROOT, "{filesystem: ext4, mount: /a, size: 100001}"), [("bad-value", 6)]),
        (disk("{filesystem: vfat, mount: /boot, label: A.B}", ROOT), [("bad-value", 4)]),
        (disk("{filesystem: vfat, mount: /boot, label: waytoolonglabel}", ROOT), [("bad-value", 4)]),
        (disk(BOOT, ROOT, words="\n    sector_size: 4096"), [("bad-value", 6)]),
        (disk(BOOT, ROOT, words="\n    kernel_name: ../vmlinuz"), [("bad-value", 6)]),
        (disk(BOOT, ROOT, words="\n    kernel_args: café"), [("bad-value", 6)]),
        (disk(BOOT, ROOT, words=f"\n    kernel_args: {'a' * 2001}"), [("bad-value", 6)]),
        (disk(BOOT, ROOT, "{filesystem: swap}"), [("missing-key", 6)]),
        (disk(BOOT, ROOT, "{filesystem: swap, size: 1M, mount: /swap}"), [("bad-value", 6)]),
        (disk(BOOT, ROOT, "{filesystem: ext4}"), [("missing-key", 6)]),
        (disk(BOOT, ROOT, "{filesystem: ext4, size: 64}"), [("bad-value", 6)]),
        (disk(BOOT, ROOT, words="\n    initramfs: true"), [("image-needed", 6)]),
        (disk(ROOT, words="\n    bootloader: none\n    initramfs: true\n- initramfs"), [("bad-value", 6)]),
        (disk(BOOT, ROOT, *["{filesystem: ext4, size: 1M}"] * 3), [("bad-value", 4)]),
        (disk(ROOT, words="\n    table: gpt"), [("partition-needed", 4)]),
        (disk(BOOT, ROOT, words="\n    table: gpt\n    bootloader: syslinux"), [("bad-value", 7)]),
        (disk(BOOT, ROOT, words="\n    bootloader: uki"), [("bad-value", 6)]),
        (disk(BOOT, ROOT, words="\n    table: gpt\nmachine: {firmware: bios}"), [("bad-value", 7)]),
        (disk(BOOT, ROOT, words="\n    table: gpt\narch: powerpc"), [("not-available", 3)]),
        # programs
        ("images:\n- iso\n- uki", [("image-needed", n) for n in (2, 3)]),
        ("images: [initramfs, uki]\nmachine: {firmware: bios}", [("bad-value", 2)]),
        ("kernel: null\nimages:\n- uki: {initramfs: false}", [("kernel-needed", 3)]),
        ("arch: riscv32\nimages:\n- initramfs\n- iso", [("not-available", 4)]),
        ("images: [initramfs]\nmachine:\n  boot: [iso, uki]", [("image-needed", 3), ("image-needed", 3)]),
        ("layers:\n- secrets: [{path: /key, file: none}]", [("missing-file", 2)]),
        # machine
        ("machine:\n  memory: 512", [("bad-value", 2)]),
        ("machine:\n  disks: [{size: 100}]", [("bad-value", 2)]),
        ("images:\n- ext: {size: 4K}", [("bad-value", 2)]),
        ("machine:\n  boot: [disk, ext]", [("image-needed", 2)]),
        ("machine:\n  firmware: uefi", [("bad-value", 2)]),
        ("machine:\n  nics:\n  - forward: {1: 2}\n  - forward: {3: 2, 1: 3}", [("port-taken", 4)]),
        ("machine:\n  nics:\n  - {model: none, forward: {1: 2}}", [("bad-value", 3)]),
        ("machine: {nics: []}\nchecks:\n- port: 22\n- http\n- console: x", [("bad-value", n) for n in (3, 4)]),
        ("images: [tar]\nchecks:\n- console: x", [("image-needed", 3)]),
        ("checks:\n- {command: x, output: (}\n- {http: {body: '['}}\n- {console: (, regex: true}\n- console: (",
         [("bad-value", n) for n in (2, 3, 4)]),
        # accounts
        ("layers:\n- users: [{name: a}]\n- users:\n  - {name: b}\n  - {name: a}", [("duplicate-name", 5)]),
        ("layers:\n- users:\n  - {name: a, uid: 1000}\n  - {name: b, uid: 1000}", [("duplicate-name", 4)]),
        ("layers:\n- users: [{name: root}]", [("bad-value", 2)]),
        ("layers:\n- groups:\n  - {name: a, gid: 5}\n  - {name: a}\n  - {name: b, gid: 5}",
         [("duplicate-name", n) for n in (4, 5)]),
        # software of the project
        (SOFTWARE, [("not-available", 3), ("bad-value", 4), ("duplicate-name", 6)]),
        ("arch: powerpc\nimages: [tar]\nlayers:\n- packages: [{name: a, source: ., build: go}]",
         [("not-available", 4)]),
        ("arch: riscv64\nisa: imac\nimages: [tar]\nlayers:\n- packages: [{name: a, source: ., build: cargo}]",
         [("not-available", 5)]),
        (("images: [tar]\nlayers:\n- packages:\n  - {name: a, source: ., build: make}\n"
          "  - {name: b, source: ., build: cargo, depends: [a]}"), [("bad-value", 5)]),
        # architectures
        ("arch: powerpc\nisa: gc\nimages: [initramfs]", [("bad-value", 2)]),
        ("arch: aarch64\nimages:\n- capsule\n- firmware", [("not-available", 3), ("bad-value", 4)]),
        ("arch: armv7\nimages:\n- initramfs\n- capsule\n- firmware", [("not-available", 4), ("bad-value", 5)]),
        # images inside others
        ("images:\n- uimage: {type: ramdisk}\n- uimage: {type: multi, ramdisk: initramfs, name: x}",
         [("image-needed", 2), ("image-needed", 3)]),
        ("arch: riscv64\nkernel: null\nimages:\n- uimage\n- capsule", [("kernel-needed", n) for n in (4, 5)]),
        ("arch: aarch64\nmachine: {firmware: bios}", [("bad-value", 2), ("bad-value", 5)]),
    ],
)  # fmt: skip
def test_rules(tmp_path: Path, words: str, expected: list[tuple[str, int]]) -> None:
    assert wrong(tmp_path, words) == expected


@pytest.mark.parametrize(
    "words",
    [
        "checks: [{command: x, output: '[[a]'}]",
        "kernel: null\nimages: [tar, squashfs, ext]",
        "kernel: {modules: true}\nimages: [kernel, tar]",
        "kernel: null\nimages: [{disk: {bootloader: none, partitions: [{filesystem: ext4, mount: /}]}}]",
        "images: [initramfs, {disk: {initramfs: true}}]",
        "images: [disk, {disk: {name: other.img}}]",
        "machine: {boot: [initramfs, disk], nics: [{forward: {1: 2}}, {forward: {2: 2}}]}",
        "machine: {nics: []}\nchecks: [{console: x}]",
        "layers: [{users: [{name: a, uid: 5}]}, {groups: [{name: a, gid: 5}]}]",
        "machine: {firmware: uefi}\nimages: [initramfs]",
        "arch: aarch64\nimages: [initramfs, iso, uki, {disk: {table: gpt}}]",
        "images: [initramfs, {disk: {table: gpt, initramfs: true}}, {uki: {initramfs: false}}]",
    ],
)
def test_what_is_allowed(tmp_path: Path, words: str) -> None:
    assert system(tmp_path, words).images


def test_the_kernel_that_was_left_empty(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, one("kernel:\nimages: [kernel]"))
    assert problem.hint == "Write `kernel: {}` for a kernel with default settings."


def test_elements_of_two_systems_are_told_apart(tmp_path: Path) -> None:
    (problem,) = problems(
        tmp_path,
        "systems:\n" + GOOD + "    variants: {one: {}}\n" + GOOD.replace("good", "good--one"),
    )
    assert (problem.reason, line(problem)) == ("duplicate-name", 7)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("layers:\n- overlay: overlai/", [("missing-file", 2)]),
        ("layers:\n- overlay: overlay/linux.config", [("not-a-folder", 2)]),
        ("layers:\n- device_table: overlay", [("not-a-file", 2)]),
        ("layers:\n- device_table: linux.config/x", [("missing-file", 2)]),
        ("kernel:\n  fragments:\n  - linux.config\n  - linux.conf", [("missing-file", 4)]),
        (
            "kernel:\n  base: {file: nothing}\n  source: {local: nowhere}",
            [("missing-file", 2), ("missing-file", 3)],
        ),
        ("root:\n  busybox:\n    fragments: [nothing]\n    libc_source: {local: overlay}", [("missing-file", 3)]),
        ("root: {elements: {target: a.bst, project: nowhere}}", [("missing-file", 1)]),
        ("layers:\n- users:\n  - {name: a, authorized_keys: [a.pub]}", [("missing-file", 3)]),
        ("layers:\n- root_login:\n    authorized_keys: [a.pub]", [("missing-file", 3)]),
        (
            "layers:\n- overlay: away\n- device_table: away/passwd",
            [("outside-project", 2), ("outside-project", 3)],
        ),
        ("layers:\n- overlay: loop", [("file-unreadable", 2)]),
        ("layers:\n- device_table: pipe", [("not-a-file", 2)]),
        (f"layers:\n- device_table: {'x' * 5000}", [("file-unreadable", 2)]),
    ],
)
def test_files_that_are_named(tmp_path: Path, words: str, expected: list[tuple[str, int]]) -> None:
    folder = tmp_path / "project"
    (folder / "overlay").mkdir(parents=True)
    (folder / "overlay" / "linux.config").touch()
    (folder / "linux.config").touch()
    (folder / "away").symlink_to("/etc")
    (folder / "loop").symlink_to("loop")
    os.mkfifo(folder / "pipe")
    assert wrong(folder, words) == expected


def test_the_nearest_name_is_told(tmp_path: Path) -> None:
    (tmp_path / "overlay").mkdir()
    (tmp_path / "overlay" / "linux.config").touch()
    for named in ("overlai/linux.config", "overlay/linux.confg"):
        assert "did you mean" in message(tmp_path, f"kernel: {{fragments: [{named}]}}")


def test_links_inside_the_project_are_followed(tmp_path: Path) -> None:
    (tmp_path / "overlay").mkdir()
    (tmp_path / "link").symlink_to("overlay")
    assert system(tmp_path, "layers: [{overlay: link}]").layers


def test_the_project_itself_may_be_reached_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "real" / "overlay").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    assert read(tmp_path / "link", one("layers: [{overlay: overlay}]")).systems


def test_file_names_of_images(tmp_path: Path) -> None:
    found = system(
        tmp_path,
        """
        images:
          [kernel, initramfs, ext, {ext: {type: ext2, gzip: true}}, squashfs, {tar: {compression: gzip}}, disk]
        """,
    )
    assert [image.file_name("bzImage", "x86_64") for image in found.images] == [
        "bzImage",
        "initramfs.cpio.zst",
        "rootfs.ext4",
        "rootfs.ext2.gz",
        "rootfs.squashfs",
        "rootfs.tar.gz",
        "disk.img",
    ]
    assert set(ENDINGS) == {"none", "gzip", "xz", "zstd"}


@pytest.mark.parametrize(
    ("conf", "root", "expected"),
    [
        (None, "{project: mine, target: a.bst}", "there is no project.conf in 'mine': not a BuildStream project"),
        (
            "name: mine\n",
            "{project: mine, target: aa.bst}",
            "no element 'aa.bst' in 'mine'; did you mean 'a.bst'",
        ),
        ("name: mine\nelement-path: in\n", "{project: mine, target: a.bst}", "; did you mean 'b/a.bst'?"),
        ("name: mine\nelement-path: in\n", "{project: mine, target: b/a.bst}", ""),
        ("name: mine\n", "{project: mine, target: 'other.bst:x.bst'}", ""),
        ("[", "{project: mine, target: a.bst}", ""),
        ("name: mine\nelement-path: ../..\n", "{project: mine, target: x.bst}", ""),
        ("name: mine\n", "{project: mine, target: a.bst}", ""),
    ],
)
def test_a_root_of_own_elements(tmp_path: Path, conf: str | None, root: str, expected: str) -> None:
    (tmp_path / "mine/in/b").mkdir(parents=True)
    for name in ("a.bst", "in/b/a.bst"):
        (tmp_path / "mine" / name).write_text("kind: import\n")
    if conf is not None:
        (tmp_path / "mine/project.conf").write_text(conf)
    words = f"root: {{elements: {root}}}\nkernel: null\nimages: [tar]"
    if not expected:
        assert read(tmp_path, one(words)).systems
        return
    (problem,) = problems(tmp_path, one(words))
    assert expected in problem.message
    assert line(problem) == 3
