"""What the boot server keeps of a system with secrets: closed to others, as the export is."""

from __future__ import annotations

import hashlib
import json
import stat
from pathlib import Path

import pytest
from loading import read

from rootstream import events
from rootstream.netboot import places
from rootstream.netboot.record import record
from rootstream.project import Project

HASH = "$6$rounds=5000$saltsalt$" + "x" * 86
TEXT = """
systems:
  box:
    root: busybox
    kernel: {{}}
    layers: [{{root_login: {{password: {password}}}}}]
    images: [kernel, initramfs]
machines:
  rack: {{macs: ["52:54:00:00:00:01"], system: box}}
"""


@pytest.mark.parametrize(("password", "mode"), [("locked", 0o755), (f"{{hash: '{HASH}'}}", 0o700)])
def test_builds_with_secrets_are_for_their_owner(tmp_path: Path, password: str, mode: int) -> None:
    description = read(tmp_path, TEXT.format(password=password))
    project = Project(folder=tmp_path, kind="described")
    out = project.out("box")
    out.mkdir(parents=True)
    files = []
    for kind, name in (("kernel", "bzImage"), ("initramfs", "initramfs.cpio")):
        (out / name).write_bytes(name.encode())
        digest = hashlib.sha256(name.encode()).hexdigest()
        files.append({"name": name, "kind": kind, "size": len(name), "sha256": digest})
    (out / "manifest.json").write_text(json.dumps({"arch": "x86_64", "files": files}))
    assert record(project, description, ("box",), events.ignore)
    assert stat.S_IMODE(places.base(project).stat().st_mode) == mode
