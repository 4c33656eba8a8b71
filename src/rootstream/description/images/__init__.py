"""Images: the files to boot from. Each module is a kind; the rest of Rootstream goes by the table of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rootstream.description import kinds
from rootstream.description.images.base import ImageKind

ORDER = ("kernel", "initramfs", "initrd", "ext", "squashfs", "erofs", "tar", "disk", "iso", "uki")
KINDS = kinds.found(ImageKind, __name__, ORDER, "rootstream.images")
# In the order in which they are tried: what starts by itself, what is given a kernel, a kernel with a root in it.
BOOTABLE = tuple(
    sorted(
        (word for word, kind in KINDS.items() if kind.bootable),
        key=lambda word: (not KINDS[word].by_firmware, KINDS[word].compiled_kernel),
    )
)
if TYPE_CHECKING:
    Image = ImageKind
else:
    Image = kinds.choice(KINDS)
