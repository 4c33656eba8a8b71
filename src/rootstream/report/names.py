"""Components by their upstream names, with package URLs and CPEs, one function for each way to be pinned."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from packageurl import PackageURL

from rootstream.report import licenses
from rootstream.report.contents import BuildrootPackage, Crate, GoModule, Input, Row
from rootstream.report.inventory import Deb, Wheel
from rootstream.report.model import Component, Role, SourceFile

_SOURCE_FOLDER = re.compile(r"pool/(?:updates/)?[a-z0-9-]+/(?:lib)?[a-z0-9]/([a-z0-9][a-z0-9+.-]+)/[^/]+")
_REPACKED = re.compile(r"[+~.](?:dfsg|ds|repack)[0-9.]*$")
_PLAIN = re.compile(r"[0-9][A-Za-z0-9._-]*")
_HEX = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SUITE_KIND = re.compile(r"-(updates|security|backports|proposed-updates)$")
_CRATES_IO = ("registry+https://github.com/rust-lang/crates.io-index", "sparse+https://index.crates.io/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """What a project says of itself: its terms, and its name in vulnerability databases."""

    license: str
    cpe: str
    homepage: str


# The trees that Rootstream builds; each states its terms in a file of its own (COPYING, LICENSE, COPYRIGHT).
UPSTREAM = {
    "linux": Upstream(
        license="GPL-2.0-only WITH Linux-syscall-note", cpe="o:linux:linux_kernel", homepage="https://kernel.org/"
    ),
    "busybox": Upstream(license="GPL-2.0-only", cpe="a:busybox:busybox", homepage="https://busybox.net/"),
    "musl": Upstream(license="MIT", cpe="a:musl-libc:musl", homepage="https://musl.libc.org/"),
}


def upstream_version(debian: str) -> str:
    """Return upstream's part of a version of Debian: no epoch, no revision, no mark of a repacked tarball."""
    version = debian.partition(":")[2] or debian
    version = version.rpartition("-")[0] or version
    return _REPACKED.sub("", version)


def _cpe(name: str, version: str | None) -> str | None:
    known = UPSTREAM.get(name)
    if known is None or version is None or not _PLAIN.fullmatch(version):
        return None
    return f"cpe:2.3:{known.cpe}:{version}:*:*:*:*:*:*:*"


def of_deb(row: Row, given: Input, role: Role, note: Deb | None) -> Component:
    """Return a package of Debian; `note` is what dpkg's status in the root says of it."""
    notes = [("rootstream:file", row.path)]
    source: tuple[str, str | None] | None = None
    if note is not None:
        source = note.source, note.source_version
    elif row.repository is None and (match := _SOURCE_FOLDER.fullmatch(row.path)):
        source = match.group(1), None  # the archive's folders have the names of source packages
    if note is not None and note.built_using:
        notes.append(("rootstream:built-using", note.built_using))
    if role == "image" and note is None:
        notes.append(
            ("rootstream:license-note", "not looked into: the package is no part of the root's dpkg database")
        )
    return Component(
        name=row.name,
        version=row.version,
        kind="deb",
        role=role,
        purl=_deb_purl(row, given, source),
        files=(SourceFile(name=row.path, algorithm="SHA-256", digest=row.sha256),),
        supplier=note.maintainer or None if note else None,
        homepage=note.homepage or None if note else None,
        license=licenses.debian(note.licenses) if note and note.licenses else None,
        stated=note.licenses or () if note else (),
        source=source,
        notes=tuple(notes),
    )


def _deb_purl(row: Row, given: Input, source: tuple[str, str | None] | None) -> str:
    if row.repository is not None:
        words = given.source.get("repositories")
        found = [each for each in words if isinstance(each, dict)] if isinstance(words, list) else []
        url = next((each.get("url") for each in found if each.get("name") == row.repository), None)
        qualifiers = {"checksum": f"sha256:{row.sha256}"}
        if isinstance(url, str):
            qualifiers["download_url"] = f"{url.rstrip('/')}/{row.path}"
        return PackageURL("generic", None, row.name, row.version, qualifiers).to_string()
    qualifiers = {"arch": row.architecture} | _distro(given)
    if source is not None and source[0] != row.name:
        qualifiers["upstream"] = source[0] + (f"@{source[1]}" if source[1] else "")
    return PackageURL("deb", "debian", row.name, row.version, qualifiers).to_string()


