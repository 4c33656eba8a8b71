"""Renders a plan as the files of a BuildStream project: same plan, same bytes."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import SafeRepresenter

from rootstream.host.content import Content, Program, chunks
from rootstream.plan.model import BUILDROOT_DOWNLOAD, BUILDROOT_TREE, Dependency, Element, Json, Plan, Source

PROJECT_NAME = "rootstream"
# What the core `script` and `manual` elements of BuildStream need; older ones lack per-dependency locations.
MIN_VERSION = "2.2"
# Sources of our own: those of a package of Buildroot are only there if there is such a package.
_SOURCES = ("debian_packages", "debian_source", "python_sources", "python_wheels")


_BREAKS = frozenset("\u2028\u2029")  # they end lines in YAML 1.1, not in 1.2: in quotes they are escaped


class _Representer(SafeRepresenter):
    """Several lines of text are written as a block, as a person would."""


def _text(representer: SafeRepresenter, value: str) -> ScalarNode:
    style = "|" if "\n" in value and not _BREAKS.intersection(value) else None
    return representer.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Representer.add_representer(str, _text)


def _yaml(value: Json) -> str:
    yaml = YAML(typ="safe")  # libyaml: a quarter of the time, and right with NEL, CR, TAB and DEL in a text
    yaml.Representer = _Representer
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # the stub says None
    yaml.width = 4096
    out = io.StringIO()
    yaml.dump(value, out)
    return out.getvalue()


def _project_conf(plan: Plan) -> dict[str, Json]:
    """Return project.conf: the plugins and the environment that every element shares."""
    kinds = {source.kind for element in plan.elements.values() for source in element.sources}
    return {
        "name": PROJECT_NAME,
        "min-version": MIN_VERSION,
        "element-path": "elements",
        "ref-storage": "inline" if not plan.missing() else "project.refs",
        "plugins": [
            {
                "origin": "pip",
                "package-name": "rootstream",
                "sources": [*_SOURCES, *sorted(kinds & {BUILDROOT_DOWNLOAD, BUILDROOT_TREE})],
            },
            {"origin": "pip", "package-name": "buildstream-plugins", "sources": ["git", "patch", "docker"]},
        ],
        "environment": {
            "PATH": "/usr/bin:/usr/sbin:/bin:/sbin",
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "HOME": "/tmp",  # noqa: S108  (in the sandbox)
            "JOBS": "%{max-jobs}",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        "environment-nocache": ["JOBS"],
        "sandbox": {"build-os": "linux"},
        # Of the user's terminal: BuildStream takes it from its own environment, and only for shells.
        "shell": {"environment": {"TERM": "$TERM"}},
    }


def _source(source: Source, refs: Mapping[str, Json]) -> dict[str, Json]:
    words: dict[str, Json] = {"kind": source.kind, **source.words, **source.free}
    if source.directory:
        words["directory"] = source.directory
    if source.locked and source.request() in refs:
        words["ref"] = refs[source.request()]
    return words


def _dependency(dependency: Dependency) -> Json:
    if dependency.location == "/":
        return dependency.element
    return {"filename": dependency.element, "config": {"location": dependency.location}}


def element_text(element: Element, refs: Mapping[str, Json]) -> str:
    """Return an element's .bst file."""
    return _yaml(_element(element, refs))


def _element(element: Element, refs: Mapping[str, Json]) -> dict[str, Json]:
    text: dict[str, Any] = {"kind": element.kind, "description": element.description}
    if element.builds_with:
        text["build-depends"] = [_dependency(dependency) for dependency in element.builds_with]
    if element.needs:
        text["runtime-depends" if element.kind != "stack" else "depends"] = list(element.needs)
    if element.variables:
        text["variables"] = dict(element.variables)
    if element.environment:
        text["environment"] = dict(element.environment)
    config = dict(element.config)
    if element.commands:
        config["commands" if element.kind == "script" else "install-commands"] = list(element.commands)
    if config:
        text["config"] = config
    if element.public:
        text["public"] = dict(element.public)
    if element.sources:
        text["sources"] = [_source(source, refs) for source in element.sources]
    return text


def render(plan: Plan) -> dict[str, Content]:
    """Return every file of the BuildStream project by its path."""
    files = dict(plan.files)
    conf = "# Made from system.yaml on every build: edits are lost.\n" + _yaml(_project_conf(plan))
    files["project.conf"] = conf.encode()
    for name, element in plan.elements.items():
        files[f"elements/{name}"] = element_text(element, plan.refs).encode()
    return dict(sorted(files.items()))


def digest(plan: Plan, target: str, also: Iterable[str]) -> str:
    """Return the SHA-256 of everything that decides one system's result; `also` holds versions of tools.

    Elements are hashed as data: to write them as YAML is a third of a build with nothing to do.
    """
    closure = plan.closure(target)
    data = [*also, _project_conf(plan), {name: _element(plan.elements[name], plan.refs) for name in closure}]
    state = hashlib.sha256(json.dumps(data).encode())
    paths: set[str] = set()
    for name in closure:
        for source in plan.elements[name].sources:
            if source.kind == "local":
                root = str(source.words["path"])
                paths.update(path for path in plan.files if path == root or path.startswith(root + "/"))
        for used in plan.elements[name].uses():
            # An element of another project: all of that project's files may decide what it is.
            junction, colon, _ = used.rpartition(":")
            if colon:
                folder = f"junctions/{junction.removesuffix('.bst')}/"
                paths.add(f"elements/{junction}")
                paths.update(path for path in plan.files if path.startswith(folder))
    for path in sorted(paths):
        content = plan.files[path]
        state.update(f"{path}\0{len(content)}\0{'x' * isinstance(content, Program)}".encode())
        for piece in chunks(content):
            state.update(piece)
    return state.hexdigest()
