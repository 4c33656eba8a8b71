"""Plans of images that hold others, and of software from folders of the project."""

from __future__ import annotations

import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from rootstream.description.model import Described, Description, System
from rootstream.host.content import chunks
from rootstream.plan import inputs, make, text
from rootstream.plan.model import Element, Plan
from rootstream.project.lock import Lock


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for path in ("overlay/motd", "payload/guests/list", "one/Makefile", "two/configure"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text("x\n")
    return tmp_path


def planned(folder: Path, **words: Any) -> tuple[Plan, dict[str, make.Outputs]]:  # noqa: ANN401
    described = {"arch": "riscv64", "root": {"busybox": {}}, "kernel": {}, "images": ({"capsule": {}},), **words}
    system = System.model_validate(described)
    description = Description(systems=(Described(name="box", variant=None, system=system),))
    plan, outputs = make.plan(description, inputs.gather(description, folder), Lock(refs={}))
    return plan, dict(outputs)


def element(plan: Plan, beginning: str) -> Element:
    (found,) = (each for name, each in plan.elements.items() if name.startswith(beginning))
    return found


def digests(plan: Plan) -> dict[str, str]:
    return {name: text.digest(plan, name, ()) for name in plan.elements}


def test_a_capsule_is_linked_from_what_the_kernel_left(folder: Path) -> None:
    plan, outputs = planned(folder, isa="imac", images=({"capsule": {"payload": "payload"}},))
    made = element(plan, "image-box-capsule")
    assert outputs["box"].files == (("capsule", "boot/binaries/riscv64imac/supervisor"),)
    assert {"cross-riscv64-linux-gnu.bst", "root-box.bst", element(plan, "linux-").name} <= set(made.uses())
    assert "--load 0x80200000 --entry physical" in made.commands[-1]
    assert "kernel/link" in "\n".join(element(plan, "linux-").commands)
    (payload,) = (content for path, content in plan.files.items() if path.endswith("payload.tar"))
    with tarfile.open(fileobj=BytesIO(b"".join(chunks(payload)))) as tar:
        assert "payload/guests/list" in tar.getnames()


def test_a_kernel_without_a_capsule_keeps_nothing_to_link(folder: Path) -> None:
    plan, _ = planned(folder, images=({"kernel": {}},))
    assert "link" not in "\n".join(element(plan, "linux-").commands)


@pytest.mark.parametrize("path", ["overlay/motd", "payload/guests/list"])
def test_what_is_inside_changes_the_capsule_and_not_its_kernel(folder: Path, path: str) -> None:
    words = {"layers": ({"overlay": "overlay"},), "images": ({"capsule": {"payload": "payload"}},)}
    before = digests(planned(folder, **words)[0])
    (folder / path).write_text("other\n")
    after = digests(planned(folder, **words)[0])
    changed = {name.split("-")[0] for name in before if before[name] != after[name]}
    assert changed == {"image", "system"} | ({"root", "inventory"} if path.startswith("overlay") else set())


def test_uimages_hold_other_images(folder: Path) -> None:
    images: tuple[dict[str, Any], ...] = (
        {"uimage": {"type": "multi", "ramdisk": "initramfs", "name": "both"}},
        {"uimage": {"type": "ramdisk"}},
        {"uimage": {"title": "A kernel"}},
        {"ext": {"type": "ext2", "gzip": True}},
        {"initramfs": {}},
    )
    plan, outputs = planned(folder, arch="powerpc", images=images)
    names = [file for _, file in outputs["box"].files]
    assert names == ["both", "uRamdisk", "uImage", "rootfs.ext2.gz", "initramfs.cpio.zst"]
    made = {each.description.split()[0]: each for name, each in plan.elements.items() if "-uimage-" in name}
    assert "--ramdisk /loaded/images/initramfs.cpio.zst" in made["both"].commands[-1]
    assert "--ramdisk /loaded/images/rootfs.ext2.gz" in made["uRamdisk"].commands[-1]
    assert "--name 'A kernel' --kernel /kernel/vmlinux" in made["uImage"].commands[-1]
    assert "root-box.bst" not in made["uImage"].uses()
    assert all("tool-u-boot-tools.bst" in each.uses() for each in made.values())
    assert all("--arch powerpc " in each.commands[-1] for each in made.values())
    assert "--kernel /kernel/vmlinux" in made["both"].commands[-1]
    assert "--kernel" not in made["uRamdisk"].commands[-1]
    assert "--ramdisk" not in made["uImage"].commands[-1]


PACKAGES = (
    {"name": "one", "source": "one", "build": "make", "options": ("V=1", "WORDS=two words")},
    {"name": "two", "source": "two", "build": "autotools", "depends": ("one",)},
)


@pytest.mark.parametrize(
    ("words", "host"),
    [
        ({"arch": "powerpc"}, "powerpc-linux-musl"),
        ({"arch": "riscv32", "isa": "imac"}, "riscv32-linux-musl"),
        ({"arch": "x86_64"}, "x86_64-linux-musl"),
    ],
)
def test_software_is_compiled_for_the_system(folder: Path, words: dict[str, str], host: str) -> None:
    plan, _ = planned(folder, **words, layers=({"packages": PACKAGES},), images=({"tar": {}},))
    one, two = element(plan, "package-one-"), element(plan, "package-two-")
    assert "'WORDS=two words'" in one.commands[-2]
    assert f"--host={host}" in "\n".join(two.commands)
    assert [each.location for each in two.builds_with if each.element == one.name] == ["/staging"]
    shown = {f"files-{one.name}", f"files-{two.name}"}
    assert shown <= set(plan.elements["root-box.bst"].uses())
    assert plan.elements[min(shown)].kind == "compose"


def test_go_needs_no_c_library_and_runs_on_a_debian_root(folder: Path) -> None:
    (folder / "three").mkdir()
    words: dict[str, Any] = {
        "root": {"debian": {"packages": ("systemd",)}},
        "layers": ({"packages": ({"name": "three", "source": "three", "build": "go", "module": "a.b/three"},)},),
        "images": ({"tar": {}},),
    }
    plan, _ = planned(folder, arch="x86_64", **words)
    made = element(plan, "package-three-")
    assert {"base.bst", "tool-golang-go.bst"} == set(made.uses())
    assert "go mod init a.b/three" in "\n".join(made.commands)
    assert "--layer /packages/three" in plan.elements["root-box.bst"].commands[-1]


@pytest.mark.parametrize(("arch", "library"), [("x86_64", None), ("aarch64", "arm64"), ("riscv64", "riscv64")])
def test_rust_brings_its_own_c_library(folder: Path, arch: str, library: str | None) -> None:
    (folder / "three").mkdir()
    layers = ({"packages": ({"name": "three", "source": "three", "build": "cargo", "options": ("--bins",)},)},)
    plan, _ = planned(folder, arch=arch, layers=layers, images=({"tar": {}},))
    made = element(plan, "package-three-")
    assert not any(name.startswith("musl-") for name in made.uses())
    assert [each.location for each in made.builds_with if each.element == f"rust-{library}.bst"] == (
        ["/rust"] if library else []
    )
    assert ("--sysroot" in made.commands[-2]) is bool(library)
    assert "--bins" in made.commands[-2]


def test_a_changed_folder_compiles_that_package_again_and_what_needs_it(folder: Path) -> None:
    words: dict[str, Any] = {"layers": ({"packages": PACKAGES},), "images": ({"tar": {}},)}
    before = digests(planned(folder, **words)[0])
    (folder / "two" / "configure").write_text("other\n")
    after = digests(planned(folder, **words)[0])
    changed = {name for name in before if before[name] != after.get(name)}
    assert not any("package-one" in name or name.startswith(("linux", "musl", "busybox")) for name in changed)
    assert any(name.startswith("package-two") for name in changed)
