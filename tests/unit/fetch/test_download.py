"""The downloader against a real server in a thread, with every way in which a mirror goes wrong."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from rootstream.fetch import transport
from rootstream.fetch.download import fetch
from rootstream.fetch.mirrors import Mirror
from rootstream.fetch.progress import Progress
from rootstream.fetch.store import Store
from rootstream.fetch.transfer import Limits, disk_fault
from rootstream.formats.faults import Fault
from rootstream.formats.records import MAX_SIZE, Item
from tests.unit.fetch.mirrorsite import (
    BODY,
    Answer,
    Handler,
    Site,
    endless,
    failing,
    failing_endlessly,
    garbage,
    longer,
    moved_to,
    serve,
    short_once,
    stalling,
    trickling,
    trickling_head,
    well,
    whole,
)

QUICK = Limits(stall=0.5, backoff=0.01, report=0.02, attempts=2, connections=4)


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def site() -> Iterator[Site]:
    yield from serve(Site())


@pytest.fixture
def other() -> Iterator[Site]:
    yield from serve(Site())


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@dataclass
class Said:
    progress: list[Progress] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def get(items: list[Item], sites: list[Site | Mirror], store: Store, limits: Limits = QUICK) -> Said:
    said = Said()
    mirrors = [site.mirror if isinstance(site, Site) else site for site in sites]
    fetch(items, mirrors, store, progress=said.progress.append, warn=said.warnings.append, limits=limits)
    for item in items:
        assert hashlib.sha256(store.path(item).read_bytes()).hexdigest() == item.sha256
    return said


def part(store: Store, item: Item, content: bytes) -> None:
    path = store.path(item)
    path.parent.mkdir(parents=True)
    path.with_name(f"{path.name}.part").write_bytes(content)


def test_many_files_over_few_connections(site: Site, store: Store) -> None:
    items = [site.add(f"pool/{n}.deb", BODY[: n * 1000] + bytes([n])) for n in range(40)]
    said = get(items, [site], store)
    assert site.connections <= QUICK.connections
    assert sorted(path for path, _ in site.asked) == sorted(f"/{item.path}" for item in items)
    assert not list(store.root.rglob("*.part"))
    assert said.warnings == []


def test_what_is_there_is_not_asked_for_again(site: Site, store: Store) -> None:
    item = site.add("a")
    get([item], [site], store)
    get([item, item], [site], store)
    assert len(site.asked) == 1


def test_progress_line(site: Site, store: Store) -> None:
    def slowly(handler: Handler) -> None:
        time.sleep(0.3)
        well(handler)

    item = site.add("slow", BODY, slowly)
    said = get([item, site.add("quick", b"1234")], [site], store, Limits(stall=5, report=0.02))
    assert said.progress
    assert re.fullmatch(rf"transfer files=[01]/2 bytes=\d+/{len(BODY) + 4} rate=\d+", str(said.progress[0]))
    assert said.progress[-1].bytes in {0, 4, len(BODY), len(BODY) + 4}


def test_empty_file(site: Site, store: Store) -> None:
    get([site.add("empty", b"")], [site], store)


def test_names_are_quoted(site: Site, store: Store) -> None:
    item = site.add("pool/g++_1.0~rc1%2b.deb")
    site.files["/pool/g++_1.0~rc1%252b.deb"] = BODY
    get([item], [site], store)


def test_resumes(site: Site, store: Store) -> None:
    item = site.add("a")
    part(store, item, BODY[:1000])
    get([item], [site], store)
    assert site.asked == [("/a", "bytes=1000-")]


def test_complete_part_needs_no_server(site: Site, store: Store) -> None:
    item = site.add("a")
    part(store, item, BODY)
    get([item], [site], store)
    assert site.asked == []


@pytest.mark.parametrize("content", [b"x" * 1000, b"x" * len(BODY), b"x" * (len(BODY) + 1)])
def test_damaged_part_is_begun_again(site: Site, store: Store, content: bytes) -> None:
    item = site.add("a")
    part(store, item, content)
    get([item], [site], store)
    assert site.asked[-1] == ("/a", None)


def test_server_without_ranges(site: Site, store: Store) -> None:
    item = site.add("a", answer=whole)
    part(store, item, BODY[:1000])
    get([item], [site], store)
    assert len(site.asked) == 1


def test_goes_on_after_a_broken_connection(site: Site, store: Store) -> None:
    item = site.add("a", answer=short_once)
    get([item], [site], store)
    assert site.asked == [("/a", None), ("/a", f"bytes={len(BODY) // 2}-")]


def test_fault_that_passes(site: Site, store: Store) -> None:
    def once(handler: Handler) -> None:
        handler.site.answers[handler.path] = well
        failing(handler)

    get([site.add("a", answer=once)], [site], store)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (stalling, "sent nothing for"),
        (garbage, "other content"),
        (longer, "bytes under this name"),
        (endless, "more than the expected"),
        (failing, "HTTP 503"),
        (failing_endlessly(503), "HTTP 503"),
        (failing_endlessly(302), "redirected more than"),
        (moved_to("/a"), "redirected more than"),
        (moved_to("ftp://127.0.0.1/a"), "not http or https"),
        (moved_to("file:///etc/passwd"), "not http or https"),
        (moved_to(""), "not http or https"),
        (moved_to("http://[/"), "malformed URL"),
        (moved_to("http://127.0.0.1:port/"), "malformed URL"),
    ],
)
def test_bad_mirror(site: Site, other: Site, store: Store, answer: Answer, text: str) -> None:
    item = site.add("a", answer=answer)
    with pytest.raises(Fault) as caught:
        get([item], [site], store)
    assert caught.value.reason == "download-failed"
    assert caught.value.temporary
    assert text in (caught.value.detail or "")
    assert ("read to its end", None) not in site.asked
    assert site.address in (caught.value.detail or "")
    assert sum(path.stat().st_size for path in store.root.rglob("*.part")) <= len(BODY)
    assert not store.has(item)
    other.add("a")
    said = get([item], [site, other], store)
    assert len(said.warnings) == 1
    assert text in said.warnings[0]


def test_bad_mirror_is_tried_last_from_then_on(site: Site, other: Site, store: Store) -> None:
    items = [site.add(f"{n}", bytes([n]) * 100, garbage) for n in range(20)]
    for n in range(20):
        other.add(f"{n}", bytes([n]) * 100)
    said = get(items, [site, other], store)
    assert len(said.warnings) == 1
    # Each connection may have chosen its mirror, twice at most, before the first one failed.
    assert len(site.asked) <= 2 * QUICK.connections < len(items)


@pytest.mark.parametrize("answer", [trickling, trickling_head])
def test_too_slow(site: Site, other: Site, store: Store, answer: Answer) -> None:
    item = site.add("a", answer=answer)
    limits = Limits(stall=5, window=0.5, rate=100_000, attempts=1, backoff=0.01)
    with pytest.raises(Fault) as caught:
        get([item], [site], store, limits)
    assert "sent less than 100000 bytes/s" in (caught.value.detail or "")
    other.add("a")
    assert len(get([item], [site, other], store, limits).warnings) == 1


def test_not_found_anywhere(site: Site, other: Site, store: Store) -> None:
    item = Item(path="pool/gone_1.deb", size=1, sha256="0" * 64)
    with pytest.raises(Fault) as caught:
        get([item], [site, other], store)
    assert caught.value.reason == "not-on-mirror"
    assert not caught.value.temporary
    detail = caught.value.detail or ""
    assert detail.count("HTTP 404") == 2
    assert "ROOTSTREAM_FETCHED" in detail


def test_not_found_on_one(site: Site, other: Site, store: Store) -> None:
    items = [other.add(f"pool/{n}", bytes([n])) for n in range(20)]
    said = get(items, [site, other], store)
    assert len(said.warnings) == 1
    assert len(site.asked) <= QUICK.connections


def test_security_pool_is_looked_for_where_it_is(site: Site, other: Site, store: Store) -> None:
    items = [other.add("pool/updates/main/a", b"a"), site.add("pool/main/b", b"b")]
    mirrors = [Mirror(url=site.address, security=False), Mirror(url=other.address, security=True)]
    said = get(items, list(mirrors), store)
    assert said.warnings == []
    assert [path for path, _ in site.asked] == ["/pool/main/b"]
    assert [path for path, _ in other.asked] == ["/pool/updates/main/a"]


def test_a_file_of_a_repository_is_looked_for_there_alone(site: Site, other: Site, store: Store) -> None:
    item = replace(other.add("pool/a", b"theirs"), base=other.address)
    get([item], [site], store)
    assert store.has(item)
    assert not site.asked


def test_unreachable_mirror(site: Site, store: Store) -> None:
    said = get([site.add("a")], [Mirror(url="http://127.0.0.1:1"), site], store)
    assert "refused" in said.warnings[0]


def test_redirect(site: Site, other: Site, store: Store) -> None:
    item = other.add("b")
    site.answers["/a"] = moved_to(f"{other.address}/b")
    get([Item(path="a", size=item.size, sha256=item.sha256)], [site], store)


def test_local_mirror(tmp_path: Path, store: Store) -> None:
    (tmp_path / "mirror dir" / "pool").mkdir(parents=True)
    (tmp_path / "mirror dir" / "pool" / "a").write_bytes(BODY)
    item = Item(path="pool/a", size=len(BODY), sha256=hashlib.sha256(BODY).hexdigest())
    part(store, item, BODY[:10])
    url = (tmp_path / "mirror dir").as_uri()
    get([item], [Mirror(url=url)], store)
    with pytest.raises(Fault) as caught:
        get([Item(path="pool/b", size=1, sha256="0" * 64)], [Mirror(url=url)], store)
    assert caught.value.reason == "not-on-mirror"
    with pytest.raises(Fault) as caught:
        get([Item(path="pool", size=1, sha256="0" * 64)], [Mirror(url=url)], store)
    assert "not a regular file" in (caught.value.detail or "")


def test_two_fetches_at_once_share_the_work(site: Site, store: Store) -> None:
    items = [site.add(f"{n}", bytes([n]) * 200_000) for n in range(30)]
    threads = [threading.Thread(target=get, args=(items, [site], store)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(store.has(item) for item in items)
    # Twice as many if they did not share; a file may be asked for again where a busy machine lets one stall.
    assert len(items) <= len(site.asked) < 1.5 * len(items)


def test_goes_on_after_being_killed(site: Site, store: Store) -> None:
    item = site.add("a", answer=trickling)
    code = (
        "import sys; from pathlib import Path; from rootstream.fetch import download, mirrors, store\n"
        "from rootstream.formats import records\n"
        "item = records.Item(path=sys.argv[3], size=int(sys.argv[4]), sha256=sys.argv[5])\n"
        "download.fetch([item], [mirrors.Mirror(url=sys.argv[1])], store.Store(Path(sys.argv[2])),"
        " progress=lambda _: None, warn=lambda _: None)"
    )
    argv = [sys.executable, "-c", code, site.address, str(store.root), item.path, str(item.size), item.sha256]
    unfinished = store.path(item).with_name(f"{item.sha256}.part")
    with subprocess.Popen(argv) as child:
        deadline = time.monotonic() + 20
        while not (unfinished.exists() and unfinished.stat().st_size > 5):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        child.send_signal(signal.SIGKILL)
    size = unfinished.stat().st_size
    site.answers.clear()
    get([item], [site], store)
    assert site.asked[-1] == ("/a", f"bytes={size}-")


def test_interruption_ends_the_threads(site: Site, store: Store) -> None:
    item = site.add("a", answer=trickling)

    def interrupt(_progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch([item], [site.mirror], store, progress=interrupt, warn=lambda _: None, limits=QUICK)
    assert not [thread for thread in threading.enumerate() if thread.name == "rootstream-download"]


def test_more_than_fits(store: Store, tmp_path: Path) -> None:
    count = shutil.disk_usage(tmp_path).free // MAX_SIZE + 1
    items = [Item(path=f"{n}", size=MAX_SIZE, sha256=f"{n:064x}") for n in range(count)]
    with pytest.raises(Fault) as caught:
        get(items, [Mirror(url="http://127.0.0.1:1")], store)
    assert caught.value.reason == "disk-full"


def test_disk_faults(store: Store) -> None:
    assert disk_fault(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), store).reason == "disk-full"
    assert disk_fault(OSError(errno.EACCES, os.strerror(errno.EACCES)), store).reason == "store-unusable"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_store_that_cannot_be_written(site: Site, tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(Fault) as caught:
        get([site.add("a")], [site], Store(tmp_path / "closed" / "store"))
    assert caught.value.reason == "store-unusable"


def test_proxy_of_the_environment(site: Site, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    site.files["http://mirror.invalid/debian/a"] = BODY
    item = Item(path="a", size=len(BODY), sha256=hashlib.sha256(BODY).hexdigest())
    monkeypatch.setenv("http_proxy", site.address)
    get([item], [Mirror(url="http://mirror.invalid/debian")], store)
    assert site.asked == [("http://mirror.invalid/debian/a", None)]


@pytest.mark.parametrize(
    ("url", "environment", "expected"),
    [
        ("http://mirror.invalid/", {}, "apt.invalid"),
        ("http://direct.invalid/", {}, None),
        ("https://mirror.invalid/", {}, None),
        ("http://mirror.invalid/", {"http_proxy": "http://env.invalid:3128"}, "env.invalid"),
        ("http://mirror.invalid/", {"http_proxy": "env.invalid:3128"}, "env.invalid"),
        ("http://mirror.invalid/", {"http_proxy": "http://env.invalid", "no_proxy": "mirror.invalid"}, None),
        ("https://mirror.invalid/", {"https_proxy": "http://env.invalid"}, "env.invalid"),
    ],
)
def test_which_proxy(
    url: str, environment: dict[str, str], expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    configured = {"http": "http://apt.invalid:8000", "http::direct.invalid": "DIRECT"}
    proxy = transport.proxy_for(urlsplit(url), configured)
    assert (proxy and proxy.hostname) == expected


def test_passwords_are_not_shown() -> None:
    assert transport.shown("https://user:secret@mirror.invalid/debian") == "https://mirror.invalid/debian"