def _distro(given: Input) -> dict[str, str]:
    """Return the release that a request is for, if it is one."""
    suites = given.source.get("suites")
    families = {_SUITE_KIND.sub("", str(each)) for each in suites} if isinstance(suites, list) else set()
    return {"distro": families.pop()} if len(families) == 1 else {}


def of_debian_source(given: Input, role: Role, place: Path) -> Component:
    """Return a tree from a source package of Debian: upstream's, with Debian's patches if they are applied."""
    package, ref = given.text("package") or "unknown", given.ref if isinstance(given.ref, dict) else {}
    version = ref.get("version")
    debian = version if isinstance(version, str) else None
    name = given.ships or package
    files = given.rows(place)
    patched = given.source.get("patches") is True
    of_debian = [each for each in files if ".debian.tar." in each.path or each.path.endswith(".diff.gz")]
    release = upstream_version(debian) if debian else None
    known = UPSTREAM.get(name)
    purl = PackageURL("deb", "debian", package, debian, {"arch": "source"} | _distro(given)).to_string()
    return Component(
        name=name,
        version=release,
        kind="source",
        role=role,
        purl=purl,
        cpe=_cpe(name, release),
        files=tuple(SourceFile(name=each.path, algorithm="SHA-256", digest=each.sha256) for each in files),
        homepage=known.homepage if known else None,
        license=known.license if known else None,
        source=(package, debian),
        patches=tuple(each.path for each in of_debian) or (f"{package} {debian}",) if patched else (),
        notes=(("rootstream:patches", "Debian's series" if patched else "none"),),
    )


def of_tree(given: Input, role: Role) -> Component:
    """Return a tree from Git or a tarball: its version is not in the lock, only its commit or hash."""
    url, ref = given.text("url") or "", given.ref if isinstance(given.ref, str) else ""
    name = given.ships if given.ships not in (None, "packages", "python") else None
    name = name or url.rstrip("/").rpartition("/")[2].removesuffix(".git") or "unknown"
    known = UPSTREAM.get(name)
    git = given.source.get("kind") == "git"
    digest = ref.rpartition("-")[2].rpartition(":")[2] if git else ref
    digest = digest if _HEX.fullmatch(digest) else ""
    qualifiers = {"vcs_url": f"git+{url}@{ref}"} if git else {"download_url": url, "checksum": f"sha256:{ref}"}
    return Component(
        name=name,
        version=None,
        kind="source",
        role=role,
        purl=PackageURL("generic", None, name, None, qualifiers).to_string(),
        files=(SourceFile(name=url, algorithm=_algorithm(digest), digest=digest),) if digest else (),
        homepage=known.homepage if known else None,
        license=known.license if known else None,
        notes=(("rootstream:commit", ref), ("rootstream:patches", "none"))
        if git
        else (("rootstream:patches", "none"),),
    )


def of_buildroot_tree(given: Input, *, graph: bool | None) -> Component:
    """Return the Buildroot tree that a system is built with; `graph` says whether that was package by package."""
    ref = given.ref if isinstance(given.ref, dict) else {}
    digest = ref.get("commit") or ref.get("sha256") or (given.ref if isinstance(given.ref, str) else "")
    url = given.text("url")
    track = given.text("track")
    notes = [("rootstream:track", track)] if track else []
    notes += [("rootstream:graph", str(graph).lower())] if graph is not None else []
    qualifiers = {"vcs_url": f"git+{url}@{digest}"} if ref.get("commit") else {"download_url": url or ""}
    known = isinstance(digest, str) and _HEX.fullmatch(digest)
    return Component(
        name="buildroot",
        version=None,
        kind="source",
        role="build",
        purl=PackageURL("generic", None, "buildroot", None, qualifiers).to_string() if url else None,
        files=(SourceFile(name=url or "buildroot", algorithm=_algorithm(str(digest)), digest=str(digest)),)
        if known
        else (),
        license="GPL-2.0-or-later",
        notes=tuple(notes),
    )


