"""Files of ours on a server: read and written by the ByteStream API, found by a URI of the Remote Asset API.

https://github.com/googleapis/googleapis/blob/master/google/bytestream/bytestream.proto
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator

from rootstream.engine.remote_api import ANSWER, Api
from rootstream.engine.stored import Digest
from rootstream.formats import protobuf

READ = "/google.bytestream.ByteStream/Read"
WRITE = "/google.bytestream.ByteStream/Write"
PUSH = "/build.bazel.remote.asset.v1.Push/PushBlob"
CHUNK = 1 << 20
_RESOURCE, _OFFSET, _FINISH, _DATA = 1, 2, 3, 10


def download(api: Api, digest: Digest, most: int) -> bytes:
    """Return a blob of at most so many bytes. Raises `OSError` if the server does not have it, or another one."""
    if digest.size > most:
        raise OSError(f"has a file of {digest.size} bytes where at most {most} are expected")
    found = bytearray()
    request = protobuf.text(_RESOURCE, _resource(api, f"blobs/{digest.hash}/{digest.size}"))
    for each in api.receive(READ, request, ANSWER):
        found += protobuf.first(each, _DATA)
        if len(found) > digest.size:
            break
    if hashlib.sha256(found).hexdigest() != digest.hash:
        raise OSError("has a damaged file")
    return bytes(found)


def upload(api: Api, uri: str, data: bytes) -> Digest:
    """Write a blob to the server and have it found by a URI. Raises `OSError` if it does not take it."""
    digest = Digest(hashlib.sha256(data).hexdigest(), len(data))
    name = _resource(api, f"uploads/{uuid.uuid4()}/blobs/{digest.hash}/{digest.size}")

    def messages() -> Iterator[bytes]:
        for begin in range(0, len(data), CHUNK):
            part = data[begin : begin + CHUNK]
            head = protobuf.text(_RESOURCE, name) if begin == 0 else b""
            last = protobuf.number(_FINISH, int(begin + len(part) == len(data)))
            yield head + protobuf.number(_OFFSET, begin) + last + protobuf.message(_DATA, part)

    api.send(WRITE, messages(), ANSWER)
    request = api.named(protobuf.text(2, uri) + protobuf.message(5, digest.encoded()))
    api.call(PUSH, request)
    return digest


def _resource(api: Api, text: str) -> str:
    return f"{api.remote.instance}/{text}" if api.remote.instance else text
