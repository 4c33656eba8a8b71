"""A configuration changed by its own tool, or by words, and saved into the project in its minimal form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rootstream.buildroot import confined, info
from rootstream.buildroot.config import configuration, file_edits, kconfig, requested, saving
from rootstream.buildroot.config.configuration import Composed
from rootstream.buildroot.generate.draft import Generated
from rootstream.buildroot.workspace import ORIGIN, Workspace
from rootstream.errors import UserError, Where
from rootstream.formats.kconfig.fragment import PREFIX, same
from rootstream.host import process
from rootstream.project.lock import write_atomically
from rootstream.project.project import Alone

KINDS = ("buildroot", "linux", "busybox", "uclibc", "uboot", "barebox", "at91bootstrap3", "swupdate", "xvisor")
# Packages whose Kconfig can write a minimal defconfig; of the others all changed symbols are saved.
_MINIMAL = ("linux", "uboot", "barebox", "at91bootstrap3")
# Where the .config of a package is in its build folder, if not at the top.
_DOTCONFIG = {"xvisor": "build/openconf/.config"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What a session saved: the file, the difference as it is told, and symbols that system.yaml itself sets."""

    path: str | None
    difference: str
    elsewhere: tuple[str, ...] = ()


def prefix_of(kind: str) -> str:
    """Return what symbols of a configuration begin with in files."""
    return kconfig.NO_PREFIX if kind in (saving.BUILDROOT, "uclibc") else PREFIX


def open_buildroot(
    space: Workspace, generated: Generated, tool: str, to: str | None, base: Workspace | None, alone: Alone
) -> Saved:
    """Open a tool on Buildroot's configuration; save what was changed. Raises `UserError` menu-failed ...

    `alone` is entered while the tool is open: other commands may change the project then.
    """
    composed = configuration.compose(space, generated)
    saving.choose(space, saving.BUILDROOT, to, base)  # before the user works, not after
    with alone():
        after = kconfig.menu(space, tool, composed.text)
    return save_buildroot(space, generated, composed, after, to, base)


def save_buildroot(
    space: Workspace,
    generated: Generated,
    composed: Composed,
    after: str,
    to: str | None,
    base: Workspace | None,
) -> Saved:
    """Save the difference between a configuration as composed and as it is wanted now."""
    place = saving.choose(space, saving.BUILDROOT, to, base)
    now = configuration.compose(space, generated, force=True).result
    # what another command has changed meanwhile in files that systems share
    others = {symbol for symbol in now.keys() | composed.result if now.get(symbol) != composed.result.get(symbol)}
    old = file_edits.values(kconfig.minimal(space, composed.text), kconfig.NO_PREFIX)
    new = file_edits.values(kconfig.minimal(space, after), kconfig.NO_PREFIX)
    changes = file_edits.changes_of(old, new)
    ours = tuple(symbol for symbol in changes if symbol in composed.settings)
    changes = {symbol: value for symbol, value in changes.items() if symbol not in ours}
    wanted = file_edits.values(after, kconfig.NO_PREFIX)
    if not place.whole:
        changes = file_edits.spelled_out(changes, wanted)
    before = saving.read(space, place)
    text = file_edits.edited(before, changes, kconfig.NO_PREFIX)
    if text == before:
        configuration.compose(space, generated, force=True)
        return Saved(path=None, difference="", elsewhere=ours)
    saving.write(space, place, text)
    result = configuration.compose(_again(space, place), generated, force=True).result
    left = {
        symbol: value
        for symbol, value in wanted.items()
        if not same(value, result.get(symbol))
        and symbol not in composed.settings
        and symbol not in others - changes.keys()
        and symbol != ORIGIN
    }
    if left:
        text = file_edits.edited(text, left, kconfig.NO_PREFIX)
        saving.write(space, saving.SavePlace(path=place.path, whole=place.whole), text)
        configuration.compose(_again(space, place), generated, force=True)
    return Saved(path=place.path, difference=file_edits.difference(place.path, before, text), elsewhere=ours)


def _again(space: Workspace, place: saving.SavePlace) -> Workspace:
    """Return the workspace as system.yaml describes it now."""
    if not place.words:
        return space
    import dataclasses  # noqa: PLC0415  (only for files that are new)

    from rootstream.description.load import load  # noqa: PLC0415

    description = load(space.project / "system.yaml")
    described = next(each for each in description.systems if each.target == space.described.target)
    return dataclasses.replace(space, described=described)