def of_unknown(given: Input, role: Role) -> Component:
    """Return what is pinned in a way that this version knows nothing of."""
    kind = str(given.source.get("kind"))[:40]
    return Component(
        name=given.text("url") or kind,
        version=None,
        kind="unknown",
        role=role,
        notes=(("rootstream:origin", f"unknown: a source of kind {kind}"),),
    )


def _algorithm(digest: str) -> Literal["SHA-1", "SHA-256"]:
    return "SHA-1" if len(digest) == len(hashlib.sha1(b"", usedforsecurity=False).hexdigest()) else "SHA-256"


def wheel(name: str) -> str:
    """Return the normalized name of a Python package (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def of_wheel(row: Row, role: Role, note: Wheel | None) -> Component:
    """Return a wheel or an sdist; `note` is what its metadata in the root says."""
    name = wheel(row.name)
    return Component(
        name=name,
        version=row.version,
        kind="pypi",
        role=role,
        purl=PackageURL("pypi", None, name, row.version).to_string(),
        files=(SourceFile(name=row.file, algorithm="SHA-256", digest=row.sha256),),
        homepage=note.homepage or None if note else None,
        license=licenses.wheel(note.license, note.stated) if note else None,
        stated=((note.license,) if note.license else note.stated) if note else (),
        notes=(("rootstream:form", "built from an sdist" if row.role == "source" else "wheel"),),
    )


def of_crate(crate: Crate, package: str) -> Component:
    """Return a crate that a Cargo.lock names; not each of them has to be linked."""
    ours = crate.source in _CRATES_IO
    qualifiers = {} if ours or crate.source is None else {"vcs_url": crate.source}
    return Component(
        name=crate.name,
        version=crate.version,
        kind="cargo",
        purl=PackageURL("cargo", None, crate.name, crate.version, qualifiers).to_string(),
        files=(SourceFile(name=f"{crate.name}-{crate.version}.crate", algorithm="SHA-256", digest=crate.checksum),)
        if crate.checksum
        else (),
        license=licenses.crate(crate.license) if crate.license else None,
        stated=(crate.license,) if crate.license else (),
        notes=(("rootstream:used-by", package), ("rootstream:listed-in", "Cargo.lock, linked or not")),
    )


def of_module(module: GoModule, package: str) -> Component:
    """Return a module of Go that a package has vendored."""
    namespace, _, name = module.path.rpartition("/")
    notes = [("rootstream:used-by", package), ("rootstream:listed-in", "vendor/modules.txt")]
    notes += [("rootstream:license-from", "the text of its license files")] if module.license else []
    return Component(
        name=module.path,
        version=module.version,
        kind="golang",
        purl=PackageURL("golang", namespace or None, name, module.version).to_string(),
        license=licenses.crate(module.license) if module.license else None,
        notes=(*notes, *([("rootstream:go-sum", module.sum)] if module.sum else [])),
    )


def of_buildroot_package(given: BuildrootPackage) -> Component:
    """Return a package of Buildroot, with what Buildroot knows of it."""
    name = given.name.removeprefix("host-") if given.host else given.name
    files = tuple(
        SourceFile(name=each.name, algorithm="SHA-256", digest=each.sha256)
        for each in given.downloads
        if each.sha256 and re.fullmatch("[0-9a-f]{64}", each.sha256)
    )
    notes = [("rootstream:buildroot-package", given.name)]
    notes += [("rootstream:ignored-cve", each) for each in given.ignored]
    notes += [("rootstream:kind", "virtual")] if given.virtual else []
    notes += [("rootstream:override", given.override)] if given.override else []
    urls = [
        each.url for each in given.downloads if each.url and urlsplit(each.url).scheme in ("http", "https", "ftp")
    ]
    qualifiers = {"download_url": urls[0]} if urls else {}
    valid = given.cpe is not None and given.cpe.startswith("cpe:2.3:") and "${" not in given.cpe
    return Component(
        name=name,
        version=given.version or None,
        kind="buildroot",
        role="build" if given.host else "image",
        purl=PackageURL("generic", None, name, given.version or None, qualifiers).to_string(),
        cpe=given.cpe if valid else None,
        files=files,
        homepage=given.homepage,
        license=licenses.buildroot(given.license),
        stated=(given.license,) if given.license else (),
        patches=given.patches,
        notes=tuple(notes),
    )
