"""What the `config` verbs do on systems that the engine builds: the kernel's and BusyBox's configurations."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rootstream.buildroot.config import file_edits, saving
from rootstream.buildroot.config.config_edit import Saved
from rootstream.buildroot.config.saving import SavePlace
from rootstream.description.model import Described, Description
from rootstream.description.roots import FromBuildroot, FromBusybox
from rootstream.description.system import ConfigFile
from rootstream.engine import Engine
from rootstream.errors import Problems, UserError, Where
from rootstream.events import Reporter
from rootstream.formats.kconfig.fragment import PREFIX, Problem, same
from rootstream.project import project
from rootstream.project.lock import write_atomically
from rootstream.verbs.kconfig_run import KINDS, KconfigRun, KconfigState, KconfigTrees, missing_kind
from rootstream.verbs.selection import choose
from rootstream.verbs.shared_cache import engine_of

TOOLS = ("menuconfig", "nconfig")


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeConfig:
    """The configurations of a system: of its kernel and BusyBox, where they are compiled from source.

    `base` is the system whose variant it is: only the variant's own files are written.
    """

    project: project.Project
    description: Description
    described: Described
    base: Described | None
    engine: Engine
    report: Reporter

    def kind(self, wanted: str | None) -> str:
        """Return whose configuration is meant. Raises `UserError` no-configuration."""
        found = self._trees().configured
        kind = wanted or next((each for each in KINDS if each in found), KINDS[0])
        if kind not in found:
            raise missing_kind(self.described, kind, self.project.description)
        return kind

    def open(self, kind: str, tool: str, to: str | None) -> Saved:
        """Open a menu on a configuration and save what was changed. Raises `UserError` menu-failed ..."""
        if tool not in TOOLS:
            raise UserError(
                "no-such-menu",
                f"{tool} opens a window, and a build sandbox has none",
                hint=f"{' and '.join(TOOLS)} only need a terminal.",
            )
        if not os.isatty(0):
            raise UserError("no-terminal", f"{tool} needs a terminal", hint="`rootstream config set` needs none.")
        place = self._place(kind, to)  # before the user works, not after
        ran = self._run(kind, tool=tool)
        if ran.before is None or ran.after is None:
            raise Problems(self._errors(ran.problems))
        changes = menu_changes(ran.before, ran.after, whole=place.whole)
        if ran.changes is not None:
            changes = dict(ran.changes)
        text = file_edits.edited(self._read(place), changes)
        again = self._run(kind, changed={place.path: text}).before if changes else None
        if again is not None:
            lost = {
                name: value for name, value in ran.after.values.items() if not same(value, again.values.get(name))
            }
            changes = {**changes, **lost}
        return self._save(place, changes)

    def check(self) -> tuple[Problem, ...]:
        """Return everything that is wrong or doubtful, of the kernel and of BusyBox."""
        return tuple(problem for kind in self._trees().configured for problem in self._run(kind).problems)

    def as_text(self, problems: tuple[Problem, ...]) -> str:
        """Return problems for people."""
        errors = sum(problem.severity == "error" for problem in problems)
        verdict = (
            f"{errors} mistakes"
            if errors > 1
            else "1 mistake"
            if errors
            else "all symbols have the requested values"
        )
        kinds = " and ".join(self._trees().configured) or "nothing to configure"
        return "\n".join([*map(str, problems), f"{self.described.target}: {kinds}: {verdict}"])

    def as_json(self, problems: tuple[Problem, ...]) -> str:
        """Return problems as JSON."""
        return json.dumps([dataclasses.asdict(problem) for problem in problems], indent=1)

    def change(self, kind: str, words: tuple[str, ...], to: str | None) -> Saved:
        """Set symbols. Raises `UserError` bad-value, `Problems` for what does not come out."""
        try:
            changes = file_edits.parsed(words, PREFIX)
        except ValueError as error:
            raise UserError("bad-value", str(error), hint="For example: CONFIG_USB=y") from error
        place = self._place(kind, to)
        text = file_edits.edited(self._read(place), changes)
        if text != self._read(place):
            problems = self._run(kind, changed={place.path: text}).problems
            wrong = tuple(each for each in problems if each.severity == "error" and each.symbol in changes)
            if wrong:
                raise Problems(self._errors(wrong))
        return self._save(place, changes)

    def unset(self, kind: str, symbols: tuple[str, ...], to: str | None) -> Saved:
        """Take requests for symbols away."""
        return self._save(self._place(kind, to), {symbol.removeprefix(PREFIX): None for symbol in symbols})

    def get(self, kind: str, symbols: tuple[str, ...]) -> Iterator[str]:
        """Yield symbols with their values."""
        values = self._state(kind).values
        for symbol in symbols:
            name = symbol.removeprefix(PREFIX)
            yield f"{PREFIX}{name}={values.get(name, 'n')}"

    def explain(self, kind: str, symbols: tuple[str, ...]) -> Iterator[str]:
        """Yield what the tree's Kconfig knows about symbols."""
        yield self._run(kind, symbols=symbols).explained.rstrip("\n")

    def diff(self, kind: str, other: str | None) -> Iterator[str]:
        """Yield the symbols in which the configuration differs from that of another system."""
        if other is None:
            hint = f"For example: rootstream config diff {self.described.name}@debug"
            raise UserError("no-system", "specify the system or variant to compare with", hint=hint)
        described = _chosen(self.description, other, None, self.project.description)
        if described is None:
            raise UserError("only-buildroot", f"{other} is built by Buildroot, {self.described.target} is not")
        theirs = _of(self.project, self.description, described, self.report)
        ours, others = self._state(kind).minimal, theirs._state(theirs.kind(kind)).minimal  # noqa: SLF001
        for symbol in sorted(ours.keys() | others.keys()):
            if ours.get(symbol) != others.get(symbol):
                before, after = ours.get(symbol, "(default)"), others.get(symbol, "(default)")
                yield f"{PREFIX}{symbol}: {before} -> {after}"

    def save(self, _to: str | None) -> tuple[Saved, ...]:
        """Refuse: there is no output folder to change anything in. Raises `UserError` not-buildroot."""
        raise _only_of_buildroot(self.described, self.project.description)

    def discard(self) -> tuple[str, ...]:
        """Refuse, as `save` does."""
        raise _only_of_buildroot(self.described, self.project.description)

    def minimize(self) -> Saved:
        """Refuse, as `save` does."""
        raise _only_of_buildroot(self.described, self.project.description)

    def _trees(self) -> KconfigTrees:
        return KconfigTrees.of(self.project, self.description, self.described)

    def _run(
        self,
        kind: str,
        *,
        tool: str | None = None,
        symbols: tuple[str, ...] = (),
        changed: dict[str, str] | None = None,
    ) -> KconfigRun:
        return self._trees().run(kind, self.engine, self.report, tool=tool, symbols=symbols, changed=changed)

    def _state(self, kind: str) -> KconfigState:
        ran = self._run(kind)
        if ran.before is None:
            raise Problems(self._errors(ran.problems))
        return ran.before

    def _errors(self, problems: tuple[Problem, ...]) -> tuple[UserError, ...]:
        """Return problems as errors with their places."""
        return tuple(
            UserError(
                f"symbol-{each.kind}",
                each.message,
                where=Where(path=self.project.folder / each.file, line=each.line or None) if each.file else None,
                detail="\n".join((each.reason, *each.details)).strip("\n") or None,
            )
            for each in problems
            if each.severity == "error"
        )

    def _place(self, kind: str, to: str | None) -> SavePlace:
        """Return the file that changes go to. Raises `UserError` no-config-file, several-files ..."""
        shared = {each.path for each in places(self.base, kind)} if self.base else set[str]()
        found = tuple(each for each in places(self.described, kind) if each.path not in shared)
        place = saving.pick(found, kind, to, self.project.description)
        if place is None:
            above = "kernel" if kind == "linux" else "root: {busybox: ...}"
            stem = self.described.slug
            raise UserError(
                "no-config-file",
                f"the project has no file for the configuration of {kind} of {self.described.target}",
                where=Where(path=self.project.description),
                hint=f"Create an empty {stem}-{kind}.config and add it to `{above}`: "
                f"`fragments: [{stem}-{kind}.config]`"
                + (", in the variant below `add`." if self.described.variant else "."),
            )
        return place

    def _read(self, place: SavePlace) -> str:
        return (self.project.folder / place.path).read_text("utf-8", "surrogateescape")

    def _save(self, place: SavePlace, changes: file_edits.Changes) -> Saved:
        """Write changes into a file as it is now."""
        with project.locked(self.project, self.report):
            before = self._read(place)
            text = file_edits.edited(before, changes)
            if text == before:
                return Saved(path=None, difference="")
            write_atomically(self.project.folder / place.path, text.encode("utf-8", "surrogateescape"))
        return Saved(path=place.path, difference=file_edits.difference(place.path, before, text))


