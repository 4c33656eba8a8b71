"""An image as an element, made from the one tar of the finished root, as the module of its kind says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath

from rootstream.description import kinds
from rootstream.description.images import Image
from rootstream.plan import base, programs
from rootstream.plan.images.base import LOADED, Context, Making, PlannedImage
from rootstream.plan.model import Dependency, Element, short_hash
from rootstream.plan.sources import local


def element(image: Image, context: Context, inner: PlannedImage | None) -> PlannedImage:
    """Return an image's element; `inner` is the image inside it, or that a disk's boot loader loads, if any."""
    name = image.file_name(context.kernel_file, context.label)
    context = replace(context, name=name, inner=inner)
    planner = kinds.module(image, image.planner or f"rootstream.plan.images.{image.kind}", "plan")
    making: Making = planner.plan(image, context)
    folders = [(path.rsplit("/", 1)[0], "spec") for path in making.files]
    if making.layers:
        folders = [(str(context.recipe.folder), "layers")]
    made = Element(
        name=f"image-{context.slug}-{image.kind}-{short_hash(name)[:4]}.bst",
        kind="manual",
        description=f"{name} of {context.slug}",
        builds_with=making.layers.builds_with if making.layers else _builds_with(making, context),
        sources=tuple(local(folder, directory=place) for folder, place in folders),
        commands=(f'mkdir -p "%{{install-root}}/{folder_of(name)}"', *making.commands),
        variables={"strip-binaries": ""},
        environment={"SOURCE_DATE_EPOCH": str(context.epoch)},
        public=making.layers.public if making.layers else {},
        links=making.links,
    )
    return PlannedImage(
        element=made,
        files=dict(making.layers.files if making.layers else making.files),
        kind=image.kind,
        file=name,
        roots=image.roots,
        beside=(*(each for each, _ in making.sets), *((making.layers.kept,) if making.layers else ())),
        notes=making.layers is not None,
    )


def folder_of(name: str) -> str:
    """Return the folder of the sandbox that an image's file is made in; its name may be a path."""
    return str(PurePosixPath("images", name).parent)


def _builds_with(making: Making, context: Context) -> tuple[Dependency, ...]:
    compilers = context.tools.builds_with() if making.compilers else (Dependency(element=base.NAME),)
    runs = programs.needs() if making.programs else ()
    root = (Dependency(element=context.root),) if making.root else ()
    kernel = (Dependency(element=context.kernel),) if making.kernel and context.kernel else ()
    loaded = (Dependency(element=context.inner.element.name, location=LOADED),) if context.inner else ()
    return (*compilers, *runs, *root, *kernel, *(place for _, place in making.sets), *loaded)
