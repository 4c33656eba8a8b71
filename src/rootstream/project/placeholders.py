"""Secrets of a system, and what stands for them until its images are exported.

A placeholder is as long as its secret and tells nothing else of it. It is the only form in which a secret is in a
plan, in a build sandbox, in a cache or in a log; `filling` puts the secret itself into the exported files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rootstream.description import layers
from rootstream.errors import UserError

MARKER = b"$rssecret$"
LEAST, MOST = 24, 32 << 10  # bytes: fewer would not be unique, more might not lie in one piece on a file system


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A secret: what it is, what stands for it, and its bytes, which no message shows."""

    what: str
    placeholder: bytes
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hidden:
    """Layers without secrets, the secrets, and files with placeholders: path in the image to (mode, bytes)."""

    layers: tuple[layers.Layer, ...]
    secrets: tuple[Secret, ...]
    files: Mapping[str, tuple[int, bytes]]


def hide(system: str, described: Sequence[layers.Layer], contents: Mapping[str, bytes]) -> Hidden:
    """Put placeholders in place of what is secret; `contents` are the secret files by their path in the project.

    Raises `UserError` secret-length.
    """
    found: dict[str, Secret] = {}
    files: dict[str, tuple[int, bytes]] = {}

    def hashed(password: layers.Password, name: str) -> layers.Password:
        if not isinstance(password, layers.PasswordHash):
            return password
        made = _secret(system, f"the password hash of {name}", password.hash.encode())
        found[made.what] = made
        return layers.PasswordHash(hash=made.placeholder.decode())

    hidden: list[layers.Layer] = []
    for layer in described:
        if isinstance(layer, layers.UsersLayer):
            users = tuple(
                user.model_copy(update={"password": hashed(user.password, user.name)}) for user in layer.users
            )
            hidden.append(layers.UsersLayer(users=users))
        elif isinstance(layer, layers.RootLoginLayer):
            login = layer.root_login
            login = login.model_copy(update={"password": hashed(login.password, "root")})
            hidden.append(layers.RootLoginLayer(root_login=login))
        elif isinstance(layer, layers.SecretsLayer):
            for each in layer.secrets:
                made = _secret(system, each.path, contents[each.file])
                found[made.what] = made
                files[each.path.lstrip("/")] = (each.mode, made.placeholder)
            hidden.append(layer)
        else:
            hidden.append(layer)
    return Hidden(layers=tuple(hidden), secrets=tuple(found.values()), files=files)


def has_secrets(described: Sequence[layers.Layer]) -> bool:
    """Say whether layers hold anything that only its owner may read: password hashes, secret files."""
    return any(
        isinstance(layer, layers.SecretsLayer)
        or (
            isinstance(layer, layers.UsersLayer)
            and any(isinstance(user.password, layers.PasswordHash) for user in layer.users)
        )
        or (
            isinstance(layer, layers.RootLoginLayer) and isinstance(layer.root_login.password, layers.PasswordHash)
        )
        for layer in described
    )


def mark(digest: str, secrets: Sequence[Secret]) -> str:
    """Return what stands for a result with its secrets; it is kept in the project, and nowhere else."""
    if not secrets:
        return digest
    state = hashlib.sha256(digest.encode())
    for secret in secrets:
        state.update(hashlib.sha256(secret.placeholder).digest() + hashlib.sha256(secret.content).digest())
    return state.hexdigest()


def _secret(system: str, what: str, content: bytes) -> Secret:
    if not LEAST <= len(content) <= MOST:
        raise UserError(
            "secret-length",
            f"{what} of {system} has {len(content)} bytes; a secret must have {LEAST} to {MOST}",
            hint="Its placeholder in the build must have the same length, and be unique.",
        )
    text = bytearray(MARKER)
    number = 0
    while len(text) < len(content):
        text += hashlib.sha256(f"{system}\0{what}\0{len(content)}\0{number}".encode()).hexdigest().encode()
        number += 1
    return Secret(what=what, placeholder=bytes(text[: len(content)]), content=content)
