"""Where in system.yaml something stands: by the words that a user may have written, or by a key.

Only the YAML is read, not the models of a description, so that commands that look for a line start at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from rootstream.description.yaml_nodes import MappingNode, Node, ScalarNode, SequenceNode, parse
from rootstream.errors import UserError, Where
from rootstream.host.file_text import text_of

# Where the words of a system are that ask for something, and what is looked at before all else.
FIRST = ("root", "kernel", "layers", "images")


def top_of(description: Path) -> Node | None:
    """Return the outermost node of a description, None if it cannot be read."""
    try:
        return _parsed(description.read_bytes(), description)
    except (OSError, UserError):
        return None


@lru_cache(maxsize=1)
def _parsed(content: bytes, description: Path) -> Node:
    return parse(content, description)[0]


def targets(description: Path) -> tuple[str, ...]:
    """Return the systems and variants that a description names, whether the rest of it is right or not."""
    top = top_of(description)
    systems = top.get("systems") if isinstance(top, MappingNode) else None
    found: list[str] = []
    for name, entry in systems.entries.items() if isinstance(systems, MappingNode) else ():
        variants = entry.value.get("variants") if isinstance(entry.value, MappingNode) else None
        found.append(str(name))
        found += [f"{name}@{each}" for each in (variants.entries if isinstance(variants, MappingNode) else ())]
    return tuple(found)


def asked_for(description: Path, target: str, names: Sequence[str]) -> Where | None:
    """Return the first place in a description that names one of some packages, folders or requirements."""
    top = top_of(description)
    if top is None:
        return None
    nodes = tuple(nodes_of(top, [target]))
    for name in names:
        for node in nodes:
            found = next(places(node, name), None) or next(listed(node, name, description.parent), None)
            if found is not None:
                return found
    return None


def key_of(description: Path, target: str, key: str) -> Where | None:
    """Return the place of a key of a system, or of the last of its layers that has it."""
    top = top_of(description)
    if top is None:
        return None
    systems = top.get("systems") if isinstance(top, MappingNode) else None
    name, _, variant = target.partition("@")
    system = systems.get(name) if isinstance(systems, MappingNode) else None
    variants = system.get("variants") if isinstance(system, MappingNode) else None
    chosen = variants.get(variant) if isinstance(variants, MappingNode) and variant else None
    for node in (chosen, system):
        found = _key(node, key) if isinstance(node, MappingNode) else None
        if found is not None:
            return found
    return None


def _key(system: MappingNode, key: str) -> Where | None:
    layers = system.get("layers")
    items = layers.items if isinstance(layers, SequenceNode) else ()
    for node in (*reversed(items), system):
        entry = node.entries.get(key) if isinstance(node, MappingNode) else None
        if entry is not None:
            return entry.key.where
    return None


def nodes_of(top: Node, targets: list[str]) -> Iterator[Node]:
    """Yield the parts of a description to look at, the likeliest first."""
    systems = top.get("systems") if isinstance(top, MappingNode) else None
    names = dict.fromkeys(target.partition("@")[0] for target in targets)
    written = [systems.get(name) for name in names] if isinstance(systems, MappingNode) else []
    for word in FIRST:
        for node in written:
            found = node.get(word) if isinstance(node, MappingNode) else None
            if found is not None:
                yield found
    yield from (node for node in written if node is not None)
    debian = top.get("debian") if isinstance(top, MappingNode) else None
    if debian is not None:
        yield debian


def _is(text: str, name: str) -> bool:
    """Tell whether a text is a name, alone or with a version, extras or a marker behind it."""
    pattern = re.escape(name) + r"\s*(\[[^]]*\]\s*)?([=<>!~;@#].*)?"
    return re.fullmatch(pattern, text.strip(), re.IGNORECASE) is not None


def places(node: Node, name: str) -> Iterator[Where]:
    """Yield the places where a name stands."""
    if isinstance(node, ScalarNode):
        if _is(node.text, name):
            yield node.where
    elif isinstance(node, SequenceNode):
        for item in node.items:
            yield from places(item, name)
    else:
        for entry in node.entries.values():
            if name.startswith("/") and _is(entry.key.text, name):  # other words are Rootstream's own
                yield entry.key.where
            yield from places(entry.value, name)


def listed(node: Node, name: str, folder: Path) -> Iterator[Where]:
    """Yield the lines of the files of requirements below a node that ask for a name."""
    if isinstance(node, SequenceNode):
        for item in node.items:
            yield from listed(item, name, folder)
    elif isinstance(node, MappingNode):
        files = node.get("requirements")
        for each in files.items if isinstance(files, SequenceNode) else ():
            path = folder / (each.text if isinstance(each, ScalarNode) else "")
            lines = text_of(path).splitlines() if path.is_file() else []
            yield from (Where(path=path, line=number) for number, line in enumerate(lines, 1) if _is(line, name))
        for entry in node.entries.values():
            yield from listed(entry.value, name, folder)
