"""Ask apt about an archive without touching the host's apt state: every folder and setting is private.

Indexes are downloaded once per process for each combination of suites, components and architecture, and kept
in the cache folder, where the next process only asks whether they are still current. Signatures are verified.
"""

from __future__ import annotations

import difflib
import fcntl
import hashlib
import json
import os
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from rootstream.fetch import mirrors as mirrors_
from rootstream.fetch import process, transport
from rootstream.fetch.mirrors import Mirror
from rootstream.formats import apt_index
from rootstream.formats.faults import Fault
from rootstream.formats.records import DebianPackage
from rootstream_bst.debian import repositories
from rootstream_bst.debian.repositories import PinnedRepository

KEYRINGS = (
    "/usr/share/keyrings/debian-archive-keyring.gpg",
    "/usr/share/keyrings/debian-archive-keyring.pgp",
)
UPDATE_TIMEOUT = 900  # seconds
QUERY_TIMEOUT = 300
NEAREST = 3
AT_ONCE = 500  # packages that apt-cache is asked about
ESSENTIAL = "?essential"  # apt-patterns(7)
FIRST = 1001  # of apt_preferences(5): also before higher versions
PINNED = "that are pinned already"  # rootstream knows a message by these words
KEPT = ("Acquire::http", "Acquire::https")  # the host's settings that still hold: proxies, certificates

_LASTING = re.compile(
    r"does not have a Release file|is not signed|404  Not Found|NO_PUBKEY|invalid signature", re.IGNORECASE
)

_NO_VERSION = re.compile(r"Version '([^']+)' for '([^':]+)[^']*' was not found")

_lock = threading.Lock()
_folders: dict[str, threading.Lock] = {}
_updated: set[str] = set()


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """Suites of an archive as one architecture sees them; `sources` for source packages instead of binaries.

    `repositories` are further ones, each verified with its own key.
    """

    suites: tuple[str, ...]
    components: tuple[str, ...]
    architecture: str
    mirrors: tuple[Mirror, ...]
    keyring: str
    sources: bool = False
    repositories: tuple[PinnedRepository, ...] = ()

    @property
    def shown(self) -> str:
        """Return what messages call it: its suites and further repositories."""
        return ", ".join([*self.suites, *(each.name for each in self.repositories)])


def of_sources(archive: Archive) -> Archive:
    """Return the source packages of an archive, without those of further repositories."""
    return replace(archive, sources=True, repositories=())


def keyring(path: str) -> str:
    """Return the keyring to verify with, the host's for an empty path; raises `Fault` no-keyring."""
    for candidate in (path,) if path else KEYRINGS:
        if os.access(candidate, os.R_OK):
            return candidate
    if path:
        raise Fault("no-keyring", f"the keyring {path} cannot be read")
    raise Fault(
        "no-keyring",
        "the host has no keyring of the Debian archive",
        detail="Install debian-archive-keyring, or set `keyring:` in the source.",
    )


def cache_root() -> Path:
    """Return the folder that indexes are kept in."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "rootstream" / "apt"


def _quoted(value: str) -> str:
    if '"' in value or "\n" in value:
        raise Fault("invalid-path", f"{value!r} contains a character that is not allowed in apt's configuration")
    return f'"{value}"'


def configuration(folder: Path, architecture: str, host: Sequence[str] = ()) -> str:
    """Return an apt.conf(5) that keeps everything in `folder`; `host` are lines of the host's to take over."""
    settings = {
        "Dir": f"{folder}/",
        "Dir::Etc": f"{folder}/",
        "Dir::Etc::main": "/dev/null",
        "Dir::Etc::parts": "/dev/null",
        "Dir::Etc::sourcelist": f"{folder}/archive.sources",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferences": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "Dir::Etc::trusted": "/dev/null",
        "Dir::Etc::trustedparts": "/dev/null",
        "Dir::State": f"{folder}/",
        "Dir::State::lists": f"{folder}/lists/",
        "Dir::State::status": f"{folder}/status",
        "Dir::Cache": f"{folder}/cache/",
        "Dir::Log": f"{folder}/",
        "APT::Architecture": architecture,
        "APT::Sandbox::User": "",
        "APT::Update::Error-Mode": "any",
        "APT::Get::AllowUnauthenticated": "false",
        "Acquire::AllowInsecureRepositories": "false",
        "Acquire::Languages": "none",
        "Acquire::Retries": "2",
        "Acquire::http::Timeout": "30",
        "Acquire::https::Timeout": "30",
        "Debug::NoLocking": "true",
    }
    lines = [f"{key} {_quoted(value)};" for key, value in settings.items()]
    lines += ["#clear APT::Architectures;", f"APT::Architectures {{ {_quoted(architecture)}; }};", *host]
    return "\n".join(lines) + "\n"


