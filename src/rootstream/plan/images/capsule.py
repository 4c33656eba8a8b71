"""Image `capsule`."""

from __future__ import annotations

from rootstream.description.images.capsule import Capsule
from rootstream.host.content import Content
from rootstream.plan.images.base import Context, Making, compressed, of_root, output, program
from rootstream.plan.model import short_hash


def plan(image: Capsule, context: Context) -> Making:
    """Pack the root and link the kernel again with it."""
    words = ["initramfs", *of_root(context), *compressed(image.compression, image.level), "--link-init"]
    files: dict[str, Content] = {}
    if image.payload is not None:
        files[f"files/payload-{context.slug}-{short_hash(context.name)}/payload.tar"] = context.payloads[
            image.payload
        ]
        words.append("--layer spec/payload.tar")
    load = context.tools.row.load if image.load is None else image.load
    told = ["--link /kernel/link", "--initramfs initramfs", f"--arch {context.arch}", f"--load {load:#x}"]
    told += [f"--entry {image.entry}", "-o", output(context.name)]
    commands = [program("image", *words, "-o initramfs"), program("capsule", *told)]
    return Making(commands=commands, files=files, kernel=True, compilers=True)
