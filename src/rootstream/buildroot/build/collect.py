"""What Buildroot left in its images folder: which files to export, under which names, and what each is."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rootstream.description.images.files import Files
from rootstream.description.images.kernel import KERNELS
from rootstream.errors import UserError, Where
from rootstream.host import process

# The kind of a file by its name, the first match decides: Buildroot's own names (fs/*.mk, linux/linux.mk).
_KINDS = (
    (re.compile(r"(bzImage|zImage|Image|vmlinuz|uImage|fitImage|cuImage)(\.[\w.-]+)?$"), "kernel"),
    (re.compile(r"vmlinux(\.bin)?$"), "kernel"),
    (re.compile(r"rootfs\.cpio(\.(gz|bz2|lz4|lzma|lzo|xz|zst))?$"), "initramfs"),
    (re.compile(r"rootfs\.(cpio\.uboot|initramfs)$"), "file"),
    (re.compile(r"rootfs\.ext[234](\.(gz|bz2|lz4|lzma|lzo|xz|zst))?$"), "ext"),
    (re.compile(r"rootfs\.squashfs$"), "squashfs"),
    (re.compile(r"rootfs\.erofs$"), "erofs"),
    (re.compile(r"rootfs\.tar(\.(gz|bz2|lz4|lzma|lzo|xz|zst))?$"), "tar"),
    (re.compile(r"rootfs\.iso9660$|.*\.iso$"), "iso"),
    (re.compile(r"(disk|sdcard|emmc)\.img$|.*\.wic$"), "disk"),
    (re.compile(r".*\.qcow2$"), "qcow2"),
)
COPY_TIMEOUT = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectedImage:
    """A file to export: its place now, its name below out/SYSTEM, and its kind."""

    source: Path
    name: str
    kind: str


def kind_of(name: str) -> str:
    """Return what a file of the images folder is: kernel, initramfs, ext, squashfs, tar, iso, disk or file."""
    base = name.rpartition("/")[2]
    return next((kind for pattern, kind in _KINDS if pattern.match(base)), "file")


def present(images: Path) -> tuple[str, ...]:
    """Return the files of the images folder, by their path in it; links to files of the same folder count.

    Raises `UserError` image-outside for a link that leads elsewhere.
    """
    found = []
    for folder, _, names in os.walk(images):
        for name in names:
            path = Path(folder) / name
            if path.is_symlink() and not path.resolve().is_relative_to(images.resolve()):
                raise UserError(
                    "image-outside",
                    f"{path.relative_to(images)} is a link to {path.resolve()}, which is not an image",
                    where=Where(path=path),
                    hint="Have a post_image script copy what is to be exported into the images folder.",
                )
            if path.is_file():
                found.append(str(path.relative_to(images)))
    return tuple(sorted(found))


def chosen(
    images: Path, words: tuple[tuple[str, tuple[str, ...], str | None], ...], files: tuple[Files, ...]
) -> tuple[CollectedImage, ...]:
    """Return what to export.

    `words` are the images that the description asks for by kind: the kind, the names that Buildroot may have
    given the file, and the name to export it under (None keeps Buildroot's). Raises `UserError` image-missing,
    name-taken.
    """
    there = present(images)
    found: dict[str, CollectedImage] = {}
    for kind, candidates, name in words:
        own = next((each for each in candidates if each in there), None)
        if own is None:
            raise missing(images, kind, candidates, there)
        _add(found, CollectedImage(source=images / own, name=name or own, kind=kind), images)
    for each in files:
        _add_files(found, images, there, each)
    return tuple(found.values())


def _add_files(found: dict[str, CollectedImage], images: Path, there: tuple[str, ...], wanted: Files) -> None:
    for own in wanted.names:
        if own not in there:
            raise missing(images, own, (own,), there)
    for own in there:
        if not wanted.only or own in wanted.names:
            name = wanted.names.get(own, own)
            _add(found, CollectedImage(source=images / own, name=name, kind=kind_of(own)), images)


def _add(found: dict[str, CollectedImage], new: CollectedImage, images: Path) -> None:
    old = found.get(new.name)
    if old is not None and old.source.resolve() != new.source.resolve():
        raise UserError(
            "name-taken",
            f"{old.source.name} and {new.source.name} would both be exported as {new.name!r}",
            where=Where(path=images),
            hint="Give one of them another name in `files: names:`.",
        )
    found.setdefault(new.name, new)


def missing(images: Path, what: str, candidates: tuple[str, ...], there: tuple[str, ...]) -> UserError:
    """Return the error of an image that Buildroot did not make."""
    names = " or ".join(candidates)
    return UserError(
        "image-missing",
        f"Buildroot did not create {names}" + (f" for `{what}`" if what not in candidates else ""),
        where=Where(path=images),
        hint=f"It created: {', '.join(there) or 'nothing'}. Its configuration decides: see `rootstream config`.",
    )


def copy(collected: tuple[CollectedImage, ...], folder: Path, env: Mapping[str, str]) -> None:
    """Copy the files into a folder under their names, holes as holes, shared with the original where possible.

    Raises `UserError` cannot-write.
    """
    for each in collected:
        place = folder / each.name
        place.parent.mkdir(parents=True, exist_ok=True)
        source = str(each.source.resolve())
        argv = ["cp", "--reflink=auto", "--sparse=auto", "--no-preserve=all", "--", source, str(place)]
        try:
            process.run(argv, env=env, timeout=COPY_TIMEOUT)
        except UserError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise UserError(
                "cannot-write",
                f"{each.name} could not be copied: {error.detail or error.message}",
                where=Where(path=place),
                hint="Free disk space, then build again; nothing has to be compiled again.",
            ) from error


def first_kernel(names: tuple[str, ...]) -> str | None:
    """Return the kernel to boot of several, by their names."""
    order = [name for prefix in KERNELS for name in names if name.rpartition("/")[2].startswith(prefix)]
    return next(iter(order or names), None)
