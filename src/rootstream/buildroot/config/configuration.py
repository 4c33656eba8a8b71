"""The configuration of a Buildroot system: every request in its order, and the .config made of them.

The defconfig comes first, then the fragments, then what the description says; the later one wins. The .config in
the output folder is replaced only by a different one, so that nothing is built again because of its time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rootstream.buildroot.config import kconfig, requested
from rootstream.buildroot.generate import translate
from rootstream.buildroot.generate.draft import Generated, Setting
from rootstream.buildroot.workspace import ORIGIN, Workspace
from rootstream.description.system import NamedDefconfig
from rootstream.errors import Problems, UserError, Where
from rootstream.formats.kconfig.fragment import (
    Problem,
    Request,
    config_values,
    fragment_requests,
    last_requests,
    written,
)
from rootstream.project.lock import write_atomically

WRITTEN = "config.written"
NOTED = "kconfigs"
SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """A configuration as it was asked for and as it came out.

    `asked` are all requests in their order, `requests` those that hold, by symbol. `settings` are the symbols that
    the description sets. `result` are the values of the .config; `problems` what was noticed on the way.
    """

    asked: tuple[Request, ...]
    requests: Mapping[str, Request]
    settings: Mapping[str, Request]
    result: Mapping[str, str]
    text: str
    said: str
    problems: tuple[Problem, ...]
    changed: bool


def own_files(space: Workspace) -> tuple[tuple[str, Path], ...]:
    """Return the files of the user's own requests, in order: how messages call them, and where they are.

    Raises `UserError` unknown-defconfig.
    """
    found: list[tuple[str, Path]] = []
    place = requested.defconfig_file(space)
    wanted = space.root.defconfig
    if place is not None:
        # a whole path, so that a message about a defconfig of a tree leads there
        found.append((wanted if isinstance(wanted, str) else str(place), place))
    elif isinstance(wanted, NamedDefconfig):
        raise requested.unknown_defconfig(space, wanted.defconfig)
    found += [(path, space.project / path) for path in space.root.fragments]
    return tuple(found)


def own_requests(space: Workspace) -> tuple[list[Request], list[Problem]]:
    """Return what the user's own files ask for, and what is wrong with their lines."""
    asked: list[Request] = []
    problems: list[Problem] = []
    for name, path in own_files(space):
        content = path.read_text("utf-8", "surrogateescape")
        requests, wrong = fragment_requests(name, content, kconfig.NO_PREFIX)
        asked += requests
        problems += wrong
    return asked, problems


def _request(setting: Setting, value: str) -> Request:
    return Request(
        symbol=setting.symbol, value=value, file=setting.file, line=setting.line, prefix=kconfig.NO_PREFIX
    )


def joined(asked: Iterable[Request], settings: Iterable[Setting]) -> tuple[list[Request], list[Request]]:
    """Return the requests of weak settings and of all others; what is appended goes after the user's own words."""
    own = {request.symbol: request.value for request in asked}
    weak: list[Request] = []
    strong: dict[str, Request] = {}
    for setting in settings:
        if setting.weak:
            if not kconfig.unquoted(own.get(setting.unless, "")):
                weak.append(_request(setting, setting.value))
            continue
        value = setting.value
        if setting.append:
            before = (
                strong[setting.symbol].value
                if setting.symbol in strong
                else own.get(setting.symbol, setting.default)
            )
            words = [each for each in (kconfig.unquoted(before), kconfig.unquoted(value)) if each]
            value = kconfig.quoted(" ".join(words))
        strong.pop(setting.symbol, None)
        strong[setting.symbol] = _request(setting, value)
    return weak, list(strong.values())


def _require_one_override(space: Workspace, own: Iterable[Request], generated: Generated) -> None:
    """Make sure that Buildroot reads one local.mk. Raises `UserError` not-possible with the line of the other."""
    ours = any(setting.symbol == translate.OVERRIDE_FILE for setting in generated.settings)
    for request in own:
        if ours and request.symbol == translate.OVERRIDE_FILE:
            raise UserError(
                "not-possible",
                f"`override` of {space.described.target} and {request.symbol} cannot both be used",
                where=Where(path=space.project / request.file, line=request.line),
                hint="Move what its local.mk overrides to `override`, or the other way round.",
            )


def compose(space: Workspace, generated: Generated, *, force: bool = False) -> Composed:
    """Bring the .config in step with the project.

    Raises `Problems` for lines that are no requests, `UserError` hand-edited (but with `force`),
    unknown-defconfig, path-not-possible, process-failed.
    """
    if not force:
        require_untouched(space)
    own, problems = own_requests(space)
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        raise Problems(tuple(as_error(problem, space.project) for problem in errors))
    _require_one_override(space, own, generated)
    weak, strong = joined(own, (*requested.origin(space), *requested.settings(space), *generated.settings))
    asked = (*weak, *own, *strong)
    holding = last_requests(asked)
    lines = "".join(f"{written(request)}\n" for request in holding.values())
    completed = kconfig.complete(space, lines)
    changed = _replace(space, completed.text)
    return Composed(
        asked=asked,
        requests=holding,
        settings={request.symbol: request for request in strong},
        result=completed.values,
        text=completed.text,
        said=completed.said,
        problems=tuple(problems),
        changed=changed,
    )


