"""The Debian sources under the real bst, on a small signed archive that is made here and served locally."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from debian_archive import SUITES, Bst, Repository, Site, refs, tar
from ruamel.yaml import YAML

from rootstream.events import ignore
from rootstream.plan.model import Element, Plan, Source
from rootstream.verbs import collection

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(
        any(shutil.which(name) is None for name in ("apt-get", "gpg", "gpgv", "patch")),
        reason="apt, gpg, gpgv or patch is not installed",
    ),
]

PATCH = "--- a/main.c\n+++ b/main.c\n@@ -1 +1 @@\n-one\n+two\n"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    with tempfile.TemporaryDirectory() as home:
        made = Repository(tmp_path_factory.mktemp("archive"), home)
        made.package(
            "tool",
            "1:1.2-3",
            {"./usr/bin/tool": ("#!/bin/sh\n", 0o755), "./lib/tool/x": "x"},
            fields="Depends: libtool1\nRecommends: extra\n",
        )
        made.package("libtool1", "1.2-3", {"./usr/lib/libtool.so.1": "1"})
        made.package("libtool1", "1.2-3+deb1u1", {"./usr/lib/libtool.so.1": "2"}, suite=SUITES[1])
        made.package("extra", "1", {"./usr/share/extra": "e"}, arch="all")
        made.package("needy", "1", {}, fields="Depends: absent\n")
        made.package("newer", "1", {}, fields="Depends: libtool1 (>= 1.2-3+deb1u1)\n")
        made.package("gcc", "1", {"./usr/bin/gcc": ("", 0o755)})
        made.package("tool", "1:1.2-3", {"./usr/bin/tool": ("riscv", 0o755)}, arch="riscv64")
        made.package("large", "1", {"./large": os.urandom(400_000).hex()})
        made.package("evil", "1", {"./out": "-> ../../../..", "./out/escaped": "x"})
        files = {
            "orig.tar.xz": tar({"src-1/main.c": "one\n"}),
            "debian.tar.xz": tar({"debian/patches/series": "a\n", "debian/patches/a": PATCH, "debian/rules": "r"}),
        }
        for version in ("1.9-1", "1.10-1"):
            upstream = version.partition("-")[0]
            made.source(
                "src",
                version,
                {
                    f"src_{upstream}.orig.tar.xz": files["orig.tar.xz"],
                    f"src_{version}.debian.tar.xz": files["debian.tar.xz"],
                    f"src_{version}.dsc": b"dsc",
                },
            )
        made.source("old", "1-1", {"old_1.orig.tar.gz": tar({"old/main.c": "one\n"}, "gz"),
                                   "old_1-1.diff.gz": gzip.compress(PATCH.encode())})  # fmt: skip
        made.publish()
        yield made
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "gpg-agent"], check=False)


@pytest.fixture
def site(repository: Repository) -> Iterator[Site]:
    served = Site(repository=repository)

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *words: object) -> None:
            super().__init__(*words, directory=str(repository.root))  # type: ignore[arg-type]

        def log_message(self, *_words: object) -> None:
            pass

        def do_GET(self) -> None:
            served.asked.append(self.path)
            if not (served.hold and self.path.endswith(".deb")):
                super().do_GET()
                return
            content = (repository.root / self.path.lstrip("/")).read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            served.held.set()
            served.release.wait(60)
            try:
                self.wfile.write(content[len(content) // 2 :])
            except OSError:
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    served.address = f"http://127.0.0.1:{server.server_port}"
    yield served
    served.release.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def bst(tmp_path: Path) -> Bst:
    return Bst(tmp_path / "project")


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def kill_all(pid: int) -> None:
    """Kill bst as a crash would, and the server that it would leave behind."""
    for victim in (pid, *children(pid)):
        os.kill(victim, signal.SIGKILL)


def test_track_fetch_build(bst: Bst, site: Site) -> None:
    element = bst.element("set.bst", site.packages("tool", "gcc"))
    said = bst.run("source", "track", "set.bst")
    assert "Found new revision: 3 packages" in said
    assert refs(element) == ["gcc", "libtool1", "tool"]
    tracked = element.read_text()
    bst.run("source", "track", "set.bst")
    assert element.read_text() == tracked
    out = bst.checkout("set.bst")
    assert (out / "usr/bin/tool").read_text() == "#!/bin/sh\n"
    assert os.access(out / "usr/bin/tool", os.X_OK)
    assert (out / "usr/lib/tool/x").read_text() == "x"
    assert (out / "lib").readlink() == Path("usr/lib")
    assert (out / "usr/bin/cc").readlink() == Path("gcc")
    assert (out / "tmp").is_dir()
    assert not (out / "usr/share/extra").exists()


def test_security_suite_recommends_and_no_fixups(bst: Bst, site: Site) -> None:
    more = "recommends: true\nfixups: false\n"
    element = bst.element("set.bst", site.packages("tool", suites=", ".join(SUITES), more=more))
    bst.run("source", "track", "set.bst")
    assert refs(element) == ["extra", "libtool1", "tool"]
    assert "path: pool/updates/main/libtool1_1.2-3+deb1u1_amd64.deb" in element.read_text()
    out = bst.checkout("set.bst")
    assert (out / "usr/lib/libtool.so.1").read_text() == "2"
    assert not (out / "tmp").exists()


def test_exact_version_and_foreign_architecture(bst: Bst, site: Site) -> None:
    suites = ", ".join(SUITES)
    element = bst.element("set.bst", site.packages("libtool1=1.2-3", suites=suites))
    other = bst.element("riscv.bst", site.packages("tool", arch="riscv64"))
    bst.run("source", "track", "set.bst", "riscv.bst")
    assert "version: 1.2-3\n" in element.read_text()
    assert refs(other) == ["tool"]
    assert (bst.checkout("riscv.bst") / "usr/bin/tool").read_text() == "riscv"


def test_dependency_that_cannot_be_met(bst: Bst, site: Site) -> None:
    element = bst.element("set.bst", site.packages("needy"))
    assert "needy : Depends: absent" in bst.fails("source", "track", "set.bst")
    assert "ref:" not in element.read_text()


def test_mirror_of_files(bst: Bst, site: Site) -> None:
    text = site.packages("tool").replace(site.address, site.repository.root.as_uri())
    element = bst.element("set.bst", text)
    bst.run("source", "track", "set.bst")
    assert refs(element) == ["libtool1", "tool"]
    assert (bst.checkout("set.bst") / "usr/bin/tool").is_file()


def test_packages_unopened(bst: Bst, site: Site) -> None:
    bst.element("set.bst", site.packages("tool", more="unpack: false\n"))
    bst.run("source", "track", "set.bst")
    out = bst.checkout("set.bst")
    assert sorted(path.name for path in out.iterdir()) == ["libtool1_1.2-3_amd64.deb", "tool_1.2-3_amd64.deb"]


def test_indexes_are_asked_for_once(bst: Bst, site: Site) -> None:
    names = [f"set{n}.bst" for n in range(4)]
    for name in names:
        bst.element(name, site.packages("tool"))
    bst.element("riscv.bst", site.packages("gcc", arch="riscv64"))
    bst.fails("source", "track", *names, "riscv.bst", "--deps", "none")
    assert site.asked.count(f"/dists/{SUITES[0]}/InRelease") == 2  # one for each architecture


def test_unknown_package(bst: Bst, site: Site) -> None:
    bst.element("set.bst", site.packages("gccc", "tool", "nothing-like-it"))
    said = bst.fails("source", "track", "set.bst")
    assert "Asked for gccc: not in steady for amd64 (did you mean gcc?)" in said
    assert "nothing-like-it" in said


def test_unknown_suite(bst: Bst, site: Site) -> None:
    bst.element("set.bst", site.packages("tool", suites="unsteady"))
    assert "does not have a Release file" in bst.fails("source", "track", "set.bst")


def test_wrong_keyring(bst: Bst, site: Site, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as home:
        (tmp_path / "other").mkdir()
        other = Repository(tmp_path / "other", home)
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "gpg-agent"], check=False)
    text = site.packages("tool").replace(str(site.repository.keyring), str(other.keyring))
    element = bst.element("set.bst", text)
    assert "could not be downloaded or verified" in bst.fails("source", "track", "set.bst")
    assert "ref:" not in element.read_text()


def test_missing_keyring(bst: Bst, site: Site) -> None:
    bst.element("set.bst", site.packages("tool").replace("archive.gpg", "none.gpg"))
    assert "none.gpg cannot be read" in bst.fails("source", "track", "set.bst")


def test_key_depends_on_content_only(bst: Bst, site: Site) -> None:
    element = bst.element("set.bst", site.packages("tool"))
    bst.run("source", "track", "set.bst")
    text, key = element.read_text(), bst.key("set.bst")
    for old, new in (
        (f"mirrors: ['{site.address}']", "mirrors: ['http://elsewhere.example/debian']"),
        (f"keyring: {site.repository.keyring}", "keyring: /nonexistent"),
    ):
        element.write_text(text.replace(old, new))
        assert bst.key("set.bst") == key
    without = text.replace("architecture: amd64\n  packages", "fixups: false\n  architecture: amd64\n  packages")
    for changed in (without, re.sub(r"sha256: .{4}", "sha256: 0000", text, count=1)):
        assert changed != text
        element.write_text(changed)
        assert bst.key("set.bst") != key


def test_mirrors_of_the_environment(bst: Bst, site: Site) -> None:
    text = site.packages("tool").replace(f"mirrors: ['{site.address}']\n", "")
    bst.element("set.bst", text)
    bst.env["ROOTSTREAM_DEBIAN_MIRRORS"] = f"http://127.0.0.1:1 {site.address}"
    bst.run("source", "track", "set.bst")
    said = bst.run("source", "fetch", "set.bst")
    assert "http://127.0.0.1:1 is skipped" in said


def test_no_mirror(bst: Bst, site: Site) -> None:
    text = site.packages("tool").replace(f"mirrors: ['{site.address}']\n", "")
    bst.element("set.bst", text)
    tools = bst.path / "bin"
    tools.mkdir()
    (tools / "apt-get").write_text("#!/bin/sh\nexit 0\n")
    (tools / "apt-get").chmod(0o755)
    bst.env["PATH"] = f"{tools}:{bst.env['PATH']}"
    said = bst.fails("source", "track", "set.bst")
    assert "has no Debian mirror" in said
    assert "mirrors:" in said


def test_wrong_hash(bst: Bst, site: Site) -> None:
    element = bst.element("set.bst", site.packages("gcc"))
    bst.run("source", "track", "set.bst")
    element.write_text(re.sub(r"sha256: .{4}", "sha256: 0000", element.read_text()))
    said = bst.fails("source", "fetch", "set.bst")
    assert "pool/main/gcc_1_amd64.deb could not be downloaded" in said
    assert "has other content" in said


def test_package_that_left_the_archive(bst: Bst, site: Site) -> None:
    element = bst.element("set.bst", site.packages("gcc"))
    bst.run("source", "track", "set.bst")
    element.write_text(element.read_text().replace("gcc_1_amd64.deb", "gcc_0_amd64.deb"))
    said = bst.fails("source", "fetch", "set.bst")
    assert "pool/main/gcc_0_amd64.deb is on no mirror" in said
    assert "ROOTSTREAM_FETCHED" in said
    assert "ROOTSTREAM_DEBIAN_SNAPSHOTS" in said


def test_what_left_the_archive_comes_from_a_snapshot(bst: Bst, site: Site, tmp_path: Path) -> None:
    element = bst.element("set.bst", site.packages("gcc"))
    bst.run("source", "track", "set.bst")
    (tmp_path / "empty").mkdir()
    element.write_text(element.read_text().replace(site.address, f"file://{tmp_path}/empty"))
    assert "is on no mirror" in bst.fails("source", "fetch", "set.bst")
    bst.env["ROOTSTREAM_DEBIAN_SNAPSHOTS"] = site.address
    assert (bst.checkout("set.bst") / "usr/bin/gcc").is_file()


def planned(bst: Bst) -> Plan:
    """Return the elements of a project as Rootstream plans them, with what the project has for a lock."""
    elements: dict[str, Element] = {}
    found: dict[str, object] = {}
    for path in (bst.path / "elements").glob("*.bst"):
        words = YAML(typ="safe").load(path)["sources"][0]
        kind, ref = words.pop("kind"), words.pop("ref")
        source = Source(kind=kind, words=words, locked=True)
        elements[path.name] = Element(name=path.name, kind="import", description="", sources=(source,))
        found[source.request()] = ref
    return Plan(elements=elements, files={}, targets={}, refs=found)


def test_a_folder_of_what_was_fetched_builds_offline(bst: Bst, site: Site, tmp_path: Path) -> None:
    elements = [
        bst.element("set.bst", site.packages("tool", "gcc")),
        bst.element("src.bst", site.source("src", more="patches: true\n")),
    ]
    names = [element.name for element in elements]
    bst.run("source", "track", *names)
    bst.run("source", "fetch", *names)
    files, left = collection.stored(planned(bst), bst.path / "cache" / "buildstream")
    assert left == ()
    folder = tmp_path / "folder"
    collection.write(files, folder, ignore)
    other = Bst(tmp_path / "other", env={"ROOTSTREAM_FETCHED": str(folder), "ROOTSTREAM_DEBIAN_MIRRORS": ""})
    (tmp_path / "empty").mkdir()
    for element in elements:
        text = element.read_text().replace(f"mirrors: ['{site.address}']", f"mirrors: ['file://{tmp_path}/empty']")
        (other.path / "elements" / element.name).write_text(text)
    before = len(site.asked)
    assert (other.checkout("set.bst") / "usr/bin/tool").is_file()
    assert (other.checkout("src.bst") / "main.c").read_text() == "two\n"
    assert len(site.asked) == before
    for path in folder.rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[::-1])
    third = Bst(tmp_path / "third", env=other.env | {"HOME": str(tmp_path / "third")})
    third.env |= {"XDG_CACHE_HOME": str(third.path / "cache"), "XDG_CONFIG_HOME": str(third.path / "config")}
    shutil.copytree(other.path / "elements", third.path / "elements", dirs_exist_ok=True)
    assert "has other content" in third.fails("source", "fetch", "set.bst")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("path: pool/", "path: ../pool/"),
        ("path: pool/", "path: /pool/"),
        ("size: ", "size: -"),
        ("sha256: ", "sha256: x"),
        ("  - name: gcc\n", "  - name: gcc\n    more: 1\n"),
        ("  - name: gcc\n", "  - name: '--gcc'\n"),
        ("architecture: amd64\n    path", "path"),
    ],
)
def test_invalid_ref(bst: Bst, site: Site, old: str, new: str) -> None:
    element = bst.element("set.bst", site.packages("gcc"))
    element.write_text(
        element.read_text() + f"  ref:\n  - name: gcc\n    version: '1'\n    architecture: amd64\n"
        f"    path: pool/main/gcc_1_amd64.deb\n    size: 1\n    sha256: {'0' * 64}\n"
    )
    bst.run("show", "set.bst")
    assert old in element.read_text()
    element.write_text(element.read_text().replace(old, new))
    assert re.search(r"set\.bst \[line \d+ column \d+\]", bst.fails("show", "set.bst"))


def test_hostile_package(bst: Bst, site: Site) -> None:
    bst.element("set.bst", site.packages("evil"))
    bst.run("source", "track", "set.bst")
    said = bst.fails("source", "fetch", "set.bst")
    assert "evil: " in said
    assert "leads out of the tree" in said


def test_progress_while_it_runs_and_going_on_after_a_kill(bst: Bst, site: Site) -> None:
    bst.element("set.bst", site.packages("large"))
    bst.run("source", "track", "set.bst")
    site.hold = True
    argv = bst.argv("source", "fetch", "set.bst")
    with subprocess.Popen(argv, cwd=bst.path, env=bst.env, text=True, stderr=subprocess.PIPE) as child:
        assert child.stderr
        line = next(line for line in child.stderr if "transfer files=" in line and "bytes=0/" not in line)
        kill_all(child.pid)
    assert re.search(r"transfer files=0/1 bytes=\d+/\d+ rate=\d+$", line.strip())
    assert site.held.is_set()
    [part] = (bst.path / "cache/buildstream/sources/debian").rglob("*.part")
    assert part.stat().st_size > 0
    site.hold = False
    said = bst.run("source", "fetch", "set.bst")
    assert re.search(r"INFO +1 files, 0\.\d MB downloaded", said)
    assert not part.exists()


def test_interrupted_fetch_ends(bst: Bst, site: Site) -> None:
    bst.element("set.bst", site.packages("large"))
    bst.run("source", "track", "set.bst")
    site.hold = True
    argv = bst.argv("source", "fetch", "set.bst")
    with subprocess.Popen(
        argv, cwd=bst.path, env=bst.env, stderr=subprocess.DEVNULL, start_new_session=True
    ) as child:
        assert site.held.wait(60)
        servers = children(child.pid)
        child.send_signal(signal.SIGTERM)
        assert child.wait(60) != 0
        for pid in servers:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def test_two_processes_at_once(bst: Bst, site: Site, tmp_path: Path) -> None:
    bst.element("set.bst", site.packages("tool", "large", "gcc"))
    bst.run("source", "track", "set.bst")
    other = Bst(tmp_path / "other")
    shutil.copy(bst.path / "elements/set.bst", other.path / "elements/set.bst")
    other.env["XDG_CACHE_HOME"] = bst.env["XDG_CACHE_HOME"]
    site.asked.clear()
    children = [
        subprocess.Popen(
            one.argv("source", "fetch", "set.bst"), cwd=one.path, env=one.env, stderr=subprocess.PIPE, text=True
        )
        for one in (bst, other)
    ]
    for child in children:
        _, said = child.communicate(timeout=120)
        assert child.returncode == 0, said
    assert sorted(path for path in site.asked if path.endswith(".deb")) == sorted(
        {path for path in site.asked if path.endswith(".deb")}
    )


def test_source_with_and_without_patches(bst: Bst, site: Site) -> None:
    plain = bst.element("plain.bst", site.source("src"))
    bst.element("patched.bst", site.source("src", "patches: true\n"))
    bst.element("old.bst", site.source("old", "patches: true\n"))
    said = bst.run("source", "track", "plain.bst", "patched.bst", "old.bst")
    assert "Found new revision: version 1.10-1, 2 files" in said
    assert "version: 1.10-1\n" in plain.read_text()
    out = bst.checkout("plain.bst")
    assert [path.name for path in out.iterdir()] == ["main.c"]
    assert (out / "main.c").read_text() == "one\n"
    out = bst.checkout("patched.bst")
    assert (out / "main.c").read_text() == "two\n"
    assert (out / "debian/rules").read_text() == "r"
    assert (bst.checkout("old.bst") / "main.c").read_text() == "two\n"


def test_source_as_archives(bst: Bst, site: Site) -> None:
    bst.element("plain.bst", site.source("src", "unpack: false\nversion: 1.9-1\n"))
    bst.element("named.bst", site.source("src", "unpack: false\npatches: true\nfilename: src.txz\n"))
    bst.run("source", "track", "plain.bst", "named.bst")
    out = bst.checkout("plain.bst")
    assert [path.name for path in out.iterdir()] == ["orig.tar.xz"]
    assert (out / "orig.tar.xz").read_bytes() == (
        site.repository.root / "pool/main/src/src_1.9.orig.tar.xz"
    ).read_bytes()
    assert sorted(path.name for path in bst.checkout("named.bst").iterdir()) == ["debian.tar.xz", "src.txz"]


def test_source_that_is_not_there(bst: Bst, site: Site) -> None:
    bst.element("none.bst", site.source("srx"))
    assert "no source package srx in steady (did you mean src?)" in bst.fails("source", "track", "none.bst")
    bst.element("none.bst", site.source("src", "version: 2-1\n"))
    said = bst.fails("source", "track", "none.bst")
    assert "has no version 2-1" in said
    assert "1.10-1, 1.9-1" in said


def test_source_that_the_index_names_and_no_mirror_has(bst: Bst, site: Site) -> None:
    newest = site.repository.root / "pool/main/src/src_1.10.orig.tar.xz"
    aside = newest.rename(newest.with_name("aside"))
    try:
        element = bst.element("plain.bst", site.source("src"))
        said = bst.run("source", "track", "plain.bst")
        assert "src 1.10-1 is in the index, but its files are on no mirror: 1.9-1 is taken" in said
        assert "version: 1.9-1\n" in element.read_text()
        assert (bst.checkout("plain.bst") / "main.c").read_text() == "one\n"
        element = bst.element("exact.bst", site.source("src", "version: 1.10-1\n"))
        bst.run("source", "track", "exact.bst")
        assert "version: 1.10-1\n" in element.read_text()
    finally:
        aside.rename(newest)


def test_bad_keys(bst: Bst, site: Site) -> None:
    for text in (
        site.packages("tool", more="fixups: true\nunpack: false\n"),
        site.packages("Tool"),
        site.packages("tool", arch="'a b'"),
        site.packages("tool", more="colour: red\n"),
        site.packages(),
        site.source("src", "filename: a/b\nunpack: false\n"),
        site.source("src", "filename: a\n"),
    ):
        bst.element("bad.bst", text)
        assert re.search(r"bad\.bst \[line \d+ column \d+\]", bst.fails("show", "bad.bst"))


def test_versions_that_are_pinned_are_kept_or_it_is_an_error(bst: Bst, site: Site) -> None:
    both = ", ".join(SUITES)

    def tracked(*names: str, more: str = "") -> str:
        return bst.element("set.bst", site.packages(*names, suites=both, more=more)).read_text()

    def versions() -> str:
        bst.run("source", "track", "set.bst")
        return (bst.path / "elements" / "set.bst").read_text()

    tracked("tool", "extra")
    assert "version: 1.2-3+deb1u1" in versions()
    for more in ("keep: [libtool1=1.2-3]\n", "prefer: [libtool1=1.2-3]\n", "keep: [libtool1=1.2-3, gone=1]\n"):
        tracked("tool", "extra", more=more)
        assert "deb1u1" not in versions()
    tracked("tool", more="prefer: [libtool1=1.1]\n")
    assert "version: 1.2-3+deb1u1" in versions()
    tracked("tool", more="keep: [libtool1=1.1]\n")
    said = bst.fails("source", "track", "set.bst")
    assert "than those that are pinned already" in said
    assert "libtool1 1.1 (now 1.2-3+deb1u1)" in said
    tracked("tool", "newer", more="keep: [libtool1=1.2-3]\n")
    assert "with the versions that are pinned already" in bst.fails("source", "track", "set.bst")
    tracked("needy", more="keep: [libtool1=1.2-3]\n")
    assert "pinned already" not in bst.fails("source", "track", "set.bst")
