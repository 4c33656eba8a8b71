"""Reading a JSON description: every key checked where it is taken, every mistake noted with its entry."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from rootstream.sandbox.program import Mistake

PRINTABLE = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]*")


class SpecEntry:
    """One object of a description. Keys are taken one by one; `end` refuses what is left over."""

    def __init__(self, value: object, where: str, problems: list[str]) -> None:
        self.where = where
        self.problems = problems
        self._left: dict[str, object] = {}
        if isinstance(value, dict):
            self._left = {str(key): inner for key, inner in value.items()}
        else:
            self.wrong(f"has to be an object, not {value!r}")
        self._known: list[str] = []

    def wrong(self, message: str) -> None:
        """Note a mistake in this entry."""
        self.problems.append(f"{self.where}: {message}")

    def take(self, key: str) -> object:
        """Take a key's value; None if it is not there."""
        self._known.append(key)
        return self._left.pop(key, None)

    def text(self, key: str, pattern: re.Pattern[str] = PRINTABLE, rule: str = "on one line") -> str | None:
        """Take a text that matches a pattern; None if it is not there or wrong."""
        value = self.take(key)
        if value is None:
            return None
        if not isinstance(value, str) or not pattern.fullmatch(value):
            self.wrong(f"{key} {value!r} has to be a text {rule}")
            return None
        return value

    def required(self, key: str, pattern: re.Pattern[str] = PRINTABLE, rule: str = "on one line") -> str:
        """Take a text that has to be there."""
        if key not in self._left:
            self._known.append(key)
            self.wrong(f"{key} is missing")
            return ""
        return self.text(key, pattern, rule) or ""

    def texts(self, key: str, pattern: re.Pattern[str] = PRINTABLE, rule: str = "on one line") -> tuple[str, ...]:
        """Take a list of texts."""
        value = self.take(key)
        if value is None:
            return ()
        if not isinstance(value, list):
            self.wrong(f"{key} has to be a list of texts")
            return ()
        for item in value:
            if not isinstance(item, str) or not pattern.fullmatch(item):
                self.wrong(f"{key}: {item!r} has to be a text {rule}")
        return tuple(item for item in value if isinstance(item, str))

    def number(self, key: str, low: int, high: int) -> int | None:
        """Take a whole number within bounds; None if it is not there or wrong."""
        value = self.take(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self.wrong(f"{key} {value!r} has to be a whole number from {low} to {high}")
            return None
        return value

    def flag(self, key: str, *, default: bool = False) -> bool:
        """Take true or false."""
        value = self.take(key)
        if value is not None and not isinstance(value, bool):
            self.wrong(f"{key} {value!r} has to be true or false")
            return default
        return default if value is None else value

    def choice(self, key: str, choices: Sequence[str], default: str) -> str:
        """Take one of several words."""
        value = self.take(key)
        if value is None:
            return default
        if value not in choices:
            self.wrong(f"{key} {value!r} has to be one of {', '.join(choices)}")
            return default
        return str(value)

    def entries(self, key: str, named_by: str = "name") -> list[SpecEntry]:
        """Take a list of objects; each is called after its number and name."""
        value = self.take(key)
        if value is None:
            return []
        if not isinstance(value, list):
            self.wrong(f"{key} has to be a list")
            return []
        found = []
        for number, item in enumerate(value, 1):
            name = item.get(named_by) if isinstance(item, dict) else None
            where = f"{key}[{number}]" + (f" {name!r}" if isinstance(name, str) else "")
            found.append(SpecEntry(item, where, self.problems))
        return found

    def end(self) -> None:
        """Note every key that nobody took."""
        for key in self._left:
            self.wrong(f"unknown key {key!r}; known are {', '.join(self._known)}")


def read_spec(path: Path) -> object:
    """Return the JSON in a file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Mistake(f"{path}: not a readable JSON description: {error}") from error