def menu_changes(before: KconfigState, after: KconfigState, *, whole: bool) -> dict[str, str | None]:
    """Return what a file has to ask for so that one configuration becomes the other.

    What is in no configuration at all is hidden by another symbol: nobody can ask for it.
    """
    changes = file_edits.changes_of(before.minimal, after.minimal)
    spelled = dict(changes) if whole else file_edits.spelled_out(changes, after.values)
    return {symbol: value if symbol in after.values else None for symbol, value in spelled.items()}


def places(described: Described, kind: str) -> tuple[SavePlace, ...]:
    """Return the project's files that a configuration is made from, in their order."""
    system = described.system
    busybox = system.root.busybox if isinstance(system.root, FromBusybox) else None
    wanted = system.kernel if kind == "linux" else busybox
    if wanted is None:
        return ()
    first = (SavePlace(path=wanted.base.file, whole=True),) if isinstance(wanted.base, ConfigFile) else ()
    return (*first, *(SavePlace(path=path, whole=False) for path in wanted.fragments))


def _only_of_buildroot(described: Described, path: Path) -> UserError:
    return UserError(
        "not-buildroot",
        f"{described.target} is not built by Buildroot: so it has no output folder to change by hand",
        where=Where(path=path),
        hint="`rootstream config linux` and `config busybox` open its configurations.",
    )


