"""What the `config` verbs do, on the configuration of one system of a project."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from rootstream.buildroot import info, interactive
from rootstream.buildroot.build import opening
from rootstream.buildroot.config import (
    check,
    config_edit,
    configuration,
    file_edits,
    kconfig,
    package_check,
    saving,
)
from rootstream.buildroot.config.config_edit import Saved
from rootstream.buildroot.config.configuration import Composed
from rootstream.buildroot.sources import fetching
from rootstream.buildroot.workspace import Workspace
from rootstream.engine import Engine
from rootstream.errors import Problems, UserError, Where
from rootstream.events import Reporter
from rootstream.formats.kconfig.facts import Reason, described
from rootstream.formats.kconfig.fragment import Problem, Request
from rootstream.project import project
from rootstream.project.lock import write_atomically
from rootstream.verbs import buildroot
from rootstream.verbs.selection import of_buildroot


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The configuration of a system: its workspace, and that of the system whose variant it is."""

    work: buildroot.Work
    ready: opening.Opened
    base: Workspace | None
    alone: project.Alone
    report: Reporter

    @property
    def space(self) -> Workspace:
        """Return the workspace."""
        return self.ready.workspace

    def kind(self, wanted: str | None) -> str:
        """Return whose configuration is meant: Buildroot's, if nothing is said."""
        return wanted or saving.BUILDROOT

    def open(self, kind: str, tool: str, to: str | None) -> Saved:
        """Open a tool on a configuration and save what was changed."""
        if tool in kconfig.GRAPHIC:
            if not any(self.space.env.get(name) for name in kconfig.DISPLAYS):
                raise UserError(
                    "no-display",
                    f"{tool} opens a window, and neither {' nor '.join(kconfig.DISPLAYS)} is set",
                    hint="menuconfig and nconfig only need a terminal; `rootstream config set` needs none.",
                )
        elif not os.isatty(0):
            raise UserError("no-terminal", f"{tool} needs a terminal", hint="`rootstream config set` needs none.")
        if kind == saving.BUILDROOT:
            return config_edit.open_buildroot(self.space, self.ready.generated, tool, to, self.base, self.alone)
        self.compose()
        self._bring(kind)
        return config_edit.open_package(self.space, kind, tool, to, self.base, self.alone)

    def _bring(self, kind: str) -> None:
        """Download what unpacking a package and opening its menu takes: neither has a network."""
        if not config_edit.is_unpacked(self.space, kind):
            opening.ask(self.ready, self.report)
            known, variables = info.known(self.space), info.variables(self.space, kind)
            fetching.bring(self.space, interactive.wanted_by_menu(kind, known, variables), self.report)

    def compose(self) -> Composed:
        """Bring the .config in step and return it."""
        return configuration.compose(self.space, self.ready.generated)

    def check(self) -> tuple[Problem, ...]:
        """Return everything that is wrong or doubtful; what was changed by hand is named and left as it is."""
        by_hand = self.by_hand()
        problems = check.check(self.space, configuration.compose(self.space, self.ready.generated, force=True))
        return (*problems, *by_hand, *package_check.check(self.space))

    def by_hand(self) -> tuple[Problem, ...]:
        """Return what was changed by hand in Buildroot's .config."""
        found = configuration.edited(self.space)
        return tuple(
            Problem(
                severity="error",
                kind="hand-edited",
                message=f"{symbol} was changed by hand in the output folder: {before} -> {after}",
                reason="`rootstream config save` saves it to the project, `config discard` discards it.",
                symbol=symbol,
            )
            for symbol, (before, after) in found.items()
        )

    def as_text(self, problems: tuple[Problem, ...]) -> str:
        """Return problems for people."""
        lines = [str(problem) for problem in problems]
        errors = sum(problem.severity == "error" for problem in problems)
        composed = len(configuration.own_requests(self.space)[0])
        target = self.work.described.target
        verdict = f"{errors} errors" if errors > 1 else "1 error" if errors else "all have the requested values"
        return "\n".join([*lines, f"{target}: {composed} requested symbols: {verdict}"])

    def as_json(self, problems: tuple[Problem, ...]) -> str:
        """Return problems as JSON."""
        return json.dumps([dataclasses.asdict(problem) for problem in problems], indent=1)

    def change(self, kind: str, words: tuple[str, ...], to: str | None) -> Saved:
        """Set symbols. Raises `UserError` bad-value, `Problems` for what does not come out."""
        try:
            changes = file_edits.parsed(words, config_edit.prefix_of(kind))
        except ValueError as error:
            raise UserError("bad-value", str(error), hint="For example: BR2_PACKAGE_BASH=y") from error
        return self._change(kind, changes, to, frozenset(changes))

    def unset(self, kind: str, symbols: tuple[str, ...], to: str | None) -> Saved:
        """Take requests for symbols away."""
        prefix = config_edit.prefix_of(kind)
        return self._change(kind, {symbol.removeprefix(prefix): None for symbol in symbols}, to, frozenset())

    def _change(self, kind: str, changes: file_edits.Changes, to: str | None, named: frozenset[str]) -> Saved:
        def refuse(space: Workspace, composed: Composed) -> None:
            ours = [symbol for symbol in changes if kind == saving.BUILDROOT and symbol in composed.settings]
            if ours:
                hint = "Change it there."
                raise UserError("set-elsewhere", f"{', '.join(ours)} is set by system.yaml itself", hint=hint)
            found = check.check(space, composed) if kind == saving.BUILDROOT else ()
            wrong = [each for each in found if each.severity == "error" and each.symbol in named]
            if wrong:
                raise Problems(tuple(check.as_error(problem, space.project) for problem in wrong))

        return config_edit.change(self.space, self.ready.generated, kind, changes, to, self.base, refuse)

    def get(self, kind: str, symbols: tuple[str, ...]) -> Iterator[str]:
        """Yield symbols with their values. Raises `UserError` not-built for a package not configured yet."""
        prefix = config_edit.prefix_of(kind)
        if kind == saving.BUILDROOT:
            values = self.compose().result
        else:
            text = config_edit.package_config(self.space, kind).read_text("utf-8", "surrogateescape")
            values = file_edits.values(text, prefix)
        for symbol in symbols:
            name = symbol.removeprefix(prefix)
            yield f"{prefix}{name}={values.get(name, 'n')}"

    def explain(self, kind: str, symbols: tuple[str, ...]) -> Iterator[str]:
        """Yield what Buildroot's Kconfig knows about symbols. Raises `UserError` only-buildroot."""
        _require_buildroot(kind)
        self.compose()
        wanted = [Request(symbol=symbol, value="y", file="", line=0, prefix="") for symbol in symbols]
        known = kconfig.facts(self.space, wanted)
        for symbol in symbols:
            about = known[symbol]
            text = f"{symbol}: {about.text}" if isinstance(about, Reason) else described(about)
            yield kconfig.plain(text)

    def diff(self, kind: str, other: str | None) -> Iterator[str]:
        """Yield the symbols that differ: from another system, or from what Rootstream wrote."""
        _require_buildroot(kind)
        if other is None:
            for symbol, (before, after) in configuration.edited(self.space).items():
                yield f"{symbol}: {before or 'n'} -> {after or 'n'}"
            return
        theirs = _open(self.work.project, other, lambda _event: None)
        ours, others = self.minimal(), theirs.minimal()
        for symbol in sorted(ours.keys() | others.keys()):
            if ours.get(symbol) != others.get(symbol):
                yield f"{symbol}: {ours.get(symbol, '(default)')} -> {others.get(symbol, '(default)')}"

    def minimal(self) -> dict[str, str]:
        """Return the symbols that are not at their defaults."""
        return file_edits.values(kconfig.minimal(self.space, self.compose().text), kconfig.NO_PREFIX)

    def save(self, to: str | None) -> tuple[Saved, ...]:
        """Take hand edits into the project."""
        return config_edit.save_by_hand(self.space, self.ready.generated, to, self.base)

    def discard(self) -> tuple[str, ...]:
        """Drop hand edits."""
        return config_edit.discard(self.space, self.ready.generated)

    def minimize(self) -> Saved:
        """Turn a whole .config into a defconfig."""
        return config_edit.minimize(self.space, self.ready.generated)


