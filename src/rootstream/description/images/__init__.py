"""Images: the files to boot from. Each module is a kind; the rest of Rootstream goes by the table of them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rootstream.description import kinds
from rootstream.description.images.base import ImageKind

ORDER = ("kernel", "initramfs", "initrd", "ext", "squashfs", "erofs", "tar", "disk", "qcow2", "iso", "uki")
if TYPE_CHECKING:
    Image = ImageKind
    KINDS: dict[str, type[ImageKind]]
    BOOTABLE: tuple[str, ...]
else:
    _this = sys.modules[__name__]
    __getattr__ = kinds.when_asked(
        globals(),
        KINDS=lambda: kinds.found(ImageKind, __name__, ORDER, "rootstream.images"),
        BOOTABLE=lambda: _bootable(_this.KINDS),
        Image=lambda: kinds.choice(_this.KINDS),
    )


def _bootable(table: dict[str, type[ImageKind]]) -> tuple[str, ...]:
    """Return what boots in the order in which it is tried.

    What starts by itself comes first, then what is given a kernel, then a kernel with a root in it.
    """
    words = (word for word, kind in table.items() if kind.bootable)
    return tuple(sorted(words, key=lambda word: (not table[word].by_firmware, table[word].compiled_kernel)))
