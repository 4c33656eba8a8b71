"""What may be in a ref, and which file of a source package is what."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rootstream.formats import records
from rootstream.formats.faults import Fault
from rootstream.formats.records import Item
from rootstream_bst.debian import source_files

SHA = "0123456789abcdef" * 4


def named(*names: str) -> list[Item]:
    return [Item(path=f"pool/main/x/{name}", size=1, sha256=SHA) for name in names]


@pytest.mark.parametrize(
    ("path", "size", "sha256"),
    [
        ("", 1, SHA),
        ("/etc/passwd", 1, SHA),
        ("../a", 1, SHA),
        ("a/../b", 1, SHA),
        ("a/./b", 1, SHA),
        ("a//b", 1, SHA),
        ("a/", 1, SHA),
        ("a\nb", 1, SHA),
        ("a b", 1, SHA),
        ("a?b", 1, SHA),
        ("a#b", 1, SHA),
        ("a\\b", 1, SHA),
        ("a" * 2000, 1, SHA),
        ("a", -1, SHA),
        ("a", 1 << 60, SHA),
        ("a", 1, SHA.upper()),
        ("a", 1, SHA[:-1]),
        ("a", 1, SHA + "\n"),
        ("a", 1, "g" * 64),
    ],
)
def test_refused_item(path: str, size: int, sha256: str) -> None:
    with pytest.raises(Fault) as caught:
        records.item(path=path, size=size, sha256=sha256, where="base.bst [line 7]")
    assert caught.value.reason == "invalid-ref"
    assert caught.value.message.startswith("base.bst [line 7]: ")


def test_item() -> None:
    path = "pool/main/g/gcc-14/g++_1.0~rc1%2bx_amd64.deb"
    assert records.item(path=path, size=0, sha256=SHA, where="").name == "g++_1.0~rc1%2bx_amd64.deb"


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (
            records.name,
            ["gcc", "g++", "libc6", "0ad", "a.b-c"],
            ["", "Gcc", "-a", "a b", "a/b", "a-", "a*", "--x", "a:b"],
        ),
        (records.version, ["1", "1:2.0~rc1+b1-3", "2026c-0+deb13u1"], ["", "1 2", "1/2", "1\n"]),
        (records.architecture, ["amd64", "riscv64", "hurd-i386"], ["", "AMD64", "-x", "a b"]),
        (
            records.word,
            ["trixie", "main", "trixie/updates", "non-free-firmware"],
            ["", "a b", "..", "a/../b", "-o"],
        ),
    ],
)
def test_words(check: Callable[[str, str], str], good: list[str], bad: list[str]) -> None:
    for text in good:
        assert check(text, "here") == text
    for text in bad:
        with pytest.raises(Fault) as caught:
            check(text, "here")
        assert caught.value.message.startswith("here: ")


def test_parts_of_quilt_package() -> None:
    items = named(
        "x_1.0.orig.tar.xz",
        "x_1.0.orig-docs.tar.gz",
        "x_1.0-2.debian.tar.xz",
        "x_1.0-2.dsc",
        "x_1.0.orig.tar.xz.asc",
    )
    kept = source_files.kept(items)
    assert [item.name for item in kept] == ["x_1.0.orig.tar.xz", "x_1.0.orig-docs.tar.gz", "x_1.0-2.debian.tar.xz"]
    parts = source_files.parts(kept, "here")
    assert (parts.orig.suffix, parts.components[0].component, parts.components[0].suffix) == ("xz", "docs", "gz")
    assert [item.name for item in parts.needed(patches=False)] == ["x_1.0.orig.tar.xz", "x_1.0.orig-docs.tar.gz"]
    assert parts.needed(patches=True) == kept
    assert [name for name, _ in parts.named("", patches=True)] == [
        "orig.tar.xz",
        "orig-docs.tar.gz",
        "debian.tar.xz",
    ]
    assert [name for name, _ in parts.named("linux.txz", patches=False)] == ["linux.txz", "orig-docs.tar.gz"]


def test_parts_of_other_formats() -> None:
    old = source_files.parts(source_files.kept(named("x_1.0.orig.tar.gz", "x_1.0-1.diff.gz")), "here")
    assert old.diff
    assert [name for name, _ in old.named("", patches=True)] == ["orig.tar.gz", "debian.diff.gz"]
    native = source_files.parts(named("x_1.0.tar.zst"), "here")
    assert (native.orig.suffix, native.debian, native.diff) == ("zst", None, None)


@pytest.mark.parametrize(
    "names",
    [(), ("x.orig.tar.xz", "x.tar.xz"), ("x.debian.tar.xz",), ("a.orig.tar.xz", "a.diff.gz", "b.debian.tar.xz")],
)
def test_parts_that_make_no_package(names: tuple[str, ...]) -> None:
    with pytest.raises(Fault) as caught:
        source_files.parts(named(*names), "here")
    assert caught.value.reason == "invalid-ref"
