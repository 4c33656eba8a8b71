"""What `rootstream init` starts a project from: the examples, which are built and booted by the tests."""

from __future__ import annotations

import difflib
import shutil
import tempfile
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from rootstream.errors import UserError, Where
from rootstream.host import nofollow

# The template's name, its folder among the examples, what it is.
TEMPLATES = {
    "debian-server": (
        "debian-server",
        "small Debian server with Debian's kernel: nothing is compiled",
    ),
    "x86-disk": ("hello", "PC: kernel, BusyBox and musl from source, on a bootable disk and as an initramfs"),
    "buildroot": (
        "buildroot",
        "PC: kernel and root from Buildroot, with an external tree and a package of your own",
    ),
    "mistify": ("mistify", "hypervisor node: libvirt, QEMU, an agent in Go, a user with sudo"),
    "ipa": ("ipa", "Ironic Python Agent ramdisk for bare metal, small enough for 512 MB"),
    "appliance": ("appliance", "PowerPC 440: kernel and a root in memory for U-Boot, with software of your own"),
    "capsule": ("capsule", "RISC-V kernels with an embedded root, for a hypervisor"),
    "bst-image": ("bst-image", "the same as a plain BuildStream project, element by element"),
}
IGNORE = ".gitignore"
IGNORED = (".rootstream/", "out/")
KEPT = {".git", IGNORE}  # what a folder that counts as empty may hold
DERIVED = ("out", ".rootstream", ".bst", "__pycache__", "system.lock", "project.refs")


def _examples() -> Traversable:
    return resources.files("rootstream") / "examples"


def create(template: str, folder: Path) -> tuple[Path, ...]:
    """Copy a template into a new or empty folder and return its files.

    A Git repository with at most a .gitignore counts as empty; that stays as it is.
    Raises `UserError` unknown-template, not-empty, cannot-write, link-in-project.
    """
    if template not in TEMPLATES:
        near = difflib.get_close_matches(template, TEMPLATES, 1)
        guess = f"; did you mean {near[0]}?" if near else ""
        listed = "\n".join(f"  {name:<12} {text}" for name, (_, text) in TEMPLATES.items())
        raise UserError("unknown-template", f"no template {template!r}{guess}", hint=f"Templates:\n{listed}")
    if folder.exists() and (not folder.is_dir() or {path.name for path in folder.iterdir()} - KEPT):
        raise UserError(
            "not-empty",
            "is not an empty folder",
            where=Where(path=folder),
            hint=f"Use another one: `rootstream init {template} DIR`.",
        )
    if folder.exists():
        nofollow.check(folder, folder / IGNORE)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as scratch:
            new = Path(scratch) / "new"
            _copy(_examples() / TEMPLATES[template][0], new)
            if not (new / IGNORE).exists():
                (new / IGNORE).write_text("".join(f"{line}\n" for line in IGNORED))
            _place(new, folder)
    except OSError as error:
        raise UserError(
            "cannot-write", f"cannot be created: {error.strerror}", where=Where(path=folder)
        ) from error
    return tuple(
        sorted(
            path for path in folder.rglob("*") if path.is_file() and ".git" not in path.relative_to(folder).parts
        )
    )


def not_ignored(folder: Path) -> tuple[str, ...]:
    """Return what is derived in a project and does not stand in its .gitignore."""
    lines = nofollow.read_bytes(folder, folder / IGNORE).decode("utf-8", "replace").splitlines()
    return tuple(each for each in IGNORED if each.strip("/") not in {line.strip().strip("/") for line in lines})


def _place(new: Path, folder: Path) -> None:
    """Put a finished folder in its place, or what is in it into a folder with nothing but a repository."""
    if not folder.exists() or not any(folder.iterdir()):
        if folder.exists():
            folder.rmdir()
        new.rename(folder)
        return
    moved: list[Path] = []
    try:
        for path in sorted(new.iterdir()):
            if path.name not in KEPT or not (folder / path.name).exists():
                path.rename(folder / path.name)
                moved += [folder / path.name]
    except OSError:
        for path in moved:
            path.rename(new / path.name)
        raise


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
