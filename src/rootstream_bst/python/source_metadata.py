"""What a Python source tree says of itself without being run: what it is built with, and what it needs.

Read from pyproject.toml (PEP 518, 621), PKG-INFO, setup.cfg and, as pbr does, requirements.txt.
"""

from __future__ import annotations

import configparser
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path

from rootstream.archives import compression, tar_stream
from rootstream.formats import requirement
from rootstream.formats.faults import Fault

FILES = ("pyproject.toml", "PKG-INFO", "setup.cfg", "requirements.txt")
MOST = 4 << 20  # bytes of a file
MOST_UNPACKED = 1 << 30  # bytes of an sdist
MOST_MEMBERS = 200_000
# What PEP 518 and 517 say of a tree without pyproject.toml; wheel was a part of neither for long.
LEGACY = ("setuptools>=40.8.0", "wheel")
_EXTRA = re.compile(r"\bextra\s*==")


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """Requirement lines: what builds a tree, and what it needs when it runs."""

    build: tuple[str, ...]
    run: tuple[str, ...]


def of_folder(folder: Path) -> Needs:
    """Return the needs of a source tree; raises `Fault` no-metadata."""
    if not folder.is_dir():
        raise Fault("no-metadata", f"there is no source tree {folder.name}")
    texts = {}
    for name in FILES:
        path = folder / name
        if path.is_file() and not path.is_symlink():
            texts[name] = _text(path.read_bytes()[:MOST], str(path))
    return of_texts(texts, folder.name)


def of_archive(path: Path) -> Needs:
    """Return the needs of an sdist, a tar archive; raises `Fault` no-metadata or invalid-sdist.

    What it claims is bounded: `MOST` bytes of a file that is read, `MOST_UNPACKED` in all, `MOST_MEMBERS` members.
    """
    texts: dict[str, str] = {}

    def take(member: tar_stream.Member, content: Iterator[memoryview]) -> None:
        parts = member.name.removeprefix("./").split("/")
        if (
            len(parts) == 2  # noqa: PLR2004
            and parts[1] in FILES
            and member.kind is tar_stream.MemberKind.FILE
            and member.size <= MOST
        ):
            texts[parts[1]] = _text(b"".join(content), path.name)

    try:
        with path.open("rb") as file:
            blocks = compression.blocks(file.read, compression.suffix_of(file))
            stream = tar_stream.Stream(blocks, most=MOST_UNPACKED)
            tar_stream.members(stream, take, most=MOST_MEMBERS)
    except Fault as fault:
        if fault.reason == "no-metadata":
            raise
        raise Fault("invalid-sdist", f"{path.name} is not a tar archive of sources: {fault.message}") from fault
    except OSError as error:
        raise Fault("invalid-sdist", f"{path.name}: {error.strerror}") from error
    return of_texts(texts, path.name)


def _text(data: bytes, where: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise Fault("no-metadata", f"{where} is not UTF-8 text") from error


def of_texts(texts: Mapping[str, str], where: str) -> Needs:
    """Return the needs of a tree whose files are given by name; raises `Fault` no-metadata."""
    try:
        project = tomllib.loads(texts.get("pyproject.toml", ""))
        build = project.get("build-system", {}).get("requires")
        return Needs(build=LEGACY if build is None else _lines(build), run=_run(texts, project))
    except (tomllib.TOMLDecodeError, configparser.Error, AttributeError, TypeError) as error:
        raise Fault("no-metadata", f"{where}: what it needs cannot be read: {error}") from error


def _run(texts: Mapping[str, str], project: Mapping[str, object]) -> tuple[str, ...]:
    table = project.get("project")
    if isinstance(table, dict) and "dependencies" in table:
        return _lines(table["dependencies"])
    told = HeaderParser().parsestr(texts.get("PKG-INFO", "")).get_all("Requires-Dist") or []
    if told:
        return _lines(told)
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(texts.get("setup.cfg", ""))
    if parser.has_option("options", "install_requires"):
        return _lines(parser.get("options", "install_requires").splitlines())
    return _lines(texts.get("requirements.txt", "").splitlines())


def _lines(lines: object) -> tuple[str, ...]:
    """Return requirement lines without comments, options of pip, and those of extras, which nobody asked for."""
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise TypeError("expected a list of requirements")
    plain = (re.sub(r"(^|\s)#.*", "", line).strip() for line in lines)
    kept = tuple(line for line in plain if line and not line.startswith("-") and not _EXTRA.search(line))
    wrong = next((found for line in kept if (found := requirement.problem(line))), None)
    if wrong is not None:
        raise TypeError(wrong)
    return kept
