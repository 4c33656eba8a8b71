"""Source packages made here, laid out: folders, patches, and patches that reach for more."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from rootstream.formats.faults import Fault
from rootstream_bst.debian import source_tree

pytestmark = pytest.mark.skipif(shutil.which("patch") is None, reason="patch is not installed")

PATCH = """\
--- a/src/main.c
+++ b/src/main.c
@@ -1,2 +1,2 @@
 one
-two
+2
--- /dev/null
+++ b/new/file
@@ -0,0 +1 @@
+new
"""


def patch_for(name: str) -> str:
    return f"--- /dev/null\n+++ {name}\n@@ -0,0 +1 @@\n+escaped\n"


class Package:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.root = path / "root"
        self.root.mkdir()
        self.job: dict[str, Any] = {
            "root": str(self.root), "orig": None, "components": [], "debian": None, "diff": None
        }  # fmt: skip
        self.job["orig"] = self.tar("orig", {"x-1.0/src/main.c": "one\ntwo\n", "x-1.0/debian/old": "upstream's"})

    def raw(self, name: str, content: bytes, suffix: str) -> dict[str, str]:
        (self.path / name).write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        return {"path": str(self.path / name), "suffix": suffix, "sha256": sha256, "component": name}

    def tar(self, name: str, files: dict[str, str], links: dict[str, str] | None = None) -> dict[str, str]:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w:gz") as archive:
            for path, target in (links or {}).items():
                link = tarfile.TarInfo(path)
                link.type, link.linkname = tarfile.SYMTYPE, target
                archive.addfile(link)
            for path, text in files.items():
                member = tarfile.TarInfo(path)
                member.size = len(text.encode())
                archive.addfile(member, io.BytesIO(text.encode()))
        return self.raw(name, out.getvalue(), "gz")

    def debian(self, files: dict[str, str], links: dict[str, str] | None = None) -> None:
        self.job["debian"] = self.tar("debian", {f"debian/{name}": text for name, text in files.items()}, links)

    def lay_out(self) -> None:
        source_tree.lay_out(self.root, self.job)

    def refused(self) -> Fault:
        before = sorted(path.name for path in self.path.iterdir())
        with pytest.raises(Fault) as caught:
            self.lay_out()
        assert sorted(path.name for path in self.path.iterdir()) == before
        return caught.value

    def files(self) -> dict[str, str]:
        return {str(p.relative_to(self.root)): p.read_text() for p in sorted(self.root.rglob("*")) if p.is_file()}


@pytest.fixture
def package(tmp_path: Path) -> Package:
    return Package(tmp_path)


def test_top_folder_is_left_out(package: Package) -> None:
    package.lay_out()
    assert package.files() == {"src/main.c": "one\ntwo\n", "debian/old": "upstream's"}


def test_archive_without_a_top_folder(package: Package) -> None:
    package.job["orig"] = package.tar("orig", {"a": "1", "b/c": "2"})
    package.lay_out()
    assert package.files() == {"a": "1", "b/c": "2"}


def test_archive_of_one_file(package: Package) -> None:
    package.job["orig"] = package.tar("orig", {"a": "1"})
    package.lay_out()
    assert package.files() == {"a": "1"}


def test_further_archives_and_patches(package: Package) -> None:
    package.job["components"] = [package.tar("docs", {"docs-3/index": "text"})]
    package.debian({"patches/series": "# comment\n\na.patch # why\nsub/b.patch -p0\n", "patches/a.patch": PATCH,
                    "patches/sub/b.patch": "--- src/main.c\n+++ src/main.c\n@@ -1,2 +1,2 @@\n-one\n+1\n 2\n",
                    "rules": "r"})  # fmt: skip
    package.lay_out()
    files = package.files()
    assert files["src/main.c"] == "1\n2\n"
    assert files["new/file"] == "new\n"
    assert files["docs/index"] == "text"
    assert files["debian/rules"] == "r"
    assert "debian/old" not in files
    assert not [name for name in files if name.endswith((".orig", ".rej"))]


def test_diff(package: Package) -> None:
    package.job["diff"] = package.raw("diff", gzip.compress(PATCH.encode()), "gz")
    package.lay_out()
    assert package.files()["src/main.c"] == "one\n2\n"


def test_without_series(package: Package) -> None:
    package.debian({"rules": "r"})
    package.lay_out()
    assert package.files()["src/main.c"] == "one\ntwo\n"


@pytest.mark.parametrize(
    "target",
    ["b/../../escaped", "/tmp/escaped", "../escaped", "b/out/escaped"],  # noqa: S108  (it is refused)
)
def test_patch_that_leaves_the_tree(package: Package, target: str) -> None:
    package.job["orig"] = package.tar("orig", {"x/a": "1"}, {"x/out": "../.."})
    package.debian({"patches/series": "a\n", "patches/a": patch_for(target)})
    assert package.refused().reason in {"unsafe-patch", "unsafe-archive"}


def test_patch_through_an_absolute_link(package: Package) -> None:
    outside = package.path / "outside"
    outside.mkdir()
    package.job["orig"] = package.tar("orig", {"x/a": "1"}, {"x/out": str(outside)})
    package.debian({"patches/series": "a\n", "patches/a": patch_for("b/out/escaped")})
    package.refused()
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("line", ["../../a", "/etc/passwd", "x/../../a"])
def test_series_that_leaves_the_tree(package: Package, line: str) -> None:
    package.debian({"patches/series": f"{line}\n"})
    assert package.refused().reason == "unsafe-patch"


def test_patch_that_is_not_there(package: Package) -> None:
    package.debian({"patches/series": "none\n"})
    assert package.refused().reason == "patch-failed"


def test_patch_that_does_not_fit(package: Package) -> None:
    package.debian({"patches/series": "a\n", "patches/a": PATCH.replace("-two", "-three")})
    fault = package.refused()
    assert fault.reason == "patch-failed"
    assert "debian/patches/a" in fault.message
    assert "FAILED" in (fault.detail or "")


def test_patch_program_is_missing(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    package.debian({"patches/series": "a\n", "patches/a": PATCH})
    monkeypatch.setenv("PATH", "/nonexistent")
    assert package.refused().reason == "program-missing"


def test_program(package: Package) -> None:
    argv = [sys.executable, "-m", "rootstream_bst.debian.source_tree"]
    done = subprocess.run(argv, input=json.dumps(package.job), text=True, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, "{}")
    Path(package.job["orig"]["path"]).write_bytes(b"damaged")
    done = subprocess.run(argv, input=json.dumps(package.job), text=True, capture_output=True, check=False)
    assert (done.returncode, json.loads(done.stdout)["reason"]) == (2, "store-damaged")
