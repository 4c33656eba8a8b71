"""Another date for what a second build runs in sandboxes: a `bwrap` that loads a library into each of them.

A kernel has one date for all (time namespaces leave CLOCK_REALTIME out), so that only programs which ask their C
library can be shown another one. Nothing of it is in a plan: an element has the same key in both builds.
"""

from __future__ import annotations

import re
import shlex
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from rootstream.errors import UserError
from rootstream.host import process

_SOURCE = "later.c"
_COMPILER = ("cc", "-std=gnu11", "-Os", "-s", "-shared", "-fPIC", "-nostdlib")
_BARE = ("-fno-stack-protector", "-U_FORTIFY_SOURCE")  # nothing of a C library beside what it replaces
_COMPILING = 60.0  # seconds
_INSIDE = "/dev/rootstream-clock.so"
_SHIFTED, _OTHERS = "shifted", "others"  # files with a line for each sandbox
_NEAR = 3600  # seconds
# Options are added behind `--dev /dev`, which every sandbox has. Those that preload libraries of their own are
# left alone: commands of packages of Buildroot's graph, and Debian's maintainer scripts, which a build runs at two
# dates (their root has a folder /.rootstream).
_WRAPPER = """\
#!/bin/sh
library={library}
before=
own=
for word; do
	case $word in
	LD_PRELOAD|*LD_PRELOAD=*) own=1 ;;
	esac
	[ "$before" != --bind ] || [ ! -d "$word/.rootstream" ] || own=1
	before=$word
done
before=
for word; do
	shift
	set -- "$@" "$word"
	if [ -n "$library" ] && [ "$before $word" = "--dev /dev" ]; then
		if [ -z "$own" ]; then
			set -- "$@" --ro-bind "$library" {inside} --setenv LD_PRELOAD {inside}
			echo >>{shifted}
		else
			echo >>{others}
		fi
		library=
	fi
	before=$word
done
exec {real} "$@"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondClock:
    """A folder for PATH with a `bwrap` of the second build, and what became of its clock there."""

    programs: Path
    reason: str | None = None
    """Why programs have the true time; None where they have another one."""

    def begin(self) -> None:
        """Forget the sandboxes that there were so far."""
        for name in (_SHIFTED, _OTHERS):
            (self.programs / name).unlink(missing_ok=True)

    def said(self) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """Return what was varied and what was not, once the build has ended."""
        shifted, others = (_lines(self.programs / name) for name in (_SHIFTED, _OTHERS))
        if self.reason or not shifted:
            return {}, {"clock": self.reason or "no sandbox of this build could be shown another one"}
        text = f"{_ahead() // 86400} days ahead in {shifted} of {shifted + others} sandboxes"
        varied = {"clock": f"{text}, for programs that ask their C library"}
        if not others:
            return varied, {}
        return varied, {"clock of the others": "they load libraries of their own into programs"}


def second_clock(folder: Path, prefix: Sequence[str], words: Sequence[str], env: Mapping[str, str]) -> SecondClock:
    """Make a folder with a `bwrap` that shows another date, where that is possible.

    `prefix` is what the second build is run by, `words` are put before the true `bwrap`. Raises `UserError`
    program-missing.
    """
    folder.mkdir()
    real = process.require("bwrap", hint="`rootstream doctor` shows how to install it.")
    library = folder / "clock.so"
    reason = _compile(library, env)
    _write(folder, (*words, real), library if reason is None else None)
    if reason is None and not _is_shown(folder, prefix, env):
        reason = "a program in a sandbox was not shown another one"
        _write(folder, (*words, real), None)
    return SecondClock(programs=folder, reason=reason)


def _compile(library: Path, env: Mapping[str, str]) -> str | None:
    """Compile the library with the compiler of the host; return why that is not possible."""
    if shutil.which("cc", path=env.get("PATH")) is None:
        return "there is no C compiler (`cc`) on this host, which it takes"
    with resources.as_file(resources.files("rootstream.sandbox.rootfs") / _SOURCE) as source:
        try:
            process.run((*_COMPILER, *_BARE, "-o", str(library), str(source)), env=env, timeout=_COMPILING)
        except UserError:
            return "the C compiler of this host (`cc`) cannot compile what it takes"
    return None


def _write(folder: Path, words: Sequence[str], library: Path | None) -> None:
    text = _WRAPPER.format(
        library=shlex.quote(str(library)) if library else "",
        inside=_INSIDE,
        shifted=shlex.quote(str(folder / _SHIFTED)),
        others=shlex.quote(str(folder / _OTHERS)),
        real=shlex.join(words),
    )
    program = folder / "bwrap"
    program.write_text(text, encoding="utf-8")
    program.chmod(0o755)


def _is_shown(folder: Path, prefix: Sequence[str], env: Mapping[str, str]) -> bool:
    """Say whether a program in a sandbox has another date."""
    words = ("--unshare-user", "--ro-bind", "/", "/", "--dev", "/dev", "--", "date", "+%s")
    try:
        done = process.run((*prefix, str(folder / "bwrap"), *words), env=env, timeout=_COMPILING, check=False)
        return abs(int(done.stdout) - time.time() - _ahead()) < _NEAR
    except (UserError, ValueError):
        return False


def _ahead() -> int:
    """Return by how many seconds the library's clock is ahead, as its source says."""
    text = (resources.files("rootstream.sandbox.rootfs") / _SOURCE).read_text("utf-8")
    match = re.search(r"^#define LATER \(([0-9]+) \* 86400 \+ ([0-9]+)\)", text, re.MULTILINE)
    return int(match[1]) * 86400 + int(match[2]) if match else 0


def _lines(path: Path) -> int:
    try:
        return path.read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0
