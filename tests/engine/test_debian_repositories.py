"""Further apt repositories under the real bst and apt: keys, rows, fetching, what is in the image."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from debian_archive import Bst, Repository, Site
from ruamel.yaml import YAML
from tests.conftest import Command

from rootstream.events import ignore
from rootstream.plan.model import Element, Plan, Source
from rootstream.verbs import collection

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(
        any(shutil.which(name) is None for name in ("apt-get", "gpg", "gpgv")),
        reason="apt, gpg or gpgv is not installed",
    ),
]


@contextmanager
def signed(root: Path, *suites: str) -> Iterator[Repository]:
    with tempfile.TemporaryDirectory() as home:
        try:
            yield Repository(root, home, suites)
        finally:
            subprocess.run(["gpgconf", "--homedir", home, "--kill", "gpg-agent"], check=False)


@contextmanager
def served(root: Path) -> Iterator[str]:
    handler = partial(SimpleHTTPRequestHandler, directory=str(root))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with signed(tmp_path_factory.mktemp("archive"), "steady") as made:
        made.package("tool", "1", {"./usr/bin/tool": "archive"}, fields="Depends: lib\n")
        made.package("lib", "1", {"./usr/lib/lib": "archive"})
        made.package("same", "1", {"./usr/lib/same": "archive"})
        made.publish()
        yield Site(repository=made, address=f"file://{made.root}")


@pytest.fixture(scope="module")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    with signed(tmp_path_factory.mktemp("vendor"), "stable") as made:
        made.package("vendor-tool", "3", {"./usr/bin/vendor-tool": "vendor"}, fields="Depends: tool\n")
        made.package("lib", "2", {"./usr/lib/lib": "vendor"})
        made.package("same", "1", {"./usr/lib/same": "another"})
        made.publish()
        yield made


@pytest.fixture(scope="module")
def flat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    with signed(tmp_path_factory.mktemp("flat"), "./") as made:
        made.package("loose", "1", {"./usr/bin/loose": "loose"})
        made.publish()
        yield made


@pytest.fixture
def bst(tmp_path: Path) -> Bst:
    return Bst(tmp_path / "project")


def described(bst: Bst, made: Repository, key: Path, **changes: object) -> dict[str, Any]:
    """Return a repository as words of a source, with its key in the project."""
    digest = hashlib.sha256(key.read_bytes()).hexdigest()
    (bst.path / "keys").mkdir(exist_ok=True)
    shutil.copy(key, bst.path / "keys" / digest)
    components = [] if made.suites[0].endswith("/") else ["main"]
    words = {"name": "vendor", "url": f"file://{made.root}", "suites": list(made.suites)}
    return {**words, "components": components, "key": digest, **changes}


def element(bst: Bst, site: Site, names: str, *repositories: dict[str, Any]) -> Path:
    more = f"keys: keys\nrepositories: {json.dumps(repositories)}\n" if repositories else ""
    return bst.element("set.bst", site.packages(names, suites="steady", more=more))


def rows(path: Path) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in YAML(typ="safe").load(path)["sources"][0]["ref"]}


def test_packages_of_all_with_their_origin(bst: Bst, site: Site, vendor: Repository, flat: Repository) -> None:
    repositories = (
        described(bst, vendor, vendor.armored),
        described(bst, flat, flat.keyring, name="loose", url=f"file://{flat.root}/"),
    )
    path = element(bst, site, "vendor-tool, loose, same", *repositories)
    bst.run("source", "track", "set.bst")
    found = rows(path)
    assert {name: row.get("repository") for name, row in found.items()} == {
        "lib": "vendor",
        "loose": "loose",
        "same": None,
        "tool": None,
        "vendor-tool": "vendor",
    }
    assert found["lib"]["version"] in (2, "2")
    out = bst.checkout("set.bst")
    assert (out / "usr/bin/vendor-tool").read_text() == "vendor"
    assert (out / "usr/bin/loose").read_text() == "loose"
    assert (out / "usr/lib/lib").read_text() == "vendor"
    assert (out / "usr/lib/same").read_text() == "archive"


def test_without_repositories_nothing_is_different(bst: Bst, site: Site, vendor: Repository) -> None:
    path = element(bst, site, "tool")
    bst.run("source", "track", "set.bst")
    text, key = path.read_text(), bst.key("set.bst")
    assert all("repository" not in row for row in rows(path).values())
    ref = text[text.index("  ref:") :]
    path = element(bst, site, "tool", described(bst, vendor, vendor.armored))
    path.write_text(path.read_text() + ref)
    assert bst.key("set.bst") == key


def test_another_key_is_an_error(bst: Bst, site: Site, vendor: Repository, flat: Repository) -> None:
    for made, key in ((vendor, flat.armored), (flat, vendor.keyring), (vendor, site.repository.keyring)):
        path = element(bst, site, "tool", described(bst, made, key))
        said = bst.fails("source", "track", "set.bst")
        assert "the repository vendor is not signed with its key" in said
        assert f"Asked for file://{made.root}: " in said
        assert "ref:" not in path.read_text()


def test_an_unsigned_one_is_an_error(bst: Bst, site: Site, flat: Repository, tmp_path: Path) -> None:
    shutil.copytree(flat.root, tmp_path / "unsigned")
    (tmp_path / "unsigned/InRelease").unlink()
    words = described(bst, flat, flat.armored, url=f"file://{tmp_path}/unsigned")
    element(bst, site, "tool", words)
    assert "the repository vendor is not signed with its key" in bst.fails("source", "track", "set.bst")


def test_a_changed_one_is_an_error(bst: Bst, site: Site, flat: Repository, tmp_path: Path) -> None:
    shutil.copytree(flat.root, tmp_path / "changed")
    release = tmp_path / "changed/InRelease"
    release.write_text(release.read_text().replace("2026", "2025"))
    element(bst, site, "tool", described(bst, flat, flat.armored, url=f"file://{tmp_path}/changed"))
    assert "the repository vendor is not signed with its key" in bst.fails("source", "track", "set.bst")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"url": "file:///nonexistent/repository"}, "the repository vendor could not be downloaded"),
        ({"suites": ["unstable"]}, "the repository vendor could not be downloaded"),
        ({"components": ["main", "extra"]}, "has no packages for amd64 in stable/extra"),
    ],
)
def test_what_it_does_not_have(
    bst: Bst, site: Site, vendor: Repository, changes: dict[str, Any], said: str
) -> None:
    words = described(bst, vendor, vendor.armored, **changes)
    element(bst, site, "tool", words)
    told = bst.fails("source", "track", "set.bst")
    assert said in told
    assert f"Asked for {words['url']}: " in told


def test_a_key_that_is_not_the_one_asked_for(bst: Bst, site: Site, vendor: Repository) -> None:
    words = described(bst, vendor, vendor.armored)
    (bst.path / "keys" / words["key"]).write_bytes(site.repository.keyring.read_bytes())
    element(bst, site, "tool", words)
    assert "the key of vendor is not the requested one" in bst.fails("source", "track", "set.bst")


def test_keys_of_a_source_are_checked(bst: Bst, site: Site, vendor: Repository) -> None:
    words = described(bst, vendor, vendor.armored)
    changes: tuple[dict[str, object], ...] = (
        {"url": "ftp://vendor.invalid"},
        {"suites": []},
        {"suites": ["../up"]},
        {"suites": ["./"]},
        {"components": ["a b"]},
        {"key": "../../etc/passwd"},
        {"name": "../up"},
        {"more": "x"},
    )
    for change in changes:
        element(bst, site, "tool", {**words, **change})
        assert re.search(r"set\.bst \[line \d+ column \d+\]", bst.fails("show", "set.bst")), change
    path = element(bst, site, "tool", words)
    path.write_text(
        path.read_text() + "  ref:\n  - name: tool\n    version: '1'\n    architecture: amd64\n"
        f"    path: pool/x.deb\n    size: 1\n    sha256: {'0' * 64}\n    repository: another\n"
    )
    assert "there is no repository another" in bst.fails("show", "set.bst")


def test_a_folder_of_what_was_fetched_has_them_too(
    bst: Bst, site: Site, vendor: Repository, tmp_path: Path
) -> None:
    path = element(bst, site, "vendor-tool", described(bst, vendor, vendor.armored))
    bst.run("source", "track", "set.bst")
    bst.run("source", "fetch", "set.bst")
    words = YAML(typ="safe").load(path)["sources"][0]
    kind, ref = words.pop("kind"), words.pop("ref")
    source = Source(kind=kind, words=words, locked=True)
    made = Element(name="set.bst", kind="import", description="", sources=(source,))
    plan = Plan(elements={made.name: made}, files={}, targets={}, refs={source.request(): ref})
    files, left = collection.stored(plan, bst.path / "cache" / "buildstream")
    assert left == ()
    collection.write(files, tmp_path / "folder", ignore)
    (tmp_path / "empty").mkdir()
    other = Bst(tmp_path / "other", env={"ROOTSTREAM_FETCHED": str(tmp_path / "folder")})
    text = path.read_text()
    for root in (site.repository.root, vendor.root):
        text = text.replace(f"file://{root}", f"file://{tmp_path}/empty")
    (other.path / "elements/set.bst").write_text(text)
    assert (other.checkout("set.bst") / "usr/bin/vendor-tool").read_text() == "vendor"
    other.env.pop("ROOTSTREAM_FETCHED")
    third = Bst(tmp_path / "third")
    shutil.copytree(other.path / "elements", third.path / "elements", dirs_exist_ok=True)
    assert "is on no mirror" in third.fails("source", "fetch", "set.bst")


SYSTEM = """\
systems:
  box:
    root:
      debian:
        suite: trixie
        packages: [apt, own-tool]
        repositories:
          own:
            url: URL
            suites: [stable]
            key: keys/own.asc
    images: [tar]
