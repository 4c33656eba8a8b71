"""What we ask servers of artifacts ourselves, over gRPC: whether they answer, may be written to, what they have.

The methods and messages are those of the Remote Execution API and the Remote Asset API
(https://github.com/bazelbuild/remote-apis). A build's own transfers are BuildStream's.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from rootstream.engine.remotes import Remote
from rootstream.engine.stored import Digest
from rootstream.formats import protobuf

PROBE = 2.0  # seconds that a server has to answer
ANSWER = 20.0  # seconds for what a server has to look up
AT_ONCE = 64
DIGESTS = 10_000  # in one message, which may have 4 MiB
_LARGEST = 64 << 20
CAPABILITIES = "/build.bazel.remote.execution.v2.Capabilities/GetCapabilities"
UPDATE = "/build.bazel.remote.execution.v2.ContentAddressableStorage/BatchUpdateBlobs"
MISSING = "/build.bazel.remote.execution.v2.ContentAddressableStorage/FindMissingBlobs"
READ = "/build.bazel.remote.execution.v2.ContentAddressableStorage/BatchReadBlobs"
FETCH = "/build.bazel.remote.asset.v1.Fetch/FetchBlob"
URN = "urn:fdc:buildstream.build:2020:artifact:"
# Where distributions keep the authorities that they trust; grpc would use a list of its own.
_AUTHORITIES = (
    Path("/etc/ssl/certs/ca-certificates.crt"),
    Path("/etc/pki/tls/certs/ca-bundle.crt"),
    Path("/etc/ssl/ca-bundle.pem"),
    Path("/etc/ssl/cert.pem"),
)

State = Literal["ok", "silent", "refused", "tls", "token", "forbidden", "unusable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server answered: its state, in words if that is not `ok`, and the seconds that it took.

    `silent`: no answer in time, `refused`: no connection, `tls`: no encrypted connection, `token`: it is missing
    or wrong, `forbidden`: the token does not allow it, `unusable`: another error. `ahead` is how many seconds the
    server's clock is ahead of ours, if it tells the time.
    """

    state: State
    text: str = ""
    seconds: float = 0.0
    ahead: float | None = None

    @property
    def ok(self) -> bool:
        """Say whether it is as wanted."""
        return self.state == "ok"


