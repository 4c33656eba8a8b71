"""Files that a program ignores, or ends at, where others may read them: a layer cannot say that they may not."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator

from rootstream.sandbox.rootfs.replaced import flow_text
from rootstream.sandbox.tree import InodeKind, Tree, shown

# Patterns of paths, whose `*` takes no slash, who reads them, and the mode that is good.
PRIVATE = (
    ("var/spool/cron/crontabs/*", "cron", 0o600),
    ("etc/NetworkManager/system-connections/*", "NetworkManager", 0o600),
    ("etc/ssh/ssh_host_*_key", "sshd", 0o600),
    ("root/.ssh/id_*", "ssh", 0o600),
    ("home/*/.ssh/id_*", "ssh", 0o600),
    ("root/.pgpass", "PostgreSQL's client", 0o600),
    ("home/*/.pgpass", "PostgreSQL's client", 0o600),
    ("etc/munge/munge.key", "munged", 0o600),
    ("var/lib/rabbitmq/.erlang.cookie", "Erlang", 0o400),
    ("etc/monit/monitrc", "monit", 0o600),
)
PUBLIC = ".pub"
OTHERS = 0o077


def exposed(tree: Tree) -> Iterator[str]:
    """Yield what to warn of, with the line that keeps a file from being refused."""
    for pattern, reader, mode in PRIVATE:
        for path in _matching(tree, pattern.split("/")):
            inode = tree.get(path)
            if (
                inode is None
                or inode.kind is not InodeKind.FILE
                or path.endswith(PUBLIC)
                or not inode.mode & OTHERS
            ):
                continue
            yield (
                f"{shown(path)} has mode {inode.mode:o}, but {reader} only accepts it if others cannot read it; "
                f"`- {{path: {flow_text(shown(path))}, mode: {mode:04o}}}` under `permissions` fixes that"
            )


def _matching(tree: Tree, parts: list[str]) -> list[str]:
    places = [""]
    for part in parts:
        places = [
            tree.resolve(f"{place}/{name}", follow=False)
            for place in places
            for name in tree.children(tree.resolve(place, follow=True))
            if fnmatch.fnmatchcase(name, part)
        ]
    return places
