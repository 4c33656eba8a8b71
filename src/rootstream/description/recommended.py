"""The address of a cache shared with others, and what a project may say of one: a recommendation."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

from rootstream.description.system import Means, Model

WITH_USER = "an address must not contain a user or password; use `token`"
_HOST = re.compile(r"[A-Za-z0-9._:%-]{1,253}")


def cache_url(value: str) -> str:
    """Return the address of a cache without the slash at its end. Raises `ValueError` for one that is none.

    What is wrong is told without the value where that may hold a password.
    """
    if "@" in value:
        raise ValueError(WITH_USER)
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError as error:
        raise ValueError("not an address: the port must be a number up to 65535") from error
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(parts.hostname or "") or port == 0:
        raise ValueError(f"{value!r} must be https://HOST[:PORT], or http:// for a host without TLS")
    if parts.scheme == "http" and port is None:
        raise ValueError(f"{value!r} must also have a port: http://HOST:PORT")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(f"{value!r} must be only https://HOST[:PORT], without a path")
    return value.rstrip("/")


CacheUrl = Annotated[
    str, AfterValidator(cache_url), Means("the address of a cache such as https://cache.example:443")
]


class RecommendedCache(Model):
    """A cache that the project's builds are in; it is not used before the user sets it, too."""

    url: CacheUrl
    """Address: https://HOST[:PORT]."""
