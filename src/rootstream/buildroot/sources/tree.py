"""The Buildroot tree: pinned by commit or hash, unpacked and patched once in the cache, shared, never touched.

A folder of this machine is used as it is; with patches, a copy of it is.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import posixpath
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rootstream import events
from rootstream.archives import compression, digests, tar_stream
from rootstream.archives.tree import UnpackedTree
from rootstream.buildroot.sources import git, transfer
from rootstream.buildroot.workspace import Caches
from rootstream.description.roots import BuildrootTree, FromAnyFolder
from rootstream.description.system import FromGit, FromTarball
from rootstream.errors import UserError, Where
from rootstream.formats.faults import Fault
from rootstream.host import process

LARGEST = 1 << 31  # bytes of an unpacked tree; Buildroot's is 150 MB
MOST_FILES = 400_000
PATCHING = 300.0
_MAGIC = ((b"\xfd7zXZ", "xz"), (b"\x1f\x8b", "gz"), (b"BZh", "bz2"), (b"\x28\xb5\x2f\xfd", "zst"))
OLDEST = "2019.05"
# The target that all that is known of packages comes from: since 2019.05.
_SHOW_INFO = re.compile(r"^show-info\b", re.MULTILINE)
_VERSION = re.compile(r"^export BR2_VERSION\s*:?=\s*(\S+)", re.MULTILINE)
# What decides single packages only, or none: the files of a package folder, file systems, documentation, Kconfig.
_BESIDE = re.compile(
    r"(package|boot)/[^/]+/|(linux|fs|configs|docs|board|utils|support/testing|support/docker|\.\w+)/"
    r"|(.*/)?Config\.in[^/]*$|CHANGES$|DEVELOPERS$|README$|SECURITY\.md$|COPYING$|\.[^/]*$"
)
SKIPPED = (".git", "output", "dl")  # of a folder that is a tree
_PARTS = ("Makefile", "Config.in", "package/Makefile.in", "support/kconfig/conf.c")


def request(tree: BuildrootTree) -> str | None:
    """Return the words under which the lock keeps a tree, as canonical JSON; None for a folder."""
    if isinstance(tree, FromGit):
        words = {"kind": "buildroot_git", "url": tree.git.url, "track": tree.git.track}
    elif isinstance(tree, FromTarball):
        words = {"kind": "buildroot_tar", "url": tree.tar.url}
        words |= {"sha256": tree.tar.sha256} if tree.tar.sha256 else {}
    else:
        return None
    return json.dumps(words, sort_keys=True, separators=(",", ":"))


def pin(tree: BuildrootTree, *, env: Mapping[str, str], report: events.Reporter) -> dict[str, str]:
    """Return what the lock keeps of a tree: the commit of its branch or tag as of now, or the tarball's hash.

    Raises `UserError` tree-unreachable, unknown-ref, bad-url, download-failed.
    """
    if isinstance(tree, FromGit):
        report(events.Step(name="pin", text=f"querying {tree.git.url} for {tree.git.track}"))
        return {"commit": git.commit_of(tree.git.url, tree.git.track, env)}
    assert isinstance(tree, FromTarball)  # noqa: S101  (folders are not pinned)
    if tree.tar.sha256:
        return {"sha256": tree.tar.sha256}
    caches = Caches.of(env)
    caches.trees.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=caches.trees, prefix=".pin-") as scratch:
        place = Path(scratch) / "tree.tar"
        found = transfer.download(tree.tar.url, place, expected=None, limit=LARGEST, progress=_shown(report))
        kept = _tarball(caches, found)
        kept.parent.mkdir(parents=True, exist_ok=True)
        place.replace(kept)
    return {"sha256": found}


def _tarball(caches: Caches, sha256: str) -> Path:
    return caches.trees.parent / "tarballs" / f"{sha256}.tar"


def _shown(report: events.Reporter) -> transfer.Progress:
    def tell(done: int, total: int, rate: float) -> None:
        report(
            events.Transfer(
                element="buildroot", files_done=0, files_total=1, bytes_done=done, bytes_total=total, rate=rate
            )
        )

    return tell


def folder_of(tree: FromAnyFolder, project: Path) -> Path:
    """Return the folder that a description names, absolute or from the project's."""
    return (project / Path(tree.local).expanduser()).resolve()


