"""Rules of a description that go across words: each alone is right, together they are not."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator

from rootstream import disks
from rootstream.description import Described, System
from rootstream.errors import UserError, Where
from rootstream.images import (
    Disk,
    MakeCapsule,
    MakeDisk,
    MakeExt,
    MakeFiles,
    MakeFirmware,
    MakeInitramfs,
    MakeInitrd,
    MakeIso,
    MakeKernel,
    MakeSquashfs,
    MakeUimage,
    MakeUki,
    file_name,
)
from rootstream.layers import (
    GroupsLayer,
    PackagesLayer,
    PythonLayer,
    SecretsLayer,
    ServicesLayer,
    SshdLayer,
    UsersLayer,
)
from rootstream.located import Mapping, Node, at
from rootstream.machine import BY_FIRMWARE, CommandCheck, ConsoleCheck, HttpCheck, PortCheck
from rootstream.roots import FromBuildroot, FromBusybox, FromDebianPackages
from rootstream.system import RISCV, Model
from rootstream.units import show_size

UEFI = ("x86_64", "aarch64", "riscv64")
KERNEL_FILES = {"x86_64": "bzImage", "powerpc": "vmlinux"}
RESERVED = ("SHA256SUMS", "manifest.json")
KERNEL_PACKAGES = ("x86_64", "aarch64", "riscv64")
LEAST_MEMORY = 8 << 20
LEAST_SIZE = 64 << 10


def names(systems: list[Described], begins: dict[str, Where]) -> list[UserError]:
    """Return names that become one: SYSTEM@VARIANT is SYSTEM--VARIANT in elements. `begins` has their places."""
    taken: dict[str, str] = {}
    found = []
    for described in systems:
        first = taken.setdefault(described.slug, described.target)
        if first != described.target:
            message = f"{described.target} and {first} would have the same elements: rename one of them"
            found.append(UserError("duplicate-name", message, where=begins.get(described.name)))
    return found


def check(system: System, node: Node) -> list[UserError]:
    """Return every rule that a valid system breaks; `node` is its settled YAML."""
    words = (_architecture, _made_by, _layers, _files, _inside, _kernel, _packaged, _programs, _sizes, _boot)
    found = [problem for rule in (*words, _network, _accounts, _patterns) for problem in rule(system, node)]
    for number, image in enumerate(system.images):
        if isinstance(image, MakeDisk):
            found += disks.check(image.disk, node, ("images", number, "disk"))
            found += _started(system, image.disk, node, ("images", number, "disk"))
    return found


def _architecture(system: System, node: Node) -> Iterator[UserError]:
    """Yield an instruction set for a processor that has no such choice, and programs that do not run here."""
    if isinstance(system.root, FromDebianPackages) and system.arch != "x86_64":
        message = f"arch: a debian root for {system.arch} cannot be configured yet: its programs do not run here"
        hint = "Its packages' own scripts configure it on the machine that builds, which is x86_64."
        yield UserError("not-available", message, where=at(node, "arch"), hint=hint)
    if system.isa and system.arch not in RISCV:
        message = f"isa: only {' and '.join(RISCV)} have a choice, not {system.arch}"
        yield UserError("bad-value", message, where=at(node, "isa"))


_NATIVE = (MakeDisk, MakeUki, MakeIso, MakeCapsule, MakeUimage, MakeFirmware)


def _made_by(system: System, node: Node) -> Iterator[UserError]:
    """Yield what is Buildroot's to make and is asked of others, and the other way round."""
    ours = isinstance(system.root, FromBuildroot)
    if ours and system.kernel is not None:
        message = "kernel: the kernel of a buildroot root is built by Buildroot"
        hint = "Its version belongs into the defconfig, its configuration below `configs: linux:` of the root."
        yield UserError("bad-value", message, where=at(node, "kernel"), hint=hint)
    for number, image in enumerate(system.images):
        where = at(node, "images", number)
        if isinstance(image, MakeFiles) and not ours:
            yield UserError("bad-value", "files: only a buildroot root makes files of its own", where=where)
        if isinstance(image, MakeFirmware) and system.arch not in RISCV:
            yield UserError("bad-value", f"firmware: OpenSBI is for RISC-V, not for {system.arch}", where=where)
        if isinstance(image, _NATIVE) and ours:
            word = next(iter(type(image).model_fields))
            message = f"{word}: cannot be made from a buildroot root yet"
            hint = "Let Buildroot or a post_image script make it, and export it with `- files`."
            yield UserError("not-available", message, where=where, hint=hint)


