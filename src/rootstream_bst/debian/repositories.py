"""Further apt repositories beside the archive: where each is, its one key, and what apt said of it.

Pure but for reading the key, which is a file named by its SHA-256.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from rootstream.fetch.mirrors import checked
from rootstream.formats import records
from rootstream.formats.faults import Fault
from rootstream.formats.records import Item

KEYS = ["name", "url", "suites", "components", "key"]
ARMOR = b"-----BEGIN PGP "
MOST_KEY = 1 << 20
INDEXES = "$(REPO_URI)|$(RELEASE)|$(COMPONENT)"
_UNVERIFIED = re.compile(
    r"is not signed|NO_PUBKEY|BADSIG|EXPKEYSIG|REVKEYSIG|GPG error|OpenPGP signature verification"
    r"|signatures? (couldn't be verified|were invalid)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedRepository:
    """A repository; `url` is as its user wrote it, `key` the SHA-256 of the key in the file `key_file`."""

    name: str
    url: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    key: str
    key_file: Path

    @property
    def base(self) -> str:
        """Return the base address without its last slash."""
        return self.url.rstrip("/")

    def indexes(self) -> set[tuple[str, str]]:
        """Return suite and component of every index that it must have."""
        return {(suite, name) for suite in self.suites for name in self.components or ("$(COMPONENT)",)}


def repository(words: Mapping[str, object], folder: Path, where: str) -> PinnedRepository:
    """Return a checked repository; `folder` has the keys. Raises `Fault` with `where`."""
    name, url, key = (str(words[word]) for word in ("name", "url", "key"))
    suites, components = words["suites"], words["components"]
    assert isinstance(suites, list) and isinstance(components, list)  # noqa: S101, PT018  (as the plugin reads it)
    records.name(name.replace("_", "-"), where)
    checked(url, where)
    for each in suites:
        if each not in ("/", "./"):
            records.word(each, where)
    if not suites or any(each.endswith("/") == bool(components) for each in suites):
        raise Fault("invalid-suite", f"{where}: suites with components, or folders without")
    for each in components:
        records.word(each, where)
    records.item(path=key, size=0, sha256=key, where=where)
    return PinnedRepository(
        name=name,
        url=url,
        suites=tuple(suites),
        components=tuple(components),
        key=key,
        key_file=folder / key,
    )


def write_key(wanted: PinnedRepository, folder: Path) -> Path:
    """Write the key where apt reads it, under a name that says its form; raises `Fault` no-keyring."""
    try:
        with wanted.key_file.open("rb") as file:
            data = file.read(MOST_KEY + 1)
    except OSError as error:
        raise Fault("no-keyring", f"the key of {wanted.name} cannot be read: {error.strerror}") from error
    if hashlib.sha256(data).hexdigest() != wanted.key:
        raise Fault("no-keyring", f"the key of {wanted.name} is not the requested one")
    path = folder / f"{wanted.name}.{'asc' if data.startswith(ARMOR) else 'gpg'}"
    path.write_bytes(data)
    return path


def stanza(wanted: PinnedRepository, architecture: str, key: Path) -> str:
    """Return a repository as a stanza of a sources.list(5) file in deb822 form."""
    lines = ["Types: deb", f"URIs: {wanted.base}", f"Suites: {' '.join(wanted.suites)}"]
    lines += [f"Components: {' '.join(wanted.components)}"] if wanted.components else []
    return "\n".join([*lines, f"Architectures: {architecture}", f"Signed-By: {key}"]) + "\n"


def _as_apt(address: str) -> str:
    """Return an address as apt prints it, without what is quoted."""
    plain = unquote(address)
    return re.sub(r"^file:/+", "file:/", plain).rstrip("/")


def _of(line: str, each: PinnedRepository) -> bool:
    """Tell whether a message of apt is about a repository, and not about another one below the same address."""
    base = "(" + "|".join(re.escape(form) for form in dict.fromkeys((each.base, _as_apt(each.base)))) + ")"
    suites = "|".join(re.escape(suite.rstrip("/")) for suite in each.suites)
    return re.search(rf"{base}/?( |/dists/|/)({suites})(/| )", line) is not None


def refused(said: str, known: Sequence[PinnedRepository]) -> Fault | None:
    """Return what apt has against repositories, if its update failed because of them."""
    lines = [line for line in said.splitlines() if line.startswith(("E:", "W:"))]
    unsigned: dict[str, str] = {}
    unusable: dict[str, str] = {}
    for each in known:
        mine = [line for line in lines if _of(line, each)]
        if not any(line.startswith("E:") for line in mine):
            continue
        if any(_UNVERIFIED.search(line) for line in mine):
            unsigned[each.url] = f"the repository {each.name} is not signed with its key"
        else:
            unusable[each.url] = f"the repository {each.name} could not be downloaded"
    asked = unsigned or unusable
    if not asked:
        return None
    reason = "repository-unsigned" if unsigned else "repository-unusable"
    return Fault(reason, "; ".join(asked.values()), detail="\n".join(lines), asked=asked)


def incomplete(printed: str, known: Sequence[PinnedRepository], architecture: str) -> Fault | None:
    """Return which repositories lack what is wanted, from the indexes that apt has, printed as `INDEXES` says."""
    rows = [line.split("|") for line in printed.splitlines() if line.count("|") == INDEXES.count("|")]
    found = {(_as_apt(base), suite, component) for base, suite, component in rows}
    asked: dict[str, str] = {}
    for each in known:
        lacking = sorted(pair for pair in each.indexes() if (_as_apt(each.base), *pair) not in found)
        if lacking:
            shown = ", ".join(suite + ("" if name.startswith("$") else f"/{name}") for suite, name in lacking)
            asked[each.url] = f"the repository {each.name} has no packages for {architecture} in {shown}"
    return Fault("repository-unusable", "; ".join(asked.values()), asked=asked) if asked else None


def origin(address: str, item: Item, known: Sequence[PinnedRepository]) -> PinnedRepository | None:
    """Return the repository that apt takes a file from, None for the archive; raises `Fault` invalid-index."""
    plain = re.sub(r"(?<!:)/(\.?/)+", "/", unquote(address))
    if not plain.endswith(f"/{item.path}"):
        message = f"apt takes {address} and its indexes say {item.path}: two packages of one name and version"
        raise Fault("invalid-index", message)
    base = _as_apt(plain.removesuffix(item.path))
    return next((each for each in known if _as_apt(each.base) == base), None)
