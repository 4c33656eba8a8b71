"""BuildStream source: a whole Debian package set, resolved by apt, pinned by hash, unpacked as one tree.

Keys: `suites`, `architecture`, `packages`; optional `components`, `recommends`, `essential`, `without`, `mirrors`,
`keyring`, `fixups`, `unpack`, `database` with `exclude` and `include`. `without` names packages that are there
already, with all they need: another element's set. `repositories` are further ones (name, url, suites, components,
key), `key` the SHA-256 of a file in the folder `keys` that has it for a name. `keep` (name=version) holds packages
at a version while tracking, `prefer` where the archive has that version still. Maintainer scripts are not run.
`ref` is a list of packages, made by tracking.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from buildstream import SourceError  # type: ignore[attr-defined]  # re-exported without saying so

from rootstream.formats import records
from rootstream.formats.records import DebianPackage
from rootstream_bst.debian import apt, dpkg, fixups, repositories
from rootstream_bst.debian.archive import ArchiveSource, Node
from rootstream_bst.debian.repositories import PinnedRepository

FORMAT = 1  # part of the unique key: to be raised when the same ref unpacks to something else
REF_KEYS = ["name", "version", "architecture", "path", "size", "sha256"]
ORIGIN = "repository"  # in the row of a package that is not from the archive
MAX_JOBS = 8
OWN_KEYS = (
    "architecture",
    "packages",
    "repositories",
    "keys",
    "recommends",
    "essential",
    "without",
    "keep",
    "prefer",
    "fixups",
    "unpack",
    "database",
    "exclude",
    "include",
)


def _wanted(text: str, where: str) -> str:
    """Check an entry of `packages`: a name, or name=version."""
    name, equals, version = text.partition("=")
    records.name(name, where)
    if equals:
        records.version(version, where)
    return text


class Ref(list[dict[str, Any]]):
    """A ref that BuildStream's messages show as one short line instead of hundreds of packages."""

    def __str__(self) -> str:
        return f"{len(self)} packages, {sum(row['size'] for row in self) / 1e6:.1f} MB"


