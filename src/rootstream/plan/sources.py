"""Where source trees come from, as sources of elements, and how to get at the tree in the sandbox."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from rootstream.description.layers import PythonGit
from rootstream.description.model import Debian
from rootstream.description.system import FromDebian, FromFolder, FromGit, FromTarball, GitRepository, SourceTree
from rootstream.plan.model import Json, Source

# BuildStream imports a source file by file, minutes for a kernel: tarballs are unpacked in the sandbox.
TARBALL = "source.tar"
# The build folder of the sandbox lies on FUSE, where unpacking a kernel takes 25 s and capturing it afterwards
# 20 s; in memory it takes 4 s and 0. A host with little memory gets the build folder all the same.
WORK = "work"
MEMORY = "/tmp/work"  # noqa: S108  (in the sandbox)
MEMORY_NEEDED = 4_000_000  # in KiB
MAKE_WORK = (
    f"if [ $(df --output=avail -k /tmp | tail -n 1) -gt {MEMORY_NEEDED} ]; "
    f"then mkdir {MEMORY} && ln -s {MEMORY} {WORK}; else mkdir {WORK}; fi"
)

# Where the plan has the keys of apt repositories, named by their SHA-256.
APT_KEYS = "files/apt-keys"

# Releases whose updates come in suites of their own; what has no release (sid, experimental) has none.
RELEASES = ("bullseye", "bookworm", "trixie", "forky", "stable", "oldstable")
UPDATES = ("updates", "security")


def with_updates(suite: str, also: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return a suite with those beside it: what is given, or the updates of a release."""
    if also is not None:
        return (suite, *also)
    return (suite, *(f"{suite}-{kind}" for kind in UPDATES)) if suite in RELEASES else (suite,)


def suites_with_updates(suites: tuple[str, ...], also: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return the suites of a project with those beside them; who names several has chosen."""
    if len(suites) == 1:
        return with_updates(suites[0], also)
    return (*suites, *(also or ()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpacked:
    """Sources of an element, and the commands that make the source tree in the folder work/tree of the sandbox."""

    sources: tuple[Source, ...]
    commands: tuple[str, ...]


def local(path: str, *, directory: str | None = None) -> Source:
    """Return a source made of a file or folder of the plan."""
    return Source(kind="local", words={"path": path}, locked=False, directory=directory)


def git(repository: GitRepository | PythonGit, *, directory: str) -> Source:
    """Return a Git repository as a source; its submodules are read only where the description asks for them."""
    return Source(
        kind="git",
        words={"url": repository.url, "track": repository.track},
        free={"checkout-submodules": repository.submodules},
        locked=True,
        directory=directory,
    )


def debian_packages(
    debian: Debian,
    architecture: str,
    packages: tuple[str, ...],
    *,
    suites: tuple[str, ...] = (),
    components: tuple[str, ...] = ("main",),
    recommends: bool = False,
    essential: bool = False,
    database: Mapping[str, Json] | None = None,
    without: tuple[str, ...] = (),
    repositories: Sequence[Json] = (),
) -> Source:
    """Return a whole set of Debian packages as a source; `architecture` is Debian's word (amd64).

    `suites` are the project's unless given; `essential` adds what every Debian has; `database` are the words for
    dpkg's database. `without` are packages of another element that it is used with: neither they nor what they
    need is in it. `repositories` are further ones, their keys by SHA-256 (see `APT_KEYS`).
    """
    free: dict[str, Json] = {"mirrors": list(debian.mirrors)} if debian.mirrors else {}
    beside = {"without": sorted(set(without)), "fixups": False} if without else {}
    return Source(
        kind="debian_packages",
        words={
            "suites": list(suites or debian.suites),
            "architecture": architecture,
            "components": list(components),
            "packages": sorted(set(packages)),
            "recommends": recommends,
            **({"essential": True} if essential else {}),
            **({"repositories": list(repositories)} if repositories else {}),
            **(database or {}),
            **beside,
        },
        free=free | ({"keys": APT_KEYS} if repositories else {}),
        locked=True,
    )


def source_tree(
    tree: SourceTree, debian: Debian, *, package: str, folder: PurePosixPath | None = None
) -> Unpacked:
    """Return the sources for a tree; `package` is its default name as a Debian source package.

    `folder` is where a folder of the project was put in the plan.
    """
    if isinstance(tree, FromDebian):
        return _from_debian(tree, debian, package)
    if isinstance(tree, FromTarball):
        words = {"url": tree.tar.url, "filename": TARBALL}
        given = {"ref": tree.tar.sha256} if tree.tar.sha256 else {}
        source = Source(kind="remote", words={**words, **given}, locked=not given)
        return Unpacked(sources=(source,), commands=(MAKE_WORK, *_unpack(TARBALL)))
    if isinstance(tree, FromGit):
        return Unpacked(sources=(git(tree.git, directory="tree"),), commands=_staged())
    assert isinstance(tree, FromFolder)  # noqa: S101  (the last of the four)
    assert folder is not None  # noqa: S101  (the caller put it there)
    return Unpacked(sources=(local(str(folder)),), commands=(MAKE_WORK, *_unpack(TARBALL)))


def _from_debian(tree: FromDebian, debian: Debian, package: str) -> Unpacked:
    chosen = tree.debian
    words = {
        "package": chosen.package or package,
        "suites": [chosen.suite] if chosen.suite else list(debian.suites),
        "version": chosen.version or "",
        "patches": chosen.patches,
        "unpack": chosen.patches,
        "filename": "" if chosen.patches else TARBALL,
    }
    source = Source(
        kind="debian_source",
        words=words,
        free={"mirrors": list(debian.mirrors)} if debian.mirrors else {},
        locked=True,
        directory="tree" if chosen.patches else None,
    )
    return Unpacked(
        sources=(source,),
        commands=_staged() if chosen.patches else (MAKE_WORK, *_unpack(TARBALL)),
    )


def _staged() -> tuple[str, ...]:
    return (MAKE_WORK, f"mv tree {WORK}/tree")


def _unpack(tarball: str) -> tuple[str, ...]:
    return (
        f"mkdir {WORK}/tree",
        f"tar -xf {tarball} -C {WORK}/tree --strip-components=1 --no-same-owner",
        f"rm {tarball}",
    )


def compiling(command: str) -> str:
    """Return a command that, when it fails, leaves the work folder where `rootstream shell` finds it."""
    return f"{command} || {{ [ ! -L {WORK} ] || {{ rm {WORK}; cp -a {MEMORY} {WORK}; }}; false; }}"