def open_package(
    space: Workspace, kind: str, tool: str, to: str | None, base: Workspace | None, alone: Alone
) -> Saved:
    """Open a tool on the configuration of a package; Buildroot unpacks and configures it first if need be.

    Raises `UserError` menu-failed, and what a failed make gives.
    """
    place = saving.choose(space, kind, to, base)
    configuration.require_untouched_package(space, kind)
    with alone():
        folder = _configured(space, kind)
        before, old = _states(space, kind, folder)
        env = {**space.environment(), **kconfig.display(space), "TERM": space.env.get("TERM", "dumb")}
        command = confined.make(space, f"{kind}-{tool}")
        status = confined.hand_over(space, command, env=env, terminal=True, visible=kconfig.windows(space))
    if status != 0:
        raise UserError(
            "menu-failed",
            f"{kind}-{tool}: {process.ending(status)}",
            hint=kconfig.TOOL_HINTS[tool],
        )
    after, new = _states(space, kind, folder)
    configuration.forget_package(space, folder.name)
    if kind in _MINIMAL:
        return _save_package(space, kind, place, file_edits.changes_of(old, new), after)
    return _save_package(space, kind, place, file_edits.changes_of(before, after), after)


def package_config(space: Workspace, kind: str) -> Path:
    """Return the .config of a package in its build folder. Raises `UserError` not-built."""
    known = info.known(space).get(kind)
    config = space.output / known.build / _DOTCONFIG.get(kind, ".config") if known and known.build else None
    if config is None or not config.is_file():
        raise UserError(
            "not-built",
            f"{kind} has not been unpacked and configured yet",
            hint=f"Run `rootstream make {kind}-configure`.",
        )
    return config


def is_unpacked(space: Workspace, kind: str) -> bool:
    """Say whether the sources of a package are in its build folder."""
    known = info.known(space).get(kind)
    return bool(known and known.build and (space.output / known.build / ".stamp_extracted").exists())


def _configured(space: Workspace, kind: str) -> Path:
    """Return the build folder of a package, its .config made of the project's present files.

    Buildroot unpacks it and builds what its Kconfig needs (the toolchain for a kernel). What the files ask for
    must be in the .config before a menu opens: else the menu's own changes could not be told from theirs.
    Raises `UserError` package-off, not-configured.
    """
    values = file_edits.values(space.config.read_text("utf-8", "surrogateescape"), kconfig.NO_PREFIX)
    if values.get(requested.SELECTED[kind]) != "y":
        raise UserError(
            "package-off",
            f"{kind} is not part of {space.described.target}: {requested.SELECTED[kind]} is not set",
            hint="Select it in Buildroot's menu: `rootstream config`.",
        )
    name = f"{kind.upper()}_DIR"
    argv = confined.make(space, "-s", "printvars", f"VARS={name}")
    told = confined.run(space, argv, env=space.environment(), timeout=600.0).stdout
    found = next((line.partition("=")[2] for line in told.splitlines() if line.startswith(f"{name}=")), "")
    folder = Path(found)
    if not found or folder.parent != (space.output / "build").resolve():
        raise UserError("not-configured", f"Buildroot does not say where it builds {kind}: {name}={found}")
    argv = confined.make(space, str(folder / ".stamp_kconfig_fixup_done"))
    status = confined.hand_over(space, argv, env=space.environment())
    if status != 0 or not (folder / _DOTCONFIG.get(kind, ".config")).is_file():
        raise UserError(
            "not-configured",
            f"{kind} could not be unpacked and configured ({process.ending(status)})",
            hint=f"To run it by hand: {process.paste(argv)}",
        )
    return folder


