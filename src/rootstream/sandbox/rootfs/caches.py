"""What programs make of files that a layer brings: at the first start where systemd does it, else it is told."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rootstream.sandbox.tree import BASE, InodeKind, Tree, shown

# Stamps that say that all has been made (systemd-update-done.service(8)), and what makes them wrong.
STAMPS = (
    (
        "etc/.updated",
        re.compile(
            r"(etc|usr/lib|usr/local/lib)/sysusers\.d/[^/]+\.conf|(etc|usr/lib)/udev/hwdb\.d/[^/]+\.hwdb|"
            r"etc/ld\.so\.conf\.d/[^/]+\.conf|usr/local/lib/([^/]+-linux-gnu[^/]*/)?[^/]+\.so(\.[^/]+)?"
        ),
    ),
    ("var/.updated", re.compile(r"(etc|usr/lib)/systemd/catalog/[^/]+\.catalog")),
)
# What nothing makes by itself, and the program that does.
MADE_BY = (
    (re.compile(r"usr/local/share/ca-certificates/.+\.crt|etc/ca-certificates\.conf"), "update-ca-certificates"),
    (re.compile(r"etc/locale\.gen"), "locale-gen"),
    (re.compile(r"usr/share/glib-2\.0/schemas/[^/]+\.(xml|override)"), "glib-compile-schemas"),
    (re.compile(r"etc/dconf/db/[^/]+\.d/.+"), "dconf update"),
)


def expire(tree: Tree) -> None:
    """Have systemd make at the machine's start what a layer's files are for: accounts, caches."""
    brought = _brought(tree)
    for stamp, pattern in STAMPS:
        if tree.get(stamp) is not None and any(pattern.fullmatch(path) for path in brought):
            tree.remove(stamp)


def unmade(tree: Tree) -> Iterator[str]:
    """Yield what to warn of: files of layers that do nothing before a program has run."""
    brought = _brought(tree)
    for pattern, program in MADE_BY:
        path = next((path for path in brought if pattern.fullmatch(path)), None)
        if path is not None:
            yield (
                f"{shown(path)} has no effect: `{program}` has to process it, and no build runs "
                "it. Run it in a service, or put its output in a layer"
            )


def _brought(tree: Tree) -> tuple[str, ...]:
    """Return the paths of files that are not the root's own."""
    kinds = (InodeKind.FILE, InodeKind.SYMLINK)
    return tuple(path for path, _, inode in tree.walk() if inode.kind in kinds and inode.origin != BASE)
