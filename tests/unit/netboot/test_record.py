"""What the boot server keeps of a system with secrets: closed to others, as the export is."""

from __future__ import annotations

import hashlib
import json
import stat
from pathlib import Path

import pytest

from rootstream import events
from rootstream.description.model import Description
from rootstream.errors import UserError
from rootstream.netboot import boot_override
from rootstream.netboot.http import api
from rootstream.netboot.store import state_folder
from rootstream.netboot.store.record import record
from rootstream.project.project import Project
from tests.loading import read

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


def exported(tmp_path: Path, root_login: str = "locked") -> tuple[Project, Description]:
    description = read(tmp_path, TEXT.format(password=root_login))
    project = Project(folder=tmp_path, kind="described")
    out = project.out("box")
    out.mkdir(parents=True)
    files = []
    for kind, name in (("kernel", "bzImage"), ("initramfs", "initramfs.cpio")):
        (out / name).write_bytes(name.encode())
        digest = hashlib.sha256(name.encode()).hexdigest()
        files.append({"name": name, "kind": kind, "size": len(name), "sha256": digest})
    (out / "manifest.json").write_text(json.dumps({"arch": "x86_64", "files": files}))
    return project, description


@pytest.mark.parametrize("password", ["locked", f"{{hash: '{HASH}'}}"])
def test_builds_are_for_their_owner(tmp_path: Path, password: str) -> None:
    project, description = exported(tmp_path, password)
    assert record(project, description, ("box",), events.ignore)
    assert stat.S_IMODE(state_folder.base(project).stat().st_mode) == 0o700
    assert not (tmp_path / "out/.netboot").exists()


def test_what_a_clone_brings_as_state_is_not_used(tmp_path: Path) -> None:
    project, description = exported(tmp_path)
    build = tmp_path / "out/.netboot/builds/box/20240101-000000-deadbeef"
    build.mkdir(parents=True)
    (build / "leak").symlink_to("/etc/passwd")
    (build / "build.json").write_text(
        json.dumps(
            {
                "target": "box",
                "made": 1,
                "arch": "x86_64",
                "args": "",
                "files": [{"name": "leak", "kind": "kernel", "size": 1, "sha256": "0" * 64}],
            }
        )
    )
    (tmp_path / "out/.netboot/tokens").write_text("attackerknowsthistoken\n")
    told: list[events.Event] = []
    (made,) = record(project, description, ("box",), told.append)
    assert boot_override.builds(project).of("box") == (made,)
    assert api.read_tokens(state_folder.tokens(project)) == ()
    (first, _) = told
    assert isinstance(first, events.Notice)
    assert first.level == "warning"
    assert f"{tmp_path}/out/.netboot is not used" in first.text


def test_state_below_the_project_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project, description = exported(tmp_path)
    for place in (tmp_path / "home", tmp_path.parent / "link"):
        if place.name == "link":
            place.symlink_to(tmp_path / "home")
        monkeypatch.setenv("XDG_STATE_HOME", str(place))
        with pytest.raises(UserError) as caught:
            record(project, description, ("box",), events.ignore)
        assert caught.value.reason == "state-in-project"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")  # as if it were not set
    monkeypatch.setenv("HOME", str(tmp_path.parent / "me"))
    assert state_folder.base(project).is_relative_to(tmp_path.parent / "me/.local/state/rootstream/serve")


def test_state_that_others_can_write_to_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    (tmp_path / "project").mkdir()
    project, description = exported(tmp_path / "project")
    monkeypatch.setenv("XDG_STATE_HOME", str(home))
    kept = state_folder.made(project)
    kept.chmod(0o777)
    with pytest.raises(UserError) as caught:
        record(project, description, ("box",), events.ignore)
    assert caught.value.reason == "not-ours"
    kept.rmdir()
    kept.symlink_to(tmp_path)
    with pytest.raises(UserError) as caught:
        record(project, description, ("box",), events.ignore)
    assert caught.value.reason == "not-ours"
