"""What stands in a folder of sources for people and for programs: README.md and sources.json."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rootstream import __version__
from rootstream.verbs.collection import Stored

README, LIST = "README.md", "sources.json"
_TITLES = {
    "debian": "Debian packages",
    "tree": "Programs that are built from their own source trees",
    "python": "Python packages",
    "own": "Own software",
    "buildroot": "Buildroot",
    "elements": "Elements of BuildStream",
    "tools": "Tools",
}
_HOW = {
    "debian": """\
Each folder is a source package of Debian, with Debian's patches. On a Debian system of the same release:

    cd debian/NAME_VERSION
    dpkg-source -x *.dsc
    cd NAME-*/
    apt-get build-dep .
    dpkg-buildpackage -us -uc -b
""",
    "tree": """\
Each folder has the archives or files that a program is built from. Files of Debian with `.debian.tar` or `.diff`
in their names are patches; they are applied only where the list says so. The commands, configuration fragments and
programs that build it are in `plan/`, a project of BuildStream: the element that is named below has the commands
in their order, and can be read without any tool. With Rootstream {version} and BuildStream, it is built as it was:

    cd plan
    ROOTSTREAM_FETCHED="$(cd .. && pwd)" bst build ELEMENT
    bst artifact checkout --deps none --directory result ELEMENT

What it is built with is downloaded, unless the folder `tools` has it.
""",
    "python": """\
Source archives, and wheels that contain nothing but their source. Installed with pip:

    pip install --no-index --no-deps python/FILE
""",
    "own": "Each archive is a folder of the project, which is built in the way that its own files say.\n",
    "tools": "Compilers and other tools, as binary packages of Debian, by their hashes.\n",
    "elements": """\
`elements/project` is the project with the commands of each element, `elements/sources` has the sources of each, as
its sandbox gets them, also of those that build others. With BuildStream:

    cd elements/project
    bst build ELEMENT

What is not in the project is downloaded. Without a network, run the commands of an element in its sources.
""",
    "buildroot": """\
`tree` is Buildroot with its patches (`tree/package/NAME/*.patch`), `external-*` are further trees, `config` is the
configuration, `dl` has the downloads. To build a package as it was built, without a network:

    mkdir output && cp config output/.config
    make -C tree O="$PWD/output" BR2_DL_DIR="$PWD/dl" BR2_EXTERNAL="{externals}" olddefconfig
    make -C tree O="$PWD/output" BR2_DL_DIR="$PWD/dl" PACKAGE
""",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A component: where its source is in the folder, and what of the system is built from it.

    `element` builds it, `patched` says that patches beside it are applied, `more` are words for the instructions.
    """

    name: str
    version: str | None
    kind: str
    folder: str
    of: tuple[str, ...] = ()
    element: str | None = None
    patched: bool = False
    more: str = ""


@dataclass(slots=True, kw_only=True)
class Collected:
    """What the folder is going to have: rows for its list, files by their places, what could not be had.

    `beside` is what a configuration names on the machine that it was built on.
    """

    rows: list[Row] = field(default_factory=list)
    files: list[Stored] = field(default_factory=list)
    missing: list[tuple[str, str]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)


def write(folder: Path, target: str, found: Collected) -> None:
    """Write both files."""
    told = {
        "system": target,
        "rootstream": __version__,
        "sources": [{key: value for key, value in asdict(row).items() if value} for row in found.rows],
        "missing": [{"name": name, "reason": reason} for name, reason in found.missing],
        "left_out": list(found.left_out),
        **({"beside": list(found.beside)} if found.beside else {}),
    }
    (folder / LIST).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    (folder / README).write_text("\n".join(_lines(target, found)) + "\n", encoding="utf-8")


def _lines(target: str, found: Collected) -> Iterator[str]:
    yield f"# Sources of {target}"
    yield ""
    yield f"Written by Rootstream {__version__}. `{LIST}` has the same for programs; `sha256` has links by hash."
    for kind, title in _TITLES.items():
        rows = [row for row in found.rows if row.kind == kind]
        if not rows:
            continue
        yield f"\n## {title}\n"
        yield _HOW[kind].replace("{version}", __version__).replace("{externals}", rows[0].more)
        for row in rows:
            yield _line(row)
    if found.beside:
        yield "\nThe configuration names these, which were on the machine that it was built on:\n"
        yield from (f"- {each}" for each in found.beside)
    yield "\n## What is missing\n"
    yield from (f"- {name}: {reason}" for name, reason in found.missing)
    if not found.missing:
        yield "Nothing that Rootstream knows of."
    if found.left_out:
        yield f"\nLeft out, as the project's own software: {', '.join(found.left_out)}."


def _line(row: Row) -> str:
    words = [f"- {row.name}", row.version or "(version unknown)", f"in `{row.folder}`"]
    words += [f"element `{row.element}`"] if row.element else []
    words += ["patches are applied"] if row.patched else []
    words += [f"for {', '.join(row.of)}"] if row.of else []
    return " ".join(words[:2]) + ", " + ", ".join(words[2:])