def found(
    folder: Path, system: str | None, variant: str | None, create: str | None, report: Reporter
) -> NativeConfig | None:
    """Return the configurations that a `config` verb is about; None where they are of a system of Buildroot.

    Without a name they are of the only system. Raises `UserError` unknown-system, several-systems, only-buildroot.
    """
    where = project.find(folder)
    if where.kind == "plain":
        return None
    description = where.read()
    described = _chosen(description, system, variant, where.description)
    if described is None:
        return None
    if create is not None:
        raise UserError(
            "only-buildroot",
            "a new variant can only be created for systems that Buildroot builds",
            where=Where(path=where.description),
            hint=f"Add it to `variants` of {described.name}, with a fragment in `add`, then use `--variant`.",
        )
    return _of(where, description, described, report)


def _chosen(description: Description, system: str | None, variant: str | None, path: Path) -> Described | None:
    name = f"{system}@{variant}" if system and variant and "@" not in system else system
    if name is not None:
        choose(description, (name,), path)
        return _native(each for each in description.systems if each.target == name)
    named = [each for each in description.systems if each.variant == variant]
    if any(isinstance(each.system.root, FromBuildroot) for each in named):
        return None
    if len(named) > 1:
        raise UserError(
            "several-systems",
            f"there are several systems: {', '.join(each.target for each in named)}",
            where=Where(path=path),
            hint=f"Choose one: `rootstream config linux {named[0].target}`, or `--system NAME` elsewhere.",
        )
    return _native(named)


def _native(found: Iterable[Described]) -> Described | None:
    return next((each for each in found if not isinstance(each.system.root, FromBuildroot)), None)


def _of(where: project.Project, description: Description, described: Described, report: Reporter) -> NativeConfig:
    own = next((each for each in description.systems if each.target == described.name), None)
    return NativeConfig(
        project=where,
        description=description,
        described=described,
        base=own if described.variant else None,
        engine=engine_of(os.environ),
        report=report,
    )
