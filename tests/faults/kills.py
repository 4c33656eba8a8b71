"""Kills of every long command at random moments, and a look at what is left after each.

`python -m tests.faults.kills FOLDER --count 1000 --seed 1 --journal FILE` goes on where FILE ends. Kill N of a
seed is the same command, signal and share of its time whenever it is made; `--first N` begins with it, so that
several machines can share them.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.faults import scenes, served
from tests.faults.scenes import Scene

MARK = "ROOTSTREAM_FAULTS"
ENDS = 120.0  # seconds for a command that is asked to end
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
WHOM = ("main", "group", "tree")  # SIGKILL: the command alone, its process group, all that it started
TARGET = "image"
# 130 for a shell, both: Python ends itself by SIGINT where that came while it executed text (pythonrun.c)
INTERRUPTED = (130, -signal.SIGINT)
TOO_EARLY = b"Could not import runpy module"  # Python's own start was interrupted, which ends it with status 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """A long command: its words, and what has to be well after it was killed and run again."""

    scene: str
    words: tuple[str, ...]
    again: tuple[str, ...]
    varied: bool = False


VERBS = {
    "build": Verb(scene="plain", words=("build", "image.bst"), again=("build", "image.bst"), varied=True),
    "fetch": Verb(scene="plain", words=("fetch", "image.bst"), again=("build", "image.bst"), varied=True),
    "verify": Verb(scene="plain", words=("verify", "image.bst"), again=("verify", "image.bst"), varied=True),
    "run": Verb(scene="plain", words=("run", "image.bst"), again=("build", "image.bst")),
    "shell": Verb(scene="plain", words=("shell", "image.bst", "--", "sleep", "3"), again=("build", "image.bst")),
    "show": Verb(scene="plain", words=("show", "image.bst"), again=("build", "image.bst")),
    "update": Verb(scene="described", words=("update",), again=("update", "--missing")),
    "fetch-pinned": Verb(scene="described", words=("fetch",), again=("fetch",)),
    "graph": Verb(scene="graph", words=("build",), again=("build",), varied=True),
    "serve": Verb(scene="served", words=("serve",), again=("serve",)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """What was done and seen: `share` of the command's time, `ended` before the signal came, what was wrong."""

    number: int
    verb: str
    signal: str
    whom: str
    share: float
    ended: bool
    status: int | None
    problems: tuple[str, ...]


class Faults:
    """The projects that are killed in, and how long each command takes when it is left alone."""

    def __init__(self, base: Path, verbs: tuple[str, ...]) -> None:
        self.scenes: dict[str, Scene] = {}
        self.times: dict[str, float] = {}
        self.base = base
        wanted = {VERBS[verb].scene for verb in verbs}
        if "plain" in wanted:
            self.scenes["plain"] = scenes.plain(base)
        if "described" in wanted:
            self.scenes["described"] = scenes.described(base)
        if "served" in wanted:
            self.scenes["served"] = served.scene(base)
        if "graph" in wanted:
            self.scenes["graph"] = scenes.graph(base)
        for verb in verbs:
            self.times[verb] = self._time(verb)

    def _time(self, name: str) -> float:
        """Run a command once as it is; the cache is then as warm as it is for those that are killed."""
        verb = VERBS[name]
        if name in ("run", "serve"):
            return 8.0  # these go on until they are ended
        scene = self.scenes[verb.scene]
        if verb.scene in ("described", "graph"):
            scene.run(*verb.words)  # all is in the cache of the run that counts
        if verb.varied:
            scene.vary(f"time-{name}")
        began = time.monotonic()
        done = scene.run(*verb.words)
        assert done.returncode == 0, done.stderr
        return time.monotonic() - began

    def kill(self, seed: int, number: int, verbs: tuple[str, ...]) -> Kill:
        """Make one kill, and look."""
        chance = random.Random(f"{seed}:{number}")  # noqa: S311  (no secret)
        name, number_of_signal = chance.choice(verbs), chance.choice(SIGNALS)
        whom = chance.choice(WHOM) if number_of_signal == signal.SIGKILL else "main"
        share = chance.random()
        verb, scene = VERBS[name], self.scenes[VERBS[name].scene]
        before = _seen(scene)
        if verb.varied:
            scene.vary(f"{seed}-{number}")
        mark = f"{os.getpid()}-{seed}-{number}"
        child = _start(scene, verb, mark)
        ended = _wait(child, share * self.times[name])
        if not ended:
            _signal(child, number_of_signal, whom)
        status = _end(child)
        said = _log(scene).read_bytes()
        problems = list(self._look(scene, verb, before, mark, f"{seed}-{number}"))
        if status is None:
            problems.insert(0, f"did not end within {ENDS:g} s after {number_of_signal.name}")
        known = status in (*INTERRUPTED, 0, -number_of_signal) or (status == 1 and TOO_EARLY in said)
        if number_of_signal != signal.SIGKILL and not ended and not known:
            problems.insert(0, f"ended with status {status}")
        return Kill(
            number=number,
            verb=name,
            signal=number_of_signal.name,
            whom=whom,
            share=round(share, 3),
            ended=ended,
            status=status,
            problems=tuple(problems),
        )

    def _look(self, scene: Scene, verb: Verb, before: str, mark: str, variant: str) -> Iterator[str]:
        try:
            now = _seen(scene)
        except (AssertionError, OSError, ValueError) as error:
            yield f"after the kill: {error!r}"
            now = before
        if verb.varied and now not in (before, variant):
            yield f"after the kill the result is {now}, neither old nor new"
        if verb.scene == "served":
            yield from served.again(scene)
        else:
            done = scene.run(*verb.again)
            if done.returncode != 0 or "Traceback" in done.stderr:
                yield f"the next {verb.again[0]} ended with {done.returncode}: {done.stderr[-500:]}"
            try:
                now = _seen(scene)
            except (AssertionError, OSError, ValueError) as error:
                yield f"after the next run: {error!r}"
            if verb.varied and now != variant:
                yield f"after the next run the result is {now}, not {variant}"
        deadline = time.monotonic() + 10  # processes of a killed engine are ended, not gone at once
        while (left := [*marked(mark), *scene.left()]) and time.monotonic() < deadline:
            time.sleep(0.1)
        yield from (f"left: {each}" for each in left)


