"""Root `busybox`: musl and BusyBox from source, and the small tree of scripts that starts them."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from importlib import resources

from rootstream.description.roots import BusyboxRoot
from rootstream.plan import programs
from rootstream.plan.kernel.kconfig import Asked, Fragment, configure, still_right
from rootstream.plan.kernel.linux import fragment_files
from rootstream.plan.model import Dependency, Element, PreparedPlan, short_hash
from rootstream.plan.overlay import archive_of, collect
from rootstream.plan.sources import WORK, Unpacked, compiling, local
from rootstream.plan.toolchain import Toolchain

SYSROOT = "/opt/musl"
VERSION = f"{SYSROOT}/VERSION"
# Folders of kernel headers that musl does not have and BusyBox includes.
HEADERS = "linux asm-generic mtd rdma sound video"
FOLDERS = (
    "dev",
    "home",
    "mnt",
    "proc",
    "root",
    "run",
    "sys",
    "tmp",
    "var",
    "var/log",
    "var/spool",
    "etc/network",
)

LINKS = {
    "etc/mtab": "/proc/self/mounts",
    "etc/resolv.conf": "/run/resolv.conf",
    "sbin/halt": "poweroff",
    "sbin/reboot": "poweroff",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BusyboxBuild:
    """Elements of the root, the files beside them, the element whose files are the root, how it is configured."""

    elements: tuple[Element, ...]
    files: dict[str, bytes]
    root: str
    asked: Asked


def musl(tree: Unpacked, tools: Toolchain, epoch: int) -> Element:
    """Return musl as a sysroot in /opt/musl, static as all that use it, with the kernel's headers beside it."""
    configuring = f"../tree/configure --prefix={SYSROOT} --syslibdir={SYSROOT}/lib --disable-shared"
    commands = (
        *tree.commands,
        *(_compiler(tools) if tools.foreign else ()),
        f"cd {WORK} && mkdir build && cd build && {configuring}{_foreign_words(tools)}",
        compiling(f'make -C {WORK}/build -j"$JOBS"'),
        f'make -C {WORK}/build DESTDIR="%{{install-root}}" install',
        *(_wrapper(tools) if tools.foreign else ()),
        f'cd /usr/include && cp -rL --no-clobber {HEADERS} "%{{install-root}}{SYSROOT}/include/"',
        f'cp -rL --no-clobber /usr/include/{tools.row.triplet}/asm "%{{install-root}}{SYSROOT}/include/"',
        f'cp -rL --no-clobber /usr/include/scsi "%{{install-root}}{SYSROOT}/include/"',
        *(_note_version() if not _is_of_debian(tree) else ()),
    )
    return Element(
        name=f"musl-{tools.label}-{short_hash(commands, [s.request() for s in tree.sources], epoch)}.bst",
        kind="manual",
        description=f"The C library musl for {tools.label}, static",
        ships="musl",
        builds_with=tools.builds_libc_with(),
        sources=tree.sources,
        commands=commands,
        variables={"strip-binaries": ""},
        environment={"SOURCE_DATE_EPOCH": str(epoch)},
    )


def _is_of_debian(tree: Unpacked) -> bool:
    """Say whether a tree is a source package of Debian, whose version the lock has."""
    return any(source.kind == "debian_source" for source in tree.sources)


def _note_version() -> tuple[str, ...]:
    """Return the command that keeps the version that a tree gives itself (VERSION in its top folder)."""
    return (f'if [ -e {WORK}/tree/VERSION ]; then cp {WORK}/tree/VERSION "%{{install-root}}{VERSION}"; fi',)


def _compiler(tools: Toolchain) -> tuple[str, ...]:
    """Return the commands that make work/cc, the compiler with its flags, and work/target, what it links with."""
    flags = " ".join((f"{tools.prefix}gcc", *tools.isa.flags))
    commands = [
        f"mkdir -p {WORK}/target",
        f"printf '#!/bin/sh\\nexec %s \"$@\"\\n' '{flags}' > {WORK}/cc && chmod +x {WORK}/cc",
    ]
    if tools.isa.libgcc:
        # Static programs in C need nothing else of what gcc links with.
        commands += [
            f"cp /usr/lib/gcc/riscv64-unknown-elf/*/{tools.isa.libgcc}/libgcc.a {WORK}/target/",
            f"{WORK}/cc -c -x assembler /dev/null -o {WORK}/target/crtbeginS.o",
            f"{WORK}/cc -c -x assembler /dev/null -o {WORK}/target/crtendS.o",
            f"{tools.prefix}ar rcs {WORK}/target/libgcc_eh.a",
        ]
    return tuple(commands)


def _foreign_words(tools: Toolchain) -> str:
    if not tools.foreign:
        return ""
    words = f" --target={tools.row.name}-linux-musl --disable-wrapper CC=../cc"
    words += f" CROSS_COMPILE={tools.prefix}"
    return words + (" LIBCC=../target/libgcc.a" if tools.isa.libgcc else "")


def _wrapper(tools: Toolchain) -> tuple[str, ...]:
    """Return the commands that install musl-gcc, which musl itself can make for a compiler without flags only."""
    place = f"%{{install-root}}{SYSROOT}"
    found = (f"-B{SYSROOT}/lib/target/",) if tools.isa.libgcc else ()
    words = (f"{tools.prefix}gcc", *tools.isa.flags, *found, "-specs", f"{SYSROOT}/lib/musl-gcc.specs")
    specs = f"{WORK}/tree/tools/musl-gcc.specs.sh {SYSROOT}/include {SYSROOT}/lib {SYSROOT}/lib/ld-musl.so.1"
    return (
        f'cp -r {WORK}/target "{place}/lib/target" && mkdir -p "{place}/bin"',
        f'sh {specs} > "{place}/lib/musl-gcc.specs"',
        f"printf '#!/bin/sh\\nexec %s \"$@\"\\n' '{' '.join(words)}' > \"{place}/bin/musl-gcc\"",
        f'chmod +x "{place}/bin/musl-gcc"',
    )


