"""What the plans of all images share: a system's context, programs of the sandbox, what one image takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rootstream.architectures import Architecture
from rootstream.description.images.base import Compression
from rootstream.description.model import Debian
from rootstream.host.content import Content
from rootstream.plan import programs
from rootstream.plan.model import Dependency, Element, Json, short_hash
from rootstream.plan.roots import finished_root as roots
from rootstream.plan.toolchain import Toolchain
from rootstream.project.placeholders import Secret

SPARSE = ".sparse"
INITRD = "initrd.img"  # in the sandbox
LOADED = "/loaded"  # where the image inside another is staged


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedImage:
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
    debian: Debian
    payloads: Mapping[str, Content]
    root: str
    recipe: roots.Recipe
    kernel: str | None
    kernel_file: str | None
    epoch: int
    secrets: tuple[Secret, ...] = ()
    initrd: str | None = None
    """Path of the archive that mounts the root, for a kernel whose drivers are modules."""
    compiled: bool = False
    """Whether the kernel is compiled here."""
    name: str = ""
    """Name of the file of the image that is planned."""
    inner: PlannedImage | None = None
    """The image inside it, or that its boot loader loads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """How an image is made: commands, and the files beside them, which are below `spec` in the sandbox.

    `root`, `kernel`, `programs` and `compilers` say what it builds with; `sets` are further elements, each with
    its place in the sandbox, that come into the plan with it. `links` are packages of the base that it has
    parts of.
    """

    commands: Sequence[str]
    files: Mapping[str, Content] = field(default_factory=dict)
    root: bool = True
    kernel: bool = False
    programs: bool = True
    compilers: bool = False
    sets: tuple[tuple[Element, Dependency], ...] = ()
    layers: Layers | None = None
    links: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Layers:
    """An image that is made of the parts of a root, not the finished: what it builds with, and `kept`.

    `kept` is an element that no other image has; notes about the root are written while it is made.
    """

    builds_with: tuple[Dependency, ...]
    kept: Element
    files: Mapping[str, Content]
    public: Mapping[str, Json]


def program(name: str, *words: str) -> str:
    """Return the command of a program of sandbox/images."""
    return f"{programs.command(f'images.{name}')} " + " ".join(words)


def output(name: str) -> str:
    """Return where an image's file is written."""
    return f'"%{{install-root}}/images/{name}"'


def compressed(compression: Compression, level: int | None) -> list[str]:
    """Return the words for a compression and its level."""
    return [f"--compression {compression}", *([f"--level {level}"] if level is not None else [])]


def of_root(context: Context) -> list[str]:
    """Return the words for the finished root, in which secrets lie apart."""
    return [f"--root {roots.PATH}", *(["--secrets"] if context.secrets else [])]


def loaded(context: Context) -> list[str]:
    """Return the words for what a boot loader loads beside the kernel, if anything."""
    if context.inner:
        return [f"--initramfs {LOADED}/images/{context.inner.file}"]
    return [f"--initramfs {INITRD}"] if context.initrd else []


def initrd(context: Context, compression: Compression, level: int | None, place: str) -> str:
    """Return the command that makes what mounts the root."""
    words = ["cpio", f"--archive {context.initrd}", *compressed(compression, level)]
    return program("image", *words, "-o", place)


def mounting(context: Context) -> list[str]:
    """Return the command that makes the initrd which a medium carries, if it carries one."""
    return [initrd(context, "zstd", None, INITRD)] if context.initrd and not context.inner else []


def arguments(text: str, context: Context) -> dict[str, Content]:
    """Return the file with the kernel's arguments."""
    return {f"files/arguments-{context.slug}-{short_hash(context.name)}/arguments": f"{text}\n".encode()}