class DebianPackages(ArchiveSource):
    """The plugin."""

    architecture: str
    packages: tuple[str, ...]
    repositories: tuple[PinnedRepository, ...]
    without: tuple[str, ...]
    recommends: bool
    fixups: bool
    unpack: bool
    essential: bool
    database: dpkg.DatabaseChoice | None
    ref: tuple[DebianPackage, ...] | None

    def configure(self, node: Node) -> None:
        """Read and check the keys."""
        self.configure_archive(node, *OWN_KEYS)
        with self.faults():
            where = f"{node.get_provenance()}: architecture"
            self.architecture = records.architecture(node.get_str("architecture"), where)
        self.essential = node.get_bool("essential", False)
        some = bool(node.get_str_list("packages")) or not self.essential  # nothing but the essential is something
        self.packages = self.checked_list(node, "packages", _wanted) if some else ()
        self.without = self.checked_list(node, "without", _wanted) if "without" in node else ()
        self.repositories = self._repositories(node)
        self.keep = self._versions(node, "keep")
        self.prefer = self._versions(node, "prefer")
        self.recommends = node.get_bool("recommends", False)
        self.unpack = node.get_bool("unpack", True)
        self.database = None
        if node.get_bool("database", False):
            self.database = dpkg.DatabaseChoice(
                exclude=tuple(node.get_str_list("exclude", [])), include=tuple(node.get_str_list("include", []))
            )
        self.fixups = node.get_bool("fixups", self.unpack and self.database is None)
        if self.fixups and not self.unpack:
            raise SourceError(
                f"{node.get_provenance()}: fixups: true needs unpack: true", reason="fixups-without-unpack"
            )
        self.load_ref(node)

    def _repositories(self, node: Node) -> tuple[PinnedRepository, ...]:
        rows = node.get_sequence("repositories", [])
        folder = Path(self.get_project_directory(), node.get_str("keys", ""))
        found = []
        for row in (rows.mapping_at(n) for n in range(len(rows))):
            row.validate_keys(repositories.KEYS)
            words = {
                **{key: row.get_str(key) for key in ("name", "url", "key")},
                **{key: row.get_str_list(key) for key in ("suites", "components")},
            }
            with self.faults():
                found.append(repositories.repository(words, folder, str(row.get_provenance())))
        return tuple(found)

    def _versions(self, node: Node, key: str) -> dict[str, str]:
        """Return the versions of packages by their names."""
        found = (each.partition("=") for each in (self.checked_list(node, key, _wanted) if key in node else ()))
        return {name: version for name, _, version in found}

    def load_ref(self, node: Node) -> None:
        """Take the ref from the YAML; raises `SourceError` invalid-ref with its place."""
        rows = node.get_sequence("ref", None)
        self.ref = None if rows is None else tuple(self._package(rows.mapping_at(n)) for n in range(len(rows)))

    def _package(self, row: Node) -> DebianPackage:
        row.validate_keys([*REF_KEYS, ORIGIN])
        where = str(row.get_provenance())
        item, origin = self.checked_item(row), row.get_str(ORIGIN, None)
        if origin is not None:
            item = replace(item, base=self._base_of(origin, where))
        with self.faults():
            return DebianPackage(
                name=records.name(row.get_str("name"), where),
                version=records.version(row.get_str("version"), where),
                architecture=records.architecture(row.get_str("architecture"), where),
                item=item,
                repository=origin,
            )

    def _base_of(self, name: str, where: str) -> str:
        """Return the address of a repository; raises `SourceError` invalid-ref."""
        for each in self.repositories:
            if each.name == name:
                return each.base
        raise SourceError(f"{where}: there is no repository {name}", reason="invalid-ref")

    def get_ref(self) -> list[dict[str, Any]] | None:
        """Return the ref as plain data."""
        return None if self.ref is None else Ref(_plain(package) for package in self.ref)

    def set_ref(self, ref: Any, node: Node) -> None:  # noqa: ANN401  (as BuildStream declares it)
        """Take a new ref and write it to the YAML; None takes it back, where a project keeps refs elsewhere."""
        if ref is None:
            self.ref = None
            return
        node["ref"] = list(ref)
        self.load_ref(node)

    def get_unique_key(self) -> list[Any]:
        """Return what decides the content: the files and their treatment, not where they come from."""
        rows = None if self.ref is None else [_content(package) for package in self.ref]
        key: list[Any] = [FORMAT, rows, self.unpack, fixups.VERSION if self.fixups else None]
        if self.database is not None:
            key += [dpkg.VERSION, list(self.database.exclude), list(self.database.include)]
        return key

    def track(self, *, previous_sources_dir: str | None = None) -> list[dict[str, Any]]:  # noqa: ARG002  (unused)
        """Resolve the set anew."""
        activity = f"Resolving {len(self.packages)} packages"
        with self.timed_activity(activity), self.faults(), apt.opened(self._archive()) as archive:
            packages = archive.resolve(
                (*self.without, *self.packages),
                recommends=self.recommends,
                essential=self.essential,
                keep=self.keep,
                prefer=self.prefer,
            )
            there = (
                set(archive.resolve(self.without, recommends=self.recommends, keep=self.keep, prefer=self.prefer))
                if self.without
                else set()
            )
        return Ref(_plain(package) for package in packages if package not in there)

    def _archive(self) -> apt.Archive:
        return self.archive(self.architecture, repositories=self.repositories)

    def is_cached(self) -> bool:
        """Tell whether every file is in the store."""
        return self.has_items([package.item for package in self.ref or ()])

    def fetch(self, *, previous_sources_dir: str | None = None) -> None:  # noqa: ARG002  (unused)
        """Download what is missing."""
        self.fetch_items([package.item for package in self.ref or ()])

    def stage(self, directory: str) -> None:
        """Unpack the set into a folder, or put the packages there."""
        packages = self.ref or ()
        if not self.unpack:
            for package in packages:
                self.stage_file(package.item, os.path.join(directory, package.item.name))  # noqa: PTH118
            return
        store = self.store()
        job = {
            "root": directory,
            "jobs": min(len(os.sched_getaffinity(0)), MAX_JOBS),
            "fixups": self.fixups,
            "database": self.database
            and {"exclude": list(self.database.exclude), "include": list(self.database.include)},
            "packages": [
                {"name": package.name, "path": str(store.path(package.item)), "sha256": package.item.sha256}
                for package in packages
            ],
        }
        answer = self.run_program("rootstream_bst.debian.unpack", job, f"Unpacking {len(packages)} packages")
        if answer["overlaps"]:
            self.info("Files of several packages; the last one's are taken", detail="\n".join(answer["overlaps"]))

    def collect_source_info(self) -> list[Any]:
        """Describe every package, for a bill of materials."""
        return [
            self.create_source_info(
                package.item.path,
                "debian-package",
                "sha256",
                package.item.sha256,
                version_guess=package.version,
                extra_data={"name": package.name, "architecture": package.architecture},
            )
            for package in self.ref or ()
        ]


def _plain(package: DebianPackage) -> dict[str, Any]:
    """Return the row of a package."""
    return {**_content(package), **({ORIGIN: package.repository} if package.repository else {})}


def _content(package: DebianPackage) -> dict[str, Any]:
    """Return what a row says of a package's content."""
    return {
        "name": package.name,
        "version": package.version,
        "architecture": package.architecture,
        "path": package.item.path,
        "size": package.item.size,
        "sha256": package.item.sha256,
    }


def setup() -> type[DebianPackages]:
    """Give BuildStream the plugin."""
    return DebianPackages
