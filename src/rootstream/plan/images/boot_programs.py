"""Programs that start systems and that the build base has not: fetched for those images only that need them."""

from __future__ import annotations

import shlex

from rootstream.architectures import ARCHITECTURES, HOST, Architecture
from rootstream.description.model import Debian
from rootstream.plan.images.base import Context, loaded
from rootstream.plan.model import Dependency, Element, Source
from rootstream.plan.sources import debian_packages

OPENSBI, ISOLINUX = "opensbi.bst", "isolinux.bst"
FIRMWARE, STUBS, LOADERS = "/opensbi", "/boot-stub", "/boot-loader"


def stub_element(debian: Debian, arch: Architecture) -> Element:
    """Return the element with the program that a kernel is joined with for UEFI."""
    return Element(
        name=_stub_name(arch),
        kind="import",
        description=f"The EFI stub of systemd for {arch}",
        ships="packages",
        sources=(_plain(debian_packages(debian, ARCHITECTURES[arch].debian_word, ("systemd-boot-efi",))),),
    )


def stub(arch: Architecture) -> Dependency:
    """Return the dependency on the stub."""
    return Dependency(element=_stub_name(arch), location=STUBS)


def stub_path(arch: Architecture) -> str:
    """Return where the stub is in the sandbox."""
    uefi = ARCHITECTURES[arch].uefi
    assert uefi is not None  # noqa: S101  (the description's rules look)
    return f"{STUBS}/usr/lib/systemd/boot/efi/{uefi.stub}"


def stub_of(context: Context) -> tuple[tuple[Element, Dependency], ...]:
    """Return the stub for a system, with where it is staged."""
    return ((stub_element(context.debian, context.arch), stub(context.arch)),)


def started(context: Context) -> list[str]:
    """Return the words for a program that is a kernel with its arguments, joined with the stub."""
    words = [f"--stub {stub_path(context.arch)}", f"--kernel /kernel/{context.kernel_file}"]
    words += ["--arguments spec/arguments", f"--name {shlex.quote(context.slug)}"]
    return [*words, *loaded(context)]


def opensbi_element(debian: Debian) -> Element:
    """Return the element with OpenSBI for every RISC-V."""
    return Element(
        name=OPENSBI,
        kind="import",
        description="OpenSBI, which starts kernels on RISC-V",
        ships="packages",
        sources=(_plain(debian_packages(debian, ARCHITECTURES[HOST].debian_word, ("opensbi",))),),
    )


def opensbi() -> Dependency:
    """Return the dependency on OpenSBI."""
    return Dependency(element=OPENSBI, location=FIRMWARE)


def opensbi_path(arch: Architecture) -> str:
    """Return where OpenSBI is in the sandbox: fw_dynamic, which is told by QEMU what to start."""
    return f"{FIRMWARE}/usr/{ARCHITECTURES[arch].opensbi}"


def isolinux_element(debian: Debian) -> Element:
    """Return the element with what starts a CD, and what starts it from a disk, on a BIOS."""
    return Element(
        name=ISOLINUX,
        kind="import",
        description="isolinux",
        ships="packages",
        sources=(_plain(debian_packages(debian, ARCHITECTURES[HOST].debian_word, ("isolinux",))),),
    )


def isolinux() -> Dependency:
    """Return the dependency on isolinux."""
    return Dependency(element=ISOLINUX, location=LOADERS)


def isolinux_path() -> str:
    """Return the folder of isolinux's programs in the sandbox."""
    return f"{LOADERS}/usr/lib/ISOLINUX"


def _stub_name(arch: Architecture) -> str:
    return f"efi-stub-{arch}.bst"


def _plain(source: Source) -> Source:
    """Return a package set as a source without what makes it a system."""
    return Source(
        kind=source.kind, words={**source.words, "fixups": False}, free=source.free, locked=source.locked
    )
