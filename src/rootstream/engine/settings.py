"""How BuildStream is set up: caches that all projects of a user share, limits, remote caches, environment.

What a user writes in `engine.yaml` (remote execution, further caches ...) is BuildStream's own user
configuration and goes over ours as it is; see "User configuration" in BuildStream's manual for its keys. Only its
artifact servers are taken over by us: each run of `bst` uses those that it needs, and pushes only if it is to.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, StringMark, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from rootstream.engine import unverifiable
from rootstream.engine.elements import element_format
from rootstream.engine.messages import message_format
from rootstream.engine.remotes import Remote, Signatures, Workers, of_engine_file
from rootstream.engine.sharing import reserve
from rootstream.errors import UserError, Where

GIB = 1 << 30
LARGEST_QUOTA = 200 * GIB
ENOUGH_CORES = 4  # that a core which waits for a disk is worth another command
PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy")
# TLS authorities, credentials for sources, and what decides on encodings and terminals
PASSED = (
    "HOME",
    "USER",
    "LOGNAME",
    "TERM",
    "COLORTERM",
    "NO_COLOR",
    "LANG",
    "LANGUAGE",
    "TZ",
    "SSH_AUTH_SOCK",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "NETRC",
    *PROXIES,
    *(name.upper() for name in PROXIES),
)
PASSED_PREFIXES = ("XDG_", "LC_", "ROOTSTREAM_", "PIP_")

type_tree = dict[str, object]
_SERVERS = ("artifacts", "servers")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the engine works for one user.

    `cache` holds artifacts, sources, logs; `quota` is its limit in BuildStream's words (`80G`, `50%` of the
    disk, `infinity`) or bytes, `reserved` what stays free of the disk, in the same words. `on_error`: `continue`
    builds all that does not depend on what failed, `quit` finishes only what runs. `extra` is the user's own
    `engine.yaml`, if there is one; `remote` and `workers` are the cache shared with others and the machines that
    build, set in our own words; `signatures` are demanded of what comes from any server.
    """

    cache: Path
    quota: str
    builders: int
    fetchers: int
    max_jobs: int
    reserved: str = "5%"
    network_retries: int = 2
    on_error: Literal["quit", "continue"] = "continue"
    extra: Path | None = None
    remote: Remote | None = None
    workers: Workers | None = None
    signatures: Signatures | None = None


def settings_from(
    environment: Mapping[str, str],
    remote: Remote | None = None,
    workers: Workers | None = None,
    signatures: Signatures | None = None,
) -> Settings:
    """Return the settings for this machine and user; ROOTSTREAM_CACHE, _CACHE_QUOTA, _BUILDERS, _JOBS set some.

    Raises `UserError` setting-invalid.
    """
    home = Path(environment.get("HOME") or Path.home())
    cache = _folder(environment, "ROOTSTREAM_CACHE")
    if cache is None:
        cache = (_folder(environment, "XDG_CACHE_HOME") or home / ".cache") / "rootstream" / "bst"
    extra = (_folder(environment, "XDG_CONFIG_HOME") or home / ".config") / "rootstream" / "engine.yaml"
    cores = len(os.sched_getaffinity(0))
    return Settings(
        cache=cache,
        quota=environment.get("ROOTSTREAM_CACHE_QUOTA") or default_quota(cache),
        reserved=str(reserve(_total(cache))),
        builders=_number(environment, "ROOTSTREAM_BUILDERS", default_builders(cores)),
        fetchers=max(4, min(10, 2 * cores)),
        max_jobs=_number(environment, "ROOTSTREAM_JOBS", default_jobs(cores)),
        extra=extra if extra.is_file() else None,
        remote=remote,
        workers=workers,
        signatures=signatures,
    )


