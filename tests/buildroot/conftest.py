"""Buildroot trees for the tests: a small one of their own, and real ones that the environment names.

ROOTSTREAM_BUILDROOT: a tree. ROOTSTREAM_BUILDROOT_OLDER: further trees, separated by colons.
ROOTSTREAM_BUILDROOT_TOOLCHAIN: an external toolchain as tests/buildroot/toolchain.py makes it.
ROOTSTREAM_BUILDROOT_LOCAL_MK: overrides for host tools whose sources cannot be downloaded (Buildroot's local.mk).
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.buildroot import smalltree

Command = Callable[..., "subprocess.CompletedProcess[str]"]

TOOLCHAIN = """\
BR2_x86_64=y
BR2_TOOLCHAIN_EXTERNAL=y
BR2_TOOLCHAIN_EXTERNAL_CUSTOM=y
BR2_TOOLCHAIN_EXTERNAL_PATH="{toolchain}"
BR2_TOOLCHAIN_EXTERNAL_CUSTOM_PREFIX="x86_64-linux"
BR2_TOOLCHAIN_EXTERNAL_GCC_12=y
BR2_TOOLCHAIN_EXTERNAL_HEADERS_6_1=y
BR2_TOOLCHAIN_EXTERNAL_CUSTOM_GLIBC=y
# BR2_TOOLCHAIN_EXTERNAL_INET_RPC is not set
"""
BARE = """\
BR2_INIT_NONE=y
BR2_SYSTEM_BIN_SH_NONE=y
# BR2_PACKAGE_BUSYBOX is not set
# BR2_TARGET_ROOTFS_TAR is not set
"""


def _named(variable: str) -> Path:
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"{variable} names nothing")
    return Path(value)


def trees() -> list[Path]:
    """Return the trees to test with, the newest first; none without ROOTSTREAM_BUILDROOT."""
    names = [
        os.environ.get("ROOTSTREAM_BUILDROOT", ""),
        *os.environ.get("ROOTSTREAM_BUILDROOT_OLDER", "").split(":"),
    ]
    return [Path(name) for name in names if name]


@pytest.fixture(scope="session")
def tree() -> Path:
    return _named("ROOTSTREAM_BUILDROOT")


@pytest.fixture(scope="session")
def toolchain() -> Path:
    return _named("ROOTSTREAM_BUILDROOT_TOOLCHAIN")


TREES: list[Path | None] = [*trees()] or [None]


@pytest.fixture(scope="session")
def small_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the small tree of the tests' own."""
    return smalltree.make(tmp_path_factory.mktemp("small") / "tree")


@pytest.fixture(params=[None, *trees()], ids=lambda path: path.name if path else "small")
def each_tree(request: pytest.FixtureRequest) -> Path:
    """Return the small tree of the tests' own, then each that the environment names."""
    found: Path = request.param or request.getfixturevalue("small_tree")
    return found


@pytest.fixture(params=TREES, ids=lambda path: path.name if path else "none")
def any_tree(request: pytest.FixtureRequest) -> Path:
    if request.param is None:
        pytest.skip("ROOTSTREAM_BUILDROOT names nothing")
    found: Path = request.param
    return found


@pytest.fixture(scope="session")
def defconfig(toolchain: Path) -> str:
    """Return the symbols of a system without packages, file systems and kernel."""
    local = os.environ.get("ROOTSTREAM_BUILDROOT_LOCAL_MK")
    override = f'BR2_PACKAGE_OVERRIDE_FILE="{local}"\n' if local else ""
    return TOOLCHAIN.format(toolchain=toolchain) + BARE + override


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """A tree to build from, and the symbols of a system of it without packages, file systems and kernel."""

    tree: Path
    defconfig: str


@pytest.fixture(scope="session", params=["small", "real"])
def base(request: pytest.FixtureRequest) -> Base:
    """Return the small tree of the tests' own, then the one that the environment names."""
    if request.param == "small":
        return Base(tree=request.getfixturevalue("small_tree"), defconfig=smalltree.DEFCONFIG)
    return Base(tree=request.getfixturevalue("tree"), defconfig=request.getfixturevalue("defconfig"))


def call(
    *words: str, cwd: Path, check: bool = True, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run rootstream in a folder."""
    argv = [sys.executable, "-m", "rootstream", *words]
    given = {**os.environ, **(env or {})}
    done = subprocess.run(argv, cwd=cwd, env=given, capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture
def run() -> Command:
    """Return a function that runs rootstream in a folder."""
    return call