def sources_text(archive: Archive, mirror_of: Sequence[Mirror]) -> str:
    """Return a sources.list(5) file in deb822 form, one stanza per suite."""
    stanzas = []
    for suite, mirror in zip(archive.suites, mirror_of, strict=True):
        flat = suite.endswith("/")
        stanzas.append(
            f"Types: {'deb-src' if archive.sources else 'deb'}\n"
            f"URIs: {mirror.url}\n"
            f"Suites: {suite}\n"
            + ("" if flat else f"Components: {' '.join(archive.components)}\n")
            + f"Architectures: {archive.architecture}\n"
            f"Signed-By: {archive.keyring}\n"
        )
    return "\n".join(stanzas)


def _host_settings() -> tuple[str, ...]:
    """Return the host's settings for reaching the network, as lines of an apt.conf."""
    done = process.run(["apt-config", "dump"], env={**os.environ, "LC_ALL": "C"}, timeout=60)
    return tuple(line for line in done.stdout.splitlines() if line.startswith(tuple(f"{key}::" for key in KEPT)))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold a folder for this thread alone, against other processes too."""
    with _lock:
        mutex = _folders.setdefault(str(folder), threading.Lock())
    with mutex, (folder / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Apt:
    """apt with a state of its own for one archive; made by `opened`, which holds the state's lock."""

    def __init__(self, archive: Archive, folder: Path) -> None:
        self._archive = archive
        self._folder = folder
        self._env = {**os.environ, "LC_ALL": "C", "APT_CONFIG": str(folder / "apt.conf")}

    def _run(self, argv: Sequence[str], timeout: float = QUERY_TIMEOUT) -> process.CompletedTool:
        return process.run(argv, env=self._env, timeout=timeout)

    def update(self) -> None:
        """Bring the indexes up to date, once per process; raises `Fault` index-download."""
        if str(self._folder) in _updated:
            return
        with transport.Transport() as web:
            chosen = [
                mirrors_.for_suite(suite, self._archive.mirrors, web.exists) for suite in self._archive.suites
            ]
        for name in ("lists/partial", "cache/archives/partial"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        (self._folder / "status").touch()
        further = [
            repositories.stanza(each, self._archive.architecture, repositories.write_key(each, self._folder))
            for each in self._archive.repositories
        ]
        text = "\n".join([sources_text(self._archive, chosen), *further])
        (self._folder / "archive.sources").write_text(text)
        text = configuration(self._folder, self._archive.architecture, _host_settings())
        (self._folder / "apt.conf").write_text(text)
        done = self._run(["apt-get", "update", "-q"], UPDATE_TIMEOUT)
        if done.status != 0:
            refused = repositories.refused(done.stderr, self._archive.repositories)
            if refused is not None:
                raise refused
            lines = [line for line in done.stderr.splitlines() if line.startswith(("E:", "W:", "Err"))]
            raise Fault(
                "index-download",
                f"the package indexes of {', '.join(self._archive.suites)} could not be downloaded or verified",
                detail=process.tail("\n".join(lines) or done.stderr),
                temporary=not _LASTING.search(done.stderr),
                asked=self._lacking(done.stderr),
            )
        self._require_indexes()
        lacking = [name for name in self._archive.components if f"have the component '{name}'" in done.stderr]
        if lacking:
            message = f"there is no such component in {', '.join(self._archive.suites)}"
            raise Fault(
                "unknown-component", f"{message}: {', '.join(lacking)}", asked=dict.fromkeys(lacking, message)
            )
        _updated.add(str(self._folder))

    def _require_indexes(self) -> None:
        """Refuse repositories without what is wanted of them, which apt passes over; raises `Fault`."""
        if not self._archive.repositories:
            return
        argv = ["apt-get", "indextargets", "Created-By: Packages", "--format", repositories.INDEXES]
        there = self._run(argv).stdout
        lacking = repositories.incomplete(there, self._archive.repositories, self._archive.architecture)
        if lacking is not None:
            raise lacking

    def _lacking(self, said: str) -> dict[str, str]:
        """Return the suites that a mirror does not have, from what apt said."""
        lines = [line for line in said.splitlines() if line.startswith("E:") and "Release" in line]
        return {
            suite: "no mirror has this suite, or not signed with the archive's key"
            for suite in self._archive.suites
            if any(re.search(rf"[ /]{re.escape(suite)}(/|\s)", line) for line in lines)
        }

    def _known_names(self) -> list[str]:
        return self._run(["apt-cache", "pkgnames"]).stdout.split()

    def _refuse_unknown(self, names: Sequence[str]) -> None:
        known = self._known_names()
        unknown = sorted(set(names).difference(known))
        if not unknown:
            return
        virtual = set(self._run(["apt-cache", "pkgnames", "--all-names"]).stdout.split())
        where = f"not in {self._archive.shown} for {self._archive.architecture}"
        asked = {}
        for name in unknown:
            near = difflib.get_close_matches(name, known, n=NEAREST, cutoff=0.6)
            guess = f" (did you mean {', '.join(near)}?)" if near else ""
            asked[name] = f"{where}{guess}"
            if name in virtual:
                asked[name] = "a virtual package; name one that provides it"
        raise Fault("unknown-package", f"{where}: {', '.join(unknown)}", asked=asked)

    def resolve(
        self,
        wanted: Sequence[str],
        *,
        recommends: bool,
        essential: bool = False,
        keep: Mapping[str, str] = MappingProxyType({}),
        prefer: Mapping[str, str] = MappingProxyType({}),
    ) -> tuple[DebianPackage, ...]:
        """Return what installing `wanted` (names, or name=version) on nothing takes, sorted by name.

        With `essential` also what every Debian system has. Packages that are in `keep` come at
        the version that it says, those in `prefer` if the archive still has that. Raises `Fault` unknown-package,
        unresolvable, pinned-versions or invalid-index.
        """
        self._refuse_unknown([name.partition("=")[0] for name in wanted])
        versions = {**prefer, **keep}
        first = ["-o", f"APT::Install-Recommends={'true' if recommends else 'false'}", "install", "--"]
        base = self._base(first, versions) if essential else ()
        words = [*first, *wanted, *base]
        done = self._ask(words, versions)
        if done.status != 0 and base:
            words = [*first, *wanted, ESSENTIAL]  # what the base has need not go with what is wanted
            done = self._ask(words, versions)
        if done.status != 0:
            where = self._archive.shown
            absent = _NO_VERSION.finditer(done.stderr)
            free = self._ask(words, {}) if keep or prefer else done
            message = f"apt cannot resolve the package set for {where}"
            raise Fault(
                "unresolvable" if free.status else "pinned-versions",
                message if free.status else f"{message} with the versions {PINNED}",
                detail=process.tail(done.stdout + done.stderr, 40),
                asked={f"{match[2]}={match[1]}": f"there is no version {match[1]} in {where}" for match in absent},
            )
        chosen = apt_index.resolved(done.stdout)
        lost = [
            f"{name} {keep[name]} (now {version})"
            for name, version, _ in chosen
            if keep.get(name, version) != version
        ]
        if lost:
            message = f"{self._archive.shown} has other versions than those {PINNED}"
            raise Fault("pinned-versions", message, detail="\n".join(lost))
        shown = self._run(
            [
                "apt-cache",
                "show",
                "--no-all-versions",
                "--",
                *(f"{name}={version}" for name, version, _ in chosen),
            ]
        )
        known = apt_index.packages(shown.stdout)
        missing = [name for name, version, _ in chosen if (name, version) not in known]
        if missing:
            raise Fault(
                "invalid-index",
                f"apt has no information about {', '.join(missing)}",
                detail=process.tail(shown.stderr),
            )
        found = tuple(known[name, version] for name, version, _ in chosen)
        return self._with_origins(found, apt_index.addresses(done.stdout)) if self._archive.repositories else found

    def _base(self, first: Sequence[str], versions: Mapping[str, str]) -> tuple[str, ...]:
        """Return what every Debian system has, as it is without further packages: one of these may stand in.

        mawk, for example, is there beside the gawk that another package asks for, as in any installed Debian.
        """
        done = self._ask([*first, ESSENTIAL], versions)
        names = (name for name, _, _ in apt_index.resolved(done.stdout)) if done.status == 0 else ()
        return (ESSENTIAL, *names)

    def _with_origins(
        self, packages: Sequence[DebianPackage], addresses: Mapping[tuple[str, str], str]
    ) -> tuple[DebianPackage, ...]:
        """Return packages with the further repositories that they are from."""
        found = []
        for package in packages:
            address = addresses[package.name, package.version]
            origin = repositories.origin(address, package.item, self._archive.repositories)
            if origin is not None:
                item = replace(package.item, base=origin.base)
                package = replace(package, item=item, repository=origin.name)  # noqa: PLW2901
            found.append(package)
        return tuple(found)

    def _ask(self, words: Sequence[str], versions: Mapping[str, str]) -> process.CompletedTool:
        """Run apt-get for a set in which some packages have versions that go before all others."""
        text = "".join(
            f"Package: {name}\nPin: version {version}\nPin-Priority: {FIRST}\n\n"
            for name, version in versions.items()
        )
        path = self._folder / "preferences"
        path.write_text(text)
        option = f"Dir::Etc::preferences={path}"
        return self._run(["apt-get", "-q", "-y", "--print-uris", "-o", option, *words])

    def _source_names(self) -> list[str]:
        names: set[str] = set()
        for index in sorted((self._folder / "lists").glob("*_Sources")):
            with index.open(encoding="utf-8", errors="replace") as file:
                names.update(line.split()[1] for line in file if line.startswith("Package: "))
        return sorted(names)

    def sources_of(self, names: Sequence[tuple[str, str]]) -> dict[tuple[str, str], apt_index.SourceOf]:
        """Return where binary packages, each name and version, are from; those that the index lacks are left out.

        Raises `Fault` invalid-index.
        """
        asked = [f"{name}={version}" for name, version in names]
        text = "".join(
            self._run(["apt-cache", "show", "--", *asked[at : at + AT_ONCE]]).stdout
            for at in range(0, len(asked), AT_ONCE)
        )
        found = apt_index.sources_of(text)
        return {each: found[each] for each in names if each in found}

    def source_packages(self, names: Sequence[tuple[str, str]]) -> dict[tuple[str, str], apt_index.SourcePackage]:
        """Return source packages with exactly these versions; those that the index lacks are left out.

        Raises `Fault` invalid-index.
        """
        every = sorted({name for name, _ in names})
        text = "\n".join(
            self._run(["apt-cache", "showsrc", "--only-source", "--", *every[at : at + AT_ONCE]]).stdout
            for at in range(0, len(every), AT_ONCE)
        )
        found = {(each.name, each.version): each for each in apt_index.sources(text)}
        return {each: found[each] for each in names if each in found}

    def sources(self, name: str, version: str) -> tuple[apt_index.SourcePackage, ...]:
        """Return what there is of a source package, the highest version first, or just `version`.

        Raises `Fault` unknown-package, unknown-version or invalid-index.
        """
        done = self._run(["apt-cache", "showsrc", "--only-source", "--", name])
        found = {each.version: each for each in apt_index.sources(done.stdout)} if done.status == 0 else {}
        where = ", ".join(self._archive.suites)
        if not found:
            near = difflib.get_close_matches(name, self._source_names(), n=NEAREST, cutoff=0.6)
            guess = f" (did you mean {', '.join(near)}?)" if near else ""
            message = f"no source package {name} in {where}{guess}"
            raise Fault("unknown-package", message, asked={name: f"not among the sources of {where}{guess}"})
        if version and version not in found:
            listing = ", ".join(sorted(found))
            message = f"{name} has no version {version} in {where}; there is {listing}"
            raise Fault("unknown-version", message, asked={version: message})
        if version:
            return (found[version],)
        return tuple(found[each] for each in sorted(found, key=apt_index.version_key, reverse=True))


@contextmanager
def opened(archive: Archive) -> Iterator[Apt]:
    """Give an `Apt` with current indexes; other threads and processes wait for the same archive.

    Raises `Fault` index-download, no-mirror or program-missing.
    """
    identity = json.dumps(
        [archive.suites, archive.components, archive.architecture, archive.keyring, archive.sources]
        + [mirror.url for mirror in archive.mirrors]
        + [[each.name, each.url, each.suites, each.components, each.key] for each in archive.repositories]
    )
    name = f"{archive.suites[0].replace('/', '_')}-{archive.architecture}"
    folder = cache_root() / f"{name}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder):
            apt = Apt(archive, folder)
            apt.update()
            yield apt
    except OSError as error:
        raise Fault("cache-unusable", f"{folder}: {error.strerror} ({error.filename})") from error