def busybox(
    description: BusyboxRoot,
    tools: Toolchain,
    tree: Unpacked,
    libc: Element,
    fragments: tuple[Fragment, ...],
    epoch: int,
) -> BusyboxBuild:
    """Return BusyBox, linked statically with musl, installed as a tree of links."""
    folder, files = fragment_files(fragments)
    cross = "".join(f"{word} " for word in tools.make_words())
    words = f'-j"$JOBS" {cross}CC={SYSROOT}/bin/musl-gcc'
    making = f"make -C {WORK}/tree {words}"
    asked = Asked(
        kind="busybox",
        arch=tools.row.name,
        base=description.base,
        fragments=fragments,
        optional=description.optional,
        words=tools.make_words(),
        static=True,
    )
    preparing = (*tree.commands, configure(asked))
    commands = (
        *preparing,
        f"{making} SKIP_STRIP=n",
        still_right(),
        _require_static(),
        f'{making} CONFIG_PREFIX="%{{install-root}}" install',
        'mkdir -p "%{install-root}/usr/share/rootstream"',
        f'cp {WORK}/tree/.config "%{{install-root}}/usr/share/rootstream/busybox.config"',
        *(_take_version() if any(VERSION in command for command in libc.commands) else ()),
    )
    identity = short_hash(commands, [s.request() for s in tree.sources], str(folder), epoch)
    element = Element(
        name=f"busybox-{tools.label}-{identity}.bst",
        kind="manual",
        description=f"BusyBox for {tools.label}, static, on musl",
        builds_with=(
            *tools.builds_with(),
            Dependency(element=programs.KCONFIG),
            Dependency(element=libc.name),
        ),
        sources=(*tree.sources, *((local(str(folder), directory="fragments"),) if files else ())),
        commands=commands,
        prepared=PreparedPlan(commands=len(preparing), folder=f"{WORK}/tree", make=f"make {words}"),
        ships="busybox",
        variables={"strip-binaries": ""},
        environment={
            "SOURCE_DATE_EPOCH": str(epoch),
            "KCONFIG_NOTIMESTAMP": "1",
        },
    )
    return BusyboxBuild(elements=(libc, element), files=files, root=element.name, asked=asked)


def _take_version() -> tuple[str, ...]:
    """Return the command that puts the C library's version beside the configuration, to be listed."""
    return (f'if [ -e {VERSION} ]; then cp {VERSION} "%{{install-root}}/usr/share/rootstream/musl.version"; fi',)


def _require_static() -> str:
    """Return the command that refuses a BusyBox whose C library would have to be in the image, and is not."""
    told = (
        "rootstream: error busybox-not-static: BusyBox is not linked statically, and no C library is in the image"
    )
    ways = "rootstream:     CONFIG_STATIC=y in a fragment links it so"
    looked = f"readelf -lW {WORK}/tree/busybox | grep -q INTERP"
    return f"if {looked}; then printf '%s\\n' {shlex.quote(told)} {shlex.quote(ways)} >&2; exit 2; fi"


def skeleton(description: BusyboxRoot, epoch: int) -> bytes:
    """Return the scripts and account files of the root as a tar archive, the first thing laid over it."""
    files: dict[str, tuple[int, bytes]] = {}
    collect(resources.files("rootstream.recipes") / "busybox" / "skeleton", "", files)
    files["etc/inittab"] = (0o644, inittab(description).encode())
    if description.network == "none":
        for path in [path for path in files if path.endswith("S40network")]:
            del files[path]
    return archive_of(files, epoch=epoch, folders=FOLDERS, links=LINKS)


def inittab(description: BusyboxRoot) -> str:
    """Return /etc/inittab: what starts, what is kept running, what happens at the end."""
    lines = ["# id:runlevels:action:process, as BusyBox's init reads it", "::sysinit:/etc/init.d/rcS"]
    for tty in description.console:
        # The first field is the terminal; without one init uses /dev/console, whatever the kernel was given.
        name = "" if tty == "console" else tty
        lines.append(f"{name}::respawn:/sbin/getty -L {description.baud} {tty} linux")
    lines += ["::ctrlaltdel:/sbin/reboot", "::shutdown:/etc/init.d/rcK", "::restart:/sbin/init"]
    return "\n".join(lines) + "\n"


def xattr_program(libc: Element, tools: Toolchain, epoch: int) -> tuple[Element, dict[str, bytes]]:
    """Return the program that gives files in an initramfs their capabilities, which cpio cannot carry."""
    folder = "files/apply-xattrs"
    source = (resources.files("rootstream.sandbox.rootfs") / "apply_xattrs.c").read_bytes()
    place = '"%{install-root}/usr/lib/rootstream"'
    commands = (
        f"mkdir -p {place}",
        f"{SYSROOT}/bin/musl-gcc -Os -s -static -o {place}/apply-xattrs apply_xattrs.c",
    )
    made = Element(
        name=f"apply-xattrs-{tools.label}-{short_hash(commands, source.decode(), libc.name)}.bst",
        kind="manual",
        description=f"Sets the extended attributes of an initramfs, for {tools.label}",
        builds_with=(*tools.builds_with(), Dependency(element=libc.name)),
        sources=(local(folder),),
        commands=commands,
        variables={"strip-binaries": ""},
        environment={"SOURCE_DATE_EPOCH": str(epoch)},
    )
    return made, {f"{folder}/apply_xattrs.c": source}
