"""Layer `packages` on a root of ours: software from folders of the project, compiled for the system's processor.

Each package is an element of its own, linked statically (C with musl, Rust with glibc), so that it runs on every
root; what others only need to compile with it (headers, libraries) stays out of the image.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rootstream.architectures import ARCHITECTURES, HOST
from rootstream.description.layers import Layer, PackagesLayer, SourcePackage
from rootstream.description.model import Debian
from rootstream.host.content import Content
from rootstream.plan import toolchain
from rootstream.plan.model import Dependency, Element, Json, short_hash
from rootstream.plan.roots.busybox import SYSROOT
from rootstream.plan.software import rust
from rootstream.plan.sources import MAKE_WORK, TARBALL, WORK, compiling, local
from rootstream.plan.toolchain import Toolchain

STAGING = "/staging"
FLAGS = "-Os -pipe"
TREE = f"{WORK}/tree"
INSTALL = 'DESTDIR="%{install-root}"'
# What each way of building wants beside the base: a package of Debian.
TOOLS = {"cmake": "cmake", "meson": "meson", "go": "golang-go", "cargo": rust.TOOL}
WITHOUT_MUSL = ("go", "cargo")
# Packages of Debian with the libraries that programs are linked with statically.
LINKED = {"go": ("golang-*-src",), "cargo": rust.LINKED}


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagesBuild:
    """Elements of all packages, the files beside them, and by name the elements whose files go into the root."""

    elements: tuple[Element, ...]
    files: Mapping[str, Content]
    roots: Mapping[str, str]


def wanted(layers: tuple[Layer, ...]) -> tuple[SourcePackage, ...]:
    """Return the packages that layers ask for."""
    return tuple(each for layer in layers if isinstance(layer, PackagesLayer) for each in layer.packages)


def archive_path(package: SourcePackage) -> str:
    """Return where a plan has the folder of a package."""
    return f"files/package-{package.name}-{short_hash(package.source)}/{TARBALL}"


def packages(
    described: tuple[SourcePackage, ...],
    trees: Mapping[str, Content],
    tools: Toolchain,
    libc: Element,
    debian: Debian,
    epoch: int,
) -> PackagesBuild:
    """Return the elements of packages in their order; `trees` holds their folders as archives."""
    made: dict[str, Element] = {}
    beside: list[Element] = []
    files: dict[str, Content] = {}
    for package in described:
        path = archive_path(package)
        files[path] = trees[package.source]
        builder = toolchain.beside(TOOLS[package.build], debian) if package.build in TOOLS else None
        library = rust.library(tools, debian) if package.build == "cargo" else None
        beside += [each for each in (builder, library) if each]
        needs = (
            *tools.builds_with(),
            *((Dependency(element=builder.name),) if builder else ()),
            *rust.builds_with(library),
            *((Dependency(element=libc.name),) if package.build not in WITHOUT_MUSL else ()),
            *(Dependency(element=made[name].name, location=STAGING) for name in package.depends),
        )
        made[package.name] = _element(package, path, needs, tools, epoch)
    shown = {name: _visible(name, element, tools) for name, element in made.items()}
    return PackagesBuild(
        elements=(*beside, *made.values(), *shown.values()),
        files=files,
        roots={name: element.name for name, element in shown.items()},
    )


def _element(
    package: SourcePackage, path: str, needs: tuple[Dependency, ...], tools: Toolchain, epoch: int
) -> Element:
    commands = (
        MAKE_WORK,
        f"tar -xf {TARBALL} -C {WORK} --no-same-owner && rm {TARBALL}",
        *_BUILDS[package.build](package, tools),
        # Only programs: stripping a library would take what others link with.
        f'find "%{{install-root}}" -type f -perm /111 -exec {tools.prefix}strip {{}} + 2> /dev/null || true',
    )
    identity = short_hash(commands, path, [each.element for each in needs], epoch)
    return Element(
        name=f"package-{package.name}-{tools.label}-{identity}.bst",
        kind="manual",
        description=f"{package.name} for {tools.label}, from {package.source}",
        builds_with=needs,
        sources=(local(path),),
        commands=commands,
        links=LINKED.get(package.build, ()),
        variables={"strip-binaries": ""},
        environment={
            "SOURCE_DATE_EPOCH": str(epoch),
            "PKG_CONFIG_SYSROOT_DIR": STAGING,
            "PKG_CONFIG_LIBDIR": f"{STAGING}/usr/lib/pkgconfig:{STAGING}/usr/share/pkgconfig",
        },
    )


def _visible(name: str, made: Element, tools: Toolchain) -> Element:
    """Return what of a package is in the image: not its headers, static libraries and manuals."""
    return Element(
        name=f"files-{made.name}",
        kind="compose",
        description=f"What of {name} is in an image of {tools.label}",
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
        compiling(f'make -C {TREE} -j"$JOBS" {words}'),
        f"make -C {TREE} {words} {INSTALL} install",
    )


def _autotools(package: SourcePackage, tools: Toolchain) -> tuple[str, ...]:
    places = ("--prefix=/usr", "--sysconfdir=/etc", "--localstatedir=/var", "--mandir=/usr/share/man")
    kinds = ("--disable-shared", "--enable-static", "--disable-dependency-tracking", "--disable-nls")
    machines = (f"--build={ARCHITECTURES[HOST].triplet}", f"--host={tools.row.name}-linux-musl")
    words = shlex.join((*machines, *places, *kinds, *package.options, *_words(tools)))
    lacking = f"{package.source}: there is no configure: run `autoreconf -fi` in the folder, or unpack a release"
    return (
        f"[ -x {TREE}/configure ] || {{ echo {shlex.quote(lacking)} >&2; exit 2; }}",
        compiling(f"cd {TREE} && ./configure {words}"),
        compiling(f'make -C {TREE} -j"$JOBS"'),
        f"make -C {TREE} {INSTALL} install",
    )


def _cmake(package: SourcePackage, tools: Toolchain) -> tuple[str, ...]:
    told = {
        "CMAKE_SYSTEM_NAME": "Linux",
        "CMAKE_SYSTEM_PROCESSOR": tools.row.name,
        "CMAKE_C_COMPILER": f"{SYSROOT}/bin/musl-gcc",
        "CMAKE_AR": f"/usr/bin/{tools.prefix}ar",
        "CMAKE_RANLIB": f"/usr/bin/{tools.prefix}ranlib",
        "CMAKE_C_FLAGS": FLAGS,
        "CMAKE_EXE_LINKER_FLAGS": "-static",
        "CMAKE_INSTALL_PREFIX": "/usr",
        "CMAKE_INSTALL_LIBDIR": "lib",
        "CMAKE_PREFIX_PATH": f"{STAGING}/usr",
        "CMAKE_FIND_ROOT_PATH": STAGING,
        "CMAKE_FIND_ROOT_PATH_MODE_PROGRAM": "NEVER",
        "BUILD_SHARED_LIBS": "OFF",
    }
    words = shlex.join((*(f"-D{name}={value}" for name, value in told.items()), *package.options))
    return (
        compiling(f"cmake -S {TREE} -B {WORK}/build {words}"),
        compiling(f'cmake --build {WORK}/build -j"$JOBS"'),
        f"{INSTALL} cmake --install {WORK}/build",
    )


def _meson(package: SourcePackage, tools: Toolchain) -> tuple[str, ...]:
    binaries = {"c": f"{SYSROOT}/bin/musl-gcc", "ar": f"{tools.prefix}ar", "strip": f"{tools.prefix}strip"}
    machine = {"system": "linux", "cpu_family": tools.row.meson, "cpu": tools.row.name}
    linking = ["-static", f"-L{STAGING}/usr/lib"]
    sections: dict[str, dict[str, Json]] = {
        "binaries": {**binaries, "pkg-config": "pkg-config"},
        "built-in options": {"c_args": f"-I{STAGING}/usr/include", "c_link_args": linking},
        "host_machine": {**machine, "endian": tools.row.endian},
    }
    lines = []
    for section, values in sections.items():
        lines += [f"[{section}]", *(f"{name} = {json.dumps(value)}" for name, value in values.items())]
    cross = shlex.join(line.replace('"', "'") for line in lines)
    words = shlex.join(("--prefix=/usr", "--libdir=lib", "--default-library=static", *package.options))
    return (
        f"printf '%s\\n' {cross} > cross.txt",
        compiling(f"meson setup --cross-file cross.txt --buildtype=minsize {words} {WORK}/build {TREE}"),
        compiling(f'meson compile -C {WORK}/build -j "$JOBS"'),
        f'meson install -C {WORK}/build --no-rebuild --destdir "%{{install-root}}"',
    )


def _go(package: SourcePackage, tools: Toolchain) -> tuple[str, ...]:
    """Return how Go builds: without C, so static, and without a network: modules are in vendor/."""
    module = shlex.quote(package.module or package.name)
    settings = {
        "GOOS": "linux",
        "GOARCH": str(tools.isa.go),
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOPROXY": "off",
        "GOFLAGS": "-trimpath -buildvcs=false",
        "GOCACHE": "/tmp/go",  # noqa: S108  (in the sandbox)
        "GOPATH": "/tmp/gopath",  # noqa: S108
    }
    words = " ".join(f"{name}={shlex.quote(value)}" for name, value in settings.items())
    build = shlex.join(("go", "build", "-ldflags=-s -w -buildid=", *package.options, "-o"))
    return (
        f"cd {TREE} && {{ [ -e go.mod ] || {words} go mod init {module}; }}",
        compiling(f'cd {TREE} && {words} {build} "%{{install-root}}/usr/bin/{package.name}" .'),
    )


_BUILDS: Mapping[str, Callable[[SourcePackage, Toolchain], tuple[str, ...]]] = {
    "make": _make,
    "autotools": _autotools,
    "cmake": _cmake,
    "meson": _meson,
    "go": _go,
    "cargo": rust.commands,
}
