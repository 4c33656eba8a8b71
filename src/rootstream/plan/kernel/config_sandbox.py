"""The element in whose sandbox a configuration is changed: source tree, compiler, and headers for the menus."""

from __future__ import annotations

from dataclasses import replace

from rootstream.description.model import Debian
from rootstream.plan import programs, toolchain
from rootstream.plan.kernel.kconfig import Configured
from rootstream.plan.model import Dependency, Element, Plan

# What menuconfig and nconfig are compiled with.
NCURSES = "libncurses-dev"
FOLDER = "/session"  # in the sandbox


def session(plan: Plan, configured: Configured, debian: Debian, *, menus: bool) -> tuple[Plan, Element]:
    """Return the plan of a session and its element, which is entered and never built.

    It has the pinned sources of the element that is built, and of what that is built with the package sets alone.
    """
    built = plan.elements[configured.element]
    sets = [dependency for dependency in built.builds_with if plan.elements[dependency.element].kind == "import"]
    elements = {each.element: plan.elements[each.element] for each in sets if each.element != programs.KCONFIG}
    if menus:
        tool = toolchain.beside(NCURSES, debian)
        elements[tool.name] = tool
    made = Element(
        name=f"configure-{configured.asked.kind}.bst",
        kind="manual",
        description=f"The source tree of {configured.asked.kind}, to configure it",
        builds_with=tuple(Dependency(element=name) for name in elements),
        sources=tuple(source for source in built.sources if source.directory != "fragments"),
        environment=built.environment,
    )
    elements[made.name] = made
    paths = tuple(str(source.words["path"]) for source in made.sources if source.kind == "local")
    files = {path: content for path, content in plan.files.items() if path.startswith(paths)} if paths else {}
    return replace(plan, elements=elements, files=files, targets={}), made


def script(plan: Plan, configured: Configured) -> str:
    """Return the shell script that unpacks the tree and runs the session in it."""
    built = plan.elements[configured.element]
    assert built.prepared is not None  # noqa: S101  (elements with Kconfig have it)
    unpacking = "\n".join(built.commands[: built.prepared.commands - 1])
    run = f"PYTHONPATH={FOLDER}/programs python3 -m {programs.module(programs.CONFIG_EDIT)} {FOLDER}"
    return f"set -e\n( {unpacking} ) >&2\nexec env {run}\n"
