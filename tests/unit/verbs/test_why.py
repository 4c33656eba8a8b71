"""`why` and `sbom` as commands: the line of system.yaml, and wrong input."""

from __future__ import annotations

import ast
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from rootstream.__main__ import main
from rootstream.errors import UserError
from rootstream.netboot import boot_override
from rootstream.project.project import find
from rootstream.verbs import report
from rootstream.verbs import why as verb
from tests.unit.report.exports import DEBIAN, HELLO, INVENTORY, export

SYSTEM = """\
systems:
  hello:
    root: busybox
    kernel: {}
    layers:
      - overlay: overlay
      - hostname: hello
    images: [kernel, initramfs]
    variants:
      other:
        layers:
          - hostname: other
"""
ROWS = [
    *INVENTORY,
    {"record": "file", "path": "etc/hostname", "kind": "file", "mode": 420, "layer": "the description"},
    {"record": "file", "path": "bin/ls", "kind": "file", "mode": 420, "layer": "the root"},
]


Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process and the folder; return its status and what it said."""
    monkeypatch.chdir(folder)

    def run(*words: str) -> tuple[int, str]:
        status = main(words)
        stdout, stderr = capfd.readouterr()
        return status, stdout or stderr

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "system.yaml").write_text(SYSTEM)
    (tmp_path / "overlay").mkdir()
    overlay = {"1-overlay.tar": {"overlay": "overlay", "component": "overlay"}}
    told = {**HELLO, "contents": {**HELLO["contents"], "origins": {**HELLO["contents"]["origins"], **overlay}}}
    export(tmp_path / "out" / "hello", told, ROWS)
    export(tmp_path / "out" / "hello@other", told, ROWS)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("hello", "/etc/motd"), 6),
        (("hello", "/etc/hostname"), 7),
        (("hello@other", "/etc/hostname"), 12),
        (("/bin/ls",), 3),
        (("bzImage",), 4),
    ],
)
def test_the_line_that_asked_for_it(folder: Path, words: tuple[str, ...], line: int) -> None:
    assert json.loads(verb.why(find(folder), words, as_json=True))["line"] == line
    assert f"system.yaml:{line}\n" in verb.why(find(folder), words, as_json=False)


def test_text_names_component_source_and_layer(folder: Path) -> None:
    text = verb.why(find(folder), ("/etc/motd",), as_json=False)
    assert text.splitlines()[0] == "/etc/motd"
    assert "component  overlay (version unknown), license MIT" in text
    assert "layer      overlay overlay" in text


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("hello", "/etc/mot"), "unknown-path"),
        (("helo", "/etc/motd"), "unknown-system"),
        (("hello", ""), "unknown-path"),
    ],
)
def test_wrong_words(folder: Path, words: tuple[str, ...], reason: str) -> None:
    if words[-1] == "":
        assert "directory" in verb.why(find(folder), words, as_json=False)  # the root itself
        return
    with pytest.raises(UserError) as caught:
        verb.why(find(folder), words, as_json=False)
    assert caught.value.reason == reason


def test_a_path_elsewhere_is_suggested(folder: Path) -> None:
    with pytest.raises(UserError) as caught:
        verb.why(find(folder), ("/usr/bin/ls",), as_json=False)
    assert caught.value.hint == "The same name: /bin/ls"


def test_an_export_without_a_list(folder: Path) -> None:
    (folder / "out/hello/inventory.jsonl").unlink()
    with pytest.raises(UserError) as caught:
        verb.why(find(folder), ("/bin/ls",), as_json=False)
    assert caught.value.reason == "unknown-path"
    assert "no list" in caught.value.message


def test_one_system_has_to_be_named(folder: Path) -> None:
    text = SYSTEM.replace("systems:\n", "systems:\n  box: {root: busybox, images: [tar]}\n")
    (folder / "system.yaml").write_text(text)
    with pytest.raises(UserError) as caught:
        report.sbom(find(folder), (), "cyclonedx")
    assert caught.value.reason == "several-systems"
    with pytest.raises(UserError) as caught:
        report.sbom(find(folder), ("box",), "cyclonedx")
    assert caught.value.reason == "not-built"


def test_commands(run: Run, tmp_path: Path) -> None:
    status, text = run("sbom", "hello")
    assert (status, json.loads(text)["specVersion"]) == (0, "1.6")
    assert run("sbom", "hello", "--spdx", "-o", str(tmp_path / "x.json")) == (0, "")
    assert json.loads((tmp_path / "x.json").read_text())["spdxVersion"] == "SPDX-2.3"
    assert run("sbom", "hello", "-o", str(tmp_path / "none/x.json"))[0] != 0
    assert run("sbom", "--variant", "other", "hello")[0] == 0
    assert run("why", "hello", "/bin/ls")[0] == 0
    assert run("why", "a", "b", "c")[0] == 2
    assert run("why")[0] == 2


def test_licenses(run: Run, folder: Path, tmp_path: Path) -> None:
    status, text = run("licenses", "hello")
    assert (status, "linux 6.12.107" in text) == (0, True)
    assert "libc 0.2.1                            unknown" not in text
    policy = "    licenses: {deny: [GPL-2.0-*], unknown: deny, exceptions: [{component: x, reason: none}]}\n"
    (folder / "system.yaml").write_text(SYSTEM.replace("    kernel: {}\n", f"    kernel: {{}}\n{policy}"))
    status, text = run("licenses", "hello")
    assert status == 1
    assert "system.yaml:5:5: linux 6.12.107: GPL-2.0-only WITH Linux-syscall-note is not allowed" in text
    assert "libc 0.2.1: its license is unknown" in text
    assert "unused exception" in text
    status, text = run("licenses", "hello", "--json")
    told = json.loads(text)
    assert (status, told["unused_exceptions"]) == (1, ["x"])
    assert {each["name"] for each in told["conflicts"]} >= {"linux", "busybox", "libc"}
    assert run("licenses", "hello", "--texts", str(tmp_path / "texts"))[0] == 2  # there are none


def test_license_texts(run: Run, folder: Path, tmp_path: Path) -> None:
    def row(name: str, **more: str) -> dict[str, str]:
        path = f"usr/share/doc/{name}/copyright"
        return {"record": "text", "kind": "deb", "component": name, "path": path, "sha256": "0" * 64, **more}

    place = export(folder / "new", DEBIAN, [*INVENTORY, row("libc6", text="Do as you like.\n"), row("tool")])
    shutil.rmtree(folder / "out/hello")
    place.rename(folder / "out/hello")
    place = tmp_path / "texts"
    assert run("licenses", "hello", "--texts", str(place))[0] == 0
    text = place.read_text()
    assert text.count("Do as you like.") == 1
    assert "libc6 2.41-12 (usr/share/doc/libc6/copyright)\ntool 1.0 (usr/share/doc/tool/copyright)\n" in text
    assert text.endswith("my-wheel 3.1\n")
    (libc,) = (each for each in json.loads(run("sbom", "hello")[1])["components"] if each["name"] == "libc6")
    assert libc["evidence"]["licenses"][0]["license"]["text"]["content"] == "Do as you like.\n"


def test_diff(run: Run, tmp_path: Path) -> None:
    status, text = run("diff", "hello", "hello@other")
    assert (status, text.splitlines()[-1]) == (0, "no difference")
    export(tmp_path / "old" / "hello", DEBIAN, ROWS[:-1])
    status, text = run("diff", str(tmp_path / "old/hello"), "hello")
    assert status == 1
    assert "  + source linux  6.12.107" in text
    assert "  + bin/ls" in text
    status, text = run("diff", str(tmp_path / "old/hello"), "hello", "--json")
    assert (status, json.loads(text)["files"]["added"]) == (1, {"bin/ls": None})


@pytest.mark.parametrize(
    ("side", "words"),
    [
        ("none", "is no system, folder of an export"),
        ("20261130-000000-abcdef12", "has no build"),
        ("hello/20261130-000000-abcdef12", "has no build"),
        ("HEAD:hello", "Git knows no revision"),
        ("--output=x:hello", "No such option"),
        (".", "there is no export here"),
    ],
)
def test_sides_that_are_not_there(run: Run, side: str, words: str) -> None:
    status, text = run("diff", side, "hello")
    assert status == 2
    assert words in text


def test_builds_of_the_boot_server_are_compared(run: Run, folder: Path) -> None:
    store = boot_override.builds(find(folder))
    first = store.record("hello", folder / "out/hello", args="")
    assert first is not None
    (folder / "out/hello/bzImage").write_bytes(b"other!")
    manifest = json.loads((folder / "out/hello/manifest.json").read_text())
    manifest["files"][0]["sha256"] = hashlib.sha256(b"other!").hexdigest()
    (folder / "out/hello/manifest.json").write_text(json.dumps(manifest))
    second = store.record("hello", folder / "out/hello", args="")
    assert second is not None
    status, text = run("diff", first.id, f"hello/{second.id}")
    assert (status, "  ~ bzImage  content changed" in text) == (1, True)
    shutil.rmtree(store.contents("hello", first.id))
    status, text = run("diff", first.id, second.id)
    assert (status, "older version" in text) == (2, True)


def test_audit(run: Run, folder: Path, tmp_path: Path) -> None:
    feed = tmp_path / "tracker.json"
    issue = {"releases": {"trixie": {"status": "open", "urgency": "high"}}}
    feed.write_text(json.dumps({"busybox": {"CVE-2026-1": issue, "CVE-2026-2": issue}}))
    known = tmp_path / "kev.json"
    known.write_text(json.dumps({"catalogVersion": "1", "vulnerabilities": [{"cveID": "CVE-2026-2"}]}))
    words = ("audit", "hello", "--feed", str(feed))
    status, text = run(*words)
    assert status == 0
    assert (
        f"feed Debian: tracker.json SHA-256 {hashlib.sha256(feed.read_bytes()).hexdigest()}, without a date\n"
        in text
    )
    assert text.splitlines()[-1].startswith("2 vulnerabilities, 0 decided, 0 failures; ")
    assert "not certain  musl" not in text  # it was looked at, and nothing was found
    assert "not certain  libc 0.2.1: no feed" in text
    status, text = run(*words, "--feed", str(known), "--json", "--junit", str(tmp_path / "x.xml"))
    told = json.loads(text)
    assert (status, [each["fails"] for each in told["vulnerabilities"]]) == (1, [False, True])
    suite = ET.parse(tmp_path / "x.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("4", "1")
    decision = "{vulnerability: CVE-2026-2, reason: not built in, author: Jane, date: '2026-12-01'}"
    policy = f"    audit: {{decisions: [{decision}]}}\n"
    (folder / "system.yaml").write_text(SYSTEM.replace("    kernel: {}\n", f"    kernel: {{}}\n{policy}"))
    status, text = run(*words, "--feed", str(known), "--vex", str(tmp_path / "vex.json"))
    assert (status, "not_affected: not built in (Jane, 2026-12-01)" in text) == (0, True)
    (statement,) = json.loads((tmp_path / "vex.json").read_text())["statements"]
    assert statement["status_notes"] == "Decided by Jane."
    assert (statement["vulnerability"]["name"], statement["status"]) == ("CVE-2026-2", "not_affected")
    assert statement["products"][0]["subcomponents"][0]["@id"].startswith("pkg:deb/debian/busybox@")


def test_audits_that_cannot_be(run: Run, tmp_path: Path) -> None:
    assert "no feed of vulnerabilities is given" in run("audit", "hello")[1]
    (tmp_path / "text").write_text("text")
    status, text = run("audit", "hello", "--feed", str(tmp_path / "text"))
    assert (status, "is neither JSON nor an archive" in text) == (2, True)
    assert run("audit", "hello", "--feed", "missing")[0] == 2


def test_other_commands_load_no_writer_of_bills() -> None:
    code = (
        "import sys, rootstream.cli.main, rootstream.verbs.build\n"
        "print({name.split('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = ast.literal_eval(done.stdout)
    assert "rootstream" in loaded
    assert not loaded & {"cyclonedx", "spdx_tools", "license_expression", "packageurl"}


def test_asking_for_a_file_loads_neither_the_engine_nor_the_models_of_descriptions(folder: Path) -> None:
    code = (
        "import sys; from rootstream.__main__ import main; main(['why', 'hello', '/bin/ls'])\n"
        "print({name for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=folder)
    assert "system.yaml:3\n" in done.stdout
    loaded = ast.literal_eval(done.stdout.splitlines()[-1])
    assert "rootstream.verbs.why" in loaded
    assert not loaded & {"rootstream.engine", "rootstream.description.model", "rootstream.plan.make"}


def test_links_in_folders_are_followed(folder: Path) -> None:
    link = {
        "record": "file",
        "path": "usr/bin",
        "kind": "symlink",
        "mode": 511,
        "layer": "the root",
        "target": "../bin",
    }
    rows = [*ROWS, link]
    text = "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)
    (folder / "out/hello/inventory.jsonl").write_text(text)
    assert json.loads(verb.why(find(folder), ("hello", "/usr/bin/ls"), as_json=True))["path"] == "bin/ls"
    below = json.loads(verb.why(find(folder), ("hello", "/"), as_json=True))["below"]
    assert sum(below.values()) == 4


def test_a_description_with_a_mistake_elsewhere_is_enough(folder: Path) -> None:
    (folder / "system.yaml").write_text(SYSTEM + "  wrong: {root: none}\n")
    assert json.loads(verb.why(find(folder), ("hello", "/bin/ls"), as_json=True))["line"] == 3


def test_packages_that_no_line_names_have_the_line_of_the_root(folder: Path) -> None:
    row = {"record": "file", "path": "x", "kind": "file", "mode": 420, "layer": "the root", "packages": ["libc6"]}
    export(folder / "out2" / "hello", DEBIAN, [*INVENTORY, row])
    (folder / "out").rename(folder / "old")
    (folder / "out2").rename(folder / "out")
    told = json.loads(verb.why(find(folder), ("/x",), as_json=True))
    assert (told["line"], told["components"][0]["name"]) == (3, "libc6")
