"""What the sandbox programs share: mistakes, the fixed time, processes, outputs that are whole or absent."""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

CHUNK = 1 << 20
LAST_EPOCH = (1 << 32) - 1
LONGEST_COMMAND = 1000  # that is shown


class Mistake(Exception):  # noqa: N818  (the user's, not the program's)
    """Something in the input is wrong; every problem is one message that names the entry and the next step."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def source_date_epoch(environ: Mapping[str, str] | None = None) -> int:
    """Return SOURCE_DATE_EPOCH in seconds (https://reproducible-builds.org/specs/source-date-epoch/)."""
    text = (os.environ if environ is None else environ).get("SOURCE_DATE_EPOCH", "")
    if not text.isascii() or not text.isdecimal() or int(text) > LAST_EPOCH:
        raise Mistake(
            f"SOURCE_DATE_EPOCH is {text!r}: it has to be set to an integer (seconds), "
            "or no two builds would be the same"
        )
    return int(text)


def tool_environment(epoch: int, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the whole environment of a tool: nothing of the host but PATH and the folder for temporary files."""
    fixed = {
        "PATH": os.environ.get("PATH", "/usr/bin:/usr/sbin:/bin:/sbin"),
        "TMPDIR": tempfile.gettempdir(),
        "HOME": "/",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC0",
        "SOURCE_DATE_EPOCH": str(epoch),
    }
    return fixed | dict(extra or {})


def feed(
    argv: Sequence[str],
    write: Callable[[IO[bytes]], None] | None = None,
    *,
    epoch: int,
    stdout: IO[bytes] | None = None,
    extra: Mapping[str, str] | None = None,
) -> str:
    """Run a tool to its end, `write` filling its input, and return what it said; `Mistake` if it fails."""
    with tempfile.TemporaryFile() as said:
        try:
            process = subprocess.Popen(
                list(argv),
                stdin=subprocess.PIPE if write else subprocess.DEVNULL,
                stdout=said if stdout is None else stdout,
                stderr=said,
                env=tool_environment(epoch, extra),
            )
        except FileNotFoundError as error:
            raise Mistake(
                f"{argv[0]} is not in the build environment: add the package that contains it"
            ) from error
        try:
            _fill(process, write)
        except BaseException:
            process.kill()
            process.wait()
            raise
        status = process.wait()
        said.seek(0)
        text = said.read(CHUNK).decode("utf-8", "replace").strip()
        if status != 0:
            raise Mistake(f"{argv[0]} failed with status {status}\n{text}\n{command(argv)}")
        return text


def command(argv: Sequence[str]) -> str:
    """Return a command for a message; of a long one the beginning."""
    text = shlex.join(argv)
    return text if len(text) <= LONGEST_COMMAND else f"{text[:LONGEST_COMMAND]}... ({len(argv)} arguments)"


def _fill(process: subprocess.Popen[bytes], write: Callable[[IO[bytes]], None] | None) -> None:
    if write is None or process.stdin is None:
        return
    try:
        with process.stdin as pipe:
            write(pipe)
    except BrokenPipeError:
        pass  # the tool ended early: its exit status tells why


@contextmanager
def whole_file(output: Path) -> Iterator[Path]:
    """Give a path beside `output` to write to; it takes the name of `output` only if all went well."""
    handle, name = tempfile.mkstemp(prefix=f".{output.name}.", dir=output.parent)
    os.close(handle)
    draft = Path(name)
    try:
        yield draft
        draft.chmod(0o644)
        draft.replace(output)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def run_main(main: Callable[[argparse.Namespace], None], parser: argparse.ArgumentParser) -> int:
    """Run a program: 0 if it did its work, 2 with a message on standard error if the input is at fault."""
    os.umask(0o022)
    options = parser.parse_args()
    try:
        main(options)
    except Mistake as mistake:
        for problem in mistake.problems:
            print(told(f"{parser.prog}-failed", problem), file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    return 0


def asked_for(name: str, problem: str) -> str:
    """Return a problem of something that the description names, so that it is told at its line there."""
    return f"{problem}\nAsked for {name}"


def told(reason: str, problem: str) -> str:
    """Return a problem as lines that whoever reads the build's log takes for an error of the user."""
    first, *more = problem.splitlines() or [""]
    return "\n".join([f"rootstream: error {reason}: {first}", *(f"rootstream:   {line}" for line in more)])
