"""Downloads by content: which files, from which places, and what servers that misbehave lead to."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rootstream import events
from rootstream.buildroot import info
from rootstream.buildroot.sources import debian_pool, downloads, transfer
from rootstream.errors import UserError

CONTENT = bytes(range(256)) * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
SHA512 = hashlib.sha512(CONTENT).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    ended = threading.Event()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        begin = int(self.headers.get("Range", "bytes=0-")[6:-1])
        kind = self.path.split("/")[1]
        if kind in ("404", "500"):
            self.send_error(int(kind))
            return
        resumed = kind == "good" and begin > 0
        if resumed and begin >= len(CONTENT):
            self.send_error(416)
            return
        body = CONTENT[begin:] if resumed else b"<html>" if kind == "garbage" else CONTENT
        self.send_response(206 if resumed else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if kind == "truncated":
            self.wfile.write(body[:1000])
        elif kind == "silent":
            self.wfile.write(body[:1000])
            Server.ended.wait(30)
        elif kind == "drips":
            with contextlib.suppress(OSError):
                while not Server.ended.wait(0.05):
                    self.wfile.write(b"x")
        else:
            self.wfile.write(body)

    def log_message(self, *_words: object) -> None:
        """Stay quiet."""


@pytest.fixture
def server() -> Iterator[str]:
    Server.ended.clear()
    with Server(("127.0.0.1", 0), Handler) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_address[1]}"
        Server.ended.set()
        serving.shutdown()
        thread.join()


def reason(url: str, place: Path, **options: float) -> str:
    with pytest.raises(UserError) as caught:
        transfer.download(url, place, expected=SHA256, **options)  # type: ignore[arg-type]
    assert not place.exists()
    return caught.value.reason


def test_a_good_file_is_put_in_place(server: str, tmp_path: Path) -> None:
    place = tmp_path / "bash" / "bash.tar.gz"
    assert transfer.download(f"{server}/good/x", place, expected=SHA256) == SHA256
    assert place.read_bytes() == CONTENT
    assert [path.name for path in place.parent.iterdir()] == ["bash.tar.gz"]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("404", "download-missing"),
        ("500", "download-failed"),
        ("garbage", "hash-mismatch"),
        ("truncated", "download-failed"),
        ("silent", "download-failed"),
        ("drips", "download-failed"),
    ],
)
def test_servers_that_misbehave(kind: str, expected: str, server: str, tmp_path: Path) -> None:
    assert reason(f"{server}/{kind}/x", tmp_path / "x", silence=0.5) == expected


def test_a_file_that_is_too_large_is_refused(server: str, tmp_path: Path) -> None:
    assert reason(f"{server}/good/x", tmp_path / "x", limit=1000) == "download-too-large"


@pytest.mark.parametrize("begun", [CONTENT[:1000], b"another file", CONTENT, CONTENT + b"more"])
def test_a_begun_file_is_gone_on_from_or_begun_anew(begun: bytes, server: str, tmp_path: Path) -> None:
    place = tmp_path / "x"
    (tmp_path / ".x.part").write_bytes(begun)
    transfer.download(f"{server}/good/x", place, expected=SHA256)
    assert place.read_bytes() == CONTENT


@pytest.mark.parametrize("url", ["-x", "scp://h/x", "http://h/a b", "x"])
def test_other_addresses_are_refused(url: str, tmp_path: Path) -> None:
    assert reason(url, tmp_path / "x") == "bad-url"


def package(name: str, source: str, *uris: str, hashes: tuple[str, ...] = ()) -> info.BuildrootPackage:
    told = {
        "version": "1",
        "package_dir": f"package/{name}",
        "dl_dir": name,
        "downloads": [{"source": source, "uris": uris}],
        "hashes": hashes or (f"package/{name}/{name}.hash",),
    }
    return info.package(name, told, {})


@pytest.fixture
def buildroot(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    for name in ("bash", "tool"):
        (folder / "package" / name).mkdir(parents=True)
    text = f"# from upstream\nsha256  {SHA256}  bash.tar.gz\nsha512  {SHA512}  bash.tar.gz\nmd5  00  weak.tar\n"
    (folder / "package/bash/bash.hash").write_text(text)
    (folder / "package/tool/tool.hash").write_text(f"sha256  {SHA256}  tool-git4.tar.gz\n")
    return folder


def test_only_files_with_a_strong_hash_and_a_url_are_looked_for(buildroot: Path, tmp_path: Path) -> None:
    packages = [
        package("bash", "bash.tar.gz", "https+https://example.org/gnu", "http|urlencode+http://example.com/s"),
        package("bash", "weak.tar", "https+https://example.org"),
        package("tool", "tool-git4.tar.gz", "git+https://example.org/tool.git"),
        package("none", "none.tar", "https+https://example.org"),
    ]
    files, left = downloads.wanted(packages, buildroot, tmp_path / "dl", ("file:///mirror/",))
    assert left == ("bash: weak.tar", "none: none.tar")
    assert downloads.Summary(left=left).packages == ("bash", "none")
    only, checkout = files
    # what Buildroot packs of a checkout has a hash, too: who has the file spares the checkout
    assert checkout.urls == ("file:///mirror/tool/tool-git4.tar.gz", "file:///mirror/tool-git4.tar.gz")
    assert downloads.wanted(packages[2:3], buildroot, tmp_path, ())[1] == ("tool: tool-git4.tar.gz",)
    assert (only.place, only.algorithm, only.digest) == (tmp_path / "dl/bash/bash.tar.gz", "sha512", SHA512)
    assert only.sha256 == SHA256
    assert only.urls == (
        "file:///mirror/bash/bash.tar.gz",
        "file:///mirror/bash.tar.gz",
        "https://example.org/gnu/bash.tar.gz",
        "http://example.com/s/bash.tar.gz",
    )


def test_both_layouts_of_a_mirror_are_tried(buildroot: Path, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "bash.tar.gz").write_bytes(CONTENT)
    packages = [package("bash", "bash.tar.gz", "http+http://127.0.0.1:9/gnu")]
    ((only,), _) = downloads.wanted(packages, buildroot, tmp_path / "dl", (mirror.as_uri(),))
    run = downloads._Fetching(report=events.ignore, total=1)
    url, said = run.get(only, only.urls)
    assert url == f"{mirror.as_uri()}/bash.tar.gz"
    assert len(said) == 1
    assert only.place.read_bytes() == CONTENT


def test_a_bad_answer_for_one_file_does_not_condemn_the_server(
    server: str, buildroot: Path, tmp_path: Path
) -> None:
    packages = [package("bash", "bash.tar.gz", "http+http://h")]
    ((only,), _) = downloads.wanted(packages, buildroot, tmp_path / "dl", ())
    run = downloads._Fetching(report=events.ignore, total=1)
    url, said = run.get(only, [f"{server}/500/x", f"{server}/garbage/x", f"{server}/good/x"])
    assert url == f"{server}/good/x"
    assert len(said) == 2


INDEX = f"""\
Package: bash
Directory: pool/main/b/bash
Checksums-Sha1:
 {"b" * 40} 1 bash.tar.gz
Checksums-Sha256:
 {"a" * 64} 2421 bash_5.3-1.dsc
 {SHA256} 256000 bash_5.3.orig.tar.gz
 {"c" * 64} 10 bash_5.3-1.debian.tar.xz
 {"d" * 64} 10 ../evil.tar.xz

Package: evil
Directory: ../../etc
Checksums-Sha256:
 {"e" * 64} 10 evil.tar.xz
"""


def test_what_an_index_of_the_pool_lists() -> None:
    assert list(debian_pool.files(INDEX)) == [(SHA256, "pool/main/b/bash/bash_5.3.orig.tar.gz")]


def test_a_summary_names_what_is_missing_and_what_was_tried() -> None:
    summary = downloads.Summary(missing={"bash: bash.tar.gz": ("http://h/x: 404 Not Found",)})
    (line,) = downloads.lines(summary)
    assert "bash: bash.tar.gz" in line
    assert "http://h/x: 404 Not Found" in line
