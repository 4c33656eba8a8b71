"""The servers that artifacts are pulled from and pushed to, and what BuildStream is told of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rootstream.errors import Where

# What paths `auth` of a server in BuildStream's words has, and ours for them.
_FILES = {
    "access-token": "token",
    "server-cert": "ca",
    "client-cert": "client_cert",
    "client-key": "client_key",
}
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A server; `words` is what else BuildStream is told of it, `where` the place that names it."""

    url: str
    push: bool = False
    token: Path | None = None
    ca: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    instance: str = ""
    where: Where | None = None
    words: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Return what it is called in messages: its host, with the port if that is not the usual one."""
        parts = urlsplit(self.url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or self.url
        return f"{host}:{parts.port}" if parts.port and parts.port != _PORTS.get(parts.scheme) else host

    @property
    def address(self) -> tuple[str, int]:
        """Return host and port."""
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 443)

    @property
    def is_encrypted(self) -> bool:
        """Say whether it has TLS."""
        return urlsplit(self.url).scheme in ("https", "grpcs")

    def server(self, *, push: bool, storage: bool = False) -> dict[str, Any]:
        """Return the entry of BuildStream's `servers:`; as `storage`, it is asked for nothing but by hash."""
        files = {word: getattr(self, ours) for word, ours in _FILES.items()}
        auth = {**self.words.get("auth", {}), **{word: str(path) for word, path in files.items() if path}}
        entry = {**self.words, "url": self.url, "push": push} | ({"type": "storage"} if storage else {})
        return {**entry, "auth": auth} if auth else entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Signatures:
    """Files of keys: of those who must have signed what is used, and the one that signs what is built here."""

    signed_by: tuple[Path, ...] = ()
    sign_with: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """Machines that build, behind one server: how many elements at once, and how many commands each runs.

    `thin`: files stay on their server, unless something reads them here. `unsigned`: what they build is used
    although nobody signs it, where signatures are demanded.
    """

    remote: Remote
    thin: bool = False
    unsigned: bool = False
    at_once: int | None = None
    jobs: int | None = None

    def configuration(self, *, build: bool, execution: Remote | None = None) -> dict[str, Any]:
        """Return what BuildStream is told: one server has all services, or only has files unless they `build`.

        With `execution`, actions are sent there, by which it gets to that server.
        """
        found: dict[str, Any] = {"cache": {"storage-service": self._server()}} if self.thin else {}
        if not build:
            return found
        services = ("execution-service", "action-cache-service", *(() if self.thin else ("storage-service",)))
        found["remote-execution"] = {name: self._server() for name in services}
        if execution:
            found["remote-execution"]["execution-service"] = _service(execution)
        if self.at_once:
            found["scheduler"] = {"builders": self.at_once}
        if self.jobs:
            found["build"] = {"max-jobs": self.jobs}
        return found

    def _server(self) -> dict[str, Any]:
        return _service(self.remote)


def _service(remote: Remote) -> dict[str, Any]:
    return {word: value for word, value in remote.server(push=False).items() if word != "push"}


def of_engine_file(tree: Mapping[str, Any], path: Path | None) -> tuple[Remote, ...]:
    """Return the artifact servers of the user's own BuildStream configuration, none where it has mistakes."""
    section = tree.get("artifacts")
    servers = section.get("servers") if isinstance(section, dict) else None
    if not isinstance(servers, list) or not all(isinstance(each, dict) and _is_right(each) for each in servers):
        return ()
    return tuple(_of_server(each, path) for each in servers)


def _is_right(server: Mapping[str, Any]) -> bool:
    auth = server.get("auth", {})
    return isinstance(server.get("url"), str) and isinstance(auth, dict)


def _of_server(server: Mapping[str, Any], path: Path | None) -> Remote:
    folder = path.parent if path else Path()
    auth = server.get("auth", {})
    files = {ours: _path(folder, auth[word]) for word, ours in _FILES.items() if isinstance(auth.get(word), str)}
    return Remote(
        url=server["url"],
        push=server.get("push") is True,
        instance=str(server.get("instance-name") or ""),
        where=Where(path=path) if path else None,
        words=dict(server),
        **files,
    )


def _path(folder: Path, text: str) -> Path:
    """Return the path that a file in `folder` means; a relative one begins there."""
    return folder / Path(text).expanduser()