def _require_buildroot(kind: str) -> None:
    if kind != saving.BUILDROOT:
        raise UserError(
            "only-buildroot",
            f"for a system that Buildroot builds, this shows Buildroot's own configuration, not that of {kind}",
            hint=f"Open it with `rootstream config {kind}`.",
        )


def _name(where: project.Project, system: str | None, variant: str | None) -> str | None:
    if variant and not system:
        return _only_variant(where, variant)
    return f"{system}@{variant}" if system and variant and "@" not in system else system


def _open(
    where: project.Project, name: str | None, report: Reporter, alone: project.Alone = nullcontext
) -> Config:
    work = _work(where, name, report)
    ready = buildroot.opened(work, report)
    base = None
    if work.described.variant and _of_buildroot(where, work.described.name):
        own = _work(where, work.described.name, report)
        base = dataclasses.replace(ready.workspace, described=own.described)
    return Config(work=work, ready=ready, base=base, alone=alone, report=report)


def _work(where: project.Project, name: str | None, report: Reporter) -> buildroot.Work:
    if where.scratch:
        return buildroot.looked_at(where, name)
    return buildroot.choose(where, name, Engine.of(os.environ), report)


def _of_buildroot(where: project.Project, name: str) -> bool:
    """Say whether a system itself is Buildroot's, and not only a variant of it."""
    return any(each.target == name for each in of_buildroot(where.read()))