# Layers that not every root can take: those that can.
_ROOTS: dict[type[Model], tuple[type[Model], ...]] = {
    SshdLayer: (FromBuildroot, FromDebianPackages),
    ServicesLayer: (FromBuildroot, FromDebianPackages, FromBusybox),
    PackagesLayer: (FromBusybox, FromDebianPackages, FromBuildroot),
    PythonLayer: (FromDebianPackages, FromBuildroot),
}
PACKAGES = ("make", "autotools", "cmake", "meson", "go", "cargo")  # how software is built on a root of ours
# What there is a compiler for that is not C's.
_ABLE = ("x86_64", "aarch64", "riscv64gc")
COMPILERS = {"go": ("Go", _ABLE), "cargo": ("Rust", _ABLE)}


def _layers(system: System, node: Node) -> Iterator[UserError]:
    """Yield layers that a root cannot take yet, and services that wait for others that are not there."""
    for number, layer in enumerate(system.layers):
        word = next(iter(type(layer).model_fields))
        able = _ROOTS.get(type(layer))
        if able and not isinstance(system.root, able):
            names = " and ".join(next(iter(root.model_fields)) for root in able)
            message = f"{word}: there is nothing for it on this root yet, only on {names}"
            yield UserError("not-available", message, where=at(node, "layers", number, word))
        if isinstance(layer, SecretsLayer) and isinstance(system.root, FromBuildroot):
            message = "secrets: Buildroot keeps all it builds in the project, where an overlay does the same"
            yield UserError("not-available", message, where=at(node, "layers", number, word))
        if isinstance(layer, PackagesLayer) and not isinstance(system.root, FromBuildroot):
            yield from _packages(system, layer, node, ("layers", number, word))
        if isinstance(layer, PythonLayer) and not _installs(layer):
            message = "python: nothing to install; name packages below `install` or files below `requirements`"
            yield UserError("bad-value", message, where=at(node, "layers", number, word))
        if isinstance(layer, PythonLayer) and isinstance(system.root, FromBuildroot):
            yield from _python_on_buildroot(layer, at(node, "layers", number, word))
        if isinstance(layer, ServicesLayer):
            others = [service.name for service in layer.services]
            for index, service in enumerate(layer.services):
                where = at(node, "layers", number, word, index)
                for name in (each for each in service.after if each not in others[:index]):
                    message = f"services: {service.name} is after {name}, which is not before it in this list"
                    yield UserError("bad-value", message, where=where)


def _python_on_buildroot(layer: PythonLayer, where: Where) -> Iterator[UserError]:
    """Yield what cannot be there: Buildroot itself builds what is no wheel, and only its tree has the version."""
    wanted = layer.python
    if wanted.version is None:
        message = "python: the version of Buildroot's Python is missing"
        hint = 'For example `version: "3.13"`; PYTHON3_VERSION_MAJOR in its package/python3/python3.mk has it.'
        yield UserError("python-unknown", message, where=where, hint=hint)
    if wanted.from_source or wanted.git or wanted.build_requires or wanted.build_packages:
        message = "python: Buildroot takes wheels here, and builds sources as packages of its own"
        hint = "For example `- packages: [{name: x, source: x, build: python}]`, or BR2_PACKAGE_PYTHON_...=y."
        yield UserError("not-available", message, where=where, hint=hint)


