"""Where a changed configuration is saved: which file of the project, a new one if there is none."""

from __future__ import annotations

import difflib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import RoundTripConstructor
from ruamel.yaml.representer import RoundTripRepresenter

from rootstream.buildroot.config import requested
from rootstream.buildroot.workspace import Workspace
from rootstream.description.roots import PackageConfig
from rootstream.description.system import ConfigFile
from rootstream.errors import UserError, Where
from rootstream.host import nofollow
from rootstream.project.lock import write_atomically
from rootstream.project.project import DESCRIPTION

BUILDROOT = "buildroot"
FOLDER = "configs"


@dataclass(frozen=True, slots=True, kw_only=True)
class SavePlace:
    """A file of the project that changes go to.

    `whole`: it is what everything starts from, so a symbol at its default needs no line. `words`: where
    system.yaml has to name it, if it does not yet.
    """

    path: str
    whole: bool
    words: tuple[str, ...] = ()


def files(space: Workspace, kind: str) -> tuple[SavePlace, ...]:
    """Return the project's files that a configuration is made from, in their order."""
    root = space.root
    if kind == BUILDROOT:
        first = (SavePlace(path=root.defconfig, whole=True),) if isinstance(root.defconfig, str) else ()
        return (*first, *(SavePlace(path=path, whole=False) for path in root.fragments))
    wanted: PackageConfig | None = requested.named(root.configs).get(kind)
    if wanted is None:
        return ()
    first = (SavePlace(path=wanted.base.file, whole=True),) if isinstance(wanted.base, ConfigFile) else ()
    return (*first, *(SavePlace(path=path, whole=False) for path in wanted.fragments))


def choose(
    space: Workspace, kind: str, to: str | None, base: Workspace | None = None, *, create: bool = True
) -> SavePlace:
    """Return the file that changes go to: the one named, the only one, or a new one.

    `base` is the workspace of the system whose variant is worked on: only the variant's own files are written.
    Raises `UserError` several-files, not-a-config-file.
    """
    found = files(space, kind)
    if base is not None:
        shared = {each.path for each in files(base, kind)}
        found = tuple(each for each in found if each.path not in shared)
    place = pick(found, kind, to, space.project / DESCRIPTION)
    if place is not None:
        return place
    if not create:
        raise UserError("no-config-file", f"the project has no file for the configuration of {kind}")
    return _new(space, kind, variant=space.described.variant is not None)


def pick(found: tuple[SavePlace, ...], kind: str, to: str | None, description: Path) -> SavePlace | None:
    """Return the file that changes go to: the one named or the only one, None where there is none.

    Raises `UserError` several-files, not-a-config-file.
    """
    names = ", ".join(each.path for each in found)
    if to is not None:
        for each in found:
            if each.path == to or Path(each.path).name == to:
                return each
        hint = f"It is made from these files: {names}." if names else "There is none yet; omit --to."
        raise UserError(
            "not-a-config-file",
            f"{to} is not one of the files that this configuration of {kind} is made from",
            where=Where(path=description),
            hint=hint,
        )
    if len(found) > 1:
        raise UserError(
            "several-files",
            f"the configuration of {kind} is made from several files: {names}",
            where=Where(path=description),
            hint="Use --to FILE to say where to save the change.",
        )
    return found[0] if found else None


def _new(space: Workspace, kind: str, *, variant: bool) -> SavePlace:
    described = space.described
    stem = f"{described.name}-{described.variant}" if described.variant else described.name
    if kind == BUILDROOT and not variant and space.root.defconfig is None:
        return SavePlace(path=f"{FOLDER}/{stem}_defconfig", whole=True, words=("defconfig",))
    name = f"{FOLDER}/{stem}.config" if kind == BUILDROOT else f"{FOLDER}/{stem}-{kind}.config"
    words = ("fragments",) if kind == BUILDROOT else ("configs", kind, "fragments")
    return SavePlace(path=name, whole=False, words=words)


def read(space: Workspace, place: SavePlace) -> str:
    """Return the text of a file, empty for one that is not there yet."""
    try:
        if place.words:  # nobody has looked at a file that the description does not name
            return nofollow.read_bytes(space.project, space.project / place.path).decode(
                "utf-8", "surrogateescape"
            )
        return (space.project / place.path).read_text("utf-8", "surrogateescape")
    except FileNotFoundError:
        return ""


def write(space: Workspace, place: SavePlace, text: str) -> None:
    """Write a file of the project, and name it in system.yaml if that is new.

    Raises `UserError` cannot-write, link-in-project.
    """
    path = space.project / place.path
    data = text.encode("utf-8", "surrogateescape")
    if not place.words:
        write_atomically(path, data)
    else:
        nofollow.write(space.project, path, data)
        description = space.project / DESCRIPTION
        new = named(description.read_text("utf-8"), space, place)
        write_atomically(description, new.encode())


def named(text: str, space: Workspace, place: SavePlace) -> str:
    """Return system.yaml with a file named in it; comments and order stay."""
    described = space.described
    yaml = _as_written(text)
    data = yaml.load(text)
    at: Any = data["systems"][described.name]
    if described.variant:
        at = _below(at, "variants", described.variant, "add")
    at = _below(at, "root", "buildroot", *place.words[:-1])
    last = place.words[-1]
    if last == "defconfig":
        at[last] = place.path
    else:
        at.setdefault(last, []).append(place.path)
    out = io.StringIO()
    yaml.dump(data, out)
    return out.getvalue()


def with_variant(text: str, system: str, variant: str) -> str:
    """Return system.yaml with a variant that changes nothing yet; comments and order stay."""
    yaml = _as_written(text)
    data = yaml.load(text)
    _below(data["systems"][system], "variants")[variant] = None
    out = io.StringIO()
    yaml.dump(data, out)
    return out.getvalue()


class _Constructor(RoundTripConstructor):
    """Reads what is empty as None, whatever other users of the library have set for all readers of the process."""


class _Representer(RoundTripRepresenter):
    """Writes nothing for None, in the same way."""


_Constructor.add_constructor("tag:yaml.org,2002:null", RoundTripConstructor.construct_yaml_null)
_Representer.add_representer(type(None), RoundTripRepresenter.represent_none)


def _yaml(mapping: int, sequence: int, offset: int) -> YAML:
    yaml = YAML()
    yaml.Constructor, yaml.Representer = _Constructor, _Representer
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=mapping, sequence=sequence, offset=offset)
    return yaml


def _as_written(text: str) -> YAML:
    """Return the writer that indents as the user does: the one that changes the fewest lines of the text."""

    def changed(yaml: YAML) -> int:
        out = io.StringIO()
        yaml.dump(yaml.load(text), out)
        return sum(line[:1] in "+-" for line in difflib.ndiff(text.splitlines(), out.getvalue().splitlines()))

    styles = ((mapping, 2 + offset, offset) for mapping in (2, 4) for offset in (0, 2, 4))
    return min((_yaml(*style) for style in styles), key=changed)


def _below(at: Any, *words: str) -> Any:  # noqa: ANN401  (what ruamel.yaml holds)
    for word in words:
        if at.get(word) is None:
            at[word] = {}
        at = at[word]
    return at
