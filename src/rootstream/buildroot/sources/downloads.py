"""Everything that a configuration downloads, by content: each file is looked for in several places.

In order: what is there, the description's mirrors, Buildroot's own and upstream, Debian's pool. What has no strong
hash, and what is on none of these, is left to Buildroot's own download wrapper, which also knows Git and the like.
"""

from __future__ import annotations

import json
import re
import threading
import time
import urllib.error
import urllib.parse
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from rootstream.buildroot import info
from rootstream.buildroot.info import BuildrootPackage
from rootstream.buildroot.sources import debian_pool, transfer, unhashed
from rootstream.buildroot.workspace import Workspace
from rootstream.errors import UserError
from rootstream.events import Reporter, Step, Transfer
from rootstream.project.lock import write_atomically

NOTE = ".checked.json"
AT_ONCE = 8
SILENCE = 15.0
PAUSE = 0.5  # seconds before a connection that failed is tried again
NO_PINS: Mapping[str, str] = MappingProxyType({})
STRONG = ("sha512", "sha384", "sha256")
_METHOD = re.compile(r"(https?|ftp|file)(\|[\w|]+)?\+(.*)", re.DOTALL)
_HASH = re.compile(r"(sha256|sha384|sha512)\s+([0-9a-fA-F]+)\s+(\S+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A file to download: its package, its place, its strongest hash (algorithm and value), where it may be."""

    package: str
    place: Path
    algorithm: str
    digest: str
    sha256: str
    urls: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What became of the downloads: file names by where they were found; `missing` with every place tried."""

    there: tuple[str, ...] = ()
    fetched: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    left: tuple[str, ...] = ()

    @property
    def packages(self) -> tuple[str, ...]:
        """Return the packages of which Buildroot must get something itself."""
        return tuple(dict.fromkeys(each.partition(": ")[0] for each in (*self.missing, *self.left)))


def hashes_of(
    package: BuildrootPackage, tree: Path, pins: Mapping[str, str] = NO_PINS
) -> dict[str, dict[str, str]]:
    """Return the strong hashes of a package's files, by name and algorithm (Buildroot's manual, .hash file).

    `pins` is what the lock has of files that no hash file names, by their path.
    """
    found: dict[str, dict[str, str]] = {}
    for name in package.hashes:
        try:
            lines = (tree / name).read_text("utf-8", "replace").splitlines()
        except OSError:
            continue
        for line in lines:
            match = _HASH.fullmatch(line.strip())
            if match:
                found.setdefault(match[3], {})[match[1]] = match[2].lower()
    for source, _ in package.downloads:
        name = source.rpartition("/")[2]
        path = f"{package.download_folder}/{name}"
        if path in pins and name not in found:
            found[name] = {"sha256": pins[path]}
    return found


def wanted(
    packages: Iterable[BuildrootPackage],
    tree: Path,
    downloads: Path,
    mirrors: tuple[str, ...],
    pins: Mapping[str, str] = NO_PINS,
) -> tuple[tuple[Wanted, ...], tuple[str, ...]]:
    """Return the files that can be looked for by content, and those that are left to Buildroot."""
    found: dict[Path, Wanted] = {}
    left: dict[str, None] = {}
    for package in packages:
        known = hashes_of(package, tree, pins)
        for source, uris in package.downloads:
            name = source.rpartition("/")[2]
            folder = downloads / package.download_folder
            strong = next((word for word in STRONG if word in known.get(name, {})), None)
            addresses = [_METHOD.fullmatch(uri) for uri in uris]
            plain = [match[3] for match in addresses if match]
            if strong is None or not (plain or mirrors) or ".." in source:
                left[f"{package.name}: {source}"] = None
                continue
            layouts = (f"{package.download_folder}/{name}", name)
            # as Buildroot before 2018.08 kept them, and still takes them
            urls = [(downloads / name).as_uri()] if (downloads / name).is_file() else []
            urls += [f"{mirror.rstrip('/')}/{layout}" for mirror in mirrors for layout in layouts]
            urls += [f"{uri.rstrip('/')}/{urllib.parse.quote(source, safe='/+~@:')}" for uri in plain]
            found[folder / name] = Wanted(
                package=package.name,
                place=folder / name,
                algorithm=strong,
                digest=known[name][strong],
                sha256=known[name].get("sha256", ""),
                urls=tuple(dict.fromkeys(urls)),
            )
    return tuple(found.values()), tuple(left)


@dataclass(slots=True)
class _Fetching:
    """One run: what has come so far, and hosts that did not answer."""

    report: Reporter
    total: int
    done: int = 0
    received: dict[str, tuple[int, int]] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)
    shown: float = 0.0
    dead: dict[str, str] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def progress(self, name: str, done: int, total: int) -> None:
        with self.lock:
            self.received[name] = (done, total)
            now = time.monotonic()
            if now - self.shown >= transfer.SHOWN_EVERY:
                self.shown = now
                self._tell(now)

    def finish(self) -> None:
        with self.lock:
            self.done += 1
            self._tell(time.monotonic())

    def _tell(self, now: float) -> None:
        got = sum(done for done, _ in self.received.values())
        whole = sum(total for _, total in self.received.values())
        rate = got / max(now - self.began, 1e-6)
        self.report(
            Transfer(
                element="downloads",
                files_done=self.done,
                files_total=self.total,
                bytes_done=got,
                bytes_total=whole,
                rate=rate,
            )
        )

    def get(self, each: Wanted, urls: Iterable[str]) -> tuple[str | None, list[str]]:
        """Try the places of one file in order; return the one that had it, and what the others said."""
        said: list[str] = []
        for url in urls:
            host = urllib.parse.urlsplit(url).netloc
            if host in self.dead:
                said.append(f"{url}: {self.dead[host]}")
                continue
            problem = self._try(each, url)
            if problem is not None and _may_pass(problem):
                time.sleep(PAUSE)
                problem = self._try(each, url)
            if problem is None:
                self.finish()
                return url, said
            said.append(problem.message)
            if host and _may_pass(problem):
                self.dead[host] = "did not respond before"
        return None, said

    def _try(self, each: Wanted, url: str) -> UserError | None:
        """Download a file from one place; return what was wrong, or nothing."""
        try:
            transfer.download(
                url,
                each.place,
                expected=each.digest,
                algorithm=each.algorithm,
                silence=SILENCE,
                progress=lambda done, total, _rate: self.progress(each.place.name, done, total),
            )
        except UserError as error:
            return error
        return None


def _may_pass(problem: UserError) -> bool:
    """Say whether a second try may go better: the connection failed, while the server said nothing against it."""
    return problem.reason == "download-failed" and not isinstance(problem.__cause__, urllib.error.HTTPError)


def fetch(
    space: Workspace, *, report: Reporter, offline: bool = False, names: Collection[str] | None = None
) -> Summary:
    """Bring every file that the configuration needs and that has a hash to its place; `info.ask` has run before.

    `names` are the packages to look at instead of all. What is missing afterwards is in the summary: Buildroot may
    still get it its own way.
    """
    known = info.known(space)
    packages = [
        each
        for each in known.values()
        if not info.overridden(space, each) and (names is None or each.name in names)
    ]
    files, left = wanted(packages, space.tree, space.caches.downloads, _mirrors(space), space.pins)
    checked = Checked(space.caches.downloads / NOTE)
    left = tuple(
        each
        for each in left
        if not unhashed.is_there(space, known[each.partition(": ")[0]], each.partition(": ")[2])
    )
    folders = () if offline else unhashed.folders(space)
    kept = {each: url for each in left if (url := unhashed.from_folder(space, known, each, folders))}
    left = tuple(each for each in left if each not in kept)
    there = [each for each in files if checked.is_right(each.place, each.algorithm, each.digest)]
    checked.save()
    todo = [each for each in files if each not in there]
    fetched: dict[str, str] = {}
    missing: dict[str, tuple[str, ...]] = {}
    if todo and not offline:
        report(Step(name="fetch", text=f"fetching {len(todo)} files"))
        run = _Fetching(report=report, total=len(todo))
        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = list(pool.map(lambda each: run.get(each, each.urls), todo))
        again = [(each, said) for each, (url, said) in zip(todo, answers, strict=True) if url is None]
        fetched = {each.place.name: url for each, (url, _) in zip(todo, answers, strict=True) if url}
        cache = space.caches.trees.parent / "debian-pool"
        cache.mkdir(parents=True, exist_ok=True)
        pool_urls = debian_pool.locate([each.sha256 for each, _ in again if each.sha256], cache, space.env, report)
        places = [[pool_urls[each.sha256]] if each.sha256 in pool_urls else [] for each, _ in again]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = list(pool.map(run.get, [each for each, _ in again], places))
        for (each, said), (url, more) in zip(again, answers, strict=True):
            if url:
                fetched[each.place.name] = url
            else:
                missing[_named(each)] = (*said, *more)
    elif todo:
        missing = {_named(each): () for each in todo}
    fetched |= {each.rpartition("/")[2].rpartition(": ")[2]: url for each, url in kept.items()}
    _have_locks({space.caches.downloads / each.download_folder for each in packages if each.downloads})
    return Summary(there=tuple(each.place.name for each in there), fetched=fetched, missing=missing, left=left)


def _have_locks(folders: Iterable[Path]) -> None:
    """Have the files in place that Buildroot locks while it looks for a download: a build may not make them."""
    for folder in folders:
        if folder.is_dir():
            with suppress(OSError):  # somebody else's folder; they may be there
                (folder / ".lock").touch()


def _mirrors(space: Workspace) -> tuple[str, ...]:
    """Return where to look first: folders that `rootstream fetch --to` filled, then the root's own mirrors."""
    return (*unhashed.folders(space), *space.root.mirrors)


