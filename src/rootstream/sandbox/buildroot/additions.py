"""What a package adds to Buildroot's output folder, which is all that is kept of its build.

    python3 -m rootstream.sandbox.buildroot.additions note OUTPUT NOTE
    python3 -m rootstream.sandbox.buildroot.additions keep OUTPUT NOTE --package NAME --build FOLDER ...
    python3 -m rootstream.sandbox.buildroot.additions compare OUTPUT --order ORDER
    python3 -m rootstream.sandbox.buildroot.additions missed OUTPUT FILE RESULT
    python3 -m rootstream.sandbox.buildroot.additions failed FILE

`note` puts back the modes and hard links that a cache loses, and writes down what the packages that this one
depends on have installed; after its own build, `keep` deletes that, and what was only needed to build. What
stays are the files that it installed or replaced, its stamps, and a record of them; of the build folder, `all`
where other packages read files there, or what modules of a `kernel` are built with. `compare` looks through the
records of all packages: two that write different files to one path, neither of which depends on the other, have
no order between them, so that the result would depend on chance. FILE has what programs looked for in vain
(missed.c): `keep` puts it into the record, `missed` writes that of all packages and of the images to RESULT,
where the whole tree can be looked at; `failed` prints it into the log of a build that has failed, and fails.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import stat
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from rootstream.sandbox.program import CHUNK, Mistake, run_main

INSTALLED = ("host", "target", "images", "staging")
RECORDS = "additions"
LOOKED_FOR = "looked-for"
_ON_A_LINE = 200
_OF_MAKE = re.compile(r"/(RCS|SCCS)(/|$)|,v$|/s\.[^/]*$")  # its implicit rules look for sources in old archives
# What Buildroot, or a later step of its, reads in the build folder of a package that is built.
STATE = (".stamp_", ".files-list")
STATE_FILES = (".config", ".applied_patches_list")
# What modules are built with, of a kernel's build folder: as its own scripts/package/install-extmod-build has it.
_KERNEL = re.compile(
    r"(Makefile|Kbuild|Kconfig|Module\.symvers|localversion)[^/]*|(include|scripts)/.*"
    r"|tools/objtool/objtool|tools/bpf/resolve_btfids/resolve_btfids|arch/[^/]+/(Makefile|Kbuild|Kconfig)[^/]*"
)
_OF_ARCHITECTURE = re.compile(
    r"(.*/)?(include|scripts)/.*|(.*/)?((Makefile|Kbuild|Platform)[^/]*|[^/]+\.lds|crtsavres\.o)"
)
# What a cache keeps of modes.
_FILE, _PROGRAM, _FOLDER = 0o644, 0o755, 0o755
Facts = list[int | str]


def walk(top: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Give everything below a folder, what is in a folder before the folder itself: its path in it, its status."""
    for folder, folders, files in os.walk(top, topdown=False):
        for name in (*files, *folders):
            path = Path(folder, name)
            yield str(path.relative_to(top)), path.lstat()


def installed(output: Path) -> dict[str, Facts]:
    """Return what is installed: for each path what changes if somebody writes it."""
    found: dict[str, Facts] = {}
    for part in INSTALLED:
        top = output / part
        if top.is_symlink():
            found[part] = [str(top.readlink())]
        for path, status in walk(top) if not top.is_symlink() else ():
            kept = f"{part}/{path}"
            if stat.S_ISDIR(status.st_mode):
                found[kept] = [stat.S_IMODE(status.st_mode)]
            elif stat.S_ISLNK(status.st_mode):
                found[kept] = [str((output / kept).readlink())]
            else:
                found[kept] = [status.st_mode, status.st_size, status.st_mtime_ns, status.st_ino]
    return found


def digest(path: Path) -> str:
    """Return what stands for a file: its content and whether it may be executed, or where it leads."""
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        return f"-> {path.readlink()}"
    if not stat.S_ISREG(status.st_mode):
        return str(status.st_mode)
    state = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            state.update(chunk)
    return f"{state.hexdigest()} {bool(status.st_mode & 0o111)}"


def keep(
    output: Path,
    before: Mapping[str, Facts],
    package: str,
    build: str,
    kept: str,
    looked_for: Path,
    licenses: Collection[str] = (),
) -> None:
    """Delete what a package did not add; `kept` says what stays of its build folder beside stamps and licenses.

    Raises `Mistake` for what it deleted of others.
    """
    after = installed(output)
    gone = sorted(before.keys() - after.keys())
    if gone:
        raise Mistake(
            f"{package} deletes {gone[0]}{f' and {len(gone) - 1} more' if gone[1:] else ''}, which other packages "
            "installed: a package that is built by itself can only add files\n"
            "Use `graph: false`, or delete it in a post_build script."
        )
    added = {path for path, facts in after.items() if before.get(path) != facts}
    records = output / RECORDS
    earlier = sorted(path.stem for path in records.iterdir()) if records.is_dir() else []
    for path, status in walk(output):
        place = output / path
        if stat.S_ISDIR(status.st_mode):
            if path not in added and not any(place.iterdir()):
                place.rmdir()
        elif path not in added and not is_kept(path, build, kept, licenses):
            place.unlink()
    records.mkdir(exist_ok=True)
    record = made(output, before, added) | {"after": earlier, "missed": missed(looked_for)}
    (records / f"{package}.json").write_text(json.dumps(record))


def missed(file: Path) -> list[str]:
    """Return what programs looked for in vain, and is not there now."""
    lines = file.read_text(errors="surrogateescape").splitlines() if file.is_file() else []
    return sorted(path for path in set(lines) if not (_OF_MAKE.search(path) or os.path.lexists(path)))


