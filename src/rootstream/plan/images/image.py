"""Images as elements, each made from the one tar of the finished root."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from rootstream.architectures import ARCHITECTURES, Architecture
from rootstream.description import images
from rootstream.host.content import Content
from rootstream.plan import base, programs
from rootstream.plan.images import base_archive, boot_programs
from rootstream.plan.model import Dependency, Element, Json, Source, short_hash
from rootstream.plan.roots import finished_root as roots
from rootstream.plan.sources import local
from rootstream.plan.toolchain import Toolchain
from rootstream.project.placeholders import Secret
from rootstream.sandbox.images.disk_layout import filesystem_uuid, partition_uuid

SPARSE = ".sparse"
INITRD = "initrd.img"  # in the sandbox
LOADED = "/loaded"  # where the image inside another is staged
WITH_KERNEL = ("kernel", "initrd", "disk", "uki", "iso", "capsule", "uimage")
WITHOUT_ROOT = (
    "kernel",
    "initrd",
    "uki",
    "iso",
    "uimage",
    "firmware",
)  # or with one that is in another image already


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What the images of one system share: its root and kernel elements and the name of the kernel's file.

    `payloads` are the archives of what capsules carry, by their folder in the project. `recipe` says how the root
    is made.
    """

    slug: str
    arch: Architecture
    label: str
    tools: Toolchain
    payloads: Mapping[str, Content]
    root: str
    recipe: roots.Recipe
    kernel: str | None
    kernel_file: str | None
    epoch: int
    secrets: tuple[Secret, ...] = ()
    initrd: str | None = None
    """Path of the archive that mounts the root, for a kernel whose drivers are modules."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """An image's element, its files, how the exported file is called, and how many roots are in it.

    `beside` are elements that it needs and no other has; it may bring `notes` about the root.
    """

    element: Element
    files: dict[str, Content]
    kind: str
    file: str
    roots: int
    beside: tuple[Element, ...] = ()
    notes: bool = False


def _program(name: str, *words: str) -> str:
    return f"{programs.command(f'images.{name}')} " + " ".join(words)


def _output(name: str) -> str:
    return f'"%{{install-root}}/images/{name}"'


def element(image: images.Image, context: Context, inner: Made | None) -> Made:  # noqa: C901, PLR0912  (a table)
    """Return an image's element; `inner` is the image inside it, or that a disk's boot loader loads, if any."""
    name = images.file_name(image, context.kernel_file, context.label)
    if isinstance(image, images.MakeInitramfs) and context.recipe.packed:
        return _grown(image.initramfs, name, context)
    files: dict[str, Content] = {}
    extra: tuple[Dependency, ...] = ()
    match image:
        case images.MakeKernel():
            commands = [f"cp /kernel/{context.kernel_file} {_output(name)}"]
        case images.MakeInitramfs():
            commands = [_initramfs(image.initramfs, name, context)]
        case images.MakeInitrd():
            commands = [_initrd(image.initrd, context, _output(name))]
        case images.MakeExt():
            commands = _ext(image.ext, name, context)
        case images.MakeSquashfs():
            words = ["squashfs", f"--root {roots.PATH}", f"--compression {image.squashfs.compression}"]
            words += _apart(context)
            commands = [_program("image", *words, "-o", _output(name))]
        case images.MakeTar():
            words = ["tar", f"--root {roots.PATH}", f"--compression {image.tar.compression}"]
            words += _apart(context)
            commands = [_program("image", *words, "-o", _output(name))]
        case images.MakeCapsule():
            commands, files = _capsule(image.capsule, name, context)
        case images.MakeFirmware():
            commands = [f"cp {boot_programs.opensbi_path(context.arch)} {_output(name)}"]
            extra = (boot_programs.opensbi(),)
        case images.MakeUimage():
            commands = _uimage(image.uimage, name, context, inner)
        case images.MakeDisk():
            told = _disk_spec(image.disk, name, context)
            folder = f"files/disk-{context.slug}-{short_hash(name)}"
            files[f"{folder}/disk.json"] = (json.dumps(told, indent=1, sort_keys=True) + "\n").encode()
            commands = _disk(image.disk, name, context, inner)
        case images.MakeUki():
            files |= _arguments(image.uki.kernel_args, name, context)
            commands = [*_mounting(context, inner)]
            commands.append(_program("uki", *_started(context, inner), "-o", _output(name)))
        case images.MakeIso():
            files |= _arguments(image.iso.kernel_args, name, context)
            commands = [_program("iso", *_started(context, inner), *_iso(image.iso, context), _output(name))]
            extra = (boot_programs.isolinux(),) if ARCHITECTURES[context.arch].board.bios else ()
    if inner:
        extra += (Dependency(element=inner.element.name, location=LOADED),)
    if starts_from_uefi(image):
        extra += (boot_programs.stub(context.arch),)
    kind = next(iter(type(image).model_fields))
    sources = tuple(local(path.rsplit("/", 1)[0], directory="spec") for path in files)
    made = _element(kind, name, context, _builds_with(kind, context, extra), sources, commands)
    return Made(element=made, files=files, kind=kind, file=name, roots=_roots(image))


def _element(
    kind: str,
    name: str,
    context: Context,
    builds_with: tuple[Dependency, ...],
    sources: tuple[Source, ...],
    commands: Sequence[str],
) -> Element:
    return Element(
        name=f"image-{context.slug}-{kind}-{short_hash(name)[:4]}.bst",
        kind="manual",
        description=f"{name} of {context.slug}",
        builds_with=builds_with,
        sources=sources,
        commands=(f'mkdir -p "%{{install-root}}/{folder_of(name)}"', *commands),
        variables={"strip-binaries": ""},
        environment={"SOURCE_DATE_EPOCH": str(context.epoch)},
    )


def _grown(image: images.Initramfs, name: str, context: Context) -> Made:
    """Return the initramfs of a large root: what its layers change comes behind an archive that is kept."""
    recipe = context.recipe
    kept, files = base_archive.stem(recipe, image)
    commands = base_archive.grown(recipe, image, output=_output(name), secrets=bool(context.secrets))
    sources = (local(str(recipe.folder), directory="layers"),)
    made = _element("initramfs", name, context, base_archive.grows_with(recipe, kept), sources, commands)
    made = replace(made, public={"bst": {"overlap-whitelist": [roots.REPORT, roots.WARNINGS]}})
    return Made(
        element=made,
        files={**files, **recipe.files()},
        kind="initramfs",
        file=name,
        roots=1,
        beside=(kept,),
        notes=True,
    )


def starts_from_uefi(image: images.Image) -> bool:
    """Say whether the kernel is joined with a stub for UEFI in an image."""
    return isinstance(image, images.MakeUki | images.MakeIso) or (
        isinstance(image, images.MakeDisk) and image.disk.loader == "uki"
    )


def _arguments(arguments: str, name: str, context: Context) -> dict[str, bytes]:
    folder = f"files/arguments-{context.slug}-{short_hash(name)}"
    return {f"{folder}/arguments": f"{arguments}\n".encode()}


def _started(context: Context, initramfs: Made | None) -> list[str]:
    words = [f"--stub {boot_programs.stub_path(context.arch)}", f"--kernel /kernel/{context.kernel_file}"]
    words += ["--arguments spec/arguments", f"--name {shlex.quote(context.slug)}"]
    return [*words, *_loaded(context, initramfs)]


def _loaded(context: Context, initramfs: Made | None) -> list[str]:
    """Return the words for what a boot loader loads beside the kernel, if anything."""
    if initramfs:
        return [f"--initramfs {LOADED}/images/{initramfs.file}"]
    return [f"--initramfs {INITRD}"] if context.initrd else []


def _mounting(context: Context, initramfs: Made | None) -> list[str]:
    """Return the command that makes the initrd which a medium carries, if it carries one."""
    return [_initrd(images.Initrd(), context, INITRD)] if context.initrd and not initramfs else []


def _initrd(image: images.Initrd, context: Context, output: str) -> str:
    words = ["cpio", f"--archive {context.initrd}", f"--compression {image.compression}"]
    if image.level is not None:
        words.append(f"--level {image.level}")
    return _program("image", *words, "-o", output)


def _iso(image: images.Iso, context: Context) -> list[str]:
    bios = [f"--isolinux {boot_programs.isolinux_path()}"] if ARCHITECTURES[context.arch].board.bios else []
    return [f"--label {image.label}", *bios, "-o"]


def _roots(image: images.Image) -> int:
    """Return how many copies of the root are in an image."""
    if isinstance(image, images.MakeKernel | images.MakeInitrd | images.MakeFirmware):
        return 0
    if isinstance(image, images.MakeUki) and not image.uki.initramfs:
        return 0
    if isinstance(image, images.MakeUimage) and image.uimage.type == "kernel":
        return 0
    return 2 if isinstance(image, images.MakeDisk) and image.disk.initramfs else 1


def _apart(context: Context) -> list[str]:
    return ["--secrets"] if context.secrets else []


def folder_of(name: str) -> str:
    """Return the folder of the sandbox that an image's file is made in; its name may be a path."""
    return str(PurePosixPath("images", name).parent)


