"""An index of artifacts for one run of `bst`: it knows the names that trusted keys have signed, and no others.

It answers as a server of the Remote Asset API does. BuildStream is told of no other index, and of real servers as
storage only, where everything is found by its hash: so nothing else can be named to it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rootstream.engine.remote_api import CAPABILITIES, FETCH, URN
from rootstream.engine.stored import Digest
from rootstream.formats import protobuf

_URIS, _DIGEST, _STATUS, _CODE, _URI = 4, 5, 1, 1, 2
_NOT_FOUND = 5
THREADS = 4


@contextlib.contextmanager
def serving(digests: Mapping[str, Digest], folder: Path) -> Iterator[str]:
    """Serve what the names of artifacts stand for, at a socket in a folder; gives the URL."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    import grpc  # noqa: PLC0415  (a tenth of a second, only for who demands signatures)

    server = grpc.server(ThreadPoolExecutor(THREADS))
    server.add_generic_rpc_handlers((_handler(grpc, digests),))
    url = f"unix:{folder / 'index'}"
    server.add_insecure_port(url)
    server.start()
    try:
        yield url
    finally:
        server.stop(None).wait()


def answer(request: bytes, digests: Mapping[str, Digest]) -> bytes | None:
    """Return the answer to a FetchBlobRequest; None for one that names nothing."""
    try:
        uris = [
            value for number, value in protobuf.fields(request) if number == _URIS and isinstance(value, bytes)
        ]
    except ValueError:
        return None
    if not uris:
        return None
    for uri in uris:
        digest = digests.get(uri.decode("utf-8", "replace").removeprefix(URN))
        if digest is not None:
            return protobuf.text(_URI, uri) + protobuf.message(_DIGEST, digest.encoded())
    return protobuf.message(_STATUS, protobuf.number(_CODE, _NOT_FOUND))


def _handler(grpc: Any, digests: Mapping[str, Digest]) -> Any:  # noqa: ANN401  (grpc has no types)
    def fetch(request: bytes, context: Any) -> bytes:  # noqa: ANN401
        found = answer(request, digests)
        if found is None:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the request has no URI")
        return found or b""

    def capabilities(request: bytes, context: Any) -> bytes:  # noqa: ANN401, ARG001
        return b""

    methods = {FETCH: fetch, CAPABILITIES: capabilities}

    class Handler(grpc.GenericRpcHandler):  # type: ignore[misc]
        def service(self, details: Any) -> Any:  # noqa: ANN401
            method = methods.get(details.method)
            return grpc.unary_unary_rpc_method_handler(method) if method else None

    return Handler()
