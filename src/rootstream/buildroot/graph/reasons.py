"""What the elements of a system were made of at its last build, and what of that is another thing now."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rootstream.buildroot.graph import elements, staging
from rootstream.buildroot.graph.draft import Different, GraphDraft
from rootstream.host.content import chunks
from rootstream.plan.model import BUILDROOT_DOWNLOAD
from rootstream.sandbox.buildroot import variables

_MANY = 5000  # files of an element: then size and time stand for the content of one
_LARGEST = 1 << 20  # bytes
_CONFIG = "/config"
_SHOWN = 12  # characters of a digest
_SET = ("is new in its configuration", "is not in its configuration any more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What a package, or the images, are made of.

    `config` are the lines of its .config by symbol, `parts` the elements with files that it is built with, `below`
    the packages.
    """

    config: Mapping[str, str]
    commands: tuple[str, ...]
    parts: tuple[str, ...]
    below: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Composition:
    """What all of a system was made of; `files` are digests by the elements that have them, `base` versions.

    `key` stands for all of it, and for what no element has.
    """

    key: str
    made: Mapping[str, Made]
    files: Mapping[str, Mapping[str, str]]
    base: Mapping[str, str]

    def data(self) -> dict[str, Any]:
        """Return it as data for JSON."""
        return asdict(self)


def restored(data: Mapping[str, Any]) -> Composition:
    """Return a record from its data. Raises KeyError, TypeError."""
    made = {
        name: Made(
            config=dict(each["config"]),
            commands=tuple(each["commands"]),
            parts=tuple(each["parts"]),
            below=tuple(each["below"]),
        )
        for name, each in data["made"].items()
    }
    return Composition(key=str(data["key"]), made=made, files=data["files"], base=data["base"])


def record(draft: GraphDraft, key: str, base: Mapping[str, str]) -> Composition:
    """Return what the elements of a system are made of; `base` are the versions of the base's packages."""
    made: dict[str, Made] = {}
    files = {name: dict(_digests([*linked.all()])) for name, linked in draft.from_here.items()}
    for name, element in draft.elements.items():
        own = f"files/{name.removesuffix('.bst')}/"
        written = {path[len(own) - 1 :]: each for path, each in draft.written.items() if path.startswith(own)}
        digests = {path: _digest(b"".join(chunks(each))) for path, each in written.items() if path != _CONFIG}
        if name.startswith("programs-"):
            digests = {f"Rootstream's {name.removesuffix('.bst')}": _digest(json.dumps(digests).encode())}
        downloads = {
            each.words["path"]: each.words["digest"] for each in element.sources if each.kind == BUILDROOT_DOWNLOAD
        }
        files.setdefault(name, {}).update(digests | downloads)
        if not _is_package(name) and name != elements.IMAGES:
            continue
        config = b"".join(chunks(written.get(_CONFIG, b""))).decode("utf-8", "surrogateescape")
        names = [each.element for each in element.builds_with]
        made[name] = Made(
            config=staging.lines(config),
            commands=element.commands,
            parts=(name, *(each for each in names if not _is_package(each))),
            below=tuple(each for each in names if _is_package(each)),
        )
    return Composition(key=key, made=made, files=files, base=base)


def _is_package(element: str) -> bool:
    return element.startswith(elements.element_of("").removesuffix(".bst"))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _digests(found: Sequence[tuple[str, Path]]) -> Iterator[tuple[str, str]]:
    for place, path in found:
        if path.is_symlink():
            yield place, f"-> {path.readlink()}"
        elif len(found) > _MANY or path.stat().st_size > _LARGEST:
            yield place, f"{path.stat().st_size} bytes of {path.stat().st_mtime_ns}"
        else:
            yield place, _digest(path.read_bytes())


def changes(name: str, before: Composition, now: Composition) -> list[str]:
    """Return what is different for a package, or the images, line by line."""
    new = now.made[name]
    if name not in before.made:
        return ["it was not part of the last build"]
    old = before.made[name]
    lines = list(_compared(old.config, new.config, _SET))
    lines += _compared(_files(before, old.parts), _files(now, new.parts), ("is new", "is gone"))
    lines += (f"{package_of(each)}: is built with it now" for each in new.below if each not in old.below)
    lines += (f"{package_of(each)}: is not built with it any more" for each in old.below if each not in new.below)
    lines += _compared(before.base, now.base, ("is new in the base", "is not in the base any more"))
    if not lines and old.commands != new.commands:
        lines.append("its commands are different")
    below = [each for each in new.below if each in before.made and _differs(each, before, now)]
    if not lines and not below and name == elements.IMAGES and before.key != now.key:
        lines.append("what no element has: passwords, which images are exported, checks")
    lines += (f"{package_of(each)}, which it is built with, is built again" for each in below)
    return lines


def _differs(name: str, before: Composition, now: Composition) -> bool:
    old, new = before.made[name], now.made[name]
    return (old.config, old.commands, old.below, _files(before, old.parts)) != (
        new.config,
        new.commands,
        new.below,
        _files(now, new.parts),
    )


def _files(of: Composition, parts: Iterable[str]) -> dict[str, str]:
    """Return the digests of all files of some elements, by where they are in the sandbox."""
    return {path: digest for part in parts for path, digest in of.files.get(part, {}).items()}


def _compared(old: Mapping[str, str], new: Mapping[str, str], words: tuple[str, str]) -> Iterator[str]:
    for name in sorted(old.keys() | new.keys()):
        if name not in old:
            yield f"{name}: {words[0]}: {_short(new[name])}" if "=" in new[name] else f"{name}: {words[0]}"
        elif name not in new:
            yield f"{name}: {words[1]}"
        elif old[name] != new[name]:
            yield f"{name}: {_short(old[name])} -> {_short(new[name])}"


def _short(value: str) -> str:
    """Return a digest cut short, and anything else as it is."""
    is_digest = len(value) == hashlib.sha256().digest_size * 2 and value.isalnum()
    return value[:_SHOWN] if is_digest else value


def of_whole(different: Different) -> Iterator[str]:
    """Yield a line for each package that is built with the whole tree: why."""
    for package, needs in sorted(different.items()):
        for variable in needs.get("whole", [])[:1]:
            why = f"without it, {variable} would be different"
            if variable.startswith(variables.MAKE):
                why = f"make cannot read its part of it: {variable.removeprefix(variables.MAKE).strip()}"
            yield f"{package} is built with the whole tree: {why}"


def package_of(element: str) -> str:
    """Return what people call an element of a package, or of the images."""
    return "images" if element == elements.IMAGES else element.removeprefix("package-").removesuffix(".bst")
