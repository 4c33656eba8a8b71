"""An initramfs of a large root as two elements: the stem, which no layer changes, and the image that grows on it.

The image is made without a tar of the whole root, so that a changed layer costs what is in it.
"""

from __future__ import annotations

from rootstream.description.images.initramfs import Initramfs
from rootstream.plan import programs
from rootstream.plan.images.base import compressed
from rootstream.plan.model import Dependency, Element, short_hash
from rootstream.plan.roots.finished_root import Recipe
from rootstream.plan.sources import local
from rootstream.sandbox import handover
from rootstream.sandbox.rootfs.spec import RootSpec

STEM = "/stem/archive"


def _program(*words: str) -> str:
    return f"{programs.command('images.base_archive')} " + " \\\n  ".join(words)


def stem(recipe: Recipe, image: Initramfs) -> tuple[Element, dict[str, bytes]]:
    """Return the element of the archive that is the same for all layers; systems of the same packages share it."""
    told = recipe.spec
    spec = handover.dump(
        RootSpec(epoch=told.epoch, debian=told.debian, apt=told.apt, drop=told.drop, identities=told.identities)
    )
    folder = f"files/stem-{short_hash(spec.decode())}"
    words = [
        "pack",
        *recipe.begin(),
        "--spec stem.json",
        *compressed(image.compression, image.level),
        f'-o "%{{install-root}}{STEM}"',
    ]
    made = Element(
        name=f"stem-{short_hash(words, folder, [each.element for each in recipe.lasting()])}.bst",
        kind="manual",
        description="What an initramfs begins with, whatever the layers are",
        builds_with=recipe.lasting(),
        sources=(local(folder),),
        commands=('mkdir -p "%{install-root}/stem"', _program(*words)),
        variables={"strip-binaries": ""},
        environment={"SOURCE_DATE_EPOCH": str(recipe.epoch)},
    )
    return made, {f"{folder}/stem.json": spec}


def grown(recipe: Recipe, image: Initramfs, *, output: str, secrets: bool) -> tuple[str, ...]:
    """Return the commands that write the image to `output`, and notes about the root below /notes."""
    words = [
        "grow",
        *recipe.begin(),
        *recipe.finish("--over"),
        *recipe.report(),
        f"--stem {STEM}",
        *compressed(image.compression, image.level),
    ]
    words += ["--secrets"] if secrets else []
    return ('mkdir -p "%{install-root}/notes"', _program(*words, f"-o {output}"))


def grows_with(recipe: Recipe, stem: Element) -> tuple[Dependency, ...]:
    """Return what the image is made of."""
    return (*recipe.needs(), Dependency(element=stem.name))
