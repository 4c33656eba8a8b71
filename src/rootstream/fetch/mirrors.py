"""Where the archive is: from the source's own list, the environment, or the host's apt configuration.

No address is written here. Security suites live in an archive of their own, whose pool starts with
`pool/updates/`; which mirror has which suite is asked of the mirrors when several come into question.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from rootstream.fetch import process
from rootstream.formats import apt_index
from rootstream.formats.faults import Fault

VARIABLE = "ROOTSTREAM_DEBIAN_MIRRORS"
FETCHED = "ROOTSTREAM_FETCHED"
SNAPSHOTS = "ROOTSTREAM_DEBIAN_SNAPSHOTS"
SECURITY = re.compile(r"(-security|/updates)$")
SECURITY_POOL = "pool/updates/"
HOST_TIMEOUT = 60  # seconds
SCHEMES = ("http", "https", "file")
SUITES = re.compile(
    r"((old)*stable|testing|unstable|sid|experimental|buster|bullseye|bookworm|trixie|forky|duke)"
    r"([-/][a-z-]+)?"
)
SAFE = "/+~:@=,"  # left as they are in an address
HINT = f"Set `mirrors:` in the source, or {VARIABLE} to one or more base URLs, separated by spaces."

DROPPED = (
    "The locked version was probably replaced by a newer one in the archive. It can still be found in:\n"
    f"- a folder or URL in {FETCHED} that was filled earlier by `rootstream fetch --to DIR`;\n"
    f"- a snapshot archive in {SNAPSHOTS}: a URL with a timestamp and the archive's contents at that time.\n"
    "Or pin the current version with `rootstream update`."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """The root of an archive; `security` when it is known to hold security suites, None when nothing is known."""

    url: str
    security: bool | None = None


def checked(url: str, where: str) -> str:
    """Return a base address without its last slash; raises `Fault` invalid-mirror."""
    try:
        split = urlsplit(url)
        good = split.scheme == "file" or (split.scheme in SCHEMES and bool(split.hostname) and split.port != 0)
    except ValueError:
        good = False
    if not good or "?" in url or "#" in url:
        raise Fault("invalid-mirror", f"{where}: {url!r} is not the base URL of a mirror (http, https or file)")
    if any(c.isspace() or c in '"<>\\' for c in url):
        raise Fault("invalid-mirror", f"{where}: {url!r} contains a character that is not allowed in a URL")
    return url.rstrip("/")


def from_targets(targets: Sequence[apt_index.IndexTarget]) -> tuple[Mirror, ...]:
    """Return the archives of Debian among the indexes that the host's apt knows."""
    found: dict[str, Mirror] = {}
    for target in targets:
        known = target.origin == "Debian" or (not target.origin and SUITES.fullmatch(target.suite))
        if known and target.root.partition(":")[0] in SCHEMES:
            security = bool(SECURITY.search(target.suite))
            before = found.get(target.root)
            if before is not None and before.security != security:
                found[target.root] = Mirror(url=target.root)
            elif before is None:
                found[target.root] = Mirror(url=target.root, security=security)
    return tuple(found.values())


def host_mirrors(env: Mapping[str, str]) -> tuple[Mirror, ...]:
    """Return the archives of Debian that the host's apt is configured for; empty without apt.

    Raises `Fault` process-timeout.
    """
    return from_targets(
        apt_index.targets(_apt(["apt-get", "indextargets", "--format", apt_index.TARGET_FORMAT], env))
    )


def host_proxies(env: Mapping[str, str]) -> dict[str, str]:
    """Return the proxies of the host's apt configuration, by `scheme` or `scheme::host`; empty without apt."""
    return apt_index.proxies(_apt(["apt-config", "dump"], env))


def _apt(argv: Sequence[str], env: Mapping[str, str]) -> str:
    try:
        done = process.run(argv, env={**env, "LC_ALL": "C"}, timeout=HOST_TIMEOUT)
    except Fault as fault:
        if fault.reason != "program-missing":
            raise
        return ""
    return done.stdout if done.status == 0 else ""


def find(own: Sequence[str], env: Mapping[str, str] | None = None) -> tuple[Mirror, ...]:
    """Return the mirrors to use: the source's own, else the environment's, else the host's.

    Raises `Fault` no-mirror or invalid-mirror.
    """
    env = os.environ if env is None else env
    if own:
        return tuple(Mirror(url=checked(url, "mirrors")) for url in own)
    if env.get(VARIABLE, "").split():
        return tuple(Mirror(url=checked(url, VARIABLE)) for url in env[VARIABLE].split())
    found = host_mirrors(env)
    if not found:
        raise Fault("no-mirror", "the host's apt configuration has no Debian mirror", detail=HINT)
    return found


def for_suite(suite: str, mirrors: Sequence[Mirror], serves: Callable[[str], bool]) -> Mirror:
    """Return the mirror to take a suite's indexes from.

    `serves` asks whether an address exists; it is only called when several mirrors come into question. Raises
    `Fault` no-mirror.
    """
    security = bool(SECURITY.search(suite))
    candidates = [mirror for mirror in mirrors if mirror.security in {None, security}]
    if not candidates:
        kind = "security suites" if security else "this suite"
        message = f"no mirror for {suite}: none of those known holds {kind}"
        raise Fault("no-mirror", message, detail=HINT, asked={suite: message})
    if len(candidates) == 1:
        return candidates[0]
    for mirror in candidates:
        if serves(f"{mirror.url}/dists/{suite}/InRelease"):
            return mirror
    listing = "\n".join(mirror.url for mirror in candidates)
    message = f"no mirror has the suite {suite}"
    raise Fault("no-mirror", message, detail=f"{listing}\n{HINT}", asked={suite: message})


def for_path(path: str, mirrors: Sequence[Mirror]) -> tuple[str, ...]:
    """Return the base addresses to try for a file, the likeliest first."""
    security = path.startswith(SECURITY_POOL)
    ranked = sorted(mirrors, key=lambda mirror: mirror.security is (not security))
    return tuple(mirror.url for mirror in ranked)


def address(base: str, path: str) -> str:
    """Return the address of a file of a mirror."""
    return f"{base}/{quote(path, safe=SAFE)}"


def addresses(path: str, mirrors: Sequence[Mirror]) -> tuple[str, ...]:
    """Return where a file may be, the likeliest first."""
    return tuple(address(base, path) for base in for_path(path, mirrors))
