"""The configuration of haproxy in front of a casd that others share: TLS, tokens, readers and writers told apart.

casd itself knows neither TLS nor tokens, and also has services that are only for its own host; only those of a
cache are passed on. Tokens are in no file: haproxy compares their SHA-256.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rootstream.errors import UserError, Where

Role = Literal["reader", "writer"]
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,62}")
_LINE = re.compile(rf"(?P<name>{NAME.pattern}) (?P<role>reader|writer) (?P<digest>[0-9A-F]{{64}})")
NOBODY = "-"
_SERVICES = (
    "/google.bytestream.ByteStream/",
    "/build.bazel.remote.asset.v1.",
    "/build.bazel.remote.execution.v2.ContentAddressableStorage/",
    "/build.bazel.remote.execution.v2.ActionCache/",
    "/build.bazel.remote.execution.v2.Capabilities/",
)
_BUILDS = ("/build.bazel.remote.execution.v2.Execution/", "/google.longrunning.Operations/")
_WRITES = (
    "/google.bytestream.ByteStream/Write",
    "/build.bazel.remote.asset.v1.Push/",
    "/build.bazel.remote.execution.v2.ContentAddressableStorage/BatchUpdateBlobs",
    "/build.bazel.remote.execution.v2.ActionCache/UpdateActionResult",
)
# Codes of gRPC for what is refused
_UNIMPLEMENTED, _FORBIDDEN, _UNAUTHENTICATED = 12, 7, 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A token that the server knows: who has it, what it allows, the SHA-256 of the header that it comes in."""

    name: str
    role: Role
    digest: str

    def line(self) -> str:
        """Return its line in the file of tokens."""
        return f"{self.name} {self.role} {self.digest}"


def new_client(name: str, role: Role) -> tuple[Client, str]:
    """Return a client with a new token, and the token, which is kept nowhere. Raises `UserError` bad-value."""
    if not NAME.fullmatch(name):
        text = f"{name!r} is not a name: expected letters, digits, '.', '_', '@' and '-'"
        raise UserError("bad-value", text)
    token = secrets.token_urlsafe(32)
    digest = hashlib.sha256(f"Bearer {token}".encode()).hexdigest().upper()
    return Client(name=name, role=role, digest=digest), token


def clients(path: Path) -> tuple[Client, ...]:
    """Return the clients in a file of tokens, none if there is no file. Raises `UserError` tokens-invalid."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeError) as error:
        raise UserError("tokens-invalid", f"cannot be read: {error}", where=Where(path=path)) from error
    found = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            text = "expected `NAME reader|writer SHA256`, as `rootstream cache token` writes it"
            raise UserError("tokens-invalid", text, where=Where(path=path, line=number))
        role: Role = "writer" if match["role"] == "writer" else "reader"
        found.append(Client(name=match["name"], role=role, digest=match["digest"]))
    return tuple(found)


def client_map(found: Iterable[Client]) -> str:
    """Return haproxy's map from the digest of a header to role and name."""
    return "".join(f"{each.digest} {each.role}:{each.name}\n" for each in found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """What haproxy is told: where it listens, its certificate with key, the map of clients, casd's socket.

    `anybody`: who has no token may read. Without `map_file` everybody may write. `metrics` is an address for
    Prometheus. `builds`: who may write may also have elements built.
    """

    bind: str
    socket: Path
    certificate: Path | None = None
    map_file: Path | None = None
    anybody: bool = False
    metrics: str | None = None
    builds: bool = False

    def text(self) -> str:
        """Return the configuration file."""
        tls = f"ssl crt {self.certificate} alpn h2 ssl-min-ver TLSv1.2" if self.certificate else "proto h2"
        lines = [
            "global",
            "    maxconn 2000",
            "    noreuseport",  # or a second server would share the address
            "    log stdout format raw local0 info",
            "defaults",
            "    mode http",
            "    timeout connect 5s",
            # an element that is built for hours says nothing meanwhile
            f"    timeout client {'24h' if self.builds else '1h'}",
            f"    timeout server {'24h' if self.builds else '1h'}",
            "    timeout http-request 1h",
            "frontend cache",
            f"    bind {self.bind} {tls}",
            "    log global",
            "    option dontlognull",
            # of uploads, haproxy counts what the client sent
            '    log-format "%[var(txn.name)] %ci %[var(txn.verdict)] %U %B"',
            *self._rules(),
            "    http-response set-header date %[date(),http_date]",
            "    default_backend casd",
            "backend casd",
            f"    server casd unix@{self.socket} proto h2",
        ]
        if self.metrics:
            lines += [
                "frontend metrics",
                f"    bind {self.metrics}",
                "    http-request use-service prometheus-exporter if { path /metrics }",
                "    http-request return status 404",
            ]
        return "\n".join(lines) + "\n"

    def _rules(self) -> list[str]:
        found = [
            f"    acl writes path -m beg {' '.join((*_WRITES, *_BUILDS))}",
            f"    acl allowed path -m beg {' '.join((*_SERVICES, *(_BUILDS if self.builds else ())))}",
            f"    http-request set-var(txn.name) str({NOBODY})",
            "    http-request set-var(txn.verdict) str(refused)",
        ]
        if self.map_file:
            nobody = "reader:-" if self.anybody else "none"
            digest = "req.hdr(authorization),sha2(256),hex"
            found += [
                f"    http-request set-var(txn.client) {digest},map_str({self.map_file},none)",
                f"    http-request set-var(txn.client) str({nobody}) unless {{ req.hdr(authorization) -m found }}",
                "    acl writer var(txn.client) -m beg writer:",
                "    acl reader var(txn.client) -m beg reader:",
                "    http-request set-var(txn.name) var(txn.client),field(2,:) if writer or reader",
                _refused(_UNAUTHENTICATED, "the token is missing or wrong", "!writer !reader"),
                _refused(_FORBIDDEN, "this token may only read", "writes !writer"),
            ]
        return [
            *found,
            _refused(_UNIMPLEMENTED, "this server is a cache only", "!allowed"),
            "    http-request set-var(txn.verdict) str(ok)",
        ]


def _refused(status: int, text: str, condition: str) -> str:
    # to gRPC, an error is a response with status 200 and these headers
    headers = f'hdr content-type application/grpc hdr grpc-status {status} hdr grpc-message "{text}"'
    return f"    http-request return status 200 {headers} if {condition}"


@dataclass(slots=True)
class Totals:
    """What one client did since it was last told of."""

    requests: int = 0
    refused: int = 0
    received: int = 0
    sent: int = 0


class Log:
    """Adds up haproxy's lines, one a request, by client: name of the token and address."""

    def __init__(self) -> None:
        self.by_client: dict[tuple[str, str], Totals] = {}

    def line(self, text: str) -> bool:
        """Take a line; say whether it was one of a request."""
        words = text.split()
        if len(words) != 5 or not (words[3].isdigit() and words[4].isdigit()):  # noqa: PLR2004
            return False
        totals = self.by_client.setdefault((words[0], words[1]), Totals())
        totals.requests += 1
        totals.refused += words[2] != "ok"
        totals.received += int(words[3])
        totals.sent += int(words[4])
        return True

    def take(self) -> dict[tuple[str, str], Totals]:
        """Return what was added up, and begin anew."""
        found, self.by_client = self.by_client, {}
        return found
