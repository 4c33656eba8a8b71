"""External trees of the project without `external.desc`, `Config.in` or `external.mk`: completed in the workspace.

Buildroot wants all three files in a tree (its manual, "Keeping customizations outside of Buildroot"). The
project is not written to: Buildroot is given a folder of links to the tree's own files and the missing ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from rootstream.errors import UserError, Where
from rootstream.project.lock import write_atomically

DESC, CONFIG, MAKE = "external.desc", "Config.in", "external.mk"
FOLDER = "completed"
# How packages named the one external tree before there could be several (Buildroot 2016.11).
_OLD = re.compile(r"\$[({]?BR2_EXTERNAL\b[)}]?(?!_)")


def is_whole(tree: Path) -> bool:
    """Say whether a folder holds what Buildroot wants of an external tree."""
    return all((tree / name).is_file() for name in (DESC, CONFIG, MAKE))


def name_of(tree: Path) -> str:
    """Return the name of a tree, as in BR2_EXTERNAL_NAME_PATH: that of its external.desc, else its folder's."""
    with suppress(OSError):
        text = (tree / DESC).read_text("utf-8", "replace")
        if match := re.search(r"^name:[ \t]*([A-Za-z0-9_]+)[ \t]*$", text, re.MULTILINE):
            return match[1]
    return re.sub(r"[^A-Z0-9]+", "_", tree.name.upper()).strip("_") or "PROJECT"


def place(folder: Path, number: int, tree: Path) -> Path:
    """Return what Buildroot is given for a tree: itself, or a folder of links below the workspace."""
    return tree if is_whole(tree) else folder / FOLDER / f"{number}-{name_of(tree)}"


def missing(tree: Path) -> dict[str, str]:
    """Return the files that a tree lacks, with what they are to hold: all packages that are in it.

    Raises `UserError` external-old for trees that name themselves in a way that Buildroot has given up.
    """
    packages = sorted(path.parent for path in tree.glob("package/*/Config.in"))
    name = name_of(tree)
    found: dict[str, str] = {}
    if not (tree / DESC).is_file():
        for problem in _old(tree, name):
            raise problem
        found[DESC] = f"name: {name}\n"
    if not (tree / CONFIG).is_file():
        lines = [f'source "$BR2_EXTERNAL_{name}_PATH/package/{each.name}/Config.in"\n' for each in packages]
        found[CONFIG] = "".join(lines)
    if not (tree / MAKE).is_file():
        found[MAKE] = f"include $(sort $(wildcard $(BR2_EXTERNAL_{name}_PATH)/package/*/*.mk))\n"
    return found


def _old(tree: Path, name: str) -> Iterator[UserError]:
    for path in (tree / MAKE, tree / CONFIG):
        lines = path.read_text("utf-8", "replace").splitlines() if path.is_file() else []
        for number, line in enumerate(lines, 1):
            if _OLD.search(line):
                yield UserError(
                    "external-old",
                    "BR2_EXTERNAL is no longer a single path: since 2016.11, each external tree has a name",
                    where=Where(path=path, line=number),
                    hint=f"Write $(BR2_EXTERNAL_{name}_PATH) here and in its packages ($BR2_EXTERNAL_{name}_PATH "
                    f"in Config.in), and add `name: {name}` to {tree / DESC}.",
                )


def complete(tree: Path, target: Path) -> None:
    """Bring the folder of links for a tree in step. Raises `UserError` external-old."""
    made = missing(tree)
    linked = {path.name: path for path in tree.iterdir() if path.name not in made}
    target.mkdir(parents=True, exist_ok=True)
    for present in target.iterdir():
        name = present.name
        if name not in made and not (present.is_symlink() and present.readlink() == linked.get(name)):
            present.unlink()
    for name, path in linked.items():
        if not (target / name).is_symlink():
            (target / name).symlink_to(path)
    for name, text in made.items():
        if not (target / name).is_file() or (target / name).read_text() != text:
            (target / name).unlink(missing_ok=True)
            write_atomically(target / name, text.encode())
