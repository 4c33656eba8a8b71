"""What the boot server remembers: boots with their stages, and what was chosen for machines.

SQLite with a write-ahead log: several processes read and write it, and a killed one leaves it whole.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from rootstream.errors import UserError, Where

Stage = Literal["power-on", "dhcp", "tftp", "script", "kernel", "initramfs", "system-dhcp", "phone-home", "checks"]
STAGES: tuple[Stage, ...] = get_args(Stage)
Outcome = Literal["booting", "served", "up", "passed", "failed", "abandoned"]
OPEN = ("booting", "served", "up")
_VERSION = 1
_WAIT = 10.0  # seconds for another process's transaction
_TOKEN_LIFE = 3600.0  # seconds from the beginning of its boot
_MOST_BOOTS = 5000
_MOST_EVENTS = 20_000
_SCHEMA = """
CREATE TABLE boots (
  id INTEGER PRIMARY KEY AUTOINCREMENT, machine TEXT NOT NULL, mac TEXT NOT NULL, address TEXT NOT NULL,
  system TEXT NOT NULL, build TEXT NOT NULL, began REAL NOT NULL, changed REAL NOT NULL, outcome TEXT NOT NULL,
  token TEXT NOT NULL, console TEXT NOT NULL);
CREATE INDEX boots_of ON boots (machine, id);
CREATE TABLE stages (
  boot INTEGER NOT NULL REFERENCES boots (id) ON DELETE CASCADE, name TEXT NOT NULL, began REAL NOT NULL,
  ended REAL, bytes INTEGER, detail TEXT NOT NULL, PRIMARY KEY (boot, name)) WITHOUT ROWID;
CREATE TABLE checks (
  boot INTEGER NOT NULL REFERENCES boots (id) ON DELETE CASCADE, number INTEGER NOT NULL, name TEXT NOT NULL,
  passed INTEGER NOT NULL, elapsed REAL NOT NULL, detail TEXT NOT NULL, PRIMARY KEY (boot, number)) WITHOUT ROWID;
