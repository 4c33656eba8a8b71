"""The scripts that set up: what each set of packages holds."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TOOLS = Path(__file__).parents[2] / "tools"
FOR_TESTS = {"chromium-headless-shell", "gcc", "bison", "squashfs-tools", "ipmitool", "dnsmasq-base", "syslinux"}


def wanted(which: str) -> set[str]:
    """Return what a set names as missing, on a host that has no programs at all."""
    done = subprocess.run(
        ["/bin/sh", str(TOOLS / "host.sh"), which],
        env={"PATH": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    found = re.search(r"^missing on this host:(.*)$", done.stderr, re.MULTILINE)
    assert found
    return set(found[1].split())


def test_the_demonstration_installs_nothing_for_tests() -> None:
    demo = wanted("demo")
    assert {"bubblewrap", "fuse3", "qemu-system-x86"} <= demo
    assert not demo & FOR_TESTS


def test_each_set_holds_the_ones_before() -> None:
    demo, test, systems = wanted("demo"), wanted("test"), wanted("systems")
    assert demo < test < systems
    assert test > FOR_TESTS
    assert "qemu-system-arm" in systems - test


def test_another_set_is_refused() -> None:
    done = subprocess.run(["/bin/sh", str(TOOLS / "host.sh"), "x"], capture_output=True, text=True, check=False)
    assert (done.returncode, "usage" in done.stderr) == (2, True)


@pytest.mark.parametrize("name", ["host.sh", "venv.sh"])
def test_what_other_programs_print_goes_to_a_log(name: str) -> None:
    """A line that runs apt or pip to the terminal would be one without a redirection."""
    lines = (TOOLS / name).read_text().splitlines()
    ran = [line for line in lines if re.search(r"apt-get (install|update)|-m pip", line) and "echo" not in line]
    assert ran
    assert all(">" in line for line in ran)


def test_the_locked_environment_is_that_of_pyproject() -> None:
    project = tomllib.loads((TOOLS.parent / "pyproject.toml").read_text())
    asked = [*project["project"]["dependencies"], *project["project"]["optional-dependencies"]["dev"]]
    asked += project["build-system"]["requires"]
    lines = (TOOLS / "requirements-dev.txt").read_text().splitlines()
    found = (re.match(r"([\w.-]+)==([^\s;]+)", line) for line in lines)
    pinned = {match[1]: match[2] for match in found if match}
    for each in map(Requirement, asked):
        if each.marker is None or each.marker.evaluate():
            assert pinned[canonicalize_name(each.name)] in each.specifier, each.name
