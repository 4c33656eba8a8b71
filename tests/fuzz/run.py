"""Run readers of foreign bytes on many inputs: `python -m tests.fuzz.run [--seconds N] [READER ...]`.

Each reader goes on where it stopped (`--state`), in a child process with bounds: 5 s and 500 MB for an input. What
is neither read nor refused is written beside the state as READER-NUMBER, with its traceback. `--first N` begins at
another input than 0, so that several machines can share them; `--one READER NUMBER` runs a single input in this
process.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.mutation import given
from tests.fuzz.readers import READERS, REFUSALS
from tests.fuzz.seeds import kept

SECONDS = 5
BYTES = 500 << 20
BATCH = 5000  # inputs of a reader, before it is the turn of the next
TURN = 5.0  # seconds, likewise
FILE_SIZE = 1 << 34  # bytes of a file that a reader may write


class TooSlow(BaseException):
    """An input took longer than it may."""


@dataclass(slots=True)
class Tally:
    """How inputs ended, and those that ended wrong: number and traceback."""

    ends: Counter[str] = field(default_factory=Counter)
    bad: list[tuple[int, str]] = field(default_factory=list)


def inputs_of(reader: str) -> tuple[bytes, ...]:
    """Return the whole inputs of a reader, those that are kept among them."""
    return (*READERS[reader].seeds(), *kept(reader))


def attempt(reader: str, data: bytes, folder: Path) -> str:
    """Return `read` or `refused`; whatever else a reader raises goes on."""
    path = folder / ("pkg-1.0-py3-none-any.whl" if reader == "wheel" else "input")
    path.write_bytes(data)
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        READERS[reader].run(path)
    except REFUSALS:
        return "refused"
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return "read"


def _too_slow(_number: int, _frame: object) -> None:
    raise TooSlow(f"more than {SECONDS} s")


def _bound() -> None:
    """Give this process 500 MB beyond what it has, and a clock."""
    signal.signal(signal.SIGVTALRM, _too_slow)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_SIZE, FILE_SIZE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def tried(reader: str, numbers: range, seconds: float) -> Tally:
    """Run inputs of a reader in this process, as many as there is time for."""
    tally = Tally()
    end = time.monotonic() + seconds
    seeds = inputs_of(reader)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as scratch:
        for number in numbers:
            if time.monotonic() > end:
                break
            data = given(reader, number, seeds, tar=READERS[reader].tar)
            try:
                tally.ends[attempt(reader, data, Path(scratch))] += 1
            except (Exception, TooSlow):  # noqa: BLE001  (finding these is what it is for)
                tally.ends["bad"] += 1
                tally.bad.append((number, traceback.format_exc()))
    return tally


def _child(reader: str, numbers: range, seconds: float, out: multiprocessing.connection.Connection) -> None:
    _bound()
    out.send(tried(reader, numbers, seconds))


def in_child(reader: str, numbers: range, seconds: float) -> Tally:
    """Run inputs of a reader in a process of its own with bounds; one that dies has done nothing right."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(reader, numbers, seconds, theirs))
    child.start()
    theirs.close()
    try:
        found: Tally = ours.recv()
    except EOFError:
        child.join()
        found = Tally(Counter(bad=1), [(numbers[0], f"the process of {numbers} ended with {child.exitcode}")])
    child.join()
    return found


def _note(folder: Path, reader: str, tally: Tally) -> None:
    for number, text in tally.bad:
        data = given(reader, number, inputs_of(reader), tar=READERS[reader].tar)
        (folder / f"{reader}-{number}").write_bytes(data)
        (folder / f"{reader}-{number}.txt").write_text(text)
        sys.stdout.write(f"{reader} {number}: {text.rstrip().splitlines()[-1][:200]}\n")


def run(readers: Sequence[str], seconds: float, state: Path, first: int = 0) -> int:
    """Run readers in turn until the time is over, print counts, return how many inputs ended wrong."""
    state.mkdir(parents=True, exist_ok=True)
    file = state / "counts.json"
    counts: dict[str, dict[str, int]] = json.loads(file.read_text()) if file.exists() else {}
    end = time.monotonic() + seconds
    bad = 0
    while time.monotonic() < end:
        for reader in readers:
            known = Counter(counts.get(reader, {}))
            begin = first + sum(known.values())
            tally = in_child(reader, range(begin, begin + BATCH), TURN)
            _note(state, reader, tally)
            bad += len(tally.bad)
            counts[reader] = dict(known + tally.ends)
            file.write_text(json.dumps(counts, indent=1, sort_keys=True))
            if time.monotonic() >= end:
                break
    for reader, ends in sorted(counts.items()):
        sys.stdout.write(f"{reader:13} {sum(ends.values()):9} inputs: {ends}\n")
    total = sum(sum(ends.values()) for ends in counts.values())
    sys.stdout.write(f"{'all':13} {total:9} inputs, {sum(each.get('bad', 0) for each in counts.values())} bad\n")
    return bad


def main() -> int:
    """Run as the words of the command line say; status 1 where an input ended wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--state", type=Path, default=Path(".fuzz"))
    parser.add_argument("--first", type=int, default=0, help="the number of each reader's first input")
    parser.add_argument("--one", nargs=2, metavar=("READER", "NUMBER"))
    parser.add_argument("readers", nargs="*", choices=[*READERS, []])
    options = parser.parse_args()
    if options.one:
        reader, number = options.one
        data = given(reader, int(number), inputs_of(reader), tar=READERS[reader].tar)
        with tempfile.TemporaryDirectory() as scratch:
            sys.stdout.write(f"{attempt(reader, data, Path(scratch))}\n")
        return 0
    return 1 if run(options.readers or list(READERS), options.seconds, options.state, options.first) else 0


if __name__ == "__main__":
    sys.exit(main())
