"""Image `initramfs`: of the finished root, or behind the archive of what its layers leave alone."""

from __future__ import annotations

from rootstream.description.images.initramfs import Initramfs
from rootstream.plan.images import base_archive
from rootstream.plan.images.base import Context, Layers, Making, compressed, of_root, output, program
from rootstream.plan.roots import finished_root as roots


def plan(image: Initramfs, context: Context) -> Making:
    """Pack the root; of a large one, what layers change comes behind an archive that is kept."""
    recipe = context.recipe
    if not recipe.packed:
        words = ["initramfs", *of_root(context), *compressed(image.compression, image.level), "--link-init"]
        return Making(commands=[program("image", *words, "-o", output(context.name))])
    kept, files = base_archive.stem(recipe, image)
    commands = base_archive.grown(recipe, image, output=output(context.name), secrets=bool(context.secrets))
    layers = Layers(
        builds_with=base_archive.grows_with(recipe, kept),
        kept=kept,
        files={**files, **recipe.files()},
        public={"bst": {"overlap-whitelist": [roots.REPORT, roots.WARNINGS]}},
    )
    return Making(commands=commands, layers=layers)
