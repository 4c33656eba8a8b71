"""Manifests of exports, which a clone may bring: what leads elsewhere, or is no manifest, is refused."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from rootstream.errors import UserError
from rootstream.netboot.store.builds import Builds
from rootstream.project import export, manifest

GOOD = {"name": "bzImage", "kind": "kernel", "size": 6, "sha256": hashlib.sha256(b"kernel").hexdigest()}
MAX_INT_DIGITS = 5000
WRONG: dict[str, tuple[object, ...]] = {
    "name": (
        *("../x", "a/../../x", "/etc/passwd", "..", ".", "", "a//b", "a/", "./a", "a\nb", "a\x1b[2J"),
        *("a\0b", "a\u2028b", "\ud800", "a\u0085b", "x" * 256, None, 1, ["bzImage"], {}),
    ),
    "sha256": ("../x", "0" * 63, "0" * 65, "G" * 64, "A" * 64, "0" * 64 + "\n", None, 1),
    "size": (-1, 1.5, "1", None, True, 1 << 62 | 1),
    "kind": ("", "../x", "Kernel", "a b", "a\n", None, 1, []),
}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out/it"
    folder.mkdir(parents=True)
    (folder / "bzImage").write_bytes(b"kernel")
    return folder


def write(out: Path, *files: object, **words: object) -> None:
    (out / "manifest.json").write_text(json.dumps({"arch": "x86_64", "files": list(files), **words}))


def fault(out: Path) -> UserError:
    """Return why it is refused, by all who read it."""
    found = []
    builds = Builds(out.parent.parent / "builds", out.parent.parent / "content")
    readers: tuple[Callable[[], object], ...] = (
        lambda: [found.path(each) for found in [manifest.read(out)] for each in found.files],
        lambda: export.results(out),
        lambda: builds.record("it", out, args=""),
    )
    for read in readers:
        with pytest.raises(UserError) as caught:
            read()
        found.append(caught.value)
    assert len({each.reason for each in found}) == 1
    assert builds.of("it") == ()
    return found[0]


def test_what_an_export_wrote_is_read(out: Path) -> None:
    (out / "sub").mkdir()
    (out / "sub/Kernel image ä.bin").write_bytes(b"kernel")
    write(out, GOOD, {**GOOD, "name": "sub/Kernel image ä.bin"}, inputs=[1])
    found = manifest.read(out)
    assert [entry.name for entry in found.files] == ["bzImage", "sub/Kernel image ä.bin"]
    assert (found.arch, found.data["inputs"]) == ("x86_64", [1])
    assert export.results(out) == (out / "bzImage", out / "sub/Kernel image ä.bin")


@pytest.mark.parametrize(("word", "value"), [(word, value) for word, values in WRONG.items() for value in values])
def test_an_entry_that_is_none(out: Path, word: str, value: object) -> None:
    write(out, GOOD, {**GOOD, "name": "other", word: value})
    found = fault(out)
    assert found.reason == "bad-manifest"
    assert found.where
    assert found.where.path == out / "manifest.json"
    assert f"files[1]: {word}: " in found.message
    assert found.message.isprintable()


@pytest.mark.parametrize(
    "text",
    [
        *("", "[", "[]", "null", "1", '{"files": 1}', '{"files": [1]}', '{"files": [null]}', "{}", '{"arch": 1}'),
        '{"files": [], "arch": "../x"}',
        json.dumps({"files": [GOOD, GOOD]}),
        "[" * 100_000,
        '{"files": ' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"files": [{"size": ' + "9" * MAX_INT_DIGITS + "}]}",
        "\xff",
    ],
)
def test_what_is_no_manifest(out: Path, text: str) -> None:
    (out / "manifest.json").write_bytes(text.encode("latin-1"))
    assert fault(out).reason == "bad-manifest"


def test_links_are_not_followed(out: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"kernel")
    write(out, {**GOOD, "name": "link"})
    (out / "link").symlink_to(secret)
    assert fault(out).reason == "link-in-project"
    (out / "link").unlink()
    (out / "link").symlink_to("bzImage")  # nor one that stays inside
    assert fault(out).reason == "link-in-project"
    write(out, {**GOOD, "name": "folder/secret"})
    (out / "folder").symlink_to(tmp_path)
    assert fault(out).reason == "link-in-project"


def test_what_is_no_regular_file(out: Path) -> None:
    write(out, {**GOOD, "name": "odd"})
    os.mkfifo(out / "odd")
    assert fault(out).reason == "special-file"
    (out / "odd").unlink()
    (out / "odd").mkdir()
    assert fault(out).reason == "not-as-made"
    (out / "odd").rmdir()
    assert fault(out).reason == "no-file"


def test_a_manifest_or_a_folder_that_is_a_link(out: Path, tmp_path: Path) -> None:
    write(out, GOOD)
    (out / "manifest.json").rename(tmp_path / "elsewhere")
    (out / "manifest.json").symlink_to(tmp_path / "elsewhere")
    assert fault(out).reason == "link-in-project"
    (out / "manifest.json").unlink()
    (tmp_path / "elsewhere").rename(out / "manifest.json")
    out.rename(tmp_path / "moved")
    out.symlink_to(tmp_path / "moved")
    assert fault(out).reason == "link-in-project"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_somebody_else(out: Path) -> None:
    write(out, GOOD)
    os.chown(out / "bzImage", 65534, 65534)
    assert fault(out).reason == "foreign-owner"
    for path in (out.parent, out, out / "manifest.json", out / "bzImage"):
        os.chown(path, 65534, 65534)  # all of it belongs to the folder's owner, as a checkout in a container does
    assert manifest.read(out).path(manifest.read(out).files[0]) == out / "bzImage"
