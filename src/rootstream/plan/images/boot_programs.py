"""Programs that start systems and that the build base has not: fetched for those images only that need them."""

from __future__ import annotations

from rootstream.description.model import Debian
from rootstream.plan.model import Dependency, Element, Source
from rootstream.plan.sources import debian_packages

OPENSBI, ISOLINUX = "opensbi.bst", "isolinux.bst"
FIRMWARE, STUBS, LOADERS = "/opensbi", "/boot-stub", "/boot-loader"
# Debian's word for an architecture, and systemd's EFI stub for it.
EFI = {
    "x86_64": ("amd64", "linuxx64.efi.stub"),
    "aarch64": ("arm64", "linuxaa64.efi.stub"),
    "riscv64": ("riscv64", "linuxriscv64.efi.stub"),
}


def stub_element(debian: Debian, arch: str) -> Element:
    """Return the element with the program that a kernel is joined with for UEFI."""
    return Element(
        name=_stub_name(arch),
        kind="import",
        description=f"The EFI stub of systemd for {arch}",
        sources=(_plain(debian_packages(debian, EFI[arch][0], ("systemd-boot-efi",))),),
    )


def stub(arch: str) -> Dependency:
    """Return the dependency on the stub."""
    return Dependency(element=_stub_name(arch), location=STUBS)


def stub_path(arch: str) -> str:
    """Return where the stub is in the sandbox."""
    return f"{STUBS}/usr/lib/systemd/boot/efi/{EFI[arch][1]}"


def opensbi_element(debian: Debian) -> Element:
    """Return the element with OpenSBI for every RISC-V."""
    return Element(
        name=OPENSBI,
        kind="import",
        description="OpenSBI, which starts kernels on RISC-V",
        sources=(_plain(debian_packages(debian, "amd64", ("opensbi",))),),
    )


def opensbi() -> Dependency:
    """Return the dependency on OpenSBI."""
    return Dependency(element=OPENSBI, location=FIRMWARE)


def opensbi_path(arch: str) -> str:
    """Return where OpenSBI is in the sandbox: fw_dynamic, which is told by QEMU what to start."""
    return f"{FIRMWARE}/usr/lib/{arch}-linux-gnu/opensbi/generic/fw_dynamic.bin"


def isolinux_element(debian: Debian) -> Element:
    """Return the element with what starts a CD, and what starts it from a disk, on a BIOS."""
    return Element(
        name=ISOLINUX,
        kind="import",
        description="isolinux",
        sources=(_plain(debian_packages(debian, "amd64", ("isolinux",))),),
    )


def isolinux() -> Dependency:
    """Return the dependency on isolinux."""
    return Dependency(element=ISOLINUX, location=LOADERS)


def isolinux_path() -> str:
    """Return the folder of isolinux's programs in the sandbox."""
    return f"{LOADERS}/usr/lib/ISOLINUX"


def _stub_name(arch: str) -> str:
    return f"efi-stub-{arch}.bst"


def _plain(source: Source) -> Source:
    """Return a package set as a source without what makes it a system."""
    return Source(
        kind=source.kind, words={**source.words, "fixups": False}, free=source.free, locked=source.locked
    )
