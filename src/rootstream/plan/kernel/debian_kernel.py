"""The kernel that Debian has built, as an element: its package unpacked, modules chosen, an initrd made."""

from __future__ import annotations

from importlib import resources

from rootstream.architectures import ARCHITECTURES, Architecture
from rootstream.description.model import Debian
from rootstream.description.system import DebianKernel
from rootstream.plan import base, programs
from rootstream.plan.kernel.linux import KernelBuild
from rootstream.plan.model import Dependency, Element, Source, short_hash
from rootstream.plan.sources import debian_packages, local, with_updates

# What a kernel package wants on a Debian that updates itself, and an image has no use for.
BESIDE = ("initramfs-tools", "kmod", "linux-base")
PACKAGES, BUSYBOX = "/kernel-packages", "/busybox"
NAME = "vmlinuz"
INITRD = "/kernel/initrd.cpio"
FILES = "files/kernel-package"


def elements(
    description: DebianKernel,
    debian: Debian,
    arch: Architecture,
    *,
    suites: tuple[str, ...],
    epoch: int,
    load: bool,
) -> tuple[KernelBuild, tuple[Element, ...]]:
    """Return the element with /kernel/vmlinuz, modules.tar and initrd.cpio, and those that it is made of.

    `suites` are those of the root; with `load`, the root's own init loads no modules and gets a script for it.
    """
    word = ARCHITECTURES[arch].debian_word
    wanted = description.package or str(ARCHITECTURES[arch].kernel_package)
    chosen = with_updates(description.suite, description.also) if description.suite else suites
    kernel = debian_packages(debian, word, (wanted,), suites=chosen, without=BESIDE)
    unpacked = _import(f"kernel-{word}", kernel, f"{wanted} of {'+'.join(chosen)}")
    tool = _import(f"busybox-{word}", _plain(debian_packages(debian, word, ("busybox-static",))), "BusyBox")
    files = {
        f"{FILES}/{name}": (resources.files("rootstream.recipes") / folder / name).read_bytes()
        for folder, name in (("initrd", "init"), ("modules", "S10modules"))
    }
    words = [f"PYTHONPATH={programs.FOLDER} python3 -m {programs.module('images.modules')}"]
    words += [f"--tree {PACKAGES} --busybox {BUSYBOX}/usr/bin/busybox --init files/init"]
    words += ["--load files/S10modules"] if load else []
    for name, modules in (("modules", description.modules), ("initrd", description.initrd)):
        if modules is not None and modules != "all":
            words.append(f"--{name} {' '.join(modules)}".rstrip())
    words.append('--output "%{install-root}/kernel"')
    identity = short_hash(kernel.request(), tool.name, words, epoch)
    made = Element(
        name=f"linux-{word}-package-{identity}.bst",
        kind="manual",
        description=f"The kernel of {wanted}",
        builds_with=(
            Dependency(element=base.NAME),
            Dependency(element=programs.IMAGES),
            Dependency(element=unpacked.name, location=PACKAGES),
            Dependency(element=tool.name, location=BUSYBOX),
        ),
        sources=(local(FILES, directory="files"),),
        commands=('mkdir -p "%{install-root}/kernel"', " \\\n  ".join(words)),
        variables={"strip-binaries": ""},
        environment={"SOURCE_DATE_EPOCH": str(epoch)},
    )
    return KernelBuild(element=made, files=files, image=NAME), (unpacked, tool)


def _import(label: str, source: Source, description: str) -> Element:
    return Element(
        name=f"{label}-{short_hash(source.request())}.bst",
        kind="import",
        description=description,
        ships="packages",
        sources=(source,),
    )


def _plain(source: Source) -> Source:
    words = {**source.words, "fixups": False}
    return Source(kind=source.kind, words=words, free=source.free, locked=source.locked)