"""


def test_a_system_with_a_repository(run: Command, tmp_path: Path, vendor: Repository) -> None:
    """All the way with the real archive: an error at its line with another key, then pinned and in the image."""
    (tmp_path / "own").mkdir()
    with signed(tmp_path / "own", "stable") as own:
        own.package("own-tool", "4", {"./usr/bin/own-tool": ("#!/bin/sh\n", 0o755)}, fields="Depends: libc6\n")
        own.publish()
    with served(own.root) as address:
        _build(run, tmp_path / "project", address, right=own.armored, wrong=vendor.armored)


def _build(run: Command, project: Path, address: str, *, right: Path, wrong: Path) -> None:
    (project / "keys").mkdir(parents=True)
    (project / "system.yaml").write_text(SYSTEM.replace("URL", address))
    shutil.copy(wrong, project / "keys/own.asc")
    done = run("update", cwd=project)
    assert done.returncode == 2, done.stderr
    assert "system.yaml:9:" in done.stderr
    assert "is not signed with its key" in done.stderr
    assert not (project / "system.lock").exists()
    shutil.copy(right, project / "keys/own.asc")
    run("build", cwd=project, check=True)
    lock = json.loads((project / "system.lock").read_text())
    [ref] = [each["ref"] for each in lock["sources"] if "repositories" in each["source"]]
    assert [row["name"] for row in ref if "repository" in row] == ["own-tool"]
    with tarfile.open(project / "out/box/rootfs.tar") as tar:

        def read(path: str) -> bytes:
            file = tar.extractfile(f"./{path}")
            assert file is not None
            return file.read()

        assert read("usr/bin/own-tool") == b"#!/bin/sh\n"
        assert b"Package: own-tool\nStatus: install ok installed\n" in read("var/lib/dpkg/status")
        assert read("etc/apt/keyrings/own.asc") == right.read_bytes()
        assert read("etc/apt/sources.list.d/own.sources").decode() == (
            f"Types: deb\nURIs: {address}\nSuites: stable\nComponents: main\n"
            "Signed-By: /etc/apt/keyrings/own.asc\n"
        )
        assert b"Suites: trixie " in read("etc/apt/sources.list.d/debian.sources")
