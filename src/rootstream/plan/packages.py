"""Layer `packages` on a root of ours: software from folders of the project, compiled for the system's processor.

Each package is an element of its own, linked statically with musl; what others only need to compile with it
(headers, libraries) stays out of the image.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from rootstream.layers import Layer, PackagesLayer, SourcePackage
from rootstream.plan.busybox import SYSROOT
from rootstream.plan.model import Dependency, Element, short_hash
from rootstream.plan.sources import MAKE_WORK, TARBALL, WORK, compiling, local
from rootstream.plan.toolchain import Toolchain

STAGING = "/staging"
FLAGS = "-Os -pipe"


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """Elements of all packages, the files beside them, and the elements whose files go into the root."""

    elements: tuple[Element, ...] = ()
    files: Mapping[str, bytes]
    roots: tuple[str, ...] = ()


def wanted(layers: tuple[Layer, ...]) -> tuple[SourcePackage, ...]:
    """Return the packages that layers ask for."""
    return tuple(each for layer in layers if isinstance(layer, PackagesLayer) for each in layer.packages)


def packages(
    described: tuple[SourcePackage, ...], trees: Mapping[str, bytes], tools: Toolchain, libc: Element, epoch: int
) -> Built:
    """Return the elements of packages in their order; `trees` holds their folders as archives."""
    made: dict[str, Element] = {}
    shown: list[Element] = []
    files: dict[str, bytes] = {}
    for package in described:
        path = f"files/package-{package.name}-{short_hash(package.source)}/{TARBALL}"
        files[path] = trees[package.source]
        needed = tuple(made[name] for name in package.depends)
        made[package.name] = _element(package, path, needed, tools, libc, epoch)
        shown.append(_visible(package, made[package.name], tools))
    return Built(elements=(*made.values(), *shown), files=files, roots=tuple(element.name for element in shown))


def _element(
    package: SourcePackage, path: str, needed: tuple[Element, ...], tools: Toolchain, libc: Element, epoch: int
) -> Element:
    commands = (
        MAKE_WORK,
        f"tar -xf {TARBALL} -C {WORK} --no-same-owner && rm {TARBALL}",
        *(_make(package, tools) if package.build == "make" else _autotools(package, tools)),
        # Only programs: stripping a library would take what others link with.
        f'find "%{{install-root}}" -type f -perm /111 -exec {tools.prefix}strip {{}} + 2> /dev/null || true',
    )
    identity = short_hash(commands, path, [each.name for each in needed], libc.name, epoch)
    return Element(
        name=f"package-{package.name}-{tools.label}-{identity}.bst",
        kind="manual",
        description=f"{package.name} for {tools.label}, from {package.source}",
        builds_with=(
            *tools.builds_with(),
            Dependency(element=libc.name),
            *(Dependency(element=each.name, location=STAGING) for each in needed),
        ),
        sources=(local(path),),
        commands=commands,
        variables={"strip-binaries": ""},
        environment={
            "SOURCE_DATE_EPOCH": str(epoch),
            "PKG_CONFIG_SYSROOT_DIR": STAGING,
            "PKG_CONFIG_LIBDIR": f"{STAGING}/usr/lib/pkgconfig:{STAGING}/usr/share/pkgconfig",
        },
    )


def _visible(package: SourcePackage, made: Element, tools: Toolchain) -> Element:
    """Return what of a package is in the image: not its headers, static libraries and manuals."""
    return Element(
        name=f"files-{made.name}",
        kind="compose",
        description=f"What of {package.name} is in an image of {tools.label}",
        builds_with=(Dependency(element=made.name),),
        config={"exclude": ["devel", "debug", "doc"]},
    )


def _words(tools: Toolchain) -> tuple[str, ...]:
    """Return the variables that name the compiler, as make and configure know them."""
    return (
        f"CC={SYSROOT}/bin/musl-gcc",
        f"AR={tools.prefix}ar",
        f"RANLIB={tools.prefix}ranlib",
        f"STRIP={tools.prefix}strip",
        f"CFLAGS={FLAGS}",
        f"CPPFLAGS=-I{STAGING}/usr/include",
        f"LDFLAGS=-static -L{STAGING}/usr/lib",
    )


def _make(package: SourcePackage, tools: Toolchain) -> tuple[str, ...]:
    words = shlex.join((*_words(tools), "PREFIX=/usr", "prefix=/usr", *package.options))
    return (
        compiling(f'make -C {WORK}/tree -j"$JOBS" {words}'),
        f'make -C {WORK}/tree {words} DESTDIR="%{{install-root}}" install',
    )


def _autotools(package: SourcePackage, tools: Toolchain) -> tuple[str, ...]:
    places = ("--prefix=/usr", "--sysconfdir=/etc", "--localstatedir=/var", "--mandir=/usr/share/man")
    kinds = ("--disable-shared", "--enable-static", "--disable-dependency-tracking", "--disable-nls")
    machines = ("--build=x86_64-linux-gnu", f"--host={tools.target}-linux-musl")
    words = shlex.join((*machines, *places, *kinds, *package.options, *_words(tools)))
    lacking = f"{package.source}: there is no configure: run `autoreconf -fi` in the folder, or unpack a release"
    return (
        f"[ -x {WORK}/tree/configure ] || {{ echo {shlex.quote(lacking)} >&2; exit 2; }}",
        compiling(f"cd {WORK}/tree && ./configure {words}"),
        compiling(f'make -C {WORK}/tree -j"$JOBS"'),
        f'make -C {WORK}/tree DESTDIR="%{{install-root}}" install',
    )
