"""What of the user's own BuildStream configuration is left out where signatures are demanded.

It would bring what is found by a key and not by its hash, and that nobody signs: sources, results of actions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rootstream.engine.remotes import Remote

_SECTIONS = ("source-caches", "remote-execution")
_OF_PROJECTS = (*_SECTIONS, "artifacts")
_OVERRIDE = "override-project-caches"

type_tree = dict[str, object]


def named(extra: Mapping[str, object]) -> tuple[tuple[str, ...], ...]:
    """Return the keys that lead to what is left out, from the top."""
    found: list[tuple[str, ...]] = [(each,) for each in _SECTIONS if each in extra]
    projects = extra.get("projects")
    for name, own in projects.items() if isinstance(projects, dict) else ():
        found += [("projects", str(name), each) for each in _OF_PROJECTS if isinstance(own, dict) and each in own]
    artifacts = extra.get("artifacts")
    if isinstance(artifacts, dict) and artifacts.get(_OVERRIDE) is False:
        found.append(("artifacts", _OVERRIDE))
    return tuple(found)


def without(extra: Mapping[str, object]) -> type_tree:
    """Return a configuration without all of that."""
    kept = {key: value for key, value in extra.items() if key not in _SECTIONS}
    artifacts, projects = kept.get("artifacts"), kept.get("projects")
    if isinstance(artifacts, dict):
        kept["artifacts"] = {key: value for key, value in artifacts.items() if key != _OVERRIDE}
    if isinstance(projects, dict):
        kept["projects"] = {
            name: {key: value for key, value in own.items() if key not in _OF_PROJECTS}
            if isinstance(own, dict)
            else own
            for name, own in projects.items()
        }
    return kept


def servers(remotes: Sequence[Remote], index: str | None, *, push: bool) -> list[type_tree]:
    """Return BuildStream's `servers:`: unless they are pushed to, real ones are storage, and we are the index."""
    if push:
        return [each.server(push=True) for each in remotes]
    if index is None:
        return []
    storages = [each for each in remotes if each.words.get("type") != "index"]
    return [{"url": index, "type": "index"}, *(each.server(push=False, storage=True) for each in storages)]