def as_error(problem: Problem, project: Path) -> UserError:
    """Return a problem of a configuration as an error with its place."""
    details = "\n".join((*([problem.reason] if problem.reason else []), *problem.details))
    where = Where(path=project / problem.file, line=problem.line or None) if problem.file else None
    return UserError(problem.kind, problem.message, where=where, detail=details or None)


def _replace(space: Workspace, content: str) -> bool:
    """Put a new .config in place, if it is another one, and note what was written."""
    data = content.encode("utf-8", "surrogateescape")
    space.output.mkdir(parents=True, exist_ok=True)
    space.state.mkdir(parents=True, exist_ok=True)
    changed = not space.config.is_file() or space.config.read_bytes() != data
    if changed:
        # Noted first: a run that ends between the two leaves the old .config, which then counts as written, too.
        write_atomically(space.state / f"{WRITTEN}.old", _bytes(space.state / WRITTEN))
        write_atomically(space.state / WRITTEN, data)
        write_atomically(space.config, data)
    elif _bytes(space.state / WRITTEN) != data:
        write_atomically(space.state / WRITTEN, data)
    return changed


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def edited(space: Workspace) -> dict[str, tuple[str | None, str | None]]:
    """Return the symbols that someone changed in the .config of the output folder: as written, and as they are."""
    now = _bytes(space.config)
    before = _bytes(space.state / WRITTEN)
    if not now or not before or now in (before, _bytes(space.state / f"{WRITTEN}.old")):
        return {}
    old = config_values(before.decode("utf-8", "surrogateescape"), kconfig.NO_PREFIX)
    new = config_values(now.decode("utf-8", "surrogateescape"), kconfig.NO_PREFIX)
    return {
        symbol: (old.get(symbol), new.get(symbol))
        for symbol in sorted(old.keys() | new.keys())
        if old.get(symbol, "n") != new.get(symbol, "n") and symbol != ORIGIN
    }


def require_untouched(space: Workspace) -> None:
    """Raise `UserError` hand-edited if the .config was changed by something else than Rootstream."""
    found = edited(space)
    if found:
        lines = [f"{symbol}: {before} -> {after}" for symbol, (before, after) in list(found.items())[:SHOWN]]
        more = [f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
        raise UserError(
            "hand-edited",
            f"{len(found)} symbol{'s' if len(found) != 1 else ''} changed by hand and not saved in the project",
            where=Where(path=space.original(space.config)),
            detail="\n".join((*lines, *more)),
            hint="`rootstream config save` saves them to the project, `rootstream config discard` discards them.",
        )


def require_untouched_package(space: Workspace, kind: str) -> None:
    """Raise `UserError` hand-edited if the .config of a package was changed by hand since it was built."""
    for folder, path in edited_packages(space).items():
        if folder.startswith(f"{kind}-"):
            raise UserError(
                "hand-edited",
                f"the configuration of {kind} was changed by hand and is not saved in the project",
                where=Where(path=path),
                hint="`rootstream config save` saves it to the project, `rootstream config discard` discards it.",
            )


def untouched(space: Workspace) -> bool:
    """Say whether the configurations in the output folder are those that were written there."""
    return space.config.is_file() and not edited(space) and not edited_packages(space)


def _package_configs(space: Workspace) -> dict[str, Path]:
    """Return the .config of every package that has one in its build folder."""
    found = sorted((space.output / "build").glob("*/.config"))
    return {path.parent.name: path for path in found if path.parent.name != "buildroot-config"}


def note(space: Workspace) -> None:
    """Remember, after a build, the configurations of the packages that have one."""
    folder = space.state / NOTED
    folder.mkdir(parents=True, exist_ok=True)
    found = _package_configs(space)
    for old in folder.glob("*.config"):
        if old.stem not in found:
            old.unlink()
    for name, path in found.items():
        if _bytes(folder / f"{name}.config") != path.read_bytes():
            write_atomically(folder / f"{name}.config", path.read_bytes())


def noted_package(space: Workspace, name: str) -> str:
    """Return the .config of a package as it was built."""
    return (space.state / NOTED / f"{name}.config").read_text("utf-8", "surrogateescape")


def forget_package(space: Workspace, name: str) -> None:
    """Forget how a package was configured: the project has what is there now."""
    (space.state / NOTED / f"{name}.config").unlink(missing_ok=True)


def edited_packages(space: Workspace) -> dict[str, Path]:
    """Return the packages whose .config in the build folder is not the one that was built, and where that is."""
    found = {}
    for name, path in _package_configs(space).items():
        known = _bytes(space.state / NOTED / f"{name}.config")
        if known and known != path.read_bytes() and _other_values(known, path.read_bytes()):
            found[name] = path
    return found


def _other_values(one: bytes, other: bytes) -> bool:
    """Say whether two configurations differ in more than comments."""
    texts = (data.decode("utf-8", "surrogateescape") for data in (one, other))
    # without a prefix every symbol is read: those of uClibc have none, of others it is part of the name
    first, second = (config_values(text, kconfig.NO_PREFIX) for text in texts)
    return any(first.get(key, "n") != second.get(key, "n") for key in first.keys() | second.keys())