def _named(each: Wanted) -> str:
    return f"{each.package}: {each.place.name} ({each.algorithm} {each.digest})"


class Checked:
    """Which files of the download folder have been found right; each is read once, and again when it changed."""

    def __init__(self, note: Path) -> None:
        self._note = note
        try:
            data = json.loads(note.read_text("utf-8"))
        except (OSError, ValueError):
            data = {}
        self._known: dict[str, list[int | str]] = data if isinstance(data, dict) else {}
        self._fresh = False

    def is_right(self, place: Path, algorithm: str, digest: str) -> bool:
        """Say whether a file is there and is the wanted one."""
        try:
            status = place.stat()
        except OSError:
            return False
        mark: list[int | str] = [status.st_size, status.st_mtime_ns, status.st_ino, digest]
        if self._known.get(str(place)) == mark:
            return True
        if not place.is_file() or transfer.file_hash(place, algorithm) != digest:
            return False
        self._known[str(place)] = mark
        self._fresh = True
        return True

    def save(self) -> None:
        """Note what was found."""
        if self._fresh:
            self._note.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._note, json.dumps(self._known).encode())


def lines(summary: Summary) -> tuple[str, ...]:
    """Return a summary as lines for people: where files were found, and what is missing."""
    places: dict[str, int] = {}
    for url in summary.fetched.values():
        place = "Debian's pool" if "/pool/" in url else urllib.parse.urlsplit(url).netloc or url.rpartition("/")[0]
        places[place] = places.get(place, 0) + 1
    found = [f"fetched {count} from {place}" for place, count in sorted(places.items())]
    for name, said in summary.missing.items():
        tried = "".join(f"\n  {each}" for each in said) or " (not searched)"
        found.append(f"not found by hash, left to Buildroot: {name}{tried}")
    return tuple(found)
