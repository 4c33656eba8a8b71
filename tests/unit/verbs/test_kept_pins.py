"""Versions that hold when a set is pinned anew: of the set that it was, of the one below it, of others."""

from __future__ import annotations

import json
from typing import Any

from rootstream.plan.model import Source
from rootstream.verbs.kept_pins import kept


def request(packages: list[str], **words: object) -> str:
    told = {
        "kind": "debian_packages",
        "suites": ["trixie"],
        "architecture": "amd64",
        "packages": packages,
        **words,
    }
    return json.dumps(told, sort_keys=True, separators=(",", ":"))


def ref(**versions: str) -> list[dict[str, str]]:
    return [{"name": name, "version": version} for name, version in versions.items()]


def wanted(*packages: str, **words: object) -> Source:
    told = {"suites": ["trixie"], "architecture": "amd64", "packages": list(packages), **words}
    return Source(kind="debian_packages", words=told, locked=True)


def test_a_set_that_grew_or_shrank_keeps_its_versions() -> None:
    refs = {request(["a", "b"]): ref(a="1", b="2", libc="3")}
    for packages in (("a", "b", "c"), ("a",), ("a", "c", "b", "d")):
        assert kept(wanted(*packages), refs, {}) == {"keep": ["a=1", "b=2", "libc=3"]}


def test_another_set_gives_what_is_preferred() -> None:
    refs = {request(["x", "y", "z"]): ref(x="1", libc="3"), request(["a", "b"]): ref(a="1", libc="4")}
    assert kept(wanted("a", "b", "c"), refs, {}) == {"keep": ["a=1", "libc=4"], "prefer": ["x=1"]}
    assert kept(wanted("q"), refs, {}) == {"prefer": ["a=1", "libc=3", "x=1"]}


def test_other_archives_say_nothing() -> None:
    refs = {
        request(["a", "b"], architecture="arm64"): ref(a="1"),
        request(["a", "b"], suites=["sid"]): ref(a="2"),
    }
    assert kept(wanted("a", "b", "c"), refs, {}) == {}


def test_further_suites_keep_what_is_pinned() -> None:
    refs = {request(["a", "b"]): ref(a="1")}
    source = wanted("a", "b", suites=["trixie", "trixie-security"])
    assert kept(source, refs, {}) == {"keep": ["a=1"]}


def test_what_is_asked_for_at_a_version_comes_at_that() -> None:
    refs = {request(["a", "b", "c"]): ref(a="1", b="2", c="3")}
    assert kept(wanted("a=2", "b", "c"), refs, {}) == {"keep": ["b=2", "c=3"]}


def test_what_lies_below_keeps_its_versions() -> None:
    refs = {request(["base"]): ref(base="1", libc="3"), request(["far"]): ref(far="1", libc="5")}
    assert kept(wanted("cross", without=["base"]), refs, {}) == {"keep": ["base=1", "libc=3"], "prefer": ["far=1"]}


def python(digest: str, **words: object) -> Source:
    told: dict[str, Any] = {"python": "3.13", "machine": "x86_64", "glibc": 41, "digest": digest, **words}
    told |= {"requirements": "r.txt", "constraints": "c.txt"}
    return Source(kind="python_wheels", words=told, locked=True)


def test_wheels_keep_their_versions_but_for_those_that_a_line_names() -> None:
    refs = {
        python("old").request(): ref(requests="2.1", urllib3="1.0", flask="3"),
        python("other").request(): ref(numpy="1"),
        python("old", machine="aarch64").request(): ref(requests="9"),
    }
    texts = {"r.txt": b"Requests>=2\nFlask==3.1\nclick\n"}
    assert kept(python("new"), refs, texts) == {"keep": ["requests==2.1", "urllib3==1.0"]}
    assert kept(python("new", python="3.12"), refs, texts) == {}


def test_what_builds_sources_is_kept_apart() -> None:
    words = {"python": "3.13", "machine": "x86_64", "glibc": 41, "requirements": "r.txt", "constraints": "c.txt"}
    source = Source(kind="python_sources", words={**words, "digest": "new"}, locked=True)
    old = Source(kind="python_sources", words={**words, "digest": "old"}, locked=True)
    rows = [
        {"role": "wheel", "name": "pbr", "version": "6"},
        {"role": "source", "name": "ironic", "version": "1"},
        {"role": "build", "name": "pbr", "version": "7"},
    ]
    found = kept(source, {old.request(): rows}, {"r.txt": b"ironic\n"})
    assert found == {"keep": ["pbr==6", "ironic==1"], "keep-build": ["pbr==7"]}
