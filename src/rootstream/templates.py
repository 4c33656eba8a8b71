"""What `rootstream init` starts a project from: the examples, which are built and booted by the tests."""

from __future__ import annotations

import difflib
import shutil
import tempfile
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from rootstream.errors import UserError, Where

# The template's name, its folder among the examples, what it is.
TEMPLATES = {
    "x86-disk": ("hello", "PC: kernel, BusyBox and musl from source, on a bootable disk and as an initramfs"),
    "mistify": ("mistify", "hypervisor node: libvirt, QEMU, an agent in Go, a user with sudo"),
    "ipa": ("ipa", "Ironic Python Agent ramdisk for bare metal, small enough for 512 MB"),
    "appliance": ("appliance", "PowerPC 440: kernel and a root in memory for U-Boot, with software of your own"),
    "capsule": ("capsule", "RISC-V kernels with their root inside, for a hypervisor"),
    "bst-image": ("bst-image", "the same as a plain BuildStream project, element by element"),
}
DERIVED = ("out", ".rootstream", ".bst", "__pycache__", "system.lock", "project.refs")


def _examples() -> Traversable:
    return resources.files("rootstream") / "examples"


def create(template: str, folder: Path) -> tuple[Path, ...]:
    """Copy a template into a new or empty folder and return its files.

    Raises `UserError` unknown-template, not-empty, cannot-write.
    """
    if template not in TEMPLATES:
        near = difflib.get_close_matches(template, TEMPLATES, 1)
        guess = f"; did you mean {near[0]}?" if near else ""
        listed = "\n".join(f"  {name:<12} {text}" for name, (_, text) in TEMPLATES.items())
        raise UserError("unknown-template", f"no template {template!r}{guess}", hint=f"Templates:\n{listed}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(
            "not-empty",
            "is not an empty folder",
            where=Where(path=folder),
            hint=f"Name another one: `rootstream init {template} DIR`.",
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as scratch:
            new = Path(scratch) / "new"
            _copy(_examples() / TEMPLATES[template][0], new)
            if folder.exists():
                folder.rmdir()
            new.rename(folder)
    except OSError as error:
        raise UserError("cannot-write", f"cannot be made: {error.strerror}", where=Where(path=folder)) from error
    return tuple(sorted(path for path in folder.rglob("*") if path.is_file()))


def _copy(source: Traversable, folder: Path) -> None:
    folder.mkdir()
    for item in source.iterdir():
        if item.name in DERIVED:
            continue
        place = folder / item.name
        if item.is_dir():
            _copy(item, place)
            continue
        place.write_bytes(item.read_bytes())
        if isinstance(item, Path):
            shutil.copymode(item, place)