def identity(tree: BuildrootTree, ref: Any, patches: tuple[Path, ...], project: Path) -> str:  # noqa: ANN401
    """Return what stands for the content of a tree with its patches.

    A folder is read, but files that did not change since the last time are only looked at.
    """
    state = hashlib.sha256()
    if isinstance(tree, FromAnyFolder):
        state.update(folder_digest(folder_of(tree, project), Caches.of(os.environ)).encode())
    else:
        state.update(json.dumps(ref, sort_keys=True).encode())
    for patch in _patch_files(patches):
        state.update(b"\0" + patch.name.encode("utf-8", "surrogateescape") + b"\0" + patch.read_bytes())
    return state.hexdigest()


def _patch_files(folders: tuple[Path, ...]) -> Iterator[Path]:
    for folder in folders:
        found = sorted(folder.glob("*.patch"), key=lambda path: path.name)
        if not found:
            raise UserError(
                "no-patches",
                "this folder of patches contains no *.patch",
                where=Where(path=folder),
                hint="Patches are files with the suffix .patch, applied in the order of their names.",
            )
        yield from found


def folder_digest(folder: Path, caches: Caches) -> str:
    """Return a digest of all files below a folder: paths, executable bits, contents, targets of links.

    Contents are read again only where size, time or inode changed. Raises `UserError` no-buildroot.
    """
    require(folder)
    return digests.together(listing(folder, caches))


def of_user(tree: BuildrootTree, project: Path) -> tuple[Path, ...]:
    """Return the folder that the description names as a tree, if it names one."""
    return (folder_of(tree, project),) if isinstance(tree, FromAnyFolder) else ()


def listing(folder: Path, caches: Caches) -> dict[str, str]:
    """Return the digest of every file of a tree, by its path in it."""
    note = caches.trees.parent / "local" / (hashlib.sha256(os.fsencode(folder)).hexdigest()[:20] + ".json")
    return digests.listing(folder, note, skip=SKIPPED)


def core(found: Mapping[str, str]) -> str:
    """Return what stands for the parts of a tree that decide every package: all but packages and documentation."""
    return digests.together({name: value for name, value in found.items() if not _BESIDE.match(name)})


def require(folder: Path) -> Path:
    """Return a folder that is a Buildroot tree. Raises `UserError` no-buildroot."""
    if not folder.is_dir():
        hint = "Set `tree: {local: FOLDER}`, relative to the project's folder or as an absolute path."
        raise UserError("no-buildroot", "there is no such folder", where=Where(path=folder), hint=hint)
    missing = next((name for name in _PARTS if not (folder / name).is_file()), None)
    if missing:
        raise UserError(
            "no-buildroot",
            f"is not a Buildroot tree: it has no {missing}",
            where=Where(path=folder),
            hint="`tree:` must name a folder, tarball or repository of Buildroot.",
        )
    return folder


def require_recent(folder: Path) -> None:
    """Raise `UserError` buildroot-too-old for a tree that cannot say which packages it builds."""
    if not _SHOW_INFO.search((folder / "Makefile").read_text("utf-8", "replace")):
        raise UserError(
            "buildroot-too-old",
            f"this is Buildroot {version(folder) or 'of an unknown version'}; at least {OLDEST} is required",
            where=Where(path=folder / "Makefile"),
            hint="Set another one in `tree:` of the root: a branch or tag, a tarball, or a folder.",
        )


def version(folder: Path) -> str:
    """Return the version that a tree gives itself, or an empty text."""
    match = _VERSION.search((folder / "Makefile").read_text("utf-8", "replace"))
    return match[1] if match else ""


def ready(
    tree: BuildrootTree,
    ref: Any,  # noqa: ANN401  (what `pin` gave)
    patches: tuple[Path, ...],
    *,
    project: Path,
    caches: Caches,
    env: Mapping[str, str],
    report: events.Reporter,
    offline: bool = False,
) -> Path:
    """Return the folder of a tree with its patches, made now if it is not in the cache.

    Raises `UserError` tree-unreachable, download-failed, hash-mismatch, bad-archive, patch-failed, no-buildroot;
    no-tree for one that would have to be fetched, where that must be done `offline`.
    """
    if isinstance(tree, FromAnyFolder) and not patches:
        return require(folder_of(tree, project))
    place = caches.trees / identity(tree, ref, patches, project)[:32]
    if place.is_dir():
        return place
    if offline and not isinstance(tree, FromAnyFolder):
        raise UserError(
            "no-tree",
            "Buildroot has not been downloaded yet",
            where=Where(path=place),
            hint="`rootstream fetch` or `rootstream build` downloads it, with everything else that a build needs.",
        )
    with _alone(caches.trees, place.name):
        if place.is_dir():
            return place
        _sweep(caches.trees, place.name)
        scratch = Path(tempfile.mkdtemp(dir=caches.trees, prefix=f".{place.name}."))
        try:
            new = scratch / "tree"
            _fill(tree, ref, new, project=project, caches=caches, env=env, report=report)
            apply(new, patches, env)
            require(new).rename(place)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return place