def _seen(scene: Scene) -> str:
    """Return what stands for the results, or the lock, of a scene; they must be whole."""
    lock = scene.folder / "system.lock"
    if lock.exists():
        json.loads(lock.read_text())
    return scene.state(TARGET)


def _log(scene: Scene) -> Path:
    """Return where the output of the command that is killed goes."""
    return scene.folder.with_name("killed.log")


def _start(scene: Scene, verb: Verb, mark: str) -> subprocess.Popen[bytes]:
    argv = served.argv(scene) if verb.scene == "served" else scene.argv(*verb.words)
    with _log(scene).open("wb") as log:
        return subprocess.Popen(
            argv,
            cwd=scene.folder,
            env={**scene.environment, MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _wait(child: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _signal(child: subprocess.Popen[bytes], number: signal.Signals, whom: str) -> None:
    targets = [child.pid, *(_below(child.pid) if whom == "tree" else ())]
    if whom == "group":
        os.killpg(child.pid, number)
        return
    for pid in targets:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def _end(child: subprocess.Popen[bytes]) -> int | None:
    try:
        return child.wait(ENDS)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        return None


def _below(pid: int) -> list[int]:
    """Return all processes below one (proc(5): the second field after the name is the parent)."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found, todo = [], [pid]
    while todo:
        more = children.get(todo.pop(), [])
        found += more
        todo += more
    return found


def marked(mark: str) -> Iterator[str]:
    """Name the processes that a command has left."""
    wanted = f"{MARK}={mark}".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    yield (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")[:120]
            except OSError:
                continue


def verbs_here() -> tuple[str, ...]:
    """Return the commands that can be tried on this machine."""
    missing = set()
    if not scenes.has_mirror():
        missing |= {"described", "graph"}
    if not served.can_serve():
        missing.add("served")
    return tuple(name for name, verb in VERBS.items() if verb.scene not in missing)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    """Make the kills that a journal lacks and say what came of all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the projects are made anew; removed before")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="the number of the first kill")
    parser.add_argument("--journal", type=Path, required=True)
    parser.add_argument("--verbs", default="", help="names separated by commas (default: all that work here)")
    options = parser.parse_args()
    # A shell that starts us in the background has us ignore interrupts, and what we start with us.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    verbs = tuple(options.verbs.split(",")) if options.verbs else verbs_here()
    done = options.journal.read_text().splitlines() if options.journal.exists() else []
    if len(done) < options.count:
        shutil.rmtree(options.folder, ignore_errors=True)
        faults = Faults(options.folder.absolute(), verbs)
        _say(f"{len(done)} done before; seconds of each: {faults.times}")
        with options.journal.open("a") as journal:
            for number in range(options.first + len(done), options.first + options.count):
                kill = faults.kill(options.seed, number, verbs)
                done.append(json.dumps(asdict(kill)))
                journal.write(done[-1] + "\n")
                journal.flush()
                if kill.problems:
                    _say(f"{number}: {kill}")
    kills = [json.loads(line) for line in done]
    bad = [each for each in kills if each["problems"]]
    _say(f"{len(kills)} kills, {len(bad)} with problems, {sum(each['ended'] for each in kills)} came too late")
    for (verb, number), count in sorted(Counter((each["verb"], each["signal"]) for each in kills).items()):
        _say(f"  {verb:<14} {number:<8} {count}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
