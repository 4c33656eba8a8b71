"""A tiny project for tests of the engine: a base of the host's own shell and tools, and elements on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.hostbase import make_base

from rootstream.engine import Engine
from rootstream.engine.sharing import FOLDER

PARCEL = '''
"""A source that reports its progress and fails a number of times before it succeeds."""
import os
from buildstream import Source, SourceError

class Parcel(Source):
    BST_MIN_VERSION = "2.0"

    def configure(self, node):
        node.validate_keys(["fails", *Source.COMMON_CONFIG_KEYS])
        self.fails = node.get_int("fails", 0)

    def preflight(self): pass
    def get_unique_key(self): return [self.fails]
    def load_ref(self, node): pass
    def get_ref(self): return "1"
    def set_ref(self, ref, node): pass
    def is_resolved(self): return True
    def place(self): return os.path.join(self.get_mirror_directory(), f"parcel-{self.fails}")
    def is_cached(self): return os.path.exists(self.place())

    def fetch(self):
        tries = self.place() + ".tries"
        with open(tries, "a") as file:
            file.write("x")
        self.status("transfer files=1/2 bytes=500/1000 rate=250")
        if os.path.getsize(tries) <= self.fails:
            raise SourceError("the line broke", temporary=True)
        self.status("transfer files=2/2 bytes=1000/1000 rate=500")
        with open(self.place(), "w") as file:
            file.write("parcel")

    def stage(self, directory):
        with open(os.path.join(directory, "parcel"), "w") as file:
            file.write("parcel")

def setup():
    return Parcel
'''
CONF = """\
name: tiny
min-version: 2.4
element-path: elements
plugins:
- {origin: local, path: plugins, sources: [parcel]}
"""
ELEMENTS = {
    "base": "kind: import\nsources: [{kind: local, path: base}]\n",
    "one": """\
kind: manual
build-depends: [base.bst]
config:
  install-commands:
  - |
    mkdir -p %{install-root}/d
    echo one > %{install-root}/d/one
    chmod 755 %{install-root}/d/one
    ln -s one %{install-root}/d/link
public:
  rootstream: {arch: x86_64, checks: [{console: "from %{element-name}"}]}
""",
    "two": """\
kind: manual
build-depends: [base.bst, one.bst]
config:
  install-commands: ["mkdir -p %{install-root}", "cp /d/one %{install-root}/two"]
""",
    "both": "kind: stack\ndepends: [one.bst, two.bst]\n",
    "slow": """\
kind: manual
build-depends: [base.bst]
config:
  install-commands: ["sleep 3", "mkdir -p %{install-root}", "echo slow > %{install-root}/slow"]
""",
    "bad": """\
kind: manual
build-depends: [base.bst]
config:
  build-commands:
  - |
    for i in $(seq 1 50); do echo "line $i"; done
    echo precious > evidence
    echo "fatal: no such luck" >&2
    exit 3
""",
    "who": """\
kind: manual
build-depends: [base.bst]
config:
  install-commands:
  - |
    mkdir -p %{install-root}
    { umask; export -p; cat /proc/sys/kernel/hostname; } > %{install-root}/who
""",
    "parcel": "kind: import\nsources: [{kind: parcel, fails: 1}]\n",
    "lost": "kind: import\nsources: [{kind: parcel, fails: 99}]\n",
    "wrong": "kind: manual\nconfig: {bad-key: [1]}\n",
}


def make_project(folder: Path) -> Path:
    """Write the project and return its folder."""
    (folder / "elements").mkdir(parents=True)
    (folder / "plugins").mkdir()
    (folder / "project.conf").write_text(CONF)
    (folder / "plugins" / "parcel.py").write_text(PARCEL)
    for name, text in ELEMENTS.items():
        (folder / "elements" / f"{name}.bst").write_text(text)
    make_base(folder / "base")
    return folder


def engine(cache: Path, **environment: str) -> Engine:
    """Return an engine with a cache of its own."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return Engine.of({**kept, "ROOTSTREAM_CACHE": str(cache), **environment})


def left_by(cache: Path) -> list[str]:
    """Name every process, mount and record that a run on this cache has left."""
    left = [path.name for path in (cache / FOLDER).iterdir() if not path.name.startswith(".")]
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    left += [line for line in mounts if str(cache) in line]
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
        except OSError:
            continue
        if str(cache).encode() in words and entry.name != str(os.getpid()):
            left.append(words.replace(b"\0", b" ").decode("utf-8", "replace"))
    return left


CHILD = """
import os, sys, time
from pathlib import Path
from rootstream.engine import Engine
from rootstream.errors import UserError
from rootstream.progress import Json, error_as_json

try:
    Engine.of(os.environ).build(Path(sys.argv[1]), sys.argv[2:], Json(sys.stdout))
except UserError as error:
    print(error_as_json(error, now=time.time()), flush=True)
    sys.exit(1)
"""


class Build:
    """A build in a process of its own, whose events are read as they come."""

    def __init__(self, cache: Path, project: Path, *targets: str, **environment: str) -> None:
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self.cache = cache
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(project), *targets],
            env={**kept, "ROOTSTREAM_CACHE": str(cache), **environment},
            stdout=subprocess.PIPE,
            text=True,
        )
        self.events: list[dict[str, object]] = []

    def until(self, kind: str, **fields: object) -> dict[str, object]:
        """Read events up to one of this type with these fields."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            event: dict[str, object] = json.loads(line)
            self.events.append(event)
            if event["type"] == kind and all(event[name] == value for name, value in fields.items()):
                return event
        raise AssertionError(f"no {kind} {fields} in {self.events}")

    def end(self) -> int:
        """Read to the end and return the exit status."""
        assert self.process.stdout is not None
        self.events += [json.loads(line) for line in self.process.stdout]
        return self.process.wait(60)

    @property
    def reason(self) -> object:
        """The reason of the error that ended it."""
        return self.events[-1].get("reason")

    def pid_of(self, word: str) -> int:
        """Return the process of this run whose command has the word and our cache, or the run's configuration."""
        for entry in Path("/proc").iterdir():
            try:
                words = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
                environment = (entry / "environ").read_bytes() if word.encode() in words else b""
            except OSError:
                continue
            if b"ROOTSTREAM_ENGINE_RUN=" in environment and str(self.cache).encode() in environment:
                return int(entry.name)
        raise AssertionError(f"no {word} runs")


@contextmanager
def building(cache: Path, project: Path, *targets: str, **environment: str) -> Iterator[Build]:
    """Run a build in a process that is gone at the end of the block."""
    build = Build(cache, project, *targets, **environment)
    try:
        yield build
    finally:
        build.process.kill()
        build.process.wait()
        if build.process.stdout is not None:
            build.process.stdout.close()
