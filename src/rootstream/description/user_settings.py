"""What a user sets for all projects, in a file of their own: `config.yaml`, read and checked like `system.yaml`.

A project may recommend a cache, but only its user decides what their builds trust. For CI, variables of the
environment take the place of single keys.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationError

from rootstream.description.grammar import record
from rootstream.description.recommended import WITH_USER, cache_url
from rootstream.description.system import Means, Model
from rootstream.description.user_file import FILE, place
from rootstream.description.validation_messages import mistakes
from rootstream.description.variants import settle
from rootstream.description.yaml_nodes import MAX_BYTES, MappingNode, Node, ScalarNode, parse, plain
from rootstream.errors import Problems, UserError, Where

OFF = "off"
CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
# Keys and the variables that take their places, of both sections.
_KEYS = {
    "url": "URL",
    "token": "TOKEN_FILE",
    "ca": "CA",
    "client_cert": "CLIENT_CERT",
    "client_key": "CLIENT_KEY",
}
_OF_CACHE = {"push": "PUSH", "signed_by": "SIGNED_BY", "sign_with": "SIGN_WITH"}
_OF_WORKERS = {"at_once": "AT_ONCE", "jobs": "JOBS", "thin": "THIN", "unsigned": "UNSIGNED"}
VARIABLES = {key: f"ROOTSTREAM_CACHE_{word}" for key, word in {**_KEYS, **_OF_CACHE}.items()}
WORKERS = {key: f"ROOTSTREAM_WORKERS_{word}" for key, word in {**_KEYS, **_OF_WORKERS}.items()}
_SIGNATURES = ("signed_by", "sign_with")  # which need no server of ours: engine.yaml may have one
_MOST = 1024
_SWITCH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def _own_url(value: str) -> str:
    return value if value == OFF else cache_url(value)


OwnUrl = Annotated[
    str,
    AfterValidator(_own_url),
    Means(f"the address of a cache such as https://cache.example:443, or `{OFF}`"),
]


class Server(Model):
    """A server and what it demands."""

    url: OwnUrl
    """Address: https://HOST[:PORT], or http:// for a host without TLS; `off` for none."""
    token: str | None = None
    """File with the token that the server demands; relative to the folder of this file."""
    ca: str | None = None
    """File with the certificate of the authority that signed the server's; by default those that the host
    trusts."""
    client_cert: str | None = None
    """File with a certificate of the client, if the server demands one; `client_key` has its key."""
    client_key: str | None = None
    """File with the key of `client_cert`."""


class Cache(Server):
    """The cache shared with others."""

    push: bool = False
    """Whether what is built here is pushed to it."""
    signed_by: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Files with public keys in PEM. What none of them has signed is not used, from any server."""
    sign_with: str | None = None
    """File with a private key in PEM: what is built here and pushed is signed with it. It is also trusted."""


Count = Annotated[int, Field(ge=1, le=_MOST)]


class Workers(Server):
    """Machines that build for this one, by the Remote Execution API."""

    at_once: Count | None = None
    """How many elements are built at the same time: as many as there are workers."""
    jobs: Count | None = None
    """How many commands each element runs at the same time: as many as a worker has cores."""
    thin: bool = False
    """Whether files stay on their server: this machine gets only those that it writes to out/, or reads itself."""
    unsigned: bool = False
    """Whether they build although `cache: signed_by` is set: nobody signs what they build."""


class UserFile(Model):
    """The top level of `config.yaml`."""

    cache: Cache | None = None
    """The cache shared with others."""
    workers: Workers | None = None
    """Machines that build for this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSetting:
    """A server as its user set it: all paths are absolute, and what they name is there; `where` names its URL.

    `push` is for caches, `at_once`, `jobs`, `thin` and `unsigned` are for workers.
    """

    url: str
    where: Where | None
    push: bool = False
    at_once: int | None = None
    jobs: int | None = None
    thin: bool = False
    unsigned: bool = False
    token: Path | None = None
    ca: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureSetting:
    """Files of keys, as absolute paths: whose signatures are demanded, and what is signed with."""

    signed_by: tuple[Path, ...]
    sign_with: Path | None


