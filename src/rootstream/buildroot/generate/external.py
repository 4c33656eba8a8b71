"""The generated external tree on the disk: exactly the files that the description means, others go."""

from __future__ import annotations

from rootstream.buildroot import info
from rootstream.buildroot.generate import completed, packages, python_layer
from rootstream.buildroot.generate.draft import Generated
from rootstream.buildroot.workspace import EXTERNAL_NAME, Workspace
from rootstream.description import layers
from rootstream.errors import Problems
from rootstream.project import project

DESCRIPTION = f"name: {EXTERNAL_NAME}\ndesc: made from system.yaml, not to be edited\n"
_PACKAGES = f"$(BR2_EXTERNAL_{EXTERNAL_NAME}_PATH)/package"
# The same with packages and without: in a graph, all packages are built with it.
RULES = f"{packages.HASH} := \\#\ninclude $(sort $(wildcard {_PACKAGES}/*/*.mk))\n{info.RULES}"


def files(generated: Generated) -> dict[str, bytes]:
    """Return the files of the external tree; Buildroot wants three of them to be there."""
    menus = [path for path in generated.files if path.startswith("package/") and path.endswith("/Config.in")]
    sources = "".join(f'source "$BR2_EXTERNAL_{EXTERNAL_NAME}_PATH/{path}"\n' for path in menus)
    wanted = {"external.desc": DESCRIPTION, "Config.in": sources, "external.mk": RULES}
    files = {path: each.content for path, each in generated.files.items()}
    return {path: text.encode() for path, text in wanted.items()} | files


def write(space: Workspace, generated: Generated) -> None:
    """Bring the external tree in step; files that are right are not touched. Its scripts' data is ours alone.

    Trees of the project that lack a part are completed beside it. Raises `Problems` for packages whose name is
    taken, or that need one which no tree has, and what `completed.complete` raises.
    """
    for tree, place in zip(space.own_trees, space.externals, strict=False):
        if place != tree:
            completed.complete(tree, place)
    trees = (space.tree, *(each for each in space.externals if each != space.generated))
    found, description = space.described.system.layers, space.project / project.DESCRIPTION
    number = next((number for number, each in enumerate(found) if isinstance(each, layers.PythonLayer)), 0)
    line = space.described.lines.get(f"layers/{number}", 0)
    wrong = (
        *packages.against(found, trees, description),
        *python_layer.against(found, space.tree, description, line),
    )
    if wrong:
        raise Problems(wrong)
    space.generated.mkdir(parents=True, exist_ok=True)
    space.generated.chmod(0o700)
    project.sync(space.generated, files(generated))
    for path, each in generated.files.items():
        place = space.generated / path
        if place.stat().st_mode & 0o777 != each.mode:
            place.chmod(each.mode)
