"""What a layer's files are made into: by systemd at the first start, or by nobody, which is told."""

from __future__ import annotations

import pytest

from rootstream.sandbox.rootfs.caches import expire, unmade
from rootstream.sandbox.tree import BASE, Tree, text_file

STAMPS = ("etc/.updated", "var/.updated")


def tree_with(path: str, origin: str) -> Tree:
    tree = Tree()
    for stamp in STAMPS:
        tree.put(stamp, text_file(b""))
    tree.put(path, text_file(b"x", origin=origin))
    return tree


def left(tree: Tree) -> tuple[str, ...]:
    return tuple(stamp for stamp in STAMPS if tree.get(stamp) is not None)


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("etc/sysusers.d/mine.conf", ("var/.updated",)),
        ("usr/lib/sysusers.d/mine.conf", ("var/.updated",)),
        ("etc/udev/hwdb.d/90-mine.hwdb", ("var/.updated",)),
        ("etc/ld.so.conf.d/mine.conf", ("var/.updated",)),
        ("usr/local/lib/libmine.so.1", ("var/.updated",)),
        ("usr/local/lib/x86_64-linux-gnu/libmine.so", ("var/.updated",)),
        ("usr/lib/systemd/catalog/mine.catalog", ("etc/.updated",)),
        ("usr/local/lib/python3.13/dist-packages/mine.so", STAMPS),
        ("etc/tmpfiles.d/mine.conf", STAMPS),
    ],
)
def test_systemd_makes_at_the_start_what_a_layer_brings(path: str, kept: tuple[str, ...]) -> None:
    tree = tree_with(path, "overlay/")
    expire(tree)
    assert left(tree) == kept
    tree = tree_with(path, BASE)
    expire(tree)
    assert left(tree) == STAMPS


@pytest.mark.parametrize(
    ("path", "program"),
    [
        ("usr/local/share/ca-certificates/own/ca.crt", "update-ca-certificates"),
        ("etc/locale.gen", "locale-gen"),
        ("usr/share/glib-2.0/schemas/90-mine.gschema.override", "glib-compile-schemas"),
        ("etc/dconf/db/local.d/00-mine", "dconf update"),
    ],
)
def test_what_nobody_makes_is_told(path: str, program: str) -> None:
    (told,) = unmade(tree_with(path, "overlay/"))
    assert told.startswith(f"/{path} has no effect: `{program}`")
    assert list(unmade(tree_with(path, BASE))) == []
