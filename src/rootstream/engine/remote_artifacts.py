"""What of a project's elements servers have: asked by name and key, before anything is pulled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from rootstream.engine.elements import ElementState
from rootstream.engine.remote_api import Api
from rootstream.engine.remotes import Remote


def on_servers(project: Path, states: Sequence[ElementState], remotes: Iterable[Remote]) -> Mapping[str, str]:
    """Return for elements the name of the first server that has them.

    Elements of other projects, behind a junction, are not asked for: only BuildStream knows the names of those.
    Raises `OSError` if a server does not answer.
    """
    names = _names(project, states)
    found: dict[str, str] = {}
    for remote in remotes:
        asked = [name for name, element in names.items() if element not in found]
        if not asked:
            break
        with Api(remote) as api:
            found |= {names[name]: remote.name for name in api.entries(asked)}
    return found


def _names(project: Path, states: Sequence[ElementState]) -> dict[str, str]:
    """Return the elements by the names of their artifacts, PROJECT/ELEMENT/KEY."""
    try:
        read = YAML(typ="safe").load((project / "project.conf").read_text(encoding="utf-8"))
        name = str(read["name"])
    except (OSError, YAMLError, KeyError, TypeError, UnicodeError):
        return {}
    return {
        f"{name}/{each.name.removesuffix('.bst').replace('/', '-')}/{each.key}": each.name
        for each in states
        if each.key and ":" not in each.name
    }