def signatures(environment: Mapping[str, str]) -> SignatureSetting | None:
    """Return the keys of signatures that a user has set, None if none are demanded. Raises as `cache` does."""
    return _found("cache", VARIABLES, environment).signatures()


def cache(environment: Mapping[str, str]) -> ServerSetting | None:
    """Return the cache that a user has set in their file or in variables, None if there is none.

    Raises `UserError` setting-invalid for a variable, file-unreadable, or `Problems` of the file.
    """
    return _found("cache", VARIABLES, environment).setting()


def workers(environment: Mapping[str, str]) -> ServerSetting | None:
    """Return the workers that a user has set, as `cache` does."""
    return _found("workers", WORKERS, environment).setting()


def _found(
    section: Literal["cache", "workers"], variables: Mapping[str, str], environment: Mapping[str, str]
) -> _Found:
    path = place(environment)
    found = _Found(section=section, variables=variables, environment=environment)
    if path.is_file():
        found.read(path)
    found.override()
    if found.problems:
        raise Problems(tuple(found.problems)) if len(found.problems) > 1 else found.problems[0]
    return found


@dataclass(slots=True, kw_only=True)
class _Value:
    value: str | bool | int | tuple[str, ...]
    where: Where | None
    name: str  # as its author wrote it
    folder: Path