def _installs(layer: PythonLayer) -> bool:
    wanted = layer.python
    return bool(wanted.install or wanted.requirements or wanted.from_source or wanted.git)


def _packages(
    system: System, layer: PackagesLayer, node: Node, path: tuple[str | int, ...]
) -> Iterator[UserError]:
    """Yield software that cannot be built on a root of ours, or needs what is not there."""
    before: list[str] = []
    for index, package in enumerate(layer.packages):
        where = at(node, *path, index)
        if package.build not in PACKAGES:
            message = f"build: {package.build} is not possible on this root yet, only {', '.join(PACKAGES)}"
            yield UserError("not-available", message, where=at(node, *path, index, "build"))
        language, able = COMPILERS.get(package.build, ("", (system.label,)))
        if system.label not in able:
            message = f"build: Debian has no {language} for {system.label}, only for {', '.join(able)}"
            yield UserError("not-available", message, where=at(node, *path, index, "build"))
        if package.build == "cargo" and package.depends:
            message = (
                f"depends: {package.name} is Rust with a C library of its own: it cannot link what others build"
            )
            hint = "Let it bring C sources along as crates do, or start the other as a program."
            yield UserError("bad-value", message, where=at(node, *path, index, "depends"), hint=hint)
        if package.name in before:
            message = f"packages: there are two of the name {package.name!r}"
            yield UserError("duplicate-name", message, where=where)
        for name in (each for each in package.depends if each not in before):
            message = f"packages: {package.name} needs {name}, which is not before it in this list"
            hint = "On this root, packages can only need one another."
            yield UserError("bad-value", message, where=where, hint=hint)
        before.append(package.name)


def _files(system: System, node: Node) -> Iterator[UserError]:
    """Yield images whose file has the name of another."""
    taken: dict[str, int] = {}
    for number, image in enumerate(system.images):
        kind = type(image).__name__.removeprefix("Make").lower()
        kernel = "vmlinuz" if system.kernel and system.kernel.package else KERNEL_FILES.get(system.arch, "Image")
        name = file_name(image, kernel, system.label)
        where = at(node, "images", number, kind, "name")
        if name in RESERVED:
            yield UserError("name-taken", f"{name!r} is a file that every export has", where=where)
        elif name and name in taken:
            message = f"two images are called {name!r}; the other is number {taken[name] + 1}"
            yield UserError("name-taken", message, where=where, hint=f"Give one a `name:` below `{kind}:`.")
        taken.setdefault(name, number)


def _inside(system: System, node: Node) -> Iterator[UserError]:
    """Yield what is to be inside another image but is not made, and kernels that cannot be linked again."""
    kinds: dict[str, type[Model]] = {"ext": MakeExt, "initramfs": MakeInitramfs}
    for number, image in enumerate(system.images):
        if isinstance(image, MakeUimage) and image.uimage.type != "kernel":
            wanted = image.uimage.ramdisk
            if not any(isinstance(other, kinds[wanted]) for other in system.images):
                where = at(node, "images", number, "uimage", "ramdisk")
                message = f"ramdisk: the system makes no {wanted}"
                yield UserError("image-needed", message, where=where, hint=f"Add `- {wanted}` to the images.")
        if isinstance(image, MakeCapsule) and system.arch not in RISCV:
            message = f"capsule: there is none for {system.arch} yet, only for {' and '.join(RISCV)}"
            yield UserError("not-available", message, where=at(node, "images", number))


