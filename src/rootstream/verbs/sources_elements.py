"""The sources of a root that is made of elements of a BuildStream project of the user's."""

from __future__ import annotations

import shutil
from pathlib import Path, PurePosixPath

from rootstream.description import layers
from rootstream.description.model import Described
from rootstream.description.roots import ElementsRoot
from rootstream.engine import Engine
from rootstream.errors import UserError
from rootstream.events import Reporter
from rootstream.plan import inputs
from rootstream.project import project
from rootstream.verbs import build, sources_page
from rootstream.verbs.sources_page import Collected

FOLDER = "elements"


def collect(
    prepared: build.PreparedProject,
    described: Described,
    root: ElementsRoot,
    engine: Engine,
    new: Path,
    found: Collected,
    tell: Reporter,
) -> None:
    """Write the project into a folder, and the sources of what the root needs, what builds others among them."""
    name = f"{root.project}:{root.target}"
    junction = inputs.junction_name(root.project)
    above = PurePosixPath("junctions") / Path(junction).stem
    secret = {str(PurePosixPath(file)) for file in _secrets(described)}
    files = {}
    for path, content in prepared.plan.files.items():
        if PurePosixPath(path).is_relative_to(above):
            inner = PurePosixPath(path).relative_to(above)
            if str(PurePosixPath(root.project) / inner) not in secret:
                files[str(inner)] = content
    project.sync(new / FOLDER / "project", files)
    place = new / FOLDER / "sources"
    try:
        engine.sources(prepared.project.plan, f"{junction}:{root.target}", place, tell, depends="all")
    except UserError as error:
        if error.reason != "fetch-failed":
            raise
        shutil.rmtree(place, ignore_errors=True)
        found.missing.append((f"{FOLDER}/sources", error.message))
    row = sources_page.Row(name=name, version=None, kind="elements", folder=FOLDER, element=root.target)
    found.rows.append(row)


def _secrets(described: Described) -> list[str]:
    """Return the files of the project that are never passed on."""
    return [
        each.file
        for layer in described.system.layers
        if isinstance(layer, layers.SecretsLayer)
        for each in layer.secrets
    ]
