"""A kernel that Debian has built: which modules are taken, what the initrd holds, what the plan says."""

from __future__ import annotations

import io
import lzma
import shutil
from pathlib import Path
from typing import Any

import pytest

from rootstream.description.images.disk import Disk
from rootstream.description.model import Described, Description, System
from rootstream.plan import inputs, make
from rootstream.plan.images.disk import kernel_args
from rootstream.plan.model import Plan
from rootstream.sandbox.images import modules
from rootstream.sandbox.images.cpio import write_cpio
from rootstream.sandbox.images.modules import Modules
from rootstream.sandbox.program import Mistake

RELEASE = "6.12.1-amd64"
DEP = """kernel/fs/ext4/ext4.ko.xz: kernel/fs/jbd2/jbd2.ko.xz kernel/lib/crc16.ko.xz
kernel/fs/jbd2/jbd2.ko.xz:
kernel/lib/crc16.ko.xz:
kernel/lib/crc32c-intel.ko.xz:
kernel/drivers/net/virtio_net.ko.xz:
"""


@pytest.fixture
def indexed(tmp_path: Path) -> Modules:
    folder = tmp_path / "lib/modules" / RELEASE
    folder.mkdir(parents=True)
    (folder / "modules.dep").write_text(DEP)
    (folder / "modules.softdep").write_text(
        "# comment\nsoftdep ext4 pre: crc32c post: gone\nsoftdep other pre: x\n"
    )
    (folder / "modules.alias").write_text("alias pci:v00001AF4d* virtio_pci\nalias crc32c crc32c_intel\n")
    (folder / "modules.builtin").write_text("kernel/drivers/nvme/host/nvme.ko\n")
    for line in DEP.splitlines():
        path = folder / line.partition(":")[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(lzma.compress(path.name.encode()))
    return modules.read_modules(tmp_path, RELEASE)


def test_modules_come_with_what_they_need(indexed: Modules) -> None:
    names = [file.rsplit("/", 1)[1] for file in indexed.closure(["ext4"], strict=True)]
    assert names == ["ext4.ko.xz", "jbd2.ko.xz", "crc16.ko.xz", "crc32c-intel.ko.xz"]


def test_what_is_built_in_is_there_already(indexed: Modules) -> None:
    assert indexed.closure(["nvme"], strict=True) == ()


def test_a_name_may_be_written_with_either_stroke(indexed: Modules) -> None:
    assert indexed.closure(["virtio-net"], strict=True) == indexed.closure(["virtio_net"], strict=True) != ()


def test_a_module_that_is_not_there_is_told(indexed: Modules) -> None:
    with pytest.raises(Mistake, match="no module e1000, "):
        indexed.closure(["ext4", "e1000"], strict=True)
    assert indexed.closure(["e1000"], strict=False) == ()


@pytest.mark.skipif(shutil.which("depmod") is None, reason="depmod is in the build base, not on this machine")
def test_modules_of_an_initrd_are_unpacked(indexed: Modules, tmp_path: Path) -> None:
    made = modules.copied(indexed, ["kernel/lib/crc16.ko.xz"], tmp_path / "to", 0, unpacked=True)
    assert (made.folder / "kernel/lib/crc16.ko").read_bytes() == b"crc16.ko.xz"


def test_a_package_without_a_kernel_is_no_kernel_package(tmp_path: Path) -> None:
    with pytest.raises(Mistake, match="brings none"):
        modules.the_kernel(tmp_path)
    (tmp_path / "boot").mkdir()
    (tmp_path / "boot/vmlinuz-6.12.1-amd64").touch()
    assert modules.the_kernel(tmp_path)[1] == RELEASE
    (tmp_path / "boot/vmlinuz-6.12.2-amd64").touch()
    with pytest.raises(Mistake, match="name another"):
        modules.the_kernel(tmp_path)


def test_an_initrd_starts_with_its_script(indexed: Modules, tmp_path: Path) -> None:
    busybox, init = tmp_path / "busybox", tmp_path / "init"
    busybox.write_bytes(b"program")
    init.write_text("#!/bin/sh\n")
    tree = modules.initrd(indexed.folder, ["ext4"], busybox, init)
    found = tree.get("init")
    assert found is not None
    assert found.mode == 0o755
    assert tree.find("bin/switch_root") == tree.find("bin/busybox")
    archive = io.BytesIO()
    write_cpio(tree, archive, 0)
    assert b"dev/console" in archive.getvalue()


def plan(folder: Path, **changes: object) -> Plan:
    words: dict[str, Any] = {"root": "busybox", "kernel": {"debian": "linux-image-cloud-amd64"}, **changes}
    system = System.model_validate(words)
    description = Description(systems=(Described(name="box", variant=None, system=system),))
    return make.plan(description, inputs.gather(description, folder), None)[0]


def test_the_package_is_pinned_without_what_a_machine_has_it_for(tmp_path: Path) -> None:
    made = plan(tmp_path, images=("kernel", "initrd", "ext"))
    (unpacked,) = (each for name, each in made.elements.items() if name.startswith("kernel-amd64-"))
    assert unpacked.sources[0].words["packages"] == ["linux-image-cloud-amd64"]
    assert "initramfs-tools" in unpacked.sources[0].words["without"]
    assert not [name for name in made.elements if name.startswith("linux-x86_64")]


def test_the_modules_are_laid_over_the_root(tmp_path: Path) -> None:
    made = plan(tmp_path, images=("kernel", "initramfs"))
    (words,) = made.elements["root-box.bst"].commands[1:]
    assert "--layer /kernel/modules.tar" in words


def test_a_disk_carries_the_initrd_and_finds_its_root_by_its_mark(tmp_path: Path) -> None:
    made = plan(tmp_path, images=({"disk": {"table": "gpt"}},))
    (disk,) = (each for name, each in made.elements.items() if name.startswith("image-box-disk"))
    assert "--archive /kernel/initrd.cpio" in disk.commands[1]
    assert "--initramfs initrd.img" in disk.commands[2]
    (system,) = (System.model_validate({"root": "busybox", "images": ({"disk": {"table": "gpt"}},)}),)
    (image,) = system.images
    assert isinstance(image, Disk)
    assert "root=UUID=" in kernel_args(image, "seed", initrd=True)
    assert "root=PARTUUID=" in kernel_args(image, "seed")