def _builds_with(kind: str, context: Context, extra: tuple[Dependency, ...]) -> tuple[Dependency, ...]:
    kernel = (Dependency(element=context.kernel),) if context.kernel and kind in WITH_KERNEL else ()
    runs = () if kind in ("kernel", "firmware") else programs.needs()
    root = () if kind in WITHOUT_ROOT else (Dependency(element=context.root),)
    compilers = context.tools.builds_with() if kind == "capsule" else (Dependency(element=base.NAME),)
    return (*compilers, *runs, *root, *kernel, *extra)


def inner_kind(image: images.Image) -> str | None:
    """Return the kind of the image that another has inside, or its boot loader beside it."""
    match image:
        case images.MakeDisk() if image.disk.initramfs:
            return "initramfs"
        case images.MakeUki() if image.uki.initramfs:
            return "initramfs"
        case images.MakeIso():
            return "initramfs"
        case images.MakeUimage() if image.uimage.type != "kernel":
            return image.uimage.ramdisk
    return None


def _capsule(image: images.Capsule, name: str, context: Context) -> tuple[list[str], dict[str, Content]]:
    words = ["initramfs", f"--root {roots.PATH}", f"--compression {image.compression}", "--link-init"]
    words += _apart(context)
    if image.level is not None:
        words.append(f"--level {image.level}")
    files = {}
    if image.payload is not None:
        files[f"files/payload-{context.slug}-{short_hash(name)}/payload.tar"] = context.payloads[image.payload]
        words.append("--layer spec/payload.tar")
    load = context.tools.row.load if image.load is None else image.load
    told = ["--link /kernel/link", "--initramfs initramfs", f"--arch {context.arch}", f"--load {load:#x}"]
    told += [f"--entry {image.entry}", "-o", _output(name)]
    return [_program("image", *words, "-o initramfs"), _program("capsule", *told)], files


