"""Where apt in a finished Debian finds packages: the archive that its package names, or what a description says.

Never the mirror that the image was built from: that is the builder's own. Further repositories have a file and a
key each.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rootstream.sandbox.program import Mistake
from rootstream.sandbox.tree import Tree, text_file

APT = "usr/bin/apt-get"
FOLDER = "etc/apt/sources.list.d"
LISTS = ("etc/apt/sources.list", FOLDER)
FILE = f"{FOLDER}/debian.sources"
EXAMPLES = "usr/share/doc/apt/examples"
# apt's package has one of these: a file of sources with the addresses of the archive.
KNOWN = (f"{EXAMPLES}/debian.sources", f"{EXAMPLES}/sources.list")
KEYRINGS = ("usr/share/keyrings/debian-archive-keyring.pgp", "usr/share/keyrings/debian-archive-keyring.gpg")
SECURITY = re.compile(r"(-security|/updates)$")
MOST = 1 << 20
KEYS = "etc/apt/keyrings"
ARMOR = b"-----BEGIN PGP "


@dataclass(frozen=True, slots=True, kw_only=True)
class AptRepository:
    """A further repository; a flat one has no components."""

    name: str
    url: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    key: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class AptSources:
    """Suites and components, and the archive if it is given; without `docs`, apt's examples go from the root."""

    suites: tuple[str, ...]
    components: tuple[str, ...]
    url: str | None = None
    security: str | None = None
    docs: bool = False
    repositories: tuple[AptRepository, ...] = ()


def write(tree: Tree, wanted: AptSources) -> None:
    """Write apt's sources into a configured root that has apt and no sources yet."""
    known = addresses(next((text for path in KNOWN if (text := _read(tree, path))), ""))
    url = wanted.url or known.get(False)
    security = wanted.security or wanted.url or known.get(True) or url
    if tree.find(APT) is None:
        if wanted.url:
            raise Mistake("apt: this root has no apt; add it to the packages")
    else:
        there = _words(tree)
        if url and security and not has_sources(tree):
            tree.put(FILE, text_file(text_of(tree, wanted, url, security).encode()))
        for each in wanted.repositories:
            if each.url.rstrip("/") not in there:  # apt takes no address twice, with keys that differ
                _add(tree, each)
    if not wanted.docs and tree.get(EXAMPLES) is not None:
        for path in [*reversed(list(tree.below(EXAMPLES))), EXAMPLES]:
            tree.remove(path)


def _add(tree: Tree, repository: AptRepository) -> None:
    """Give apt a further repository and its key."""
    key = f"{KEYS}/{repository.name}.{'asc' if repository.key.startswith(ARMOR) else 'gpg'}"
    lines = ["Types: deb", f"URIs: {repository.url}", f"Suites: {' '.join(repository.suites)}"]
    lines += [f"Components: {' '.join(repository.components)}"] if repository.components else []
    tree.put(key, text_file(repository.key))
    text = "\n".join([*lines, f"Signed-By: /{key}"]) + "\n"
    tree.put(_file_of(repository), text_file(text.encode()))


def _file_of(repository: AptRepository) -> str:
    return f"{FOLDER}/{repository.name}.sources"


def _words(tree: Tree) -> set[str]:
    """Return all words, addresses among them, of what apt would take for sources."""
    texts = (_read(tree, path) for path in (LISTS[0], *_named(tree)))
    return {word.rstrip("/") for text in texts for word in text.split()}


def _named(tree: Tree) -> list[str]:
    folder = tree.resolve(FOLDER, follow=True)
    return [f"{FOLDER}/{name}" for name in tree.children(folder) if name.endswith((".list", ".sources"))]


def warnings(tree: Tree, wanted: AptSources) -> tuple[str, ...]:
    """Return what to warn of in a root whose apt should have sources."""
    further = tuple(_file_of(each) for each in wanted.repositories)
    if tree.find(APT) is None or has_sources(tree, beside=further):
        return ()
    return (
        "apt has no sources: its package has no archive URL. Set one: `apt: {url: ...}`, or write `apt: none`",
    )


def text_of(tree: Tree, wanted: AptSources, url: str, security: str) -> str:
    """Return a file of sources (sources.list(5), deb822), a stanza for each of the two archives."""
    keyring = next((path for path in KEYRINGS if tree.find(path)), None)
    stanzas = []
    for address, secure in ((url, False), (security, True)):
        suites = [suite for suite in wanted.suites if bool(SECURITY.search(suite)) == secure]
        if suites:
            lines = ["Types: deb", f"URIs: {address}", f"Suites: {' '.join(suites)}"]
            lines.append(f"Components: {' '.join(wanted.components)}")
            stanzas.append("\n".join([*lines, *([f"Signed-By: /{keyring}"] if keyring else [])]))
    return "\n\n".join(stanzas) + "\n"


def has_sources(tree: Tree, beside: tuple[str, ...] = ()) -> bool:
    """Tell whether there is anything that apt would take for sources, beside some files."""
    text = _read(tree, LISTS[0])
    return any(path not in beside for path in _named(tree)) or any(
        line.strip() and not line.lstrip().startswith("#") for line in text.splitlines()
    )


def addresses(text: str) -> dict[bool, str]:
    """Return the addresses of a file of sources, in either form, by whether they are for security suites."""
    found: dict[bool, str] = {}
    for line in text.splitlines():
        words = re.sub(r"\[[^]]*\]", "", line).split()
        if len(words) > 2 and words[0] == "deb":  # noqa: PLR2004  (type, address, suite)
            found.setdefault(bool(SECURITY.search(words[2])), words[1])
    for stanza in re.split(r"\n\s*\n", text):
        fields = dict(re.findall(r"^(URIs|Suites):[ \t]*(\S+)", stanza, re.MULTILINE))
        if len(fields) == 2:  # noqa: PLR2004
            found.setdefault(bool(SECURITY.search(fields["Suites"])), fields["URIs"])
    return found


def _read(tree: Tree, path: str) -> str:
    found = tree.find(path)
    content = found[1].content if found else None
    return b"".join(content.chunks()).decode("utf-8", "replace") if content and content.size < MOST else ""
