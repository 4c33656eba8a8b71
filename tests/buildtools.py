"""Tools of the build base's suite on a host of another: each is started by the loader of its own C library."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from rootstream.fetch import download, mirrors
from rootstream.fetch.store import Store
from rootstream.fetch.transport import Transport
from rootstream.formats.faults import Fault
from rootstream_bst.debian import apt
from tests.conftest import one_at_a_time

SUITE = "trixie"
PACKAGES = {"e2fsprogs": ("mke2fs", "debugfs"), "dosfstools": ("mkfs.fat",)}
LOADER = "lib64/ld-linux-x86-64.so.2"
LIBRARIES = "lib/x86_64-linux-gnu"
STARTS = '#!/bin/sh\nexec "{usr}/{loader}" --library-path "{usr}/{libraries}" "{program}" "$@"\n'


def folder(cache: Path) -> Path:
    """Return a folder for PATH with the tools, which are kept in `cache`; skip where no archive can be reached."""
    with one_at_a_time("build-tools"):
        if not (cache / "complete").exists():
            try:
                _fetch(cache)
            except Fault as fault:
                pytest.skip(f"no tools of {SUITE}: {fault.message}")
    return cache / "bin"


def _fetch(cache: Path) -> None:
    found = mirrors.find([])
    with Transport(stall=20) as web:
        archive = apt.Archive(
            suites=(SUITE,),
            components=("main",),
            architecture="amd64",
            mirrors=(mirrors.for_suite(SUITE, found, web.exists),),
            keyring=apt.keyring(""),
        )
    with apt.opened(archive) as asked:
        packages = asked.resolve(tuple(PACKAGES), recommends=False)
    store = Store(cache / "packages")
    download.fetch(
        [each.item for each in packages], archive.mirrors, store, progress=lambda _: None, warn=lambda _: None
    )
    root, bin_ = cache / "root", cache / "bin"
    for package in packages:
        subprocess.run(["dpkg-deb", "-x", str(store.path(package.item)), str(root)], check=True)
    usr = root / "usr"
    bin_.mkdir(exist_ok=True)
    for name in (name for names in PACKAGES.values() for name in names):
        program = next(path for path in (usr / "sbin" / name, usr / "bin" / name) if path.exists())
        starter = bin_ / name
        starter.write_text(STARTS.format(usr=usr, loader=LOADER, libraries=LIBRARIES, program=program))
        starter.chmod(0o755)
    (cache / "complete").touch()