def default_builders(cores: int) -> int:
    """Return how many elements to build at once: each may use all cores, but most do so only now and then.

    Measured on 2 cores: with 2 the images of a changed overlay are there 12 % sooner, a cold build takes as long.
    """
    return min(cores, max(2, min(8, cores // 2)))


def default_jobs(cores: int) -> int:
    """Return how many commands an element runs at once: measured, 3 for 2 cores 8 % slower, 6 for 4 6 % faster."""
    return cores if cores < ENOUGH_CORES else cores + cores // 2


def default_quota(cache: Path) -> str:
    """Return half of the disk's size, at most 200 GiB, in bytes.

    The size and not what is free, which the cache itself changes; what has to stay free goes before this limit.
    """
    return str(min(_total(cache) // 2, LARGEST_QUOTA))


def _total(cache: Path) -> int:
    folder = cache
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).total


def quota_of(settings: Settings) -> str:
    """Return the limit of the cache, which the user's own file may set too.

    Raises `UserError` engine-settings-invalid.
    """
    cache = _read(settings.extra).get("cache")
    return str(cache["quota"]) if isinstance(cache, dict) and "quota" in cache else settings.quota


def remotes_of(settings: Settings) -> tuple[Remote, ...]:
    """Return the servers of artifacts, ours first. Raises `UserError` engine-settings-invalid."""
    own = (settings.remote,) if settings.remote else ()
    return own + of_engine_file(_read(settings.extra), settings.extra)


def unverified_in(settings: Settings) -> tuple[tuple[str, Where], ...]:
    """Return what of the user's own file is left out because signatures are demanded: its keys and its places.

    Raises `UserError` engine-settings-invalid.
    """
    if settings.signatures is None or settings.extra is None:
        return ()
    found = unverifiable.named(_read(settings.extra))
    if not found:
        return ()
    node = YAML().compose(settings.extra.read_text(encoding="utf-8"))
    return tuple(
        (": ".join(keys), _where(node, keys, settings.extra) or Where(path=settings.extra)) for keys in found
    )


def foreign_sources(settings: Settings) -> bool:
    """Say whether a server may provide sources, or results of actions, that nobody has signed."""
    return settings.signatures is None and bool(unverifiable.named(_read(settings.extra)))


def configuration(
    settings: Settings,
    *,
    mark: str | None,
    expires: bool = True,
    remotes: Sequence[Remote] | None = None,
    push: bool | None = None,
    workers: Workers | None = None,
    build: bool = True,
    execution: Remote | None = None,
    index: str | None = None,
) -> str:
    """Return BuildStream's user configuration as YAML text.

    With a `mark`, messages are formatted for `messages.Reader`; without, as BuildStream does for people. Unless
    the run `expires` what the cache has not used for long, it has no limit. Of all servers of artifacts it uses
    `remotes`, by default all; `push` says whether it pushes to them, by default as they are set. Those that a
    project names are not used: a clone must not fill the cache that all projects of a user share. What the run is
    to `build` is built by `workers`, whose server may also have its files; `execution` leads there. Where
    signatures are demanded, the only index of artifacts that it pulls by is the one at the URL `index`. Raises
    `UserError` engine-settings-invalid for a fault in the user's file.
    """
    extra = _read(settings.extra)
    wanted = remotes_of(settings) if remotes is None else remotes
    ours: type_tree = {
        "cache": {
            "quota": settings.quota,
            "reserved-disk-space": settings.reserved,
            "pull-buildtrees": False,
            "cache-buildtrees": "auto",
        },
        "scheduler": {
            "builders": settings.builders,
            "fetchers": settings.fetchers,
            "network-retries": settings.network_retries,
            "on-error": settings.on_error,
        },
        "build": {"max-jobs": settings.max_jobs, "retry-failed": True},
        "artifacts": {"override-project-caches": True},
        "source-caches": {"override-project-caches": True},
    }
    own = unverifiable.without(extra) if settings.signatures else extra
    tree = _merged(_merged(ours, workers.configuration(build=build, execution=execution) if workers else {}), own)
    if settings.signatures:
        tree = _merged(tree, {"artifacts": {"servers": unverifiable.servers(wanted, index, push=bool(push))}})
    elif settings.remote or of_engine_file(extra, settings.extra):
        tree = _merged(
            tree,
            {"artifacts": {"servers": [each.server(push=each.push if push is None else push) for each in wanted]}},
        )
    if not expires:
        tree = _merged(tree, {"cache": {"quota": "infinity", "reserved-disk-space": "0"}})
    tree["cachedir"] = str(settings.cache)
    tree["sourcedir"] = str(settings.cache / "sources")
    tree["logdir"] = str(settings.cache / "logs")
    if mark is not None:
        tree["logging"] = {
            "message-format": message_format(mark),
            "element-format": element_format(mark),
            "key-length": 64,
            "verbose": True,
            "debug": False,
            "error-lines": 0,
            "message-lines": 50,
            "throttle-ui-updates": False,
        }
    out = io.StringIO()
    writer = YAML(typ="safe")
    writer.default_flow_style = False
    writer.dump(tree, out)
    return out.getvalue()


def servers_in(text: str) -> tuple[str, ...]:
    """Return the addresses of all servers in a configuration of BuildStream."""
    found: list[str] = []
    todo: list[object] = [YAML(typ="safe").load(text)]
    while todo:
        node = todo.pop()
        if isinstance(node, dict):
            found += [str(value) for key, value in node.items() if key == "url"]
            todo += node.values()
        elif isinstance(node, list):
            todo += node
    return tuple(found)


def environment_for(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what of an environment `bst` is given; the folder of our Python is first on its PATH."""
    given = {
        name: value for name, value in environment.items() if name in PASSED or name.startswith(PASSED_PREFIXES)
    }
    programs = str(Path(sys.executable).parent)
    # buildbox-run aborts over a folder on PATH that it may not enter
    rest = [
        entry
        for entry in environment.get("PATH", os.defpath).split(os.pathsep)
        if entry.startswith("/") and entry != programs and os.access(entry, os.X_OK)
    ]
    return {
        "HOME": str(Path.home()),
        "LANG": "C.UTF-8",
        **given,
        "PATH": os.pathsep.join([programs, *rest]),
        "PYTHONUNBUFFERED": "1",
    }


def _read(path: Path | None) -> type_tree:
    if path is None:
        return {}
    try:
        read: object = YAML(typ="safe").load(path)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        where = Where(path=path, line=mark.line + 1, column=mark.column + 1) if mark else Where(path=path)
        raise UserError("engine-settings-invalid", f"not valid YAML: {error.problem}", where=where) from error
    except (OSError, YAMLError, UnicodeError) as error:
        raise UserError("engine-settings-invalid", f"cannot read it: {error}", where=Where(path=path)) from error
    if read is None:
        return {}
    if not isinstance(read, dict) or not all(isinstance(key, str) for key in read):
        raise UserError(
            "engine-settings-invalid",
            "expected a mapping, as in BuildStream's user configuration",
            where=Where(path=path),
        )
    return read


def place_in(path: Path, merged: str, line: int, column: int) -> Where | None:
    """Return where a user's file has what is at a place of the merged configuration; None if it is not theirs.

    All count from 1. What the user's file has is found there by its keys, from the top.
    """
    try:
        ours = YAML().compose(merged)
        node = YAML().compose(path.read_text(encoding="utf-8"))
    except (OSError, YAMLError, UnicodeError):
        return None
    keys = _keys_at(ours, line, column) or ()
    if keys[: len(_SERVERS)] == _SERVERS and len(keys) > len(_SERVERS):
        # ours and those that are not used now are others: the number is that of the same address
        url = _value(_at(ours, keys[: len(_SERVERS) + 1]), "url")
        every = _at(node, _SERVERS)
        urls = [_value(each, "url") for each in every.value] if isinstance(every, SequenceNode) else []
        keys = (*_SERVERS, urls.index(url) if url in urls else -1, *keys[len(_SERVERS) + 1 :])
    return _where(node, keys, path)


def _where(node: Node | None, keys: Sequence[str | int], path: Path) -> Where | None:
    mark = None
    for key in keys:
        found = _below(node, key)
        if found is None:
            return None
        mark, node = found
    return Where(path=path, line=mark.line + 1, column=mark.column + 1) if mark else None


def _keys_at(node: Node | None, line: int, column: int) -> tuple[str | int, ...] | None:
    """Return the keys that lead to what begins at a place."""
    below: list[tuple[str | int, Node, Node]] = []
    if isinstance(node, MappingNode):
        below = [(key.value, key, value) for key, value in node.value]
    elif isinstance(node, SequenceNode):
        below = [(number, each, each) for number, each in enumerate(node.value)]
    for key, begin, value in below:
        if any((at.start_mark.line + 1, at.start_mark.column + 1) == (line, column) for at in (begin, value)):
            return (key,)
        if (inner := _keys_at(value, line, column)) is not None:
            return (key, *inner)
    return None


def _at(node: Node | None, keys: Sequence[str | int]) -> Node | None:
    for key in keys:
        found = _below(node, key)
        node = found[1] if found else None
    return node


def _value(node: Node | None, key: str) -> str | None:
    found = _below(node, key)
    return str(found[1].value) if found else None


def _below(node: Node | None, key: str | int) -> tuple[StringMark, Node] | None:
    if isinstance(node, MappingNode):
        return next(((name.start_mark, value) for name, value in node.value if name.value == key), None)
    if isinstance(node, SequenceNode) and isinstance(key, int) and 0 <= key < len(node.value):
        return node.value[key].start_mark, node.value[key]
    return None


def _merged(base: type_tree, over: type_tree) -> type_tree:
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _folder(environment: Mapping[str, str], name: str) -> Path | None:
    """Return the folder that a variable names; a relative one counts as unset (XDG base directory rules)."""
    value = environment.get(name, "")
    return Path(value) if value.startswith("/") else None


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name, "")
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= 1024:  # noqa: PLR2004
        raise UserError("setting-invalid", f"{name} is {text!r}, expected a number from 1 to 1024")
    return int(text)
