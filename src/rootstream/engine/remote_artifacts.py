"""What of a project's elements servers have: asked by name and key, before anything is pulled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from rootstream.engine.elements import ElementState
from rootstream.engine.remote_api import Api
from rootstream.engine.remotes import Remote
from rootstream.engine.trust import Trust

CONF = "project.conf"


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
    """Return the elements by the names of their artifacts."""
    names = ((artifact_name(project, each.name, each.key), each.name) for each in states)
    return {name: element for name, element in names if name}


def artifact_name(project: Path, element: str, key: str) -> str:
    """Return the name that BuildStream has for what was built of an element with a key: PROJECT/ELEMENT/KEY.

    Empty for elements of other projects and for those that have no key yet.
    """
    if not key or ":" in element:
        return ""
    try:
        status = (project / CONF).stat()
        name = _name(project / CONF, (status.st_ino, status.st_mtime_ns, status.st_size))
    except (OSError, YAMLError, KeyError, TypeError, UnicodeError):
        return ""
    return f"{name}/{element.removesuffix('.bst').replace('/', '-')}/{key}"


@lru_cache(maxsize=8)
def _name(conf: Path, stamp: tuple[int, ...]) -> str:
    """Return the name of the project with a project.conf; `stamp` tells one from the next."""
    del stamp
    return str(YAML(typ="safe").load(conf.read_text(encoding="utf-8"))["name"])
