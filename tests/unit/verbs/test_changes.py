"""Why a build is due: options, files and inputs that differ from those that were noted."""

from __future__ import annotations

import json
from pathlib import Path

from rootstream.description.load import load
from rootstream.verbs import changes

SYSTEM = """
systems:
  box:
    root: busybox
    layers: [{overlay: overlay}, {hostname: box}]
    images: [tar]
    machine: {memory: 128M}
"""


def noted(folder: Path, text: str) -> dict[str, str]:
    (folder / "system.yaml").write_text(text)
    read = load(folder / "system.yaml")
    return changes.noted(read.systems[0], read.debian, folder, ("1",))


def test_every_kind_of_change_is_named(tmp_path: Path) -> None:
    (tmp_path / "overlay" / "etc").mkdir(parents=True)
    (tmp_path / "overlay" / "etc" / "motd").write_text("one\n")
    (tmp_path / "overlay" / "etc" / "gone").write_text("one\n")
    (tmp_path / "overlay" / "link").symlink_to("etc")
    before = noted(tmp_path, SYSTEM)
    assert changes.differences(before, noted(tmp_path, SYSTEM)) == ()
    assert changes.differences(before, noted(tmp_path, SYSTEM.replace("128M", "256M"))) == ()
    (tmp_path / "overlay" / "etc" / "motd").chmod(0o755)
    (tmp_path / "overlay" / "etc" / "gone").unlink()
    (tmp_path / "overlay" / "etc" / "new").write_text("one\n")
    (tmp_path / "overlay" / "link").unlink()
    (tmp_path / "overlay" / "link").symlink_to("lib")
    after = noted(tmp_path, SYSTEM.replace("hostname: box", "hostname: other").replace("[tar]", "[tar, squashfs]"))
    assert changes.differences(before, after) == (
        "file overlay/etc/gone was removed",
        "file overlay/etc/motd changed",
        "file overlay/etc/new is new",
        "file overlay/link changed",
        *[each for each in changes.differences(before, after) if each.startswith("option images")],
        "option layers.hostname changed",
    )
    assert any(each.startswith("option images") for each in changes.differences(before, after))


def test_one_more_layer_is_all_that_is_named(tmp_path: Path) -> None:
    (tmp_path / "overlay").mkdir()
    before = noted(tmp_path, SYSTEM)
    after = noted(tmp_path, SYSTEM.replace("[{overlay", "[{users: [{name: me}]}, {overlay"))
    assert changes.differences(before, after) == ("option layers.users.name is new",)


def test_inputs_are_those_of_the_manifest(tmp_path: Path) -> None:
    source = {"kind": "debian_source", "package": "busybox", "suites": ["trixie"]}
    out = tmp_path / "out"
    out.mkdir()
    assert changes.of_inputs(out, ({"source": source, "ref": {"version": "1"}},)) == ()
    data = {"files": [], "inputs": [{"source": source, "ref": {"version": "1"}}]}
    (out / "manifest.json").write_text(json.dumps(data))
    assert changes.of_inputs(out, ({"source": source, "ref": {"version": "1"}},)) == ()
    found = changes.of_inputs(out, ({"source": source, "ref": {"version": "2"}},))
    assert found == ("source package busybox of trixie: version 1 -> 2",)


def test_few_are_named() -> None:
    assert changes.some(str(number) for number in range(3)) == "0, 1, 2"
    assert changes.some(str(number) for number in range(10)).endswith("7 and 2 more")
