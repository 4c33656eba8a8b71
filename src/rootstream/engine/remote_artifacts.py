"""What of a project's elements servers have: asked by name and key, before anything is pulled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from rootstream.engine.elements import ElementState
from rootstream.engine.remote_api import Api
from rootstream.engine.remotes import Remote
from rootstream.engine.trust import Trust


def on_servers(
    project: Path, states: Sequence[ElementState], remotes: Iterable[Remote], trust: Trust | None
) -> Mapping[str, str]:
    """Return for elements the name of the first server that has them, signed if that is demanded.

    Elements of other projects, behind a junction, are not asked for: only BuildStream knows the names of those.
    Raises `OSError` if a server does not answer.
    """
    remotes = tuple(remotes)
    if trust:
        trust.refresh(remotes)
    names = _names(project, states)
    found: dict[str, str] = {}
    for remote in remotes:
        asked = [name for name, element in names.items() if element not in found]
        if not asked:
            break
        with Api(remote) as api:
            there = _signed(api, trust, asked) if trust else api.entries(asked)
            found |= {names[name]: remote.name for name in there}
    return found


def _signed(api: Api, trust: Trust, names: Iterable[str]) -> Iterable[str]:
    """Return the names that are signed, of those of which the server has what they stand for."""
    digests = trust.digests()
    signed = {name: digests[name] for name in names if name in digests}
    missing = api.missing(tuple(signed.values())) if signed else ()
    return [name for name, digest in signed.items() if digest.hash not in missing]


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
