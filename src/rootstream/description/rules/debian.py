"""Rules of a Debian root: what is asked of one unit twice, repositories that cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from rootstream.description.model import System
from rootstream.description.roots import FromDebianPackages, Repository
from rootstream.description.yaml_nodes import Node, at
from rootstream.errors import Caution, UserError


def check(system: System, node: Node) -> Iterator[UserError]:
    """Yield every rule that a Debian root breaks; `node` is its settled YAML."""
    if not isinstance(system.root, FromDebianPackages):
        return
    root = system.root.debian
    for name, repository in root.repositories.items():
        yield from _repository(name, repository, node)
    taken: dict[str, str] = {}
    for verb, names in (("enable", root.enable), ("disable", root.disable), ("mask", root.mask)):
        for number, name in enumerate(names):
            first = taken.setdefault(name, verb)
            if first != verb:
                where = at(node, "root", "debian", verb, number)
                yield UserError(
                    "bad-value", f"{verb}: {name} is also in `{first}`; remove one of them", where=where
                )


def _repository(name: str, repository: Repository, node: Node) -> Iterator[UserError]:
    """Yield what is wrong with a further repository."""
    steps = ("root", "debian", "repositories", name)
    try:
        urlsplit(repository.url).port  # noqa: B018  (it raises)
    except ValueError:
        message = f"url: {repository.url} has an invalid host or port"
        yield UserError("bad-value", message, where=at(node, *steps, "url"))
    flat = [suite.endswith("/") for suite in repository.suites]
    if any(flat) and not all(flat):
        message = "suites: suites and directories of a flat repository (with a trailing slash) cannot be mixed"
        hint = "Describe two repositories with the same url and key."
        yield UserError("bad-value", message, where=at(node, *steps, "suites"), hint=hint)
    elif any(flat) and "components" in repository.model_fields_set:
        message = (
            f"components: {repository.suites[0]!r} is a directory of a flat repository, which has no components"
        )
        yield UserError("bad-value", message, where=at(node, *steps, "components"))


def cautions(system: System, node: Node) -> Iterator[Caution]:
    """Yield repositories that apt in the image cannot have."""
    if not isinstance(system.root, FromDebianPackages) or system.root.debian.apt == "none":
        return
    for name, repository in system.root.debian.repositories.items():
        if repository.url.startswith("file:"):
            message = (
                f"url: {name} is a folder on the build host, so it is not added to the sources of apt in the image"
            )
            where = at(node, "root", "debian", "repositories", name, "url")
            yield Caution(reason="repository-of-this-machine", message=message, where=where)
