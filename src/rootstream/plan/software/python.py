"""Layer `python`: wheels for the root's own Python, installed in the sandbox into a tar that is laid over it."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Mapping

from rootstream.architectures import ARCHITECTURES, Architecture
from rootstream.description.layers import PythonPackages
from rootstream.description.model import Debian
from rootstream.errors import UserError
from rootstream.plan import base, programs
from rootstream.plan.model import Dependency, Element, Source, short_hash
from rootstream.plan.sources import debian_packages, git, local

# Suite: the version of its python3, and the minor version of its glibc.
PYTHONS = {"bookworm": ("3.11", 36), "trixie": ("3.13", 41), "forky": ("3.14", 41), "sid": ("3.14", 41)}
OLDEST_GLIBC = 36
FILE = "python.tar"
BUILD_SDISTS = """set -e
for file in wheels/source/*.tar.*; do
  [ -e "$file" ] || continue
  name=$(basename "$file")
  mkdir "trees/$name"
  tar -xf "$file" -C "trees/$name" --strip-components=1 --no-same-owner
  {pip} "./trees/$name"
done
"""
BUILDING = ("binutils", "g++", "gcc", "libc6-dev", "make", "pkgconf", "python3-dev")


def version_of(layer: PythonPackages, suite: str) -> str | None:
    """Return the version of Python that packages are for, None if it is not known."""
    return layer.version or PYTHONS.get(suite, (None, 0))[0]


def element(
    layer: PythonPackages,
    texts: Mapping[str, str],
    *,
    suites: tuple[str, ...],
    arch: Architecture,
    epoch: int,
    debian: Debian,
) -> tuple[tuple[Element, ...], dict[str, bytes], str]:
    """Return the elements (the last holds the tar), the files that pip reads, and the path of the tar.

    `texts` holds the requirement and constraint files, `suites` are those of the root.
    """
    suite = suites[0]
    python = version_of(layer, suite)
    if python is None:
        hint = 'Set it: `python: {version: "3.13", ...}`.'
        raise UserError("python-unknown", f"python: the version of Python in {suite} is unknown", hint=hint)
    folder, digest, files = lists_of(layer, texts)
    source = wheels_source(python, arch, PYTHONS.get(suite, ("", OLDEST_GLIBC))[1], folder, digest, "wheels")
    sources, commands, below = _building(layer, source, folder)
    place = f"/python-{short_hash(digest, [each.request() for each in sources])}"
    commands = (f'mkdir -p "%{{install-root}}{place}"', *commands, _installing(layer, python, place, built=below))
    builder = _builder(layer, debian, suites, arch) if below else None
    made = Element(
        name=f"python-{arch}-{short_hash([each.request() for each in sources], commands, epoch)}.bst",
        kind="manual",
        description=f"Packages for Python {python} on {arch}",
        ships="python",
        builds_with=(
            Dependency(element=builder.name if builder else base.NAME),
            Dependency(element=programs.IMAGES),
        ),
        sources=sources,
        commands=commands,
        variables={"strip-binaries": ""},
        environment={"SOURCE_DATE_EPOCH": str(epoch)},
    )
    return ((builder, made) if builder else (made,)), files, f"{place}/{FILE}"


def lists_of(layer: PythonPackages, texts: Mapping[str, str]) -> tuple[str, str, dict[str, bytes]]:
    """Return the folder of a layer's requirement and constraint lists in a plan, their digest, and the files."""
    wanted = [*layer.install, *(line for path in layer.requirements for line in texts[path].splitlines())]
    limits = [line for path in layer.constraints for line in texts[path].splitlines()]
    lists = {
        f"{name}.txt": "".join(f"{line}\n" for line in lines).encode()
        for name, lines in (("requirements", wanted), ("constraints", limits))
    }
    digest = hashlib.sha256(b"\0".join(lists[name] for name in sorted(lists))).hexdigest()[:16]
    folder = f"files/python-{digest}"
    return folder, digest, {f"{folder}/{name}": content for name, content in lists.items()}


def wheels_source(
    python: str, machine: str, glibc: int, folder: str, digest: str, directory: str | None = None
) -> Source:
    """Return the source of wheels for a Python: the files of the lists are in a folder of the plan."""
    return Source(
        kind="python_wheels",
        words={
            "python": python,
            "machine": machine,
            "glibc": glibc,
            "requirements": f"{folder}/requirements.txt",
            "constraints": f"{folder}/constraints.txt",
            "digest": digest,
        },
        locked=True,
        directory=directory,
    )


def _installing(layer: PythonPackages, python: str, place: str, *, built: bool) -> str:
    """Return the command that installs wheels, those that were built among them, into a tar."""
    words = [f"PYTHONPATH={programs.FOLDER} python3 -m {programs.module('rootfs.wheels')} --python {python}"]
    words += [f"--site /usr/local/lib/python{python}/dist-packages --prefix /usr/local"]
    if layer.byte_code:
        words.append("--byte-code")
    found = "$(ls wheels/*.whl built/*.whl 2>/dev/null)" if built else "wheels/*.whl"
    words.append(f'--output "%{{install-root}}{place}/{FILE}" {found}')
    return " \\\n  ".join(words)


def _building(
    layer: PythonPackages, source: Source, folder: str
) -> tuple[tuple[Source, ...], tuple[str, ...], bool]:
    """Return the sources of a layer, the commands that build those that are no wheels, and whether there are any.

    What is built knows neither a network nor the folder that it was built in: pip takes what it builds with from
    the wheels beside it, and debugging information, which names folders, is left out.
    """
    if not layer.from_source and not layer.git:
        return (source,), (), False
    words = {
        **source.words,
        "sdists": list(layer.from_source),
        "trees": [f"git/{_normal(each.name)}" for each in layer.git],
        "build": list(layer.build_requires),
    }
    trees = tuple(git(each, directory=f"git/{_normal(each.name)}") for each in layer.git)
    packages = Source(kind="python_sources", words=words, locked=True)
    pip = (
        "PYTHONPATH=$(ls wheels/build/pip-*.whl) python3 -m pip wheel "
        "--quiet --no-index --no-deps --no-cache-dir --disable-pip-version-check "
        "--find-links wheels/build --wheel-dir built"
    )
    commands = [
        "mkdir built trees; mkdir -p wheels/build wheels/source",
        "export CFLAGS=-g0 CXXFLAGS=-g0 LDFLAGS=-s",
        BUILD_SDISTS.format(pip=pip),
    ]
    for each in layer.git:
        given = ""
        if each.version:
            names = ("PBR_VERSION", "SETUPTOOLS_SCM_PRETEND_VERSION")
            given = "".join(f"{name}={shlex.quote(each.version)} " for name in names)
        commands.append(f"{given}{pip} ./git/{_normal(each.name)}")
    return (local(folder, directory="lists"), *trees, packages), tuple(commands), True


def _normal(name: str) -> str:
    """Return a package's normalized name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _builder(layer: PythonPackages, debian: Debian, suites: tuple[str, ...], arch: Architecture) -> Element:
    """Return the packages of the root's own suite that sources are built with: its compiler, its Python."""
    packages = (*base.ESSENTIAL, *BUILDING, *layer.build_packages)
    source = debian_packages(debian, ARCHITECTURES[arch].debian_word, packages, suites=suites)
    return Element(
        name=f"python-builder-{suites[0].replace('/', '-')}-{short_hash(source.request())}.bst",
        kind="import",
        description=f"Compiler and Python of {'+'.join(suites)}",
        sources=(source,),
    )
