"""A build in miniature, for `rootstream doctor`: the real engine, FUSE and bubblewrap on a sandbox of one program.

Containers and hosts forbid mounts, namespaces and system calls in more ways than can be looked for one by one.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import replace

from rootstream.engine.bst import Engine
from rootstream.engine.settings import Settings
from rootstream.errors import UserError
from rootstream.host import temporary

_ADDRESS = 0x400000
_EXIT = bytes((0x31, 0xFF, 0xB8, 0x3C, 0, 0, 0, 0x0F, 0x05))  # xor edi, edi; mov eax, 60; syscall
_FILES = {
    "project.conf": "name: tryout\nmin-version: '2.0'\nelement-path: elements\n",
    "elements/base.bst": "kind: import\nsources:\n- kind: local\n  path: files\n",
    "elements/try.bst": "kind: manual\nbuild-depends: [base.bst]\nconfig: {build-commands: ['true']}\n",
}


def program() -> bytes:
    """Return a program for Linux on x86_64 that ends with status 0 (ELF-64 Object File Format)."""
    size = 64 + 56 + len(_EXIT)
    head = struct.pack(
        *("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 2, 62, 1, _ADDRESS + 120, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    )
    return head + struct.pack("<IIQQQQQQ", 1, 5, 0, _ADDRESS, _ADDRESS, size, size, 0x1000) + _EXIT


def fault(settings: Settings, env: Mapping[str, str]) -> UserError | None:
    """Return why nothing can be built here, None if it can; what it takes is in a temporary folder."""
    with temporary.folder("rootstream-doctor-") as name:
        folder = name / "project"
        for path, text in _FILES.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        shell = folder / "files/bin/sh"
        shell.parent.mkdir(parents=True)
        shell.write_bytes(program())
        shell.chmod(0o755)
        own = replace(settings, cache=name / "cache", quota="infinity", extra=None)
        try:
            Engine(settings=own, env=env).build(folder, ("try.bst",))
        except UserError as error:
            return error
    return None