def _uimage(image: images.Uimage, name: str, context: Context, ramdisk: Made | None) -> list[str]:
    load = context.tools.row.load if image.load is None else image.load
    words = [image.type, f"--arch {context.arch}", f"--load {load:#x}"]
    words.append(f"--name {shlex.quote(image.title or context.slug)}")
    if image.type != "ramdisk":
        words.append(f"--kernel /kernel/{context.kernel_file}")
    if ramdisk and image.type != "kernel":
        words.append(f"--ramdisk {LOADED}/images/{ramdisk.file}")
    return [_program("uimage", *words, "-o", _output(name))]


def _initramfs(image: images.Initramfs, name: str, context: Context) -> str:
    words = ["initramfs", f"--root {roots.PATH}", f"--compression {image.compression}", "--link-init"]
    words += _apart(context)
    if image.level is not None:
        words.append(f"--level {image.level}")
    return _program("image", *words, "-o", _output(name))


def _ext(image: images.Ext, name: str, context: Context) -> list[str]:
    size = "auto" if image.size is None else str(image.size)
    words = ["ext", f"--root {roots.PATH}", f"--type {image.type}", f"--size {size}"]
    words += [f"--label {shlex.quote(image.label)}", f"--uuid-seed {shlex.quote(name)}"]
    words += _apart(context)
    if image.gzip:
        return [_program("image", *words, "--gzip", "-o", _output(name))]
    return [_program("image", *words, "--packed", "-o", _output(name + SPARSE))]