@contextlib.contextmanager
def _alone(folder: Path, name: str) -> Iterator[None]:
    """Hold one tree of the cache; the kernel lets go when the holder dies."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / f".{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _sweep(folder: Path, name: str) -> None:
    """Delete what interrupted runs left of a tree; its lock is held."""
    for path in folder.glob(f".{name}.*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)


def _fill(
    tree: BuildrootTree,
    ref: Any,  # noqa: ANN401
    new: Path,
    *,
    project: Path,
    caches: Caches,
    env: Mapping[str, str],
    report: events.Reporter,
) -> None:
    if isinstance(tree, FromAnyFolder):
        source = folder_of(tree, project)
        report(events.Step(name="tree", text=f"copying {source}"))
        shutil.copytree(source, new, symlinks=True, ignore=_not_ours(source))
    elif isinstance(tree, FromGit):
        report(events.Step(name="tree", text=f"downloading Buildroot {tree.git.track} from {tree.git.url}"))
        bare = git.fetch(caches.trees.parent / "git", tree.git.url, ref["commit"], tree.git.track, env)
        git.unpack(bare, ref["commit"], new, env)
    else:
        kept = _tarball(caches, ref["sha256"])
        if not kept.is_file():
            report(events.Step(name="tree", text=f"fetching {tree.tar.url}"))
            transfer.download(tree.tar.url, kept, expected=ref["sha256"], limit=LARGEST, progress=_shown(report))
        report(events.Step(name="tree", text="unpacking Buildroot"))
        unpack(kept, new)


def _not_ours(source: Path) -> Any:  # noqa: ANN401  (what shutil calls an ignore function)
    def ignored(folder: str, names: list[str]) -> set[str]:
        return {name for name in names if name in SKIPPED} if Path(folder) == source else set()

    return ignored


def _leads_out(member: tar_stream.Member) -> bool:
    """Say whether a symbolic link points to somewhere outside of the archive."""
    if member.kind is not tar_stream.MemberKind.SYMLINK:
        return False
    target = posixpath.normpath(posixpath.join(posixpath.dirname(member.name), member.target))
    return target.startswith("/") or target.split("/")[0] == ".."


def unpack(archive: Path, place: Path) -> None:
    """Unpack a tarball of any compression, without its single top folder. Raises `UserError` bad-archive."""
    place.mkdir(parents=True)
    writer = UnpackedTree(str(place))
    total = count = 0

    def take(member: tar_stream.Member, content: Iterator[memoryview]) -> None:
        nonlocal total, count
        total += member.size
        count += 1
        if total > LARGEST or count > MOST_FILES:
            raise Fault("unsafe-archive", f"more than {LARGEST} bytes or {MOST_FILES} files when unpacked")
        if member.kind is tar_stream.MemberKind.OTHER or _leads_out(member):
            raise Fault("unsafe-archive", f"{member.name!r} is a device, or a link that leads out of the archive")
        writer.take(member, content)

    try:
        with archive.open("rb") as file:
            begin = file.read(6)
            file.seek(0)
            suffix = next((suffix for magic, suffix in _MAGIC if begin.startswith(magic)), "")
            tar_stream.members(tar_stream.Stream(compression.blocks(file.read, suffix)), take)
    except (Fault, OSError) as error:
        raise UserError("bad-archive", f"cannot be unpacked: {error}", where=Where(path=archive)) from error
    if not count:
        raise UserError("bad-archive", "cannot be unpacked: the archive is empty", where=Where(path=archive))
    inner = list(place.iterdir())
    if len(inner) == 1 and inner[0].is_dir() and not inner[0].is_symlink():
        top = place.with_name(f"{place.name}.top")
        inner[0].rename(top)
        place.rmdir()
        top.rename(place)


def apply(tree: Path, patches: tuple[Path, ...], env: Mapping[str, str]) -> None:
    """Apply the patches of some folders to a tree. Raises `UserError` patch-failed with what `patch` said."""
    for patch in _patch_files(patches):
        argv = ["patch", "-p1", "--forward", "--batch", "--fuzz=0", "--no-backup-if-mismatch", "-d", str(tree)]
        done = process.run([*argv, "-i", str(patch)], env={**env, "LC_ALL": "C"}, timeout=PATCHING, check=False)
        if done.status != 0:
            raise UserError(
                "patch-failed",
                "does not apply to this Buildroot",
                where=Where(path=patch),
                detail=process.tail(done.stdout or done.stderr),
                hint="It was made for another version: update it, or remove it from `patches:`.",
            )
