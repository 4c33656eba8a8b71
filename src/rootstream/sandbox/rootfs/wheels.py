"""Install wheels for a Python of another root into a tar: files in place, console scripts, byte code.

The format is PyPA's binary distribution format 1.0 (PEP 427). Run as `python3 -m rootstream.sandbox.rootfs.wheels
--python 3.13 --site /usr/lib/python3/... -o python.tar FILE.whl ...`.
"""

from __future__ import annotations

import argparse
import base64
import configparser
import csv
import hashlib
import io
import multiprocessing
import os
import py_compile
import re
import struct
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from email.parser import HeaderParser
from pathlib import Path, PurePosixPath

from rootstream.sandbox.program import Mistake, run_main, source_date_epoch, whole_file
from rootstream.sandbox.tar_files import write_tar
from rootstream.sandbox.tree import Tree, clean, text_file

ENTRY = re.compile(r"([A-Za-z_][\w.]*)\s*:\s*([A-Za-z_][\w.]*)\s*(?:\[.*\])?")
SCRIPT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
MOST_BYTES = 1 << 32
# Of what a wheel unpacks to, as it lies in memory: deflate reaches a factor of 1000, wheels of libraries 10.
MOST_FACTOR = 100
ALWAYS = 16 << 20  # bytes that a wheel of any size may unpack to
# What the zip reader raises for a damaged archive beside BadZipFile: other methods, encryption, wild offsets.
DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    ValueError,
    IndexError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    struct.error,
)
SCRIPT = """#!{python}
import sys
from {module} import {first}
if __name__ == "__main__":
    sys.argv[0] = sys.argv[0].removesuffix(".exe")
    sys.exit({call}())
"""
# Where the parts of a wheel's .data folder go, below the prefix; purelib and platlib go to the site folder.
SCHEMES = {"data": "", "headers": "include/"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where things go in the root: the site folder, the prefix, the path of the interpreter."""

    site: str
    prefix: str
    python: str

    @property
    def scripts(self) -> str:
        """Return the folder of programs."""
        return f"{self.prefix}/bin"


@dataclass(slots=True)
class Installed:
    """What a wheel becomes: contents and modes by path in the root, without the leading slash."""

    name: str
    record: str
    files: dict[str, tuple[int, bytes]] = field(default_factory=dict)


def install(path: Path, places: Places) -> Installed:
    """Return the files of a wheel in their places; `Mistake` if it is not a sound wheel."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = path.stat().st_size
            if any(info.compress_size > size for info in archive.infolist()):
                raise Mistake(f"{path.name} is not a valid wheel: a file in it is larger than the wheel")
            return _install(path.name, archive, places, most=ALWAYS + MOST_FACTOR * size)
    except DAMAGED as error:
        raise Mistake(f"{path.name} is not a valid wheel: {error}") from error


def _install(file: str, archive: zipfile.ZipFile, places: Places, *, most: int) -> Installed:
    members = [info for info in archive.infolist() if not info.is_dir()]
    most = min(most, MOST_BYTES)
    if sum(info.file_size for info in members) > most:
        raise Mistake(f"{file} unpacks to more than {most} bytes")
    infos = {name.split("/")[0] for name in archive.namelist() if name.split("/")[0].endswith(".dist-info")}
    if len(infos) != 1:
        raise Mistake(f"{file} has {len(infos)} folders *.dist-info instead of one")
    info = infos.pop()
    version = HeaderParser().parsestr(archive.read(f"{info}/WHEEL").decode())["Wheel-Version"] or ""
    if version.split(".")[0] != "1":
        raise Mistake(f"{file} has the unknown format {version!r}")
    site = places.site.lstrip("/")
    made = Installed(name=file, record=f"{site}/{info}/RECORD")
    for member in members:
        name = clean(member.filename, file)
        if name in (f"{info}/RECORD", f"{info}/RECORD.jws", f"{info}/RECORD.p7s"):
            continue
        where, script = _place(name, info.removesuffix(".dist-info") + ".data", places)
        content = archive.read(member)
        if script and content.startswith(b"#!python"):
            content = b"#!" + places.python.encode() + content[content.find(b"\n") :]
        executable = script or (member.external_attr >> 16) & 0o111
        made.files[where] = (0o755 if executable else 0o644, content)
    if f"{info}/entry_points.txt" in archive.namelist():
        text = archive.read(f"{info}/entry_points.txt").decode()
        for name, content in _scripts(text, places.python, file):
            made.files[f"{places.scripts.lstrip('/')}/{name}"] = (0o755, content)
    made.files[f"{site}/{info}/INSTALLER"] = (0o644, b"rootstream\n")
    return made


def _place(name: str, data: str, places: Places) -> tuple[str, bool]:
    """Return where a member goes, and whether it is a program."""
    first, _, rest = name.partition("/")
    if first != data:
        return f"{places.site}/{name}".lstrip("/"), False
    scheme, _, inner = rest.partition("/")
    if scheme in ("purelib", "platlib"):
        return f"{places.site}/{inner}".lstrip("/"), False
    if scheme == "scripts":
        return f"{places.scripts}/{inner}".lstrip("/"), True
    if scheme in SCHEMES:
        return f"{places.prefix}/{SCHEMES[scheme]}{inner}".lstrip("/"), False
    raise Mistake(f"{name}: the folder {scheme} of a wheel is not known")


def _scripts(text: str, python: str, file: str) -> Iterator[tuple[str, bytes]]:
    """Yield the name and text of each program that entry points name (PyPA: entry points specification)."""
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]  # names keep their case
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise Mistake(f"{file}: its entry points cannot be read: {error}") from error
    for section in ("console_scripts", "gui_scripts"):
        for name, value in parser.items(section) if parser.has_section(section) else ():
            match = ENTRY.fullmatch(value.strip())
            if match is None or not SCRIPT_NAME.fullmatch(name):
                raise Mistake(f"{file}: the entry point {name!r} = {value!r} cannot become a program")
            call = match[2]
            script = SCRIPT.format(python=python, module=match[1], first=call.split(".")[0], call=call)
            yield name, script.encode()


