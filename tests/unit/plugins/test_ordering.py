"""What is configured before the preinst scripts of others run: the essential, and what these pre-depend on."""

from __future__ import annotations

from rootstream_bst.debian.dpkg import Contents, UnpackedPackage
from rootstream_bst.debian.ordering import first


def package(name: str, fields: str = "", *, preinst: bool = False) -> UnpackedPackage:
    control = {"control": f"Package: {name}\n{fields}".encode()}
    return UnpackedPackage(
        control=control | ({"preinst": b""} if preinst else {}), contents=Contents(), conffiles=()
    )


def test_what_others_rely_on_comes_first() -> None:
    packages = [
        package("adduser", "Depends: passwd:any (>= 1), debconf (>= 0.5) | debconf-2.0\n"),
        package("base", "Essential: yes\nPre-Depends: awk\n"),
        package("gawk", "Priority: optional\nProvides: awk\n"),
        package("mawk", "Priority: required\nProvides: awk (= 2)\nDepends: libc6\n"),
        package("mini-debconf", "Provides: debconf-2.0, other\nDepends: perl | gone\n"),
        package("libc6"),
        package("passwd"),
        package("server", "Pre-Depends: adduser | useradd\nDepends: tool\n", preinst=True),
        package("simple", "Pre-Depends: tool\n"),
        package("tool"),
    ]
    assert first(packages) == ("adduser", "base", "mawk", "mini-debconf", "libc6", "passwd")


def test_packages_that_need_each_other_end() -> None:
    packages = [package("a", "Essential: yes\nDepends: b\n"), package("b", "Depends: a\n"), package("c", "")]
    assert first(packages) == ("a", "b")
