"""Orders of versions: dpkg's (deb-version(7)) and that of Semantic Versioning 2.0."""

from __future__ import annotations

import re
from itertools import zip_longest

_PIECES = re.compile(r"([^0-9]*)([0-9]*)")
_SEMVER = re.compile(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.+-]+)?")
LONGEST = 200  # characters that are looked at: numbers of any size are compared as numbers


def dpkg(one: str, other: str) -> int:
    """Return -1, 0 or 1 as a version of Debian is before, the same as, or after another."""
    for left, right in zip(_parts(one), _parts(other), strict=True):
        found = _compared(left, right)
        if found:
            return found
    return 0


def _parts(version: str) -> tuple[str, str, str]:
    """Return epoch, upstream version and revision."""
    text = version[:LONGEST]
    epoch, colon, rest = text.partition(":")
    if not colon or not epoch.isascii() or not epoch.isdecimal():
        epoch, rest = "0", text
    upstream, dash, revision = rest.rpartition("-")
    return (epoch, upstream, revision) if dash else (epoch, rest, "0")


def _compared(one: str, other: str) -> int:
    pairs = zip_longest(_PIECES.findall(one), _PIECES.findall(other), fillvalue=("", ""))
    for (left_text, left_number), (right_text, right_number) in pairs:
        left = [*map(_weight, left_text), 0]  # the end is before all but a tilde
        right = [*map(_weight, right_text), 0]
        if left != right:
            return _sign(_lexical(left, right))
        difference = int(left_number or 0) - int(right_number or 0)
        if difference:
            return _sign(difference)
    return 0


def _lexical(left: list[int], right: list[int]) -> int:
    for one, other in zip_longest(left, right, fillvalue=0):
        if one != other:
            return one - other
    return 0


def _weight(char: str) -> int:
    """Return the order of a character: `~` is before the end, letters are before the rest."""
    if char == "~":
        return -1
    return ord(char) if char.isascii() and char.isalpha() else ord(char) + 256


def semver(one: str, other: str) -> int | None:
    """Return -1, 0 or 1, None where one of them is not such a version; missing numbers are 0, a `v` is ignored."""
    left, right = _SEMVER.fullmatch(one[:LONGEST]), _SEMVER.fullmatch(other[:LONGEST])
    if left is None or right is None:
        return None
    for number in (1, 2, 3):
        difference = int(left.group(number) or 0) - int(right.group(number) or 0)
        if difference:
            return _sign(difference)
    return _prerelease(left.group(4), right.group(4))


def _prerelease(one: str | None, other: str | None) -> int:
    if one is None or other is None:
        return (one is None) - (other is None)
    for left, right in zip_longest(one.split("."), other.split(".")):
        if left == right:
            continue
        if left is None or right is None:
            return -1 if left is None else 1
        numbers = left.isdecimal(), right.isdecimal()
        if all(numbers):
            difference = int(left) - int(right)
            if difference:
                return _sign(difference)
        elif any(numbers):
            return -1 if numbers[0] else 1
        else:
            return -1 if left < right else 1
    return 0


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)