class Api:
    """A connection to one server; a context manager."""

    def __init__(self, remote: Remote) -> None:
        self.remote = remote
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # it would write to our standard error
        import grpc  # noqa: PLC0415  (a tenth of a second, only for who has a cache)

        self._grpc: Any = grpc
        host, port = remote.address
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        options = [("grpc.max_receive_message_length", _LARGEST), ("grpc.enable_http_proxy", 1)]
        if remote.is_encrypted:
            self._channel = grpc.secure_channel(target, self._credentials(), options)
        else:
            self._channel = grpc.insecure_channel(target, options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def _credentials(self) -> Any:  # noqa: ANN401  (grpc has no types)
        authorities = self.remote.ca or next((path for path in _AUTHORITIES if path.is_file()), None)
        read = {
            name: path.read_bytes() if path else None
            for name, path in (
                ("root_certificates", authorities),
                ("private_key", self.remote.client_key),
                ("certificate_chain", self.remote.client_cert),
            )
        }
        return self._grpc.ssl_channel_credentials(**read)

    def start(self, method: str, request: bytes, timeout: float) -> Any:  # noqa: ANN401
        """Send a request; return what `answer` and `result` wait for."""
        call = self._channel.unary_unary(method, request_serializer=None, response_deserializer=None)
        return call.future(request, timeout=timeout, metadata=self._metadata())

    def call(self, method: str, request: bytes) -> bytes:
        """Send a request and return the answer. Raises `OSError` if there is none."""
        with self._as_os_error():
            answer: bytes = self.start(method, request, ANSWER).result()
        return answer

    def receive(self, method: str, request: bytes, timeout: float) -> Iterator[bytes]:
        """Send a request and yield the messages that answer it. Raises `OSError` if there is no answer."""
        with self._as_os_error():
            yield from self.stream(method, request, timeout)

    def stream(self, method: str, request: bytes, timeout: float) -> Any:  # noqa: ANN401
        """Send a request and return the messages that answer it as they come, with `cancel`."""
        call = self._channel.unary_stream(method, request_serializer=None, response_deserializer=None)
        return call(request, timeout=timeout, metadata=self._metadata())

    def send(self, method: str, requests: Iterator[bytes], timeout: float) -> bytes:
        """Send messages and return what answers them. Raises `OSError` if there is no answer."""
        call = self._channel.stream_unary(method, request_serializer=None, response_deserializer=None)
        with self._as_os_error():
            answer: bytes = call(requests, timeout=timeout, metadata=self._metadata())
        return answer

    def _metadata(self) -> list[tuple[str, str]]:
        if self.remote.token is None:
            return []
        token = self.remote.token.read_text(encoding="ascii").strip()
        return [("authorization", f"Bearer {token}")]

    def named(self, request: bytes) -> bytes:
        """Return a request with the name of the server's instance, which is field 1 of all."""
        return protobuf.text(1, self.remote.instance) + request

    def probe(self, timeout: float = PROBE) -> Any:  # noqa: ANN401
        """Ask whether it answers."""
        return self.start(CAPABILITIES, self.named(b""), timeout)

    def executes(self, asked: Any) -> bool:  # noqa: ANN401
        """Say whether a server that answered executes builds."""
        return protobuf.first_number(protobuf.first(asked.result(), 2), 2) == 1

    def probe_push(self, timeout: float = PROBE) -> Any:  # noqa: ANN401
        """Ask whether it may be written to, by writing nothing."""
        return self.start(UPDATE, self.named(b""), timeout)

    def answer(self, asked: Any, began: float) -> Answer:  # noqa: ANN401
        """Return what became of a request that began at a time of the monotonic clock."""
        try:
            asked.result()
        except self._grpc.RpcError as error:
            found = self.explained(error.code().name, error.details() or "")
            return Answer(state=found.state, text=found.text, seconds=time.monotonic() - began)
        told = dict(asked.initial_metadata()).get("date")
        return Answer(state="ok", seconds=time.monotonic() - began, ahead=_ahead(told, time.time()))

    def explained(self, code: str, details: str) -> Answer:
        """Return what an error of gRPC means."""
        if code == "UNAUTHENTICATED":
            what = "does not accept the token" if self.remote.token else "demands a token"
            return Answer(state="token", text=f"{what} ({details})" if details else what)
        if code == "PERMISSION_DENIED":
            return Answer(
                state="forbidden", text=f"does not allow it ({details})" if details else "does not allow it"
            )
        if code == "DEADLINE_EXCEEDED":
            return Answer(state="silent", text="does not answer")
        if code == "UNAVAILABLE":
            return _unavailable(details)
        return Answer(state="unusable", text=f"answers with {code}: {_brief(details)}")

    def entries(self, names: Sequence[str]) -> dict[str, Digest]:
        """Return what the server has for some artifacts: the digest of each message, which may not be ours.

        Raises `OSError` if it does not answer.
        """
        found = {}
        for begin in range(0, len(names), AT_ONCE):
            some = names[begin : begin + AT_ONCE]
            asked = [self.start(FETCH, self.named(protobuf.text(4, URN + name)), ANSWER) for name in some]
            for name, each in zip(some, asked, strict=True):
                if (digest := self._entry(each)) is not None:
                    found[name] = digest
        return found

    def entry(self, uri: str) -> Digest | None:
        """Return the digest that the server has for a URI. Raises `OSError` if it does not answer."""
        return self._entry(self.start(FETCH, self.named(protobuf.text(4, uri)), ANSWER))

    def _entry(self, asked: Any) -> Digest | None:  # noqa: ANN401
        with self._as_os_error():
            try:
                response = asked.result()
            except self._grpc.RpcError as error:
                if error.code().name == "NOT_FOUND":
                    return None
                raise
        if protobuf.first_number(protobuf.first(response, 1), 1):
            return None
        return Digest.of(protobuf.first(response, 5))

    def read(self, digests: Sequence[Digest]) -> dict[str, bytes]:
        """Return small blobs by their hashes, those that are there and right.

        Raises `OSError` if the server does not answer.
        """
        request = b"".join(protobuf.message(2, each.encoded()) for each in digests)
        with self._as_os_error():
            response = self.start(READ, self.named(request), ANSWER).result()
        found = {}
        for _, each in protobuf.fields(response):
            data = protobuf.first(each, 2) if isinstance(each, bytes) else b""
            found[hashlib.sha256(data).hexdigest()] = data
        return {each.hash: found[each.hash] for each in digests if each.hash in found}

    def missing(self, digests: Sequence[Digest]) -> set[str]:
        """Return the hashes of the blobs that the server does not have. Raises `OSError` if it does not answer."""
        asked = []
        for begin in range(0, len(digests), DIGESTS):
            some = digests[begin : begin + DIGESTS]
            request = b"".join(protobuf.message(2, each.encoded()) for each in some)
            asked.append(self.start(MISSING, self.named(request), ANSWER))
        found = set()
        for each in asked:
            with self._as_os_error():
                response = each.result()
            found |= {
                Digest.of(value).hash
                for number, value in protobuf.fields(response)
                if number == 2 and isinstance(value, bytes)  # noqa: PLR2004
            }
        return found

    @contextlib.contextmanager
    def _as_os_error(self) -> Iterator[None]:
        try:
            yield
        except self._grpc.RpcError as error:
            raise OSError(self.explained(error.code().name, error.details() or "").text) from error


def probe(remotes: Sequence[Remote], *, push: bool = False) -> tuple[Answer, ...]:
    """Ask all servers at once whether they answer, with `push` whether they may be written to."""
    with contextlib.ExitStack() as stack:
        asked: list[tuple[Api | OSError, Any, float]] = []
        for remote in remotes:
            try:
                api = stack.enter_context(Api(remote))
                asked.append((api, api.probe_push() if push else api.probe(), time.monotonic()))
            except OSError as error:
                asked.append((error, None, 0.0))
        return tuple(
            Answer(state="unusable", text=f"cannot be used: {api.filename}: {api.strerror}")
            if isinstance(api, OSError)
            else api.answer(each, began)
            for api, each, began in asked
        )


def _ahead(told: str | None, now: float) -> float | None:
    """Return how far a date of HTTP is ahead of a time in seconds since 1970."""
    if not told:
        return None
    from email.utils import parsedate_to_datetime  # noqa: PLC0415  (only where a server tells the time)

    try:
        return parsedate_to_datetime(told).timestamp() - now
    except ValueError:
        return None


def probe_workers(remote: Remote) -> Answer:
    """Ask a server whether it answers, executes builds, and takes what they need."""
    try:
        with Api(remote) as api:
            began = time.monotonic()
            asked, allowed = api.probe(), api.probe_push()
            answer = api.answer(asked, began)
            if answer.ok and not api.executes(asked):
                return Answer(state="unusable", text="executes no builds: it is a cache only")
            return api.answer(allowed, began) if answer.ok else answer
    except OSError as error:
        return Answer(state="unusable", text=f"cannot be used: {error.filename}: {error.strerror}")


def _unavailable(details: str) -> Answer:
    """Return what it means that no connection was made, from the words of gRPC and OpenSSL."""
    lower = details.lower()
    if "certificate_verify_failed" in lower or "certificate verify failed" in lower:
        return Answer(state="tls", text=_untrusted(details))
    if "peer name" in lower or "hostname verification" in lower:
        return Answer(state="tls", text="has a certificate for another host name")
    if any(word in lower for word in ("ssl", "tls", "handshake")):
        return Answer(state="tls", text=f"makes no TLS connection ({_brief(details)})")
    if "connection refused" in lower:
        return Answer(state="refused", text="refuses connections")
    if any(word in lower for word in ("dns", "name resolution", "domain name", "address lookup")):
        return Answer(state="refused", text="has a host name that cannot be resolved")
    return Answer(state="refused", text=f"cannot be connected to ({_brief(details)})")


def _untrusted(details: str) -> str:
    if dated := re.search(r"certificate (has expired|is not yet valid)", details.lower()):
        now = time.strftime("%Y-%m-%d %H:%M", time.gmtime())
        return f"has a certificate that {dated[1]}, unless the clock of this host is wrong (it says {now} UTC)"
    return f"has a certificate that is not trusted ({_brief(details)})"


def _brief(details: str) -> str:
    """Return the end of an error of gRPC, which says most, on one line."""
    text = re.sub(r"\s+", " ", details).strip()
    return text if len(text) <= 160 else "..." + text[-160:]  # noqa: PLR2004
