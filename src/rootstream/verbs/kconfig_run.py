"""One run of the Kconfig of a kernel or BusyBox from source, in the sandbox of a build."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from rootstream.description.model import Debian, Described, Description
from rootstream.engine import Engine
from rootstream.engine.said import messages
from rootstream.errors import Problems, UserError, Where
from rootstream.events import Event, Notice, Reporter
from rootstream.events import Plan as Counts
from rootstream.formats.kconfig.fragment import Problem, config_values
from rootstream.host import nofollow, temporary
from rootstream.plan import inputs, make, programs, refs, text
from rootstream.plan.kernel import config_sandbox, kconfig
from rootstream.plan.model import Plan
from rootstream.plan.sources import WORK
from rootstream.project import lock
from rootstream.project import project as projects
from rootstream.verbs import update

KINDS = ("linux", "busybox")


@dataclass(frozen=True, slots=True, kw_only=True)
class KconfigState:
    """A configuration: its values by symbol, and those of its minimal form (all of them where there is none)."""

    values: Mapping[str, str]
    minimal: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class KconfigRun:
    """What a run found: problems of the project's requests, the configuration, what a menu made of it.

    `changes` are what the menu changed in its shortest form, where a tree has no minimal configurations.
    """

    problems: tuple[Problem, ...]
    before: KconfigState | None
    after: KconfigState | None
    explained: str
    changes: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KconfigTrees:
    """The trees with Kconfig of one system, by kind, and the plan that they are in."""

    project: projects.Project
    debian: Debian
    plan: Plan
    configured: Mapping[str, kconfig.Configured]

    @classmethod
    def of(cls, where: projects.Project, description: Description, described: Described) -> KconfigTrees:
        """Return the trees of a system with the sources that are pinned. Raises `UserError` no-lock ..."""
        only = (described.target,)
        pinned = lock.read(where.lock)
        plan, outputs = make.plan(
            description, inputs.gather(description, where.folder, only=only), pinned, only=only
        )
        update.require_entries(where, only, tuple(source.request() for source in plan.missing()))
        configured = outputs[described.target].configured
        return cls(project=where, debian=description.debian, plan=plan, configured=configured)

    def run(
        self,
        kind: str,
        engine: Engine,
        report: Reporter,
        *,
        tool: str | None = None,
        symbols: tuple[str, ...] = (),
        changed: Mapping[str, str] | None = None,
    ) -> KconfigRun:
        """Configure a tree as the project asks and, if wanted, open a menu of it or ask it about symbols.

        `changed` are texts that stand for files of the project. Raises `UserError` menu-failed, not-configured ...
        """
        configured = self.configured[kind]
        plan, element = config_sandbox.session(self.plan, configured, self.debian, menus=tool is not None)
        with temporary.folder("rootstream-config-") as scratch:
            folder, work = scratch / "plan", scratch / "session"
            plan = self._pinned(plan, folder, engine, report)
            asked = _with(configured.asked, changed or {})
            _write_session(work, asked, tool, symbols)
            engine.build(folder, tuple(each.element for each in element.builds_with), _without_plan(report))
            argv = ("sh", "-c", config_sandbox.script(self.plan, configured))
            status, said = engine.sandbox(folder, element.name, argv, {work: config_sandbox.FOLDER})
            return _result(work, kind, status, said, tool)

    def _pinned(self, plan: Plan, folder: Path, engine: Engine, report: Reporter) -> Plan:
        """Write a plan to be run; what only menus need is pinned in the lock with the first of them."""
        projects.sync(folder, text.render(plan))
        if not plan.missing():
            return plan
        names = "; ".join(lock.describe(source.request()) for source in plan.missing())
        report(Notice(level="info", text=f"pinning the build dependencies of menus: {names}"))
        engine.track(folder, refs.trackable(plan), report)
        found = refs.read(plan, folder)
        pinned = lock.read(self.project.lock) or lock.Lock()
        with projects.locked(self.project, report):
            lock.write(lock.Lock(refs={**pinned.refs, **found}), self.project.lock)
        whole = replace(plan, refs={**plan.refs, **found})
        projects.sync(folder, text.render(whole), keep=(".bst",))
        return whole


def _without_plan(report: Reporter) -> Reporter:
    """Return a reporter that is silent where all is cached."""

    def tell(event: Event) -> None:
        if not isinstance(event, Counts):
            report(event)

    return tell


def _with(asked: kconfig.Asked, changed: Mapping[str, str]) -> kconfig.Asked:
    fragments = (
        replace(each, content=changed[each.shown].encode("utf-8", "surrogateescape"))
        if each.shown in changed
        else each
        for each in asked.fragments
    )
    return replace(asked, fragments=tuple(fragments))


def _write_session(work: Path, asked: kconfig.Asked, tool: str | None, symbols: tuple[str, ...]) -> None:
    fragments = f"{config_sandbox.FOLDER}/fragments"
    told = {
        "configure": kconfig.arguments(asked, folder=fragments, report=f"{config_sandbox.FOLDER}/report.json"),
        "kind": asked.kind,
        "tree": f"{WORK}/tree",
        "make": [f"ARCH={asked.arch}", *asked.words],
        "tool": tool,
        "terminal": os.environ.get("TERM", ""),
        "symbols": symbols,
    }
    files = {f"programs/{path}": content for path, content in programs.for_config_edit().items()}
    files |= {f"fragments/{fragment.file}": fragment.content for fragment in asked.fragments}
    files["request.json"] = json.dumps(told).encode()
    projects.sync(work, files)


def _result(work: Path, kind: str, status: int, said: str, tool: str | None) -> KconfigRun:
    """Return what a run left in its folder. It was written in a sandbox: a link leads to a file of this host.

    Raises `UserError` link-in-project, not-configured, menu-failed.
    """
    nofollow.check_below(work.parent, work)
    try:
        return _read_result(work, kind, status, said, tool)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _failed(f"the output of {kind}'s Kconfig is damaged: {error!r}", "not-configured", said) from error


def _read_result(work: Path, kind: str, status: int, said: str, tool: str | None) -> KconfigRun:
    report = work / "report.json"
    if not report.is_file():
        raise _failed(f"the tree of {kind} could not be configured", "not-configured", said)
    found = json.loads(report.read_text("utf-8"))
    before = _state(work, "before")
    if status != 0 and before is not None and tool:
        hint = "It needs a terminal of at least 80x19. `rootstream config set` needs none."
        raise _failed(f"{tool} of {kind} ended with exit status {status}", "menu-failed", said, hint)
    explained, changes = work / "explained", work / "changes"
    return KconfigRun(
        problems=tuple(Problem(**{**each, "details": tuple(each["details"])}) for each in found["problems"]),
        before=before,
        after=_state(work, "after"),
        explained=explained.read_text("utf-8", "surrogateescape") if explained.is_file() else "",
        changes=json.loads(changes.read_text("utf-8")) if changes.is_file() else None,
    )


def _failed(message: str, reason: str, said: str, hint: str | None = None) -> UserError:
    told = [each.error() for each in messages(said.split("\n")) if each.severity == "error"]
    if told:
        return Problems(tuple(told)) if told[1:] else told[0]
    return UserError(reason, message, detail="\n".join(said.rstrip().split("\n")[-20:]) or None, hint=hint)


def _state(work: Path, name: str) -> KconfigState | None:
    whole, short = work / f"{name}.config", work / f"{name}.defconfig"
    if not whole.is_file():
        return None
    values = config_values(whole.read_text("utf-8", "surrogateescape"))
    minimal = config_values(short.read_text("utf-8", "surrogateescape")) if short.is_file() else values
    return KconfigState(values=values, minimal=minimal)


def missing_kind(described: Described, kind: str, path: Path) -> UserError:
    """Return the error for a system whose kernel or BusyBox is not made from source."""
    kernel = described.system.kernel
    if kind == "linux" and kernel is not None and kernel.package:
        message = f"the kernel of {described.target} is a Debian package, which is already configured"
        hint = "Remove `debian` from `kernel` to build it from source."
    elif kind == "buildroot":
        message = f"{described.target} is not built by Buildroot"
        hint = "`rootstream config linux` opens the configuration of its kernel, `config busybox` BusyBox's."
    else:
        message = f"{described.target} has no {kind} that is built from source"
        hint = "Only the kernel and BusyBox have configurations, if they are built from source."
    return UserError("no-configuration", message, where=Where(path=path), hint=hint)