def _kernel(system: System, node: Node) -> Iterator[UserError]:
    """Yield images that need a kernel where there is none."""
    if system.kernel is not None or isinstance(system.root, FromBuildroot):
        return
    empty = isinstance(node, Mapping) and "kernel" in node.entries
    hint = "Write `kernel: {}` for a kernel with the defaults." if empty else "Add `kernel: {}` to the system."
    for number, image in enumerate(system.images):
        kind = "a kernel" if isinstance(image, MakeKernel) else None
        kind = "an initramfs" if isinstance(image, MakeInitramfs) else kind
        kind = "a capsule" if isinstance(image, MakeCapsule) else kind
        if isinstance(image, MakeUimage) and image.uimage.type != "ramdisk":
            kind = "a uimage"
        kind = "an ISO image" if isinstance(image, MakeIso) else kind
        kind = "a unified kernel image" if isinstance(image, MakeUki) else kind
        if isinstance(image, MakeDisk) and image.disk.loader != "none":
            kind = f"a disk with {image.disk.loader}"
        if kind:
            message = f"{kind} needs a kernel, and this system has none"
            yield UserError("kernel-needed", message, where=at(node, "images", number), hint=hint)


def _packaged(system: System, node: Node) -> Iterator[UserError]:
    """Yield what cannot be done with a kernel that Debian has built, and what only such a kernel has."""
    packaged = system.kernel is not None and system.kernel.package is not None
    if system.kernel is not None and packaged:
        for word in sorted(system.kernel.model_fields_set - {"debian"}):
            message = f"{word}: has no meaning for a kernel that is not compiled: `debian` takes a package"
            hint = "Leave it out, or leave `debian` out: then the kernel is built from source."
            yield UserError("bad-value", message, where=at(node, "kernel", word), hint=hint)
        if system.arch not in KERNEL_PACKAGES:
            message = (
                f"debian: there is no kernel package for {system.arch}, only for {', '.join(KERNEL_PACKAGES)}"
            )
            yield UserError("not-available", message, where=at(node, "kernel", "debian"))
    mounts = any(isinstance(image, MakeInitrd) for image in system.images)
    for number, image in enumerate(system.images):
        where = at(node, "images", number)
        if isinstance(image, MakeInitrd) and not packaged:
            message = (
                "initrd: it loads the modules of a kernel package, `kernel: {debian: ...}`, and there is none"
            )
            hint = "A kernel from source has the drivers for its root inside."
            yield UserError("bad-value", message, where=where, hint=hint)
        if packaged and isinstance(image, MakeCapsule | MakeUimage):
            word = next(iter(type(image).model_fields))
            message = f"{word}: only a kernel from source can be in it, not a kernel package"
            yield UserError("not-available", message, where=where)
    for number, kind in enumerate(system.machine.boot or ()):
        if packaged and kind in ("ext", "squashfs") and not mounts:
            message = f"boot: {kind} needs an initrd: the drivers of this kernel are modules"
            where = at(node, "machine", "boot", number)
            yield UserError("image-needed", message, where=where, hint="Add `- initrd` to the images.")


def _sizes(system: System, node: Node) -> Iterator[UserError]:
    """Yield sizes that are too small: a number without a unit means bytes."""
    sizes: list[tuple[int | None, int, tuple[str | int, ...]]] = [
        (system.machine.memory, LEAST_MEMORY, ("machine", "memory"))
    ]
    for number, drive in enumerate(system.machine.disks):
        sizes.append((drive.size, LEAST_SIZE, ("machine", "disks", number, "size")))
    for number, image in enumerate(system.images):
        if isinstance(image, MakeExt):
            sizes.append((image.ext.size, LEAST_SIZE, ("images", number, "ext", "size")))
        if isinstance(image, MakeDisk):
            for part, partition in enumerate(image.disk.partitions):
                steps = ("images", number, "disk", "partitions", part, "size")
                sizes.append((partition.size, LEAST_SIZE, steps))
    for size, least, path in sizes:
        if size is not None and size < least:
            message = f"{path[-1]}: {show_size(size)} is too little, the least is {show_size(least)}"
            hint = "A number alone means bytes: write 512M for megabytes."
            yield UserError("bad-value", message, where=at(node, *path), hint=hint)