@dataclass(slots=True, kw_only=True)
class _Found:
    """The values of one section, each with its origin, and what is wrong with them."""

    section: Literal["cache", "workers"]
    variables: Mapping[str, str]
    environment: Mapping[str, str]
    values: dict[str, _Value] = field(default_factory=dict)
    problems: list[UserError] = field(default_factory=list)

    def read(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        except OSError as error:
            message = f"cannot be read: {error.strerror}"
            raise UserError("file-unreadable", message, where=Where(path=path)) from error
        try:
            node, problems = parse(data, path)
        except Problems as error:
            if any(each.reason == "empty-file" for each in error.problems):
                return
            raise
        self.problems += problems
        written = node.get(self.section) if isinstance(node, MappingNode) else None
        address = written.get("url") if isinstance(written, MappingNode) else None
        if isinstance(address, ScalarNode) and "@" in address.text:
            self.problems.append(UserError("bad-value", f"{self.section}: url: {WITH_USER}", where=address.where))
            return
        node = settle(record(UserFile), node)
        try:
            model = UserFile.model_validate(plain(node))
        except ValidationError as error:
            self.problems += mistakes(error.errors(include_url=False), record(UserFile), node, title=FILE)
            return
        server = model.cache if self.section == "cache" else model.workers
        if server is None or not isinstance(written, MappingNode):
            return
        for key in server.model_fields_set:
            value, at = getattr(server, key), written.get(key)
            if value is not None:
                name = f"{self.section}: {key}"
                self.values[key] = _Value(value=value, where=_where(at), name=name, folder=path.parent)

    def override(self) -> None:
        """Let variables take the place of what the file says; with another address, nothing of the file is left.

        The token of one server is none of another's business; signatures are demanded of all.
        """
        token = self.variables["token"].removesuffix("_FILE")
        if token in self.environment:
            text = f"{token} is set, but what is in the environment reaches every program of a build"
            hint = f"Write it to a file, and name that in {self.variables['token']}."
            raise UserError("setting-invalid", text, hint=hint)
        if self.environment.get(self.variables["url"]):
            self.values = {key: value for key, value in self.values.items() if key == "signed_by"}
        for key, variable in self.variables.items():
            text = self.environment.get(variable, "")
            if text:
                value = _of_variable(key, variable, text)
                self.values[key] = _Value(value=value, where=None, name=variable, folder=Path.cwd())

    def setting(self) -> ServerSetting | None:
        """Return what is set, None for no server."""
        url = self.values.get("url")
        if url is None:
            set_so = [each for key, each in self.values.items() if key not in _SIGNATURES]
            extra = next((each.name for each in set_so if each.where is None), None)
            if extra:
                raise UserError("setting-invalid", f"{extra} is set, but no {self.variables['url']}")
            return None
        if url.value == OFF:
            return None
        paths = {key: self._file(key) for key in ("token", "ca", "client_cert", "client_key")}
        for one, other in (("client_cert", "client_key"), ("client_key", "client_cert")):
            if paths[one] and not paths[other]:
                raise _wrong(self.values[one], f"`{one}` also needs `{other}`")
        useless = next((key for key, path in paths.items() if path), None)
        if useless and urlsplit(str(url.value)).scheme == "http":
            # BuildStream's casd refuses such a server, on loopback, too
            text = f"`{useless}` is only for a server with TLS: `url` must begin with https://"
            raise _wrong(self.values[useless], text)
        return ServerSetting(
            url=str(url.value),
            where=url.where,
            push=self._switch("push"),
            thin=self._switch("thin"),
            unsigned=self._switch("unsigned"),
            at_once=self._number("at_once"),
            jobs=self._number("jobs"),
            **paths,
        )

    def signatures(self) -> SignatureSetting | None:
        """Return the keys of signatures, None if there are none."""
        demanded, own = self.values.get("signed_by"), self.values.get("sign_with")
        paths = demanded.value if demanded and isinstance(demanded.value, tuple) else ()
        signed_by = tuple(_key_file(demanded, each, b"PUBLIC") for each in paths if demanded)
        sign_with = _key_file(own, str(own.value), b"PRIVATE") if own else None
        if not signed_by and not sign_with:
            return None
        return SignatureSetting(signed_by=signed_by, sign_with=sign_with)

    def _switch(self, key: str) -> bool:
        found = self.values.get(key)
        return bool(found and found.value)

    def _number(self, key: str) -> int | None:
        found = self.values.get(key)
        return found.value if found and isinstance(found.value, int) else None

    def _file(self, key: str) -> Path | None:
        """Return the file of a key. What is written may be the token itself: no message repeats it."""
        found = self.values.get(key)
        if found is None:
            return None
        path = found.folder / Path(str(found.value)).expanduser()
        try:
            content = path.read_bytes()
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not a path"
            what = "the path of the file that contains the token" if key == "token" else f"a file ({path})"
            raise _wrong(found, f"expected {what}: {reason}") from error
        if key in ("ca", "client_cert") and CERTIFICATE not in content:
            raise _wrong(found, f"{path} is not a certificate in PEM format")
        if key == "token" and not re.fullmatch(rb"[!-~]+\s*", content):
            raise _wrong(found, f"{path} must contain the token and nothing else, on one line")
        return path.absolute()


def _key_file(value: _Value, text: str, kind: bytes) -> Path:
    """Return the file of a key in PEM, PUBLIC or PRIVATE."""
    path = value.folder / Path(text).expanduser()
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a path"
        raise _wrong(value, f"expected the file of a key ({path}): {reason}") from error
    if b"-----BEGIN " not in content or kind + b" KEY-----" not in content:
        raise _wrong(value, f"{path} is not a {kind.decode().lower()} key in PEM format")
    return path.absolute()


def _of_variable(key: str, variable: str, text: str) -> str | bool | int | tuple[str, ...]:
    """Return the value that a variable has. Raises `UserError` setting-invalid."""
    if key == "url" and text != OFF:
        try:
            return cache_url(text)
        except ValueError as error:
            raise UserError("setting-invalid", f"{variable}: {error}") from error
    if key == "signed_by":
        return tuple(each for each in text.split(os.pathsep) if each)
    if key in ("push", "thin", "unsigned"):
        if text.lower() not in _SWITCH:
            raise UserError("setting-invalid", f"{variable} is {text!r}, expected true or false")
        return _SWITCH[text.lower()]
    if key in ("at_once", "jobs"):
        if not text.isascii() or not text.isdigit() or not 0 < int(text) <= _MOST:
            raise UserError("setting-invalid", f"{variable} is {text!r}, expected a number from 1 to {_MOST}")
        return int(text)
    return text


def _where(node: Node | None) -> Where | None:
    return node.where if node is not None else None


def _wrong(value: _Value, text: str) -> UserError:
    return UserError("setting-invalid", f"{value.name}: {text}", where=value.where)