def _only_variant(where: project.Project, variant: str) -> str:
    names = [each.target for each in of_buildroot(where.read()) if each.variant == variant]
    if len(names) != 1:
        message = f"{'no system has' if not names else 'several systems have'} a variant {variant!r}"
        raise UserError(
            "unknown-system", message, where=Where(path=where.description), hint="Use --system to say which."
        )
    return names[0]


@contextmanager
def looked_at(folder: Path, system: str | None, variant: str | None, report: Reporter) -> Iterator[Config]:
    """Open the configuration of a system to look at it: nothing is written, no other command waited for."""
    with project.reading(project.find(folder)) as where:
        yield _open(where, _name(where, system, variant), report)


@contextmanager
def opened(
    folder: Path,
    system: str | None,
    variant: str | None,
    report: Reporter,
    create: str | None = None,
) -> Iterator[Config]:
    """Open the configuration of a system while no other command works in the project.

    `create` is a variant to make first; it goes again if nothing is saved in it.
    Raises `UserError` variant-exists.
    """
    where = project.find(folder)
    name = _name(where, system, variant)
    described = buildroot.named(where, name)
    held = f"{described.name}--{create}" if create else described.slug
    with project.locked(where, report, (held,)) as hold:
        if create is None:
            yield _open(where, name, report, hold.paused)
            return
        base = buildroot.choose(where, system, Engine.of(os.environ), report).described
        if f"{base.name}@{create}" in where.read().names():
            hint = f"Open it with `--variant {create}`."
            message = f"{base.name} already has a variant {create!r}"
            raise UserError("variant-exists", message, where=Where(path=where.description), hint=hint)
        before = where.description.read_bytes()
        new = saving.with_variant(before.decode(), base.name, create).encode()
        write_atomically(where.description, new)
        where.forget()
        try:
            yield _open(where, f"{base.name}@{create}", report, hold.paused)
        finally:
            if where.description.read_bytes() == new:
                write_atomically(where.description, before)