def _started(system: System, disk: Disk, node: Node, path: tuple[str | int, ...]) -> Iterator[UserError]:
    """Yield what a disk's boot loader lacks in the rest of the system."""
    if disk.initramfs:
        where = at(node, *path, "initramfs")
        if disk.loader == "none":
            message = "initramfs: there is no boot loader on this disk that could load it"
            yield UserError("bad-value", message, where=where)
        elif not any(isinstance(image, MakeInitramfs) for image in system.images):
            message = "initramfs: the system makes no initramfs"
            yield UserError("image-needed", message, where=where, hint="Add `- initramfs` to the images.")
    if disk.loader == "uki":
        if system.arch not in UEFI:
            message = f"bootloader: there is no UEFI for {system.arch}, only for {', '.join(UEFI)}"
            yield UserError("not-available", message, where=at(node, *path, "bootloader"))
        if system.machine.firmware == "bios":
            message = "firmware: uki starts from UEFI, not from bios"
            yield UserError("bad-value", message, where=at(node, "machine", "firmware"))
    if disk.loader == "syslinux":
        if system.arch != "x86_64":
            message = f"syslinux starts x86_64 machines only, not {system.arch}"
            yield UserError("bad-value", message, where=at(node, *path, "bootloader"))
        if system.machine.firmware == "uefi":
            message = "firmware: syslinux starts from BIOS, not from uefi"
            yield UserError("bad-value", message, where=at(node, "machine", "firmware"))


def _programs(system: System, node: Node) -> Iterator[UserError]:
    """Yield what an image that is started as one program lacks."""
    for number, image in enumerate(system.images):
        if not isinstance(image, MakeUki | MakeIso):
            continue
        where = at(node, "images", number)
        kind = "iso" if isinstance(image, MakeIso) else "uki"
        if system.arch not in UEFI:
            message = f"{kind}: there is no UEFI for {system.arch}, only for {', '.join(UEFI)}"
            yield UserError("not-available", message, where=where)
        wanted = isinstance(image, MakeIso) or image.uki.initramfs
        if wanted and not any(isinstance(other, MakeInitramfs) for other in system.images):
            message = f"{kind}: its root is the system's initramfs, and the system makes none"
            yield UserError("image-needed", message, where=where, hint="Add `- initramfs` to the images.")
        if isinstance(image, MakeUki) and system.machine.firmware == "bios":
            message = "firmware: uki starts from UEFI, not from bios"
            yield UserError("bad-value", message, where=at(node, "machine", "firmware"))


def _collects(system: System) -> bool:
    """Say whether Buildroot decides which files there are."""
    return any(isinstance(image, MakeFiles) for image in system.images)


def _boot(system: System, node: Node) -> Iterator[UserError]:
    """Yield what is to be booted but is not made, or cannot boot."""
    kinds: dict[str, type[Model]] = {
        "disk": MakeDisk,
        "iso": MakeIso,
        "uki": MakeUki,
        "initramfs": MakeInitramfs,
        "ext": MakeExt,
        "squashfs": MakeSquashfs,
        "capsule": MakeCapsule,
    }
    for number, kind in enumerate(system.machine.boot or ()):
        where = at(node, "machine", "boot", number)
        if kind == "capsule" and isinstance(system.root, FromBuildroot):
            yield from _capsule(system, where)
            continue
        made = [image for image in system.images if isinstance(image, kinds[kind])]
        if not made and not _collects(system):
            hint = f"Add `- {kind}` to the images."
            yield UserError("image-needed", f"boot: the system makes no {kind}", where=where, hint=hint)
        elif kind not in BY_FIRMWARE and system.kernel is None and not isinstance(system.root, FromBuildroot):
            yield UserError("kernel-needed", f"boot: {kind} needs a kernel, and this system has none", where=where)
        elif made and all(isinstance(image, MakeDisk) and image.disk.loader == "none" for image in made):
            yield UserError("bad-value", "boot: the disk has no boot loader", where=where)
    bootable = any(isinstance(image, tuple(kinds.values())) for image in system.images)
    bootable = bootable or "capsule" in (system.machine.boot or ())
    if system.checks and not bootable and not _collects(system):
        message = "checks: no image of this system can be booted"
        hint = f"Make one of: {', '.join(kinds)}."
        yield UserError("image-needed", message, where=at(node, "checks"), hint=hint)
    if system.arch != "x86_64" and system.machine.firmware == "bios":
        message = f"firmware: {system.arch} machines have no BIOS"
        yield UserError("bad-value", message, where=at(node, "machine", "firmware"))


