"""Rules of a root from the user's own BuildStream project: the project and the element exist."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from rootstream.description.model import System
from rootstream.description.roots import FromElements
from rootstream.description.validation_messages import nearest
from rootstream.description.yaml_nodes import MappingNode, Node, ScalarNode, at, parse
from rootstream.errors import UserError

CONF = "project.conf"
MOST = 1000  # elements that are looked at for a similar name


def check(system: System, node: Node, folder: Path) -> Iterator[UserError]:
    """Yield a folder that is not a BuildStream project, and an element that it does not have."""
    if not isinstance(system.root, FromElements):
        return
    wanted = system.root.elements
    project = folder / wanted.project
    if not (project / CONF).is_file():
        message = f"there is no {CONF} in {wanted.project!r}: not a BuildStream project"
        where = at(node, "root", "elements", "project")
        yield UserError("no-bst-project", message, where=where, hint="Set `project:` to the project's folder.")
    elif ":" not in wanted.target:  # that is an element of another project, behind a junction
        elements = project / _element_path(project / CONF)
        inside = elements.resolve().is_relative_to(project.resolve())  # BuildStream refuses others
        if inside and not (elements / wanted.target).is_file():
            found = (str(path.relative_to(elements)) for path in elements.rglob("*.bst"))
            names = sorted(name for name in islice(found, MOST) if not name.startswith("."))
            message = f"there is no element {wanted.target!r} in {wanted.project!r}{nearest(wanted.target, names)}"
            yield UserError("no-element", message, where=at(node, "root", "elements", "target"))


def _element_path(conf: Path) -> str:
    """Return the folder of a project's elements; what is wrong with its configuration, BuildStream says."""
    try:
        top, _ = parse(conf.read_bytes(), conf)
    except (OSError, UserError):
        return "."
    found = top.get("element-path") if isinstance(top, MappingNode) else None
    return found.text if isinstance(found, ScalarNode) else "."