def _disk(image: images.Disk, name: str, context: Context, initramfs: Made | None) -> list[str]:
    words = ["make", "--spec spec/disk.json", f"--root {roots.PATH}"]
    if context.kernel:
        words.append(f"--kernel /kernel/{context.kernel_file}")
    words += _loaded(context, initramfs)
    if image.loader == "uki":
        words.append(f"--stub {boot_programs.stub_path(context.arch)}")
    if any(partition.filesystem == "vfat" for partition in image.partitions):
        words.append(f'--warnings "%{{install-root}}/notes/warnings-disk-{short_hash(name)[:4]}.json"')
    program = _program("disk", *words, "--packed", "-o", _output(name + SPARSE))
    return [*(_mounting(context, initramfs) if context.kernel else ()), program]


def _disk_spec(image: images.Disk, name: str, context: Context) -> dict[str, Json]:
    told: dict[str, Json] = image.model_dump(exclude={"initramfs", "fstab"}, exclude_none=True)
    told["name"] = name
    told["bootloader"] = image.loader
    told["keep_fstab"] = image.fstab == "keep"
    told["kernel_args"] = kernel_args(image, seed(name, context), initrd=context.initrd is not None)
    if image.table == "gpt":
        told |= {"arch": context.arch, "seed": seed(name, context)}
    return told


def seed(name: str, context: Context) -> str:
    """Return what all identities of a GPT disk come from: no two systems have the same."""
    return f"{context.slug}/{name}"


def kernel_args(image: images.Disk, seed: str, *, initrd: bool = False) -> str:
    """Return the kernel arguments of a disk: the given ones, with the root named where they do not.

    With `initrd`, one that mounts the root is on the disk.
    """
    words = image.kernel_args.split()
    have = {word.split("=", 1)[0] for word in words}
    for number, partition in enumerate(image.partitions, 1):
        if partition.mount == "/" and "root" not in have:
            words.append(f"root={_root(image, number, seed, initrd=initrd)}")
            if "rootfstype" not in have:
                words.append(f"rootfstype={partition.filesystem}")
            if not have & {"ro", "rw"}:
                words.append("rw")
    return " ".join(words)


def _root(image: images.Disk, number: int, seed: str, *, initrd: bool) -> str:
    """Return what finds the root: the kernel knows PARTUUID only, an initramfs's findfs UUID."""
    if image.device or image.table == "mbr":
        return partition_device(image.device or "/dev/sda", number)
    if image.initramfs or initrd:
        return f"UUID={filesystem_uuid(seed, number, image.partitions[number - 1].filesystem)}"
    return f"PARTUUID={partition_uuid(seed, number)}"


def partition_device(disk: str, number: int) -> str:
    """Return what Linux calls a partition: a `p` stands between when the disk's name ends in a digit."""
    return f"{disk}p{number}" if disk[-1].isdigit() else f"{disk}{number}"