CREATE TABLE choices (
  machine TEXT PRIMARY KEY, system TEXT, build TEXT, once INTEGER NOT NULL, chosen REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE events (
  id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, machine TEXT NOT NULL, kind TEXT NOT NULL,
  text TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """A stage of a boot: times in seconds since 1970; `ended` is None while it lasts, `size` what was sent."""

    name: Stage
    began: float
    ended: float | None
    size: int | None
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """How a check of a boot ended; `elapsed` in seconds."""

    name: str
    passed: bool
    elapsed: float
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BootRecord:
    """A boot of a machine: `system` and `build` are empty until it has its script; times since 1970."""

    id: int
    machine: str
    mac: str
    address: str
    system: str
    build: str
    began: float
    changed: float
    outcome: Outcome
    console: str
    stages: tuple[Timed, ...] = ()
    checks: tuple[CheckResult, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BootChoice:
    """What was chosen for a machine, in place of what the description says; with `once` for one boot."""

    machine: str
    system: str | None
    build: str | None
    once: bool
    chosen: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """Something to show people: `at` in seconds since 1970."""

    id: int
    at: float
    machine: str
    kind: str
    text: str


class State:
    """The database; each thread has a connection of its own. Raises `UserError` state-broken, cannot-write."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._all: list[sqlite3.Connection] = []
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)  # the tokens of boots that go on are in it
            with self._change() as database:
                version = database.execute("PRAGMA user_version").fetchone()[0]
                if version == 0:
                    for statement in _SCHEMA.split(";\n"):
                        database.execute(statement)
                    database.execute(f"PRAGMA user_version = {_VERSION}")
                elif version != _VERSION:
                    raise UserError(
                        "state-broken",
                        f"is of version {version}, not {_VERSION}",
                        where=Where(path=path),
                        hint="It was written by another version of Rootstream: move it away.",
                    )
        except OSError as error:
            raise UserError(
                "cannot-write", f"cannot be written: {error.strerror}", where=Where(path=path)
            ) from error

    def close(self) -> None:
        """Close the connections of all threads."""
        for connection in self._all:
            connection.close()

    def _connection(self) -> sqlite3.Connection:
        found: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if found is None:
            found = sqlite3.connect(self._path, timeout=_WAIT, isolation_level=None, check_same_thread=False)
            found.row_factory = sqlite3.Row
            found.execute("PRAGMA journal_mode = WAL")
            found.execute("PRAGMA synchronous = NORMAL")
            found.execute("PRAGMA foreign_keys = ON")
            self._local.connection = found
            self._all.append(found)
        return found

    @contextlib.contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        """Do something whole or not at all."""
        try:
            database = self._connection()
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
            except BaseException:
                database.execute("ROLLBACK")
                raise
            database.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._fault(error) from error

    def _rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        try:
            return self._connection().execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise self._fault(error) from error

    def _fault(self, error: sqlite3.Error) -> UserError:
        text = str(error)
        broken = not isinstance(error, sqlite3.OperationalError) or "no such" in text or "decode" in text
        hint = "Move it away: a new one is created." if broken else "Free disk space or fix the permissions."
        if "locked" in text:
            hint = (
                "Another program has it open for writing; `fuser` shows which one. Writing is retried each time."
            )
        reason = "state-broken" if broken else "cannot-write"
        return UserError(reason, f"the boots cannot be recorded: {error}", where=Where(path=self._path), hint=hint)

    # --- boots ---------------------------------------------------------------------------------------------

    def begin(self, machine: str, mac: str, *, stage: Stage, at: float | None = None) -> int:
        """Begin a boot of a machine and return its number; an open one is abandoned, older tokens are void."""
        at = time.time() if at is None else at
        with self._change() as database:
            database.execute(
                "UPDATE boots SET outcome = 'abandoned', changed = ? WHERE machine = ? AND outcome = 'booting'",
                (at, machine),
            )
            database.execute("UPDATE boots SET token = '' WHERE machine = ? AND token <> ''", (machine,))
            cursor = database.execute(
                "INSERT INTO boots (machine, mac, address, system, build, began, changed, outcome, token, console)"
                " VALUES (?, ?, '', '', '', ?, ?, 'booting', '', '')",
                (machine, mac, at, at),
            )
            number = int(cursor.lastrowid or 0)
            database.execute("INSERT INTO stages VALUES (?, ?, ?, NULL, NULL, '')", (number, stage, at))
            database.execute("DELETE FROM boots WHERE id <= ?", (number - _MOST_BOOTS,))
        return number

    def current(self, machine: str) -> BootRecord | None:
        """Return the last boot of a machine if it is still going on, with its stages."""
        rows = self._rows("SELECT * FROM boots WHERE machine = ? ORDER BY id DESC LIMIT 1", machine)
        return self._boot(rows[0]) if rows and rows[0]["outcome"] in OPEN else None

    def booting_at(self, address: str) -> BootRecord | None:
        """Return the last boot that goes on of whoever has an address."""
        query = "SELECT * FROM boots WHERE address = ? AND outcome = 'booting' ORDER BY id DESC LIMIT 1"
        rows = self._rows(query, address)
        return self._boot(rows[0]) if rows else None

    def stage(
        self,
        boot: int,
        name: Stage,
        *,
        began: float | None = None,
        ended: float | None = None,
        size: int | None = None,
        detail: str = "",
    ) -> None:
        """Note that a stage began, or ended; its first beginning and its last end count."""
        at = time.time()
        with self._change() as database:
            database.execute(
                "INSERT INTO stages VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (boot, name) DO UPDATE SET"
                " ended = COALESCE(excluded.ended, ended), bytes = COALESCE(excluded.bytes, bytes),"
                " detail = CASE excluded.detail WHEN '' THEN detail ELSE excluded.detail END",
                (boot, name, began or ended or at, ended, size, detail),
            )
            database.execute("UPDATE boots SET changed = ? WHERE id = ?", (at, boot))

    def update(self, boot: int, **words: str) -> None:
        """Set words of a boot: mac, address, system, build, outcome, console, token."""
        if not words.keys() <= {"mac", "address", "system", "build", "outcome", "console", "token"}:
            raise ValueError(f"unknown words: {sorted(words)}")
        assignments = ", ".join(f"{name} = ?" for name in words)
        with self._change() as database:
            query = f"UPDATE boots SET {assignments}, changed = ? WHERE id = ?"  # noqa: S608  (names checked above)
            database.execute(query, (*words.values(), time.time(), boot))

    def served(self, boot: int) -> None:
        """Note that a machine has all that it boots; one that reported meanwhile to be up stays so."""
        with self._change() as database:
            query = "UPDATE boots SET outcome = 'served', changed = ? WHERE id = ? AND outcome = 'booting'"
            database.execute(query, (time.time(), boot))

    def token(self, boot: int) -> str:
        """Return the token of a boot that goes on; empty if it has none, or is older than a token lives."""
        query = "SELECT token FROM boots WHERE id = ? AND began > ?"
        rows = self._rows(query, boot, time.time() - _TOKEN_LIFE)
        return str(rows[0]["token"]) if rows else ""

    def redeem(self, boot: int, token: str) -> BootRecord | None:
        """Note that a boot is up, which takes its token away; None if the token is not its, or no more."""
        with self._change() as database:
            row = database.execute(
                "UPDATE boots SET token = '', outcome = CASE outcome WHEN 'booting' THEN 'up' WHEN 'served' THEN"
                " 'up' ELSE outcome END, changed = ? WHERE id = ? AND token = ? AND token <> '' RETURNING *",
                (time.time(), boot, token),
            ).fetchone()
        return self._boot(row) if row else None

    def checked(self, boot: int, results: tuple[CheckResult, ...]) -> None:
        """Note the results of a boot's checks, in place of those that it had."""
        with self._change() as database:
            database.execute("DELETE FROM checks WHERE boot = ?", (boot,))
            for number, each in enumerate(results):
                database.execute(
                    "INSERT INTO checks VALUES (?, ?, ?, ?, ?, ?)",
                    (boot, number, each.name, each.passed, each.elapsed, each.detail),
                )

    def boot(self, number: int) -> BootRecord | None:
        """Return a boot with its stages and checks."""
        rows = self._rows("SELECT * FROM boots WHERE id = ?", number)
        return self._boot(rows[0]) if rows else None

    def boots(
        self, *, machine: str | None = None, limit: int = 50, before: int | None = None
    ) -> tuple[BootRecord, ...]:
        """Return the last boots, the newest first; `before` is the number of one to go on from."""
        rows = self._rows(
            "SELECT * FROM boots WHERE (? IS NULL OR machine = ?) AND (? IS NULL OR id < ?)"
            " ORDER BY id DESC LIMIT ?",
            *(machine, machine, before, before, limit),
        )
        return tuple(self._boot(row) for row in rows)

    def _boot(self, row: sqlite3.Row) -> BootRecord:
        found = self._rows("SELECT * FROM stages WHERE boot = ? ORDER BY began", row["id"])
        stages = tuple(
            Timed(
                name=each["name"],
                began=each["began"],
                ended=each["ended"],
                size=each["bytes"],
                detail=each["detail"],
            )
            for each in found
        )
        found = self._rows("SELECT * FROM checks WHERE boot = ? ORDER BY number", row["id"])
        checks = tuple(
            CheckResult(
                name=each["name"], passed=bool(each["passed"]), elapsed=each["elapsed"], detail=each["detail"]
            )
            for each in found
        )
        words: dict[str, Any] = {key: row[key] for key in row.keys() if key != "token"}  # noqa: SIM118  (no dict)
        return BootRecord(**words, stages=stages, checks=checks)

    def recent_builds(self, since: float) -> frozenset[str]:
        """Return the builds that machines boot, or have begun to boot since a time."""
        rows = self._rows("SELECT DISTINCT build FROM boots WHERE began >= ? AND build <> ''", since)
        chosen = self._rows("SELECT DISTINCT build FROM choices WHERE build IS NOT NULL")
        return frozenset(row["build"] for row in (*rows, *chosen))

    # --- choices -------------------------------------------------------------------------------------------

    def choose(self, machine: str, *, system: str | None, build: str | None, once: bool) -> None:
        """Have a machine boot something else, for one boot or from now on; nothing at all takes that back."""
        with self._change() as database:
            # what was chosen for good stays below what is chosen for one boot
            key = _once(machine) if once else machine
            database.execute("DELETE FROM choices WHERE machine = ?", (key,))
            if system is not None or build is not None:
                database.execute(
                    "INSERT INTO choices VALUES (?, ?, ?, ?, ?)", (key, system, build, once, time.time())
                )
            elif not once:
                database.execute("DELETE FROM choices WHERE machine = ?", (_once(machine),))

    def choice(self, machine: str) -> BootChoice | None:
        """Return what was chosen for a machine's next boot, or None."""
        rows = self._rows("SELECT * FROM choices WHERE machine IN (?, ?)", _once(machine), machine)
        found = sorted((_choice(row, machine) for row in rows), key=lambda each: not each.once)
        return found[0] if found else None

    def take(self, machine: str) -> BootChoice | None:
        """Return what was chosen for a machine's next boot; what was chosen once is used up by this."""
        with self._change() as database:
            row = database.execute(
                "DELETE FROM choices WHERE machine = ? RETURNING *", (_once(machine),)
            ).fetchone()
        return _choice(row, machine) if row else self.choice(machine)

    # --- events --------------------------------------------------------------------------------------------

    def tell(self, kind: str, text: str, *, machine: str = "") -> None:
        """Note something to show people."""
        with self._change() as database:
            cursor = database.execute(
                "INSERT INTO events (at, machine, kind, text) VALUES (?, ?, ?, ?)",
                (time.time(), machine, kind, text[:1000]),
            )
            database.execute("DELETE FROM events WHERE id <= ?", (int(cursor.lastrowid or 0) - _MOST_EVENTS,))

    def told(self, *, after: int = 0, limit: int = 200) -> tuple[LogEntry, ...]:
        """Return what was told after a number, the oldest first; with `after` 0 the last ones."""
        order = "ASC" if after else "DESC"
        rows = self._rows(f"SELECT * FROM events WHERE id > ? ORDER BY id {order} LIMIT ?", after, limit)  # noqa: S608
        found = tuple(
            LogEntry(id=row["id"], at=row["at"], machine=row["machine"], kind=row["kind"], text=row["text"])
            for row in rows
        )
        return found if after else tuple(reversed(found))

    def mark(self) -> str:
        """Return what changes whenever another connection or this one changes something: to poll cheaply."""
        row = self._rows(
            "SELECT (SELECT MAX(changed) FROM boots) AS a, (SELECT MAX(id) FROM events) AS b,"
            " (SELECT MAX(chosen) FROM choices) AS c, (SELECT COUNT(*) FROM choices) AS d"
        )[0]
        return f"{row['a']}-{row['b']}-{row['c']}-{row['d']}"


def _once(machine: str) -> str:
    return f"{machine}/once"  # no name of a machine has a slash


def _choice(row: sqlite3.Row, machine: str) -> BootChoice:
    return BootChoice(
        machine=machine, system=row["system"], build=row["build"], once=bool(row["once"]), chosen=row["chosen"]
    )
