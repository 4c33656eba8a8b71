"""License statements of Debian, Buildroot and wheels as SPDX expressions.

A name that a table does not have becomes `LicenseRef-ORIGIN-NAME`, which says that these are terms of their own:
no license is taken for another one that is called alike.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from license_expression import Licensing

LONGEST = 4000
# Short names of copyright-format 1.0 and of Debian's copyright files; versions and `+` are read apart.
_DEBIAN: Mapping[str, str] = {
    "apache-2.0": "Apache-2.0",
    "artistic-2.0": "Artistic-2.0",
    "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause",
    "bsd-4-clause": "BSD-4-Clause",
    "bsl-1.0": "BSL-1.0",
    "cc0": "CC0-1.0",
    "cc0-1.0": "CC0-1.0",
    "cc-by-3.0": "CC-BY-3.0",
    "cc-by-4.0": "CC-BY-4.0",
    "cc-by-sa-3.0": "CC-BY-SA-3.0",
    "cc-by-sa-4.0": "CC-BY-SA-4.0",
    "curl": "curl",
    "expat": "MIT",
    "fsful": "FSFUL",
    "fsfullr": "FSFULLR",
    "ftl": "FTL",
    "isc": "ISC",
    "mpl-1.1": "MPL-1.1",
    "mpl-2.0": "MPL-2.0",
    "ofl-1.1": "OFL-1.1",
    "unlicense": "Unlicense",
    "w3c": "W3C",
    "wtfpl": "WTFPL",
    "zlib": "Zlib",
    "zpl-2.1": "ZPL-2.1",
}
_GNU = re.compile(r"(a?l?gpl|gfdl|gfdl-niv)-(\d)(?:\.(\d))?(\+)?")
_GNU_NAMES = {"gpl": "GPL", "lgpl": "LGPL", "agpl": "AGPL", "gfdl": "GFDL", "gfdl-niv": "GFDL"}
_FIRST_MINOR = {("lgpl", "2"): "0", ("gpl", "1"): "0", ("gpl", "2"): "0", ("gpl", "3"): "0"}
# Classifiers of PyPI that leave no version open.
_CLASSIFIERS: Mapping[str, str] = {
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "ISC License (ISCL)": "ISC",
    "Mozilla Public License 1.1 (MPL 1.1)": "MPL-1.1",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "GNU Affero General Public License v3": "AGPL-3.0-only",
    "GNU Affero General Public License v3 or later (AGPLv3+)": "AGPL-3.0-or-later",
    "The Unlicense (Unlicense)": "Unlicense",
    "Universal Permissive License (UPL)": "UPL-1.0",
    "Boost Software License 1.0 (BSL-1.0)": "BSL-1.0",
    "BSD Zero Clause License (0BSD)": "0BSD",
}


def debian(names: Iterable[str]) -> str | None:
    """Return the expression for what the parts of a package are licensed under, by its copyright file."""
    found = dict.fromkeys(_debian(name) for name in names)
    return _joined(found)


def _debian(text: str) -> str:
    """Return the expression of a synopsis: `and` binds more than `or`, and both less with a comma before them."""
    chosen = []
    for alternative in re.split(r",\s+or\s+", text.strip()):
        parts = re.split(r",\s+(?:and\s+)?", alternative)
        read = [_either(part, "debian", _debian_name) for part in parts if part]
        chosen.append(read[0] if len(read) == 1 else " AND ".join(_inside(part) for part in read))
    return chosen[0] if len(chosen) == 1 else " OR ".join(f"({each})" if " " in each else each for each in chosen)


def _either(text: str, origin: str, read: Callable[[str], str | None]) -> str:
    chosen = []
    for alternative in re.split(r"\s+or\s+", text, flags=re.IGNORECASE):
        names = [read(each.strip()) or reference(origin, each) for each in re.split(r"\s+and\s+", alternative)]
        chosen.append(names[0] if len(names) == 1 else f"({' AND '.join(names)})")
    return chosen[0] if len(chosen) == 1 else " OR ".join(chosen)


def _debian_name(name: str) -> str | None:
    lower = name.lower()
    gnu = _GNU.fullmatch(lower)
    if gnu:
        family, major, minor, later = gnu.groups()
        minor = minor or _FIRST_MINOR.get((family, major), "0")
        middle = "-no-invariants" if family == "gfdl-niv" else ""
        found = f"{_GNU_NAMES[family]}-{major}.{minor}{middle}-{'or-later' if later else 'only'}"
        return found if is_known(found) else None
    return _DEBIAN.get(lower)


def buildroot(text: str) -> str | None:
    """Return the expression of a package's _LICENSE: a list whose items may say in brackets what they are for."""
    if not text.strip() or text.strip().lower() in ("unknown", "not applicable"):
        return None
    plain = re.sub(r"\([^()]*\)", "", text)
    items = [" ".join(each.split()) for each in plain.split(",")]
    return _joined(dict.fromkeys(_either(each, "buildroot", _identifier) for each in items if each))


def wheel(expression: str | None, stated: Iterable[str]) -> str | None:
    """Return the expression of a wheel: its own, an identifier, or classifiers without doubt; None if unknown."""
    if expression and (known := _identifier(expression)):
        return known
    for each in stated:
        known = _identifier(each)
        if known:
            return known
    found = dict.fromkeys(_CLASSIFIERS[each] for each in stated if each in _CLASSIFIERS)
    return next(iter(found)) if len(found) == 1 else None


def crate(text: str) -> str | None:
    """Return the expression of a crate; older ones separate alternatives by a slash."""
    return _identifier(re.sub(r"\s*/\s*", " OR ", text.strip()))


def reference(origin: str, name: str) -> str:
    """Return the identifier of terms that SPDX has no name for."""
    plain = re.sub("[^A-Za-z0-9.]+", "-", name.replace("+", "-or-later ")).strip("-")
    return f"LicenseRef-{origin}-{plain[:100] or 'unnamed'}"


def _joined(parts: Iterable[str]) -> str | None:
    found = sorted(set(parts))
    if not found:
        return None
    text = found[0] if len(found) == 1 else " AND ".join(_inside(part) for part in found)
    return _identifier(text)


def _inside(part: str) -> str:
    return f"({part})" if " OR " in part else part


@cache
def licensing() -> Licensing:
    """Return the reader of expressions, which knows SPDX's list; it takes 60 ms to make, and is made once."""
    from license_expression import get_spdx_licensing  # noqa: PLC0415  (for what has licenses only)

    return get_spdx_licensing()


def is_known(identifier: str) -> bool:
    """Say whether SPDX lists an identifier."""
    return identifier in licensing().known_symbols


@cache
def _identifier(text: str) -> str | None:
    """Return what SPDX writes for an expression of its identifiers (GPL-2.0+ is GPL-2.0-or-later), or None."""
    from license_expression import ExpressionError  # noqa: PLC0415

    if not text or len(text) > LONGEST:
        return None
    try:
        parsed = licensing().parse(text)
        unknown = licensing().unknown_license_keys(parsed)
    except (ExpressionError, AttributeError, TypeError, RecursionError):
        return None
    if parsed is None or any(not each.startswith("LicenseRef-") for each in unknown):
        return None
    return str(parsed.render())


def names(expression: str) -> tuple[str, ...]:
    """Return the licenses that an expression names."""
    parsed = licensing().parse(expression)
    return tuple(sorted({str(each) for each in licensing().license_keys(parsed)})) if parsed is not None else ()
