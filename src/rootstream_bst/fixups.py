"""What maintainer scripts would have done that building in a sandbox needs: links of alternatives, accounts.

Only things that a build notices; a system to boot is configured by its own packages' scripts instead.
"""

from __future__ import annotations

import os
from contextlib import suppress

from rootstream_bst import rooted

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


def _new(root: str, path: str, content: bytes) -> None:
    """Write a file of the tree unless something is there."""
    folder, _, name = path.rpartition("/")
    place = f"{root}/{rooted.on_disk(root, folder)}"
    os.makedirs(place, mode=0o755, exist_ok=True)
    with suppress(FileExistsError), open(f"{place}/{name}", "xb") as file:
        file.write(content)


def _link(root: str, name: str, candidates: tuple[str, ...]) -> None:
    folder = f"{root}/{rooted.on_disk(root, 'usr/bin')}"
    if os.path.lexists(f"{folder}/{name}"):
        return
    for candidate in candidates:
        if os.path.lexists(f"{folder}/{candidate}"):
            os.symlink(candidate, f"{folder}/{name}")
            return


def apply(root: str) -> None:
    """Make an unpacked set usable as the root of a build sandbox; what a package ships is left alone."""
    for name, candidates in ALTERNATIVES:
        _link(root, name, candidates)
    for path, origin in COPIES:
        source = f"{root}/{rooted.on_disk(root, origin)}"
        if os.path.isfile(source):
            with open(source, "rb") as file:
                _new(root, path, file.read())
    for path in EMPTY:
        _new(root, path, b"")
    _new(root, "etc/hosts", LOCALHOST.encode())
    for path in FOLDERS:
        os.makedirs(f"{root}/{rooted.on_disk(root, path)}", mode=0o755, exist_ok=True)
