"""`rootstream cache serve | token`: a team's server, its tokens, and the unit that systemd runs it by."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from rootstream.engine import cache_proxy
from rootstream.engine.cache_proxy import Role
from rootstream.engine.cache_serve import TOKENS, ServeOptions, address, require_safe
from rootstream.errors import UserError, Where
from rootstream.project.lock import write_atomically

# What builds needs /dev/fuse, and fusermount3, which is set-user-ID, to mount their inputs.
_UNPRIVILEGED = ("CapabilityBoundingSet=CAP_NET_BIND_SERVICE", "NoNewPrivileges=yes", "PrivateDevices=yes")
_MOST_LINKS = 40
QUOTA = re.compile(r"[1-9][0-9]{0,17}[KMGT]?")


def options(
    folder: Path,
    *,
    bind: str,
    quota: str,
    certificate: Path | None,
    anybody: bool,
    insecure: bool,
    metrics: str | None,
    workers: int = 0,
) -> ServeOptions:
    """Return what a server is to be. Raises `UserError` bad-value, insecure, tokens-invalid."""
    if not QUOTA.fullmatch(quota):
        raise UserError("bad-value", f"--quota {quota}: expected a size such as 100G")
    for each in (bind, *([metrics] if metrics else [])):
        address(each)
    if certificate is not None:
        _require_certificate(certificate)
    found = ServeOptions(
        folder=folder.absolute(),
        bind=bind,
        quota=quota,
        certificate=certificate.absolute() if certificate else None,
        anybody=anybody,
        insecure=insecure,
        metrics=metrics,
        workers=workers,
    )
    require_safe(found)
    return found


def _require_certificate(path: Path) -> None:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError("bad-value", f"cannot be read: {error.strerror}", where=Where(path=path)) from error
    if b"-----BEGIN CERTIFICATE-----" not in content or b"PRIVATE KEY-----" not in content:
        hint = "For example: cat server.crt server.key > server.pem"
        text = "must contain the certificate, then its key, in PEM format"
        raise UserError("bad-value", text, where=Where(path=path), hint=hint)


def new_token(folder: Path, name: str, role: Role) -> str:
    """Add a client to the tokens of a server, in place of one with this name, and return its token.

    Raises `UserError` bad-value, tokens-invalid, cannot-write.
    """
    path = folder / TOKENS
    client, token = cache_proxy.new_client(name, role)
    kept = [each for each in cache_proxy.clients(path) if each.name != name]
    _write(path, [*kept, client])
    return token


def revoke(folder: Path, name: str) -> None:
    """Remove a client. Raises `UserError` unknown-client, tokens-invalid, cannot-write."""
    path = folder / TOKENS
    found = cache_proxy.clients(path)
    kept = [each for each in found if each.name != name]
    if len(kept) == len(found):
        names = ", ".join(each.name for each in found) or "none"
        raise UserError("unknown-client", f"no client is called {name!r}", hint=f"There are: {names}.")
    _write(path, kept)


def _write(path: Path, clients: list[cache_proxy.Client]) -> None:
    lines = ["# NAME reader|writer SHA-256 of the header with the token; `rootstream cache token` writes this"]
    lines += [each.line() for each in clients]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError("cannot-write", f"{error.strerror}", where=Where(path=path.parent)) from error
    write_atomically(path, ("\n".join(lines) + "\n").encode(), mode=0o600)


def barrier(program: Path) -> Path | None:
    """Return the first folder on the way to a program, links followed, that other users may not enter."""
    steps = [program, *_links(program), Path(os.path.realpath(program))]
    folders = {folder for step in steps for folder in step.parents}
    return next((each for each in sorted(folders) if not each.stat().st_mode & stat.S_IXOTH), None)


def _links(program: Path) -> Iterator[Path]:
    """Yield what a path leads to, link by link."""
    for _ in range(_MOST_LINKS):
        if not program.is_symlink():
            return
        program = Path(os.path.normpath(program.parent / program.readlink()))
        yield program


def unit(wanted: ServeOptions) -> str:
    """Return the unit by which systemd runs a server (systemd.service(5), systemd.exec(5))."""
    words = [sys.executable, "-m", "rootstream", "cache", "serve", str(wanted.folder)]
    words += ["--bind", wanted.bind, "--quota", wanted.quota]
    words += ["--certificate", "%d/certificate"] if wanted.certificate else []
    words += ["--anybody-reads"] if wanted.anybody else []
    words += ["--insecure"] if wanted.insecure else []
    words += ["--metrics", wanted.metrics] if wanted.metrics else []
    words += ["--workers", str(wanted.workers)] if wanted.workers else []
    # haproxy reads the certificate from the credentials, which only this service can read
    credential = [f"LoadCredential=certificate:{_escaped(str(wanted.certificate))}"] if wanted.certificate else []
    lines = [
        "[Unit]",
        "Description=Rootstream's shared cache",
        "Wants=network-online.target",
        "After=network-online.target",
        "",
        "[Service]",
        f"ExecStart={' '.join(_escaped(each) for each in words)}",
        *credential,
        "User=rootstream-cache",
        "Restart=always",
        "RestartSec=2",
        "SuccessExitStatus=130",
        "AmbientCapabilities=CAP_NET_BIND_SERVICE",
        *([] if wanted.workers else _UNPRIVILEGED),
        "PrivateTmp=yes",
        "ProtectSystem=strict",
        "ProtectHome=read-only",
        f"ReadWritePaths={_escaped(str(wanted.folder))}",
        "LimitNOFILE=65536",
        "",
        "[Install]",
        "WantedBy=multi-user.target",
    ]
    return "\n".join(lines) + "\n"


def _escaped(word: str) -> str:
    """Return a word for a unit; `%d` is the folder of credentials, every other `%` itself."""
    text = word if word.startswith("%d/") else word.replace("%", "%%")
    if not re.fullmatch(r"[A-Za-z0-9_./:@%+=\[\]*-]+", text):
        text = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return text
