"""The engine's verbs: show, track, fetch, build, check out, look into, delete; each is one run of `bst`."""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

from ruamel.yaml import YAML

from rootstream.engine import bst_run, recording, servers, sharing, stored
from rootstream.engine import workers as workers_of
from rootstream.engine.elements import ElementLines, ElementState, checked, element_format, stage_of
from rootstream.engine.faults import Outcome, fault
from rootstream.engine.logs import TAIL_BYTES, read_end
from rootstream.engine.messages import Reader
from rootstream.engine.pulls import Pulls
from rootstream.engine.remote_artifacts import artifact_name
from rootstream.engine.remotes import Remote, Signatures, Workers
from rootstream.engine.settings import Settings, environment_for, remotes_of, settings_from
from rootstream.engine.trust import Trust
from rootstream.errors import UserError, Where
from rootstream.events import Reporter, ignore
from rootstream.fetch import pipes
from rootstream.host import disk_space, process

Depends = Literal["none", "build", "run", "all"]
Stage = Literal["auto", "tree", "build", "run"]
Result = TypeVar("Result")
PULL_FAILED = "pull-failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """BuildStream with the settings and the environment it is given."""

    settings: Settings
    env: Mapping[str, str]
    built: dict[Path, dict[str, str]] = field(default_factory=dict)
    """Elements with their keys that were to be built, of each project as it was then: what may be pushed."""
    replaced: dict[Path, set[tuple[str, str]]] = field(default_factory=dict)
    """The same of each project before it was written anew, and built again."""
    dropped: set[tuple[str, str]] = field(default_factory=set)
    """What was given up, `pull`, `push` or `build` with a URL: it is told, and tried, only once in a command."""

    trust: Trust | None = None
    """Whose signatures are demanded of what others provide."""

    @classmethod
    def of(
        cls,
        environment: Mapping[str, str],
        remote: Remote | None = None,
        workers: Workers | None = None,
        signatures: Signatures | None = None,
    ) -> Engine:
        """Return the engine for a user's environment, with the cache and the workers that they share with others.

        Raises `UserError` setting-invalid, bad-key.
        """
        settings = settings_from(environment, remote, workers, signatures)
        trust = Trust(signatures, settings.cache) if signatures else None
        return cls(settings=settings, env=environment_for(environment), trust=trust)

    def _opened(
        self,
        *,
        report: Reporter | None = None,
        for_people: bool = False,
        remotes: Sequence[Remote] = (),
        push: bool = False,
        workers: Workers | None = None,
    ) -> contextlib.AbstractContextManager[bst_run.Run]:
        return bst_run.opened(
            self.settings,
            self.env,
            report=report,
            for_people=for_people,
            remotes=remotes,
            push=push,
            workers=workers or workers_of.storage(self.settings, self.trust, self.dropped),
            build=workers is not None,
            trust=self.trust,
        )

    def has_remotes(self) -> bool:
        """Say whether a cache is shared with others. Raises `UserError` engine-settings-invalid."""
        return bool(remotes_of(self.settings))

    def has_push_remotes(self) -> bool:
        """Say whether what is built is pushed to a cache. Raises `UserError` engine-settings-invalid."""
        return any(each.push for each in remotes_of(self.settings))

    def show(self, project: Path, targets: Sequence[str], *, depends: Depends = "all") -> tuple[ElementState, ...]:
        """Return the elements that the targets need, in staging order, with key and state.

        Reads the local cache only. Raises `UserError` project-missing, project-invalid ...
        """
        with bst_run.interruptible(), self._opened() as run:
            words = ("show", "--deps", depends, "--format", element_format(run.mark), *checked(targets))
            out = self._run(run, project, words, targets=targets).decode("utf-8", "replace")
            lines = ElementLines(run.mark)
            for line in out.split("\n"):
                lines.take(line)
            return lines.elements()

    def public(self, project: Path, element: str) -> object:
        """Return an element's public data, as its YAML says, with all variables expanded.

        Needs no cache and no build. Raises `UserError` project-missing, project-invalid ...
        """
        with bst_run.interruptible(), self._opened() as run:
            words = ("show", "--deps", "none", "--format", "%{public}", *checked([element]))
            out = self._run(run, project, words, targets=[element])
        data: object = YAML(typ="safe").load(out.decode("utf-8", "replace"))
        return data

    def remotes(self) -> tuple[Remote, ...]:
        """Return the servers of artifacts that are set. Raises `UserError` engine-settings-invalid."""
        return remotes_of(self.settings)

    def usable(self, report: Reporter, *, push: bool = False) -> tuple[Remote, ...]:
        """Return the servers that answer, with `push` those that are to be pushed to; warn of each other one once.

        They are asked at the same time, and have two seconds. Raises `UserError` engine-settings-invalid.
        """
        return servers.usable(self.remotes(), self.dropped, report, push=push)

    def track(
        self, project: Path, targets: Sequence[str], report: Reporter = ignore, *, depends: Depends = "none"
    ) -> None:
        """Find new references for the sources of the targets and write them into the project.

        Raises `UserError` track-failed, project-invalid ..., Interrupted.
        """
        self._session(project, ("source", "track", "--deps", depends), targets, report, counts="")

    def fetch(
        self, project: Path, targets: Sequence[str], report: Reporter = ignore, *, depends: Depends = "all"
    ) -> None:
        """Fetch the sources of the targets and of what they need.

        Raises `UserError` fetch-failed, project-invalid ..., Interrupted.
        """
        self._session(project, ("source", "fetch", "--deps", depends), targets, report, counts="fetch")

    def build(self, project: Path, targets: Sequence[str], report: Reporter = ignore) -> tuple[ElementState, ...]:
        """Build the targets and what they need; `Plan` is reported before the first element begins.

        Returns the elements with their keys, in the state that they had before. Raises `UserError`
        element-failed (the end of the log as detail), fetch-failed, engine-died, cache-full, sandbox-missing,
        project-invalid ..., Interrupted.
        """
        workers = workers_of.building(self.settings, self.trust, self.dropped, report)
        states = self._pulling(
            report,
            lambda remotes: self._session(
                project, ("build",), targets, report, counts="build", remotes=remotes, workers=workers
            ),
        )
        known = states and all(state.key for state in states)
        return states if known else self.show(project, targets)  # not strict: some keys come with the build

    def checkout(
        self,
        project: Path,
        element: str,
        destination: Path,
        report: Reporter = ignore,
        *,
        key: str = "",
        depends: Depends = "none",
        integrate: bool = False,
        hardlinks: bool = False,
    ) -> None:
        """Write the files of a built element into a new folder; pulls them first if only a remote cache has it.

        With `key`, of what was built with that, alone: its inputs may have changed. With `hardlinks` the files are
        those of the cache: only for a reader that never writes to them. Raises `UserError` artifact-missing,
        destination-exists, disk-full, Interrupted.
        """
        if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
            raise UserError("destination-exists", f"{destination} already exists and is not empty")
        words = ["artifact", "checkout", "--deps", depends, "--directory", str(destination.absolute())]
        words += [] if integrate else ["--no-integrate"]
        words += ["--hardlinks"] if hardlinks else []
        words += checked([artifact_name(project, element, key) or element])
        remote = self.has_remotes()
        try:
            if not remote or stored.has_any(self.settings.cache, element):
                self._checkout(project, words, element, report, ())
                return
        except UserError as error:
            if error.reason != "artifact-missing" or not remote:
                raise
        self._pulling(report, lambda remotes: self._checkout(project, words, element, report, remotes))

    def sources(
        self,
        project: Path,
        element: str,
        destination: Path,
        report: Reporter = ignore,
        *,
        depends: Depends = "none",
    ) -> None:
        """Write the sources of an element into a new folder as its sandbox gets them; fetches them first.

        With what it depends on, each element has a folder in it. Raises `UserError` fetch-failed,
        project-invalid ..., Interrupted.
        """
        self.fetch(project, [element], report, depends=depends)
        words = ("source", "checkout", "--deps", depends, "--directory", str(destination.absolute()))
        with bst_run.interruptible(), self._opened() as run:
            self._run(run, project, (*words, *checked([element])), targets=[element], report=report)

    def _checkout(
        self, project: Path, words: Sequence[str], element: str, report: Reporter, remotes: Sequence[Remote]
    ) -> None:
        destination = Path(words[words.index("--directory") + 1])
        with bst_run.interruptible(), self._opened(remotes=remotes) as run:
            try:
                self._run(run, project, words, targets=[element], report=report)
            except UserError as error:
                disks = {"destination": destination, "cache": self.settings.cache}
                if error.reason == "cache-full" and disk_space.fullest(disks) == "destination":
                    text = f"there is no space left for the files of {element}"
                    hint = "Free space on the project's disk; the cache is not full."
                    where = Where(path=destination)
                    raise UserError("disk-full", text, where=where, hint=hint, detail=error.detail) from error
                if error.reason != "artifact-missing":
                    raise
                text = f"{element} has not been built in its current state, neither here nor in a remote cache"
                raise UserError(error.reason, text, hint="Build it first.") from error

    def push(
        self,
        project: Path,
        elements: Sequence[str],
        remote: Remote,
        report: Reporter = ignore,
        count: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Push the artifacts of elements, which are in the local cache, to a server; `count` gets the bytes sent.

        Raises `UserError` push-failed, cache-lost ..., Interrupted.
        """
        words = ("artifact", "push", "--deps", "none", *checked(elements))
        with bst_run.interruptible(), self._opened(remotes=(remote,), push=True) as run:
            try:
                self._run(run, project, words, targets=elements, report=report)
            finally:
                count(run.traffic.total)

    def log(self, project: Path, element: str) -> Path | None:
        """Return the log of the last build of an element, also of one that failed; None if there is none."""
        checked([element])
        name = element.rpartition(":")[2].removesuffix(".bst").replace("/", "-")
        logs = self.settings.cache / "logs"
        keys = {state.key for state in self.show(project, [element], depends="none")}
        found = [path for key in keys if key for path in logs.glob(f"*/{glob.escape(name)}/{key}-build.*.log")]
        return max(found, key=lambda path: path.stat().st_mtime, default=None)

    def shell(
        self,
        project: Path,
        element: str,
        argv: Sequence[str] | None = None,
        *,
        stage: Stage = "auto",
        mounts: Mapping[Path, str] | None = None,
        report: Reporter = ignore,
    ) -> int:
        """Open a shell, or run a command, in an element's sandbox on our terminal; return its exit status.

        What is staged: the `tree` of the last build with what it was built with, `build`: its sources instead, or
        `run`: the finished element with what it needs to run. `auto` is `tree` if the last build failed, `run` for
        a cached element that is built without others (an import), else `build`. `mounts` are folders of the host
        and where they are in the sandbox. Raises `UserError` project-invalid ..., Interrupted.
        """
        checked([element])
        if stage == "auto":
            stage = stage_of(self.show(project, [element], depends="none"))
        options = {"tree": ("--use-buildtree",), "build": ("--build",), "run": ()}[stage]
        mounted = [word for path, place in (mounts or {}).items() for word in ("--mount", str(path), place)]
        words = ("shell", *options, *mounted, element, *(("--", *argv) if argv else ()))
        remotes = self.usable(report)
        with bst_run.interruptible(), self._opened(for_people=True, remotes=remotes) as run:
            command = run.argv(words, interactive=argv is None, colors=self._colors())
            env = {"TERM": "dumb", **run.env}
            return process.hand_over(command, env=env, cwd=project, umask=bst_run.UMASK)

    def sandbox(
        self, project: Path, element: str, argv: Sequence[str], mounts: Mapping[Path, str]
    ) -> tuple[int, str]:
        """Run a command in an element's sandbox with its sources, on our own terminal.

        `mounts` are as those of `shell`. Returns the exit status, and the end of standard error with the messages
        of BuildStream. Raises `UserError` project-invalid ..., Interrupted.
        """
        checked([element])
        mounted = [word for path, place in mounts.items() for word in ("--mount", str(path), place)]
        words = ("shell", "--build", *mounted, element, "--", *argv)
        with (
            bst_run.interruptible(),
            self._opened(for_people=True, remotes=self.usable(ignore)) as run,
            tempfile.TemporaryFile() as messages,
        ):
            status = process.hand_over(
                run.argv(words), env=run.env, cwd=project, umask=bst_run.UMASK, stderr=messages
            )
            messages.seek(max(0, messages.seek(0, 2) - TAIL_BYTES))
            return status, messages.read().decode("utf-8", "replace")

    def isolated(
        self, project: Path, element: str, argv: Sequence[str], given: bytes, into: Path
    ) -> tuple[int, str]:
        """Run a command in an element's sandbox, as if it were built there, but keep nothing of it in the cache.

        The command reads `given` and writes a tar archive, which is unpacked into the folder `into`; it has to
        empty the folders that it may write to. What the element is built with must be cached. Returns the exit
        status, and what was said on standard error. Raises `UserError` project-invalid ..., Interrupted.
        """
        checked([element])
        words = ("shell", "--build", "--isolate", element, "--", *argv)
        unpack = ("tar", "--extract", "--no-same-owner", "--directory", str(into))
        with (
            bst_run.interruptible(),
            self._opened(for_people=True) as run,
            pipes.memory_file(given) as stdin,
            tempfile.TemporaryFile() as said,
        ):
            ends = os.pipe()
            with os.fdopen(ends[0], "rb") as made, os.fdopen(ends[1], "wb") as stdout:
                maker = process.start(
                    run.argv(words),
                    env=run.env,
                    cwd=project,
                    stdin=stdin,
                    stdout=stdout,
                    stderr=said,
                    umask=bst_run.UMASK,
                )
                with (
                    bst_run.ended(maker),
                    bst_run.ended(process.start(unpack, env=run.env, stdin=made, stderr=said)) as reader,
                ):
                    stdout.close()
                    made.close()
                    status = maker.wait() or reader.wait()
            said.seek(max(0, said.seek(0, 2) - TAIL_BYTES))
            return status, said.read().decode("utf-8", "replace")

    def delete(self, project: Path, elements: Sequence[str]) -> None:
        """Forget the artifacts of some elements as they are now: the next build makes them again.

        Raises `UserError` project-invalid ..., Interrupted.
        """
        with bst_run.interruptible(), self._opened() as run:
            self._run(run, project, ("artifact", "delete", *checked(elements)), targets=elements)

    def clear(self) -> None:
        """End and remove what killed runs left: processes, mounts in the cache, temporary folders."""
        sharing.clear(self.settings.cache)

    def clean(self) -> None:
        """Empty the cache: artifacts, sources and logs of all projects. Raises `UserError` cache-in-use."""
        with bst_run.interruptible(), self._opened() as run:
            if not run.alone:
                raise UserError(
                    "cache-in-use",
                    f"another build is using {self.settings.cache}",
                    hint="Run this again when that has finished.",
                )
            for path in self.settings.cache.iterdir():
                if path.name != sharing.FOLDER:
                    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()

    def _colors(self) -> bool:
        return self.env.get("TERM", "dumb") != "dumb" and not self.env.get("NO_COLOR")

    def _session(
        self,
        project: Path,
        words: Sequence[str],
        targets: Sequence[str],
        report: Reporter,
        *,
        counts: Literal["build", "fetch", ""],
        remotes: Sequence[Remote] = (),
        workers: Workers | None = None,
    ) -> tuple[ElementState, ...]:
        with (
            bst_run.interruptible(),
            self._opened(report=report, remotes=remotes, workers=workers) as run,
        ):
            reader = self._reader(run, targets, counts)
            pulls = Pulls(report=report, project=project, remotes=remotes, reader=reader, trust=self.trust)
            tell = recording.with_warnings(pulls.tell if remotes else report)
            if counts == "build":
                tell = recording.recorded(tell, self.settings, reader, self.trust, here=workers is None)
            try:
                self._run(run, project, (*words, *checked(targets)), targets=targets, report=tell, reader=reader)
            finally:
                if counts == "build":
                    now = {each.name: each.key for each in reader.elements}
                    before = self.built.get(project, {}).items() - now.items()
                    self.replaced.setdefault(project, set()).update(before)
                    self.built[project] = now
            pulls.summarize(run.traffic)
            return reader.elements

    def _pulling(self, report: Reporter, work: Callable[[Sequence[Remote]], Result]) -> Result:
        """Return what some work with the servers that answer returns; where they fail, without them."""
        remotes = self.usable(report)
        try:
            return work(remotes)
        except UserError as error:
            if not remotes or error.reason not in (servers.LOST, PULL_FAILED):
                raise
            servers.give_up(remotes, self.dropped, error, report)
            return work(())

    def _reader(self, run: bst_run.Run, targets: Sequence[str], counts: Literal["build", "fetch", ""]) -> Reader:
        logs, builders = self.settings.cache / "logs", self.settings.builders
        return Reader(mark=run.mark, logs=logs, targets=targets, counts=counts, builders=builders)

    def _run(
        self,
        run: bst_run.Run,
        project: Path,
        words: Sequence[str],
        *,
        targets: Sequence[str],
        report: Reporter = ignore,
        reader: Reader | None = None,
    ) -> bytes:
        reader = reader or self._reader(run, targets, "")
        ended = bst_run.drive(run, words, cwd=project, reader=reader, report=report)
        if ended.lost:
            raise servers.lost(self.settings, run.watch.gone)
        if ended.status == 0 and not ended.gave_up:
            return ended.stdout
        messages = self.settings.cache / "logs" / "rootstream-failed.log"
        messages.parent.mkdir(exist_ok=True)
        messages.write_text(ended.messages + "\n", encoding="utf-8")
        raise fault(
            Outcome(
                failures=reader.failures,
                log=read_end(reader.failures[0].log if reader.failures else None),
                core=reader.core_errors,
                closing=reader.closing(),
                status=ended.status,
                casd_died=reader.casd_died or ended.gave_up,
                messages=messages,
                project=project,
                extra=self.settings.extra,
                configuration=run.configuration.read_text(encoding="utf-8"),
                workers=self.settings.workers.remote.url if self.settings.workers else "",
                command=process.paste(("bst", *words), cwd=project),
            )
        )