def _capsule(system: System, where: Where) -> Iterator[UserError]:
    """Yield why there is no kernel of Buildroot's, which may have its root inside."""
    if not _collects(system) and not any(isinstance(image, MakeKernel) for image in system.images):
        message = "boot: the system exports no kernel"
        yield UserError("image-needed", message, where=where, hint="Add `- kernel` to the images.")


def _network(system: System, node: Node) -> Iterator[UserError]:
    """Yield ports forwarded twice, and what needs a network card where there is none."""
    taken: set[int] = set()
    for number, nic in enumerate(system.machine.nics):
        for port in nic.forward:
            where = at(node, "machine", "nics", number, "forward", port)
            if port in taken:
                yield UserError("port-taken", f"forward: port {port} of this host is forwarded twice", where=where)
            taken.add(port)
        if nic.forward and nic.model == "none":
            where = at(node, "machine", "nics", number, "forward")
            yield UserError("bad-value", "forward: there is no card to forward to (model: none)", where=where)
    if not any(nic.model != "none" for nic in system.machine.nics):
        for number, item in enumerate(system.checks):
            if isinstance(item, PortCheck | HttpCheck):
                message = "this check needs a network card, and the machine has none"
                yield UserError("bad-value", message, where=at(node, "checks", number))


def _accounts(system: System, node: Node) -> Iterator[UserError]:
    """Yield accounts made twice, and numbers that two of them have."""
    users: dict[str | int, str] = {}
    groups: dict[str | int, str] = {}
    for number, layer in enumerate(system.layers):
        if isinstance(layer, UsersLayer):
            for index, user in enumerate(layer.users):
                path = ("layers", number, "users", index)
                if user.name == "root":
                    message = "root is no account to make"
                    hint = "Its password and keys are set by `- root_login:`."
                    yield UserError("bad-value", message, where=at(node, *path, "name"), hint=hint)
                yield from _once(users, "user", user.name, user.uid, node, (*path, "uid"))
        if isinstance(layer, GroupsLayer):
            for index, group in enumerate(layer.groups):
                path = ("layers", number, "groups", index)
                yield from _once(groups, "group", group.name, group.gid, node, (*path, "gid"))


def _once(
    taken: dict[str | int, str], kind: str, name: str, number: int | None, node: Node, path: tuple[str | int, ...]
) -> Iterator[UserError]:
    if name in taken:
        where = at(node, *path[:-1], "name")
        yield UserError("duplicate-name", f"the {kind} {name!r} is made twice", where=where)
    elif number is not None and number in taken:
        message = f"{path[-1]}: {number} is the number of {taken[number]!r} already"
        yield UserError("duplicate-name", message, where=at(node, *path))
    taken[name] = name
    if number is not None:
        taken.setdefault(number, name)


def _patterns(system: System, node: Node) -> Iterator[UserError]:
    """Yield what is no regular expression but should be one."""
    for number, item in enumerate(system.checks):
        patterns: list[tuple[str | None, tuple[str, ...]]] = []
        if isinstance(item, ConsoleCheck) and item.regex:
            patterns.append((item.console, ("console",)))
        if isinstance(item, CommandCheck):
            patterns.append((item.output, ("output",)))
        if isinstance(item, HttpCheck):
            patterns.append((item.http.body, ("http", "body")))
        for pattern, path in patterns:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of what another Python may read otherwise
                    re.compile(pattern or "")
            except (re.error, OverflowError, RecursionError) as error:
                message = f"{path[-1]}: not a regular expression: {error}"
                yield UserError("bad-value", message, where=at(node, "checks", number, *path))
