"""The build base: one pinned set of Debian packages that holds compilers and image tools."""

from __future__ import annotations

from rootstream.architectures import ARCHITECTURES, HOST
from rootstream.description.model import Debian
from rootstream.plan.model import Element
from rootstream.plan.sources import debian_packages

NAME = "base.bst"
FOR_BUILDROOT = "base-buildroot.bst"

# What apt would take as given on a running Debian.
ESSENTIAL = (
    "base-files",
    "base-passwd",
    "bash",
    "coreutils",
    "dash",
    "debianutils",
    "diffutils",
    "findutils",
    "grep",
    "gzip",
    "hostname",
    "libc-bin",
    "login",
    "mawk",
    "ncurses-base",
    "ncurses-bin",
    "perl-base",
    "sed",
    "sysvinit-utils",
    "tar",
    "util-linux",
)
COMPILING = (
    "bc",
    "binutils",
    "bison",
    "bzip2",
    "cpio",
    "file",
    "flex",
    "gawk",
    "gcc",
    "kmod",
    "libc6-dev",
    "libelf-dev",
    "libssl-dev",
    "linux-libc-dev",
    "m4",
    "make",
    "patch",
    "perl",
    "pkgconf",
    "python3",
    "rsync",
    "xz-utils",
    "zstd",
)
IMAGES = (
    "dosfstools",
    "e2fsprogs",
    "fdisk",
    "libarchive-tools",
    "libarchive13t64",
    "mtools",
    "squashfs-tools-ng",
    "syslinux",
    "syslinux-common",
)
# What Buildroot requires of a host beside these (its manual, "System requirements"); the base has no network.
REQUIRED_BY_BUILDROOT = ("g++", "unzip", "wget")


def packages(debian: Debian) -> tuple[str, ...]:
    """Return the packages that the base is made of."""
    return (*ESSENTIAL, *COMPILING, *IMAGES, *debian.packages)


def element(debian: Debian) -> Element:
    """Return the base as an element, for a host of the sandbox's own architecture."""
    return Element(
        name=NAME,
        kind="import",
        description="Compilers and image tools: a pinned set of Debian packages",
        sources=(debian_packages(debian, ARCHITECTURES[HOST].debian_word, packages(debian)),),
    )


def for_buildroot(debian: Debian) -> Element:
    """Return the base that packages of Buildroot are built in."""
    wanted = (*ESSENTIAL, *COMPILING, *REQUIRED_BY_BUILDROOT, *debian.packages)
    return Element(
        name=FOR_BUILDROOT,
        kind="import",
        description="What Buildroot requires of a host: a pinned set of Debian packages",
        sources=(debian_packages(debian, ARCHITECTURES[HOST].debian_word, wanted),),
    )
