"""Packages whose scripts failed, found in what dpkg and the shells say."""

from __future__ import annotations

import pytest

from rootstream.engine.scripts import unconfigured

FAILED = """\
debian: preparing base-passwd
Setting up libc6:amd64 (2.41-12) ...
Setting up wireshark-common (4.4.7-1) ...
one line
{said}
dpkg: error processing package wireshark-common (--configure):
 installed wireshark-common package post-installation script subprocess returned error exit status 127
dpkg: dependency problems prevent configuration of wireshark:
 wireshark depends on wireshark-common (= 4.4.7-1); however:
  Package wireshark-common is not configured yet.

dpkg: error processing package wireshark (--configure):
 dependency problems - leaving unconfigured
Errors were encountered while processing:
 wireshark-common
"""


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (
            "/var/lib/dpkg/info/wireshark-common.postinst: 34: addgroup: not found",
            "its postinst script calls addgroup, which is not in this root: add adduser to the packages",
        ),
        (
            "/var/lib/dpkg/info/wireshark-common.postinst: 34: /usr/sbin/deluser: not found",
            "its postinst script calls /usr/sbin/deluser, which is not in this root: add adduser to the packages",
        ),
        (
            "/var/lib/dpkg/info/wireshark-common.postinst: line 34: fancy: command not found",
            "its postinst script calls fancy, which is not in this root: add the package that contains it",
        ),
        (
            'Can\'t exec "adduser": No such file or directory at /x.pl line 3.',
            "its postinst script calls adduser, which is not in this root: add adduser to the packages",
        ),
        ("something else", "its postinst script failed"),
    ],
)
def test_the_package_is_named_and_what_it_lacks(said: str, text: str) -> None:
    (found,) = unconfigured(FAILED.format(said=said).split("\n"))
    assert (found.package, found.text) == ("wireshark-common", text)
    assert found.output == ("one line", said)


def test_a_script_before_unpacking() -> None:
    log = "debian: preparing x11-common\nx: not there\ndebian: x11-common: its preinst script failed\n"
    (found,) = unconfigured(log.split("\n"))
    assert (found.package, found.script, found.output) == ("x11-common", "preinst", ("x: not there",))


def test_nothing_is_found_where_nothing_failed() -> None:
    assert unconfigured(["Setting up libc6:amd64 (2.41-12) ...", "make: *** [all] Error 1"]) == ()