def record(made: Installed) -> bytes:
    """Return RECORD, what pip lists and removes a package by: paths from the site folder, hashes, sizes."""
    base = str(PurePosixPath(made.record).parent.parent)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for path in sorted(made.files):
        content = made.files[path][1]
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        writer.writerow((os.path.relpath(path, base), f"sha256={digest}", len(content)))
    writer.writerow((os.path.relpath(made.record, base), "", ""))
    return out.getvalue().encode()


def byte_code(files: dict[str, tuple[int, bytes]]) -> dict[str, tuple[int, bytes]]:
    """Return the byte code of the modules among files, each checked by nothing but its place (PEP 552).

    What does not compile (templates, code for other Pythons) is left out, as pip does.
    """
    made = {}
    with tempfile.TemporaryDirectory() as scratch:
        source, compiled = Path(scratch, "module.py"), Path(scratch, "module.pyc")
        for path in sorted(files):
            if not path.endswith(".py") or "/bin/" in path:
                continue
            source.write_bytes(files[path][1])
            try:
                py_compile.compile(
                    str(source),
                    cfile=str(compiled),
                    dfile=f"/{path}",
                    doraise=True,
                    invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
                )
            except (py_compile.PyCompileError, ValueError, RecursionError):
                continue
            folder, _, name = path.rpartition("/")
            tag = sys.implementation.cache_tag
            made[f"{folder}/__pycache__/{name.removesuffix('.py')}.{tag}.pyc"] = (0o644, compiled.read_bytes())
    return made


def _whole(path: Path, places: Places, compiled: bool) -> Installed:
    made = install(path, places)
    if compiled:
        made.files |= byte_code(made.files)
    made.files[made.record] = (0o644, record(made))
    return made


def write(wheels: list[Path], places: Places, output: Path, *, compiled: bool) -> None:
    """Write a tar of all wheels; `Mistake` where two hold different files of one name."""
    tree, owners = Tree(), dict[str, tuple[str, bytes]]()
    # Each wheel in a fresh process: what was compiled before may show in the bytes of byte code.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_tasks_per_child=1, mp_context=context) as pool:
        done = pool.map(_whole, wheels, [places] * len(wheels), [compiled] * len(wheels))
        for made in done:
            for path, (mode, content) in sorted(made.files.items()):
                first = owners.setdefault(path, (made.name, content))
                if first[1] != content:
                    raise Mistake(f"{first[0]} and {made.name} both have /{path}, with different contents")
                tree.put(path, text_file(content, mode, origin=made.name))
    with whole_file(output) as draft, draft.open("wb") as file:
        write_tar(tree, file, source_date_epoch())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="wheels", description=__doc__)
    parser.add_argument("--python", required=True, metavar="3.N", help="version of the root's Python")
    parser.add_argument("--site", required=True, help="folder of the root for packages")
    parser.add_argument("--prefix", default="/usr/local", help="what bin/ and data of packages are below")
    parser.add_argument("--byte-code", action="store_true", help="compile, if this Python is of that version")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("wheels", type=Path, nargs="*")
    return parser


def _main(options: argparse.Namespace) -> None:
    places = Places(site=options.site, prefix=options.prefix, python="/usr/bin/python3")
    same = options.python == "{}.{}".format(*sys.version_info)
    write(sorted(options.wheels), places, options.output, compiled=options.byte_code and same)


if __name__ == "__main__":
    sys.exit(run_main(_main, _parser()))