def _states(space: Workspace, kind: str, folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return the values of a package's .config, and those of its minimal form."""
    config, prefix = folder / _DOTCONFIG.get(kind, ".config"), prefix_of(kind)
    whole = file_edits.values(config.read_text("utf-8", "surrogateescape"), prefix)
    if kind not in _MINIMAL:
        return whole, whole
    argv = confined.make(space, "-s", f"{kind}-savedefconfig")
    confined.run(space, argv, env=space.environment(), timeout=600.0)
    return whole, file_edits.values((folder / "defconfig").read_text("utf-8", "surrogateescape"), prefix)


def _save_package(
    space: Workspace, kind: str, place: saving.SavePlace, changes: file_edits.Changes, after: dict[str, str]
) -> Saved:
    spelled = changes if place.whole else file_edits.spelled_out(changes, after)
    # what is not in the .config at all is hidden by another symbol: nobody can ask for it
    wanted = {symbol: value if symbol in after else None for symbol, value in spelled.items()}
    before = saving.read(space, place)
    text = file_edits.edited(before, wanted, prefix_of(kind))
    if text == before:
        return Saved(path=None, difference="")
    saving.write(space, place, text)
    return Saved(path=place.path, difference=file_edits.difference(place.path, before, text))


def change(
    space: Workspace,
    generated: Generated,
    kind: str,
    changes: file_edits.Changes,
    to: str | None,
    base: Workspace | None,
    check: Callable[[Workspace, Composed], None],
) -> Saved:
    """Write changes of symbols into the project. What `check` refuses is taken back before it is raised."""
    configuration.require_untouched(space)
    place = saving.choose(space, kind, to, base)
    before = saving.read(space, place)
    text = file_edits.edited(before, changes, prefix_of(kind))
    if text == before:
        return Saved(path=None, difference="")
    description = (space.project / "system.yaml").read_bytes()
    existed = (space.project / place.path).exists()
    saving.write(space, place, text)
    try:
        again = _again(space, place)
        check(again, configuration.compose(again, generated))
    except UserError:
        if existed:
            saving.write(space, saving.SavePlace(path=place.path, whole=place.whole), before)
        else:
            (space.project / place.path).unlink(missing_ok=True)
        (space.project / "system.yaml").write_bytes(description)
        configuration.compose(space, generated, force=True)
        raise
    return Saved(path=place.path, difference=file_edits.difference(place.path, before, text))


def _kind(folder: str, path: Path) -> str:
    """Return which configuration a build folder's is. Raises `UserError` unknown-package."""
    kind = next((each for each in KINDS[1:] if folder.startswith(f"{each}-")), None)
    if kind is None:
        raise UserError(
            "unknown-package",
            f"{folder} does not belong to a package whose configuration can be saved",
            where=Where(path=path),
        )
    return kind


def save_by_hand(
    space: Workspace, generated: Generated, to: str | None, base: Workspace | None
) -> tuple[Saved, ...]:
    """Take what was changed by hand in the output folder into the project."""
    saved: list[Saved] = []
    packages = {
        folder: (_kind(folder, path), path) for folder, path in configuration.edited_packages(space).items()
    }
    edited = bool(configuration.edited(space))
    for kind in (*((saving.BUILDROOT,) if edited else ()), *(kind for kind, _ in packages.values())):
        saving.choose(space, kind, to, base)  # a refusal leaves everything as it is
    if edited:
        after = space.config.read_text("utf-8", "surrogateescape")
        try:
            composed = configuration.compose(space, generated, force=True)
            saved.append(save_buildroot(space, generated, composed, after, to, base))
        except BaseException:
            write_atomically(space.config, after.encode("utf-8", "surrogateescape"))
            raise
    for folder, (kind, path) in packages.items():
        old = file_edits.values(configuration.noted_package(space, folder), prefix_of(kind))
        new = file_edits.values(path.read_text("utf-8", "surrogateescape"), prefix_of(kind))
        place = saving.choose(space, kind, to, base)
        saved.append(_save_package(space, kind, place, file_edits.changes_of(old, new), new))
        configuration.forget_package(space, folder)
    return tuple(saved)


def discard(space: Workspace, generated: Generated) -> tuple[str, ...]:
    """Drop what was changed by hand in the output folder; return what was dropped."""
    dropped = [f"{symbol}: {after} -> {before}" for symbol, (before, after) in configuration.edited(space).items()]
    configuration.compose(space, generated, force=True)
    for folder, path in configuration.edited_packages(space).items():
        write_atomically(path, configuration.noted_package(space, folder).encode("utf-8", "surrogateescape"))
        dropped.append(str(path))
    return tuple(dropped)


def _written(
    space: Workspace, generated: Generated, place: saving.SavePlace, text: str, wanted: Mapping[str, str]
) -> dict[str, str]:
    """Write a file of the project; return the symbols that do not come out as wanted from it."""
    saving.write(space, place, text)
    result = configuration.compose(space, generated, force=True).result
    return {symbol: value for symbol, value in wanted.items() if not same(value, result.get(symbol))}


def minimize(space: Workspace, generated: Generated) -> Saved:
    """Turn the project's defconfig, if it is a whole .config, into the minimal form of the same."""
    place = next(iter(saving.files(space, saving.BUILDROOT)), None)
    if place is None or not place.whole:
        raise UserError("no-config-file", "the project has no defconfig of its own to minimize")
    before = saving.read(space, place)
    wanted = dict(configuration.compose(space, generated).result)
    wanted.pop(ORIGIN, None)  # of the .config's own folder; now it is the file that is written
    text = kconfig.minimal(space, kconfig.complete(space, before).text)
    try:
        left = _written(space, generated, place, text, wanted)
        if left:  # at Buildroot's default, but not at ours
            text = file_edits.edited(text, left, kconfig.NO_PREFIX)
            left = _written(space, generated, place, text, wanted)
    except UserError:
        _written(space, generated, place, before, wanted)
        raise
    if left:
        _written(space, generated, place, before, wanted)
        raise UserError(
            "not-minimal",
            f"{place.path} has no minimal form that gives the same configuration: {', '.join(sorted(left))}",
            hint="It was not changed.",
        )
    if text == before:
        return Saved(path=None, difference="")
    # the thousands of lines that went say nothing
    head = f"{place.path}: {len(before.splitlines())} lines reduced to {len(text.splitlines())}\n"
    return Saved(path=place.path, difference=head + text)
