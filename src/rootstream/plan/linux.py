"""The kernel as an element: configured, checked against what was asked for, compiled reproducibly."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import PurePosixPath

from rootstream.plan import base, programs
from rootstream.plan.kconfig import Fragment, configure, still_right
from rootstream.plan.model import Dependency, Element, short_hash
from rootstream.plan.sources import WORK, Unpacked, compiling, local
from rootstream.system import Kernel

# Architecture: the kernel's word for it, the make target, the file that it makes.
TARGETS = {
    "x86_64": ("x86", "bzImage", "arch/x86/boot/bzImage"),
    "aarch64": ("arm64", "Image", "arch/arm64/boot/Image"),
    "riscv64": ("riscv", "Image", "arch/riscv/boot/Image"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """An element that makes a kernel: /kernel/NAME, /kernel/config, and /kernel/modules.tar if asked for."""

    element: Element
    files: dict[str, bytes]
    image: str


def kernel(description: Kernel, arch: str, tree: Unpacked, fragments: tuple[Fragment, ...], epoch: int) -> Built:
    """Return the element for a kernel."""
    karch, target, path = TARGETS[arch]
    folder, files = fragment_files(fragments)
    name = path.rsplit("/", 1)[-1]
    stamp = time.strftime("%a %b %e %H:%M:%S UTC %Y", time.gmtime(epoch))
    commands = (
        *tree.commands,
        configure(
            kind="linux", arch=karch, base=description.base, fragments=fragments, optional=description.optional
        ),
        compiling(
            f'make -C {WORK}/tree -j"$JOBS" ARCH={karch} {target}' + (" modules" if description.modules else "")
        ),
        still_right(),
        'mkdir -p "%{install-root}/kernel"',
        f'cp {WORK}/tree/{path} "%{{install-root}}/kernel/{name}"',
        f'cp {WORK}/tree/.config "%{{install-root}}/kernel/config"',
        'cp kconfig.json "%{install-root}/kernel/kconfig.json"',
        f'make -s -C {WORK}/tree ARCH={karch} kernelrelease > "%{{install-root}}/kernel/release"',
        *(_modules(karch) if description.modules else ()),
    )
    element = Element(
        name=f"linux-{arch}-{short_hash(karch, commands, [s.request() for s in tree.sources], folder, epoch)}.bst",
        kind="manual",
        description=f"Linux for {arch}",
        builds_with=(Dependency(element=base.NAME), Dependency(element=programs.KCONFIG)),
        sources=(*tree.sources, *((local(str(folder), directory="fragments"),) if files else ())),
        commands=commands,
        variables={"strip-binaries": ""},
        environment={
            "KBUILD_BUILD_TIMESTAMP": stamp,
            "KBUILD_BUILD_USER": "rootstream",
            "KBUILD_BUILD_HOST": "rootstream",
            "SOURCE_DATE_EPOCH": str(epoch),
        },
    )
    return Built(element=element, files=files, image=name)


def fragment_files(fragments: tuple[Fragment, ...]) -> tuple[PurePosixPath, dict[str, bytes]]:
    """Return the folder of the plan that holds the fragments, named by their content, and its files."""
    folder = (
        PurePosixPath("files")
        / f"kconfig-{short_hash([(f.shown, f.content.decode('latin1')) for f in fragments])}"
    )
    return folder, {str(folder / fragment.file): fragment.content for fragment in fragments}


def _modules(karch: str) -> tuple[str, ...]:
    pack = (
        "tar --format=pax --pax-option=delete=atime,delete=ctime --sort=name --owner=0 --group=0 "
        '--numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -C staging -cf "%{install-root}/kernel/modules.tar" .'
    )
    return (
        f'make -C {WORK}/tree ARCH={karch} INSTALL_MOD_PATH="$PWD/staging" INSTALL_MOD_STRIP=1 modules_install',
        "rm -f staging/lib/modules/*/build staging/lib/modules/*/source",
        pack,
    )
