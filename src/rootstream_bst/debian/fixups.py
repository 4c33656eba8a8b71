"""What maintainer scripts would have done that building in a sandbox needs: links of alternatives, accounts.

Only things that a build notices; a system to boot is configured by its own packages' scripts instead.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from rootstream.archives import chroot_paths

VERSION = 1  # part of the unique key: to be raised when the outcome changes

# (link, candidates in the order of preference), below /usr/bin; as update-alternatives would set them
ALTERNATIVES = (
    ("awk", ("gawk", "mawk", "original-awk")),
    ("nawk", ("gawk", "mawk", "original-awk")),
    ("c++", ("g++", "clang++")),
    ("c89", ("c89-gcc",)),
    ("c99", ("c99-gcc",)),
    ("cc", ("gcc", "clang", "tcc")),
    ("cpp", ("gcc-cpp",)),
    ("aclocal", ("aclocal-1.18", "aclocal-1.17", "aclocal-1.16")),
    ("automake", ("automake-1.18", "automake-1.17", "automake-1.16")),
    ("faked", ("faked-sysv", "faked-tcp")),
    ("fakeroot", ("fakeroot-sysv", "fakeroot-tcp")),
    ("lex", ("flex",)),
    ("lzcat", ("xzcat",)),
    ("lzcmp", ("xzcmp",)),
    ("lzdiff", ("xzdiff",)),
    ("lzegrep", ("xzegrep",)),
    ("lzfgrep", ("xzfgrep",)),
    ("lzgrep", ("xzgrep",)),
    ("lzless", ("xzless",)),
    ("lzma", ("xz",)),
    ("lzmore", ("xzmore",)),
    ("pager", ("less", "more")),
    ("sh", ("dash", "bash")),
    ("unlzma", ("unxz",)),
    ("vi", ("vim.basic", "vim.tiny", "nvi")),
    ("which", ("which.debianutils", "which.gnu")),
    ("yacc", ("bison.yacc", "byacc")),
)
# (file, where a maintainer script copies it from)
COPIES = (
    ("etc/passwd", "usr/share/base-passwd/passwd.master"),
    ("etc/group", "usr/share/base-passwd/group.master"),
    ("etc/nsswitch.conf", "usr/share/libc-bin/nsswitch.conf"),
    ("etc/profile", "usr/share/base-files/profile"),
)
EMPTY = ("etc/shells",)
FOLDERS = ("tmp", "var/tmp", "dev", "proc", "sys", "run", "root", "home")
LOCALHOST = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"


def _inside(root: Path, path: str) -> Path:
    """Return what a path of the tree means, links followed as in a chroot."""
    return root / chroot_paths.on_disk(str(root), path)


def _new(root: Path, path: str, content: bytes) -> None:
    """Write a file of the tree unless something is there."""
    folder, _, name = path.rpartition("/")
    place = _inside(root, folder)
    place.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError), (place / name).open("xb") as file:
        file.write(content)


def _link(folder: Path, name: str, candidates: tuple[str, ...]) -> None:
    if os.path.lexists(folder / name):
        return
    for candidate in candidates:
        if os.path.lexists(folder / candidate):
            (folder / name).symlink_to(candidate)
            return


def apply(root: Path) -> None:
    """Make an unpacked set usable as the root of a build sandbox; what a package ships is left alone."""
    for name, candidates in ALTERNATIVES:
        _link(_inside(root, "usr/bin"), name, candidates)
    for path, origin in COPIES:
        source = _inside(root, origin)
        if source.is_file():
            _new(root, path, source.read_bytes())
    for path in EMPTY:
        _new(root, path, b"")
    _new(root, "etc/hosts", LOCALHOST.encode())
    for path in FOLDERS:
        _inside(root, path).mkdir(parents=True, exist_ok=True)
