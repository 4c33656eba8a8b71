"""Debian's pool as a mirror by content: where the file with a given SHA-256 lies.

Debian keeps the upstream tarball of each source package, often byte for byte. apt, with state of its own, fetches
the signed indexes of source packages from the host's own mirror; what they list is kept in a database.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from rootstream.errors import UserError
from rootstream.events import Notice, Reporter, Step
from rootstream.host import process

HELPER = "/usr/lib/apt/apt-helper"
UPDATING = 600.0
READING = 300.0
FRESH = 7 * 86400.0  # seconds for which an index is good enough: the pool keeps old files for long
SUITES = ("stable", "unstable")  # beside the host's own
_RELEASE = re.compile(r"[a-z]+")
_SHA256 = re.compile(r" ([0-9a-f]{64}) \d+ (\S+)")


def locate(wanted: Iterable[str], cache: Path, env: Mapping[str, str], report: Reporter) -> dict[str, str]:
    """Return the URL in Debian's pool of each SHA-256 that it has; empty on a host without apt.

    The index is fetched when there is none yet, or an old one does not have all.
    """
    hashes = sorted(set(wanted))
    if not hashes or not shutil.which("apt-get"):
        return {}
    database = cache / "index.sqlite"
    found = _look_up(database, hashes)
    if len(found) < len(hashes) and _age(database) > FRESH:
        try:
            renew(cache, env, report)
        except UserError as error:
            text = f"Debian's pool was not searched: {error.message}"
            report(Notice(level="info", text=text))
            return found
        found = _look_up(database, hashes)
    return found


def _age(database: Path) -> float:
    try:
        return time.time() - database.stat().st_mtime
    except OSError:
        return float("inf")


def _look_up(database: Path, hashes: list[str]) -> dict[str, str]:
    if not database.is_file():
        return {}
    found: dict[str, str] = {}
    with contextlib.closing(sqlite3.connect(database)) as connection:
        for sha256 in hashes:
            row = connection.execute("SELECT url FROM pool WHERE sha256 = ?", (sha256,)).fetchone()
            if row:
                found[sha256] = row[0]
    return found


def _options(cache: Path) -> list[str]:
    state = cache / "apt"
    values = {
        "Dir::State": str(state / "state"),
        "Dir::State::status": str(state / "status"),
        "Dir::Cache": str(state / "cache"),
        "Dir::Etc::SourceList": str(state / "sources.list"),
        "Dir::Etc::SourceParts": "/dev/null",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
    }
    return [word for name, value in values.items() for word in ("-o", f"{name}={value}")]


def _lines(env: Mapping[str, str]) -> list[str]:
    """Return deb-src lines for the mirrors of Debian that the host's apt uses. Raises `UserError` no-mirror."""
    words = "$(SITE)|$(RELEASE)|$(COMPONENT)|$(SIGNED_BY)|$(ORIGIN)"
    argv = ["apt-get", "indextargets", "--format", words, "Created-By: Packages"]
    found: dict[str, None] = {}
    for line in process.run(argv, env=env, timeout=READING).stdout.splitlines():
        site, release, component, signed, *origin = (part.strip() for part in line.split("|"))
        if component != "main" or (origin and origin[0] not in ("Debian", "")) or not _RELEASE.fullmatch(release):
            continue
        option = f"[signed-by={signed}] " if signed.startswith("/") else ""
        for suite in (release, *SUITES):
            found[f"deb-src {option}{site} {suite} main"] = None
    if not found:
        raise UserError("no-mirror", "apt on this host has no Debian mirror")
    return list(found)


def renew(cache: Path, env: Mapping[str, str], report: Reporter) -> None:
    """Fetch the indexes and make the database anew. Raises `UserError` no-mirror, process-failed."""
    report(Step(name="pool", text="downloading the indexes of Debian's source packages"))
    state = cache / "apt"
    for folder in ("state/lists/partial", "cache/archives/partial"):
        (state / folder).mkdir(parents=True, exist_ok=True)
    (state / "status").touch()
    given = {**env, "LC_ALL": "C"}
    (state / "sources.list").write_text("".join(f"{line}\n" for line in _lines(given)))
    options = _options(cache)
    process.run(["apt-get", *options, "update", "-q"], env=given, timeout=UPDATING)
    argv = ["apt-get", *options, "indextargets", "--format", "$(SITE)|$(FILENAME)", "Created-By: Sources"]
    targets = process.run(argv, env=given, timeout=READING).stdout.splitlines()
    new = cache / f"index.{os.getpid()}.new"
    new.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(new)) as connection:
        connection.execute("CREATE TABLE pool (sha256 TEXT PRIMARY KEY, url TEXT NOT NULL)")
        for site, _, name in (line.partition("|") for line in targets):
            text = process.run([HELPER, "cat-file", name], env=given, timeout=READING).stdout
            rows = ((sha256, f"{site.rstrip('/')}/{path}") for sha256, path in files(text))
            connection.executemany("INSERT OR IGNORE INTO pool VALUES (?, ?)", rows)
        connection.commit()
    new.replace(cache / "index.sqlite")


def files(index: str) -> Iterator[tuple[str, str]]:
    """Return SHA-256 and path below the mirror of the tarballs in an index of source packages (deb822)."""
    for stanza in index.split("\n\n"):
        folder = ""
        inside = False
        hashes: list[tuple[str, str]] = []
        for line in stanza.split("\n"):
            if line.startswith("Directory:"):
                folder = line.partition(":")[2].strip()
            if not line.startswith(" "):
                inside = line.startswith("Checksums-Sha256:")
            elif inside and (match := _SHA256.fullmatch(line)):
                hashes.append((match[1], match[2]))
        if folder and ".." not in folder:
            for sha256, name in hashes:
                if "/" not in name and not name.endswith((".dsc", ".debian.tar.xz", ".asc", ".diff.gz")):
                    yield sha256, f"{folder}/{name}"