def all_missed(output: Path, looked_for: Path) -> dict[str, list[str]]:
    """Return what was looked for in vain by package, and for the images, which have no name."""
    found = {path.stem: json.loads(path.read_text())["missed"] for path in (output / RECORDS).iterdir()}
    return {name: paths for name, paths in (found | {"": missed(looked_for)}).items() if paths}


def made(output: Path, before: Mapping[str, Facts], added: set[str]) -> dict[str, object]:
    """Return what stands for what was added, and what a cache loses of it: modes, and which files are the same."""
    files: dict[str, str] = {}
    modes: dict[str, int] = {}
    links: dict[str, str] = {}
    regular = ((path, facts) for path, facts in before.items() if len(facts) > 1 and path not in added)
    first = {facts[-1]: path for path, facts in regular}
    for path in sorted(added):
        status = (output / path).lstat()
        mode = stat.S_IMODE(status.st_mode)
        if stat.S_ISDIR(status.st_mode):
            if mode != _FOLDER or path in before:
                modes[path] = mode
            continue
        files[path] = digest(output / path)
        if not stat.S_ISREG(status.st_mode):
            continue
        other = first.setdefault(status.st_ino, path)
        if other != path:
            links[path] = other
        elif mode not in (_FILE, _PROGRAM):
            modes[path] = mode
    return {"files": files, "modes": modes, "links": links}


def put_back(output: Path) -> None:
    """Give what packages installed the modes that it had there, and make its hard links again."""
    records = output / RECORDS
    found = [json.loads(path.read_text()) for path in records.iterdir()] if records.is_dir() else []
    for record in sorted(found, key=lambda each: len(each["after"])):
        for path, mode in record["modes"].items():
            if _is_as_made(output, path, record):
                (output / path).chmod(mode)
        for path, other in record["links"].items():
            same = record["files"][path]
            if all(os.path.lexists(output / each) and digest(output / each) == same for each in (path, other)):
                (output / path).unlink()
                (output / path).hardlink_to(output / other)


def _is_as_made(output: Path, path: str, record: Mapping[str, Mapping[str, str]]) -> bool:
    """Say whether a file is that of a package, and not one that another has put in its place."""
    place = output / path
    if place.is_dir() and not place.is_symlink():
        return path not in record["files"]
    return os.path.lexists(place) and digest(place) == record["files"].get(path)


def is_kept(path: str, build: str, kept: str, licenses: Collection[str] = ()) -> bool:
    """Say whether a file of a build folder (`build`, below the output folder, as `path` is) has to stay."""
    inside = path.removeprefix(f"{build}/")
    if not build or inside == path:
        return False
    if (
        kept == "all"
        or inside in licenses
        or ("/" not in inside and (inside.startswith(STATE) or inside in STATE_FILES))
    ):
        return True
    if kept != "kernel":
        return False
    top, _, rest = inside.partition("/")
    if top == "arch":
        rest = rest.partition("/")[2]
        return bool(_KERNEL.fullmatch(inside) or _OF_ARCHITECTURE.fullmatch(rest))
    return bool(_KERNEL.fullmatch(inside))


def compare(output: Path, below: Mapping[str, list[str]]) -> None:
    """Compare what packages wrote to one path; `below` has the packages that each one is built with.

    Raises `Mistake` for paths that two wrote differently without an order between them.
    """
    writers: dict[str, dict[str, str]] = {}
    for name in below:
        for path, each in json.loads((output / RECORDS / f"{name}.json").read_text())["files"].items():
            writers.setdefault(path, {})[name] = each
    problems = []
    for path, versions in sorted(writers.items()):
        names = sorted(versions, key=lambda name: len(below[name]))
        last = names[-1]
        open_ones = [each for each in names[:-1] if each not in below[last] and versions[each] != versions[last]]
        if open_ones:
            problems.append(
                f"{open_ones[0]} and {last} both install {path}, not the same, and neither depends on the other\n"
                "Use `graph: false`: then the one that make builds last wins."
            )
    if problems:
        raise Mistake(*problems)


def main(options: argparse.Namespace) -> None:
    """Do what the command line says."""
    if options.what == "failed":
        paths = missed(options.file)
        for first in range(0, len(paths), _ON_A_LINE):  # few lines: people read the log for what is above them
            print(f"rootstream: note {LOOKED_FOR}: {json.dumps(paths[first : first + _ON_A_LINE])}")
        raise SystemExit(1)
    if options.what == "note":
        put_back(options.output)
        options.note.write_text(json.dumps(installed(options.output)))
    elif options.what == "keep":
        before = json.loads(options.note.read_text())
        words = (options.package, options.build, options.keep, options.missed, options.license)
        keep(options.output, before, *words)
    elif options.what == "missed":
        options.result.write_text(json.dumps(all_missed(options.output, options.file)))
    else:
        compare(options.output, json.loads(options.order.read_text()))
        put_back(options.output)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="additions")
    commands = parser.add_subparsers(dest="what", required=True)
    for name in ("note", "keep"):
        command = commands.add_parser(name)
        command.add_argument("output", type=Path)
        command.add_argument("note", type=Path)
        if name == "keep":
            command.add_argument("--package", required=True)
            command.add_argument("--build", required=True)
            command.add_argument("--keep", choices=("all", "kernel"), default="")
            command.add_argument("--missed", type=Path, required=True)
            command.add_argument("--license", action="append", default=[])
    commands.add_parser("failed").add_argument("file", type=Path)
    command = commands.add_parser("missed")
    for name in ("output", "file", "result"):
        command.add_argument(name, type=Path)
    command = commands.add_parser("compare")
    command.add_argument("output", type=Path)
    command.add_argument("--order", type=Path, required=True)
    raise SystemExit(run_main(main, parser))
