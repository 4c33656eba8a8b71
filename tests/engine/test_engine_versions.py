"""Clients of several versions share a cache: the first that signed lists, this one, and one yet to come."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cache_server import Server, serving
from engine_project import left_by, make_project
from tests.conftest import ROOT, extracted

from rootstream.engine import Remote, Signatures, remote_blobs, signed_list
from rootstream.engine.remote_api import Api
from rootstream.engine.trust import Trust, uri
from rootstream.host import envelopes

pytestmark = pytest.mark.engine
LISTS = "src/rootstream/engine/signed_list.py"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("versions") / "project")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path / "server") as found:
        yield found


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    made = ["openssl", "genpkey", "-algorithm", "ed25519", "-out", "ci.pem"]
    subprocess.run(made, cwd=tmp_path, check=True, capture_output=True)
    public = ["openssl", "pkey", "-in", "ci.pem", "-pubout", "-out", "ci.pub.pem"]
    subprocess.run(public, cwd=tmp_path, check=True, capture_output=True)
    return tmp_path


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the source of the first version that signed lists."""

    def git(*words: str) -> bytes:
        return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True).stdout

    if not (ROOT / ".git").exists():
        pytest.skip("this is no clone")
    first = git("log", "--diff-filter=A", "--format=%H", "--", LISTS).decode().split()
    if not first or git("rev-parse", "--is-shallow-repository") != b"false\n":
        pytest.skip("this clone does not have the version")
    folder = tmp_path_factory.mktemp("older")
    (folder / "source.tar").write_bytes(git("archive", first[-1], "src"))
    with tarfile.open(folder / "source.tar") as archive:
        extracted(archive, folder)
    return folder / "src"


def built(source: Path, project: Path, cache: Path, server: Server, **environment: str) -> dict[str, set[str]]:
    """Build two.bst by the command line of a version; return the elements by action, and its warnings."""
    env = {
        **os.environ,
        "PYTHONPATH": str(source),
        "ROOTSTREAM_CACHE": str(cache),
        "ROOTSTREAM_CACHE_URL": server.url,
        "ROOTSTREAM_CACHE_PUSH": "true",
        "ROOTSTREAM_OUT": str(cache.with_name(f"{cache.name}-out")),
        **environment,
    }
    check = "import rootstream, sys; sys.exit(sys.argv[1] not in rootstream.__file__)"
    subprocess.run([sys.executable, "-c", check, str(source)], env=env, check=True)
    argv = [sys.executable, "-m", "rootstream", "build", "two.bst", "--json"]
    done = subprocess.run(argv, cwd=project, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    found: dict[str, set[str]] = {"build": set(), "pull": set(), "push": set(), "warning": set(), "info": set()}
    for event in map(json.loads, done.stdout.splitlines()):
        if event["type"] == "element-finished" and event["result"] == "success":
            found.setdefault(event["action"], set()).add(event["element"])
        elif event["type"] == "notice" and "runs code of its own" not in event["text"]:
            found[event["level"]].add(event["text"])
    assert (cache.with_name(f"{cache.name}-out") / "two" / "two").read_text() == "one\n"
    assert left_by(cache) == []
    return found


def test_an_older_client_and_this_one(
    older: Path, project: Path, server: Server, keys: Path, tmp_path: Path
) -> None:
    ours = ROOT / "src"
    signs = {"ROOTSTREAM_CACHE_SIGN_WITH": str(keys / "ci.pem")}
    demands = {"ROOTSTREAM_CACHE_SIGNED_BY": str(keys / "ci.pub.pem")}
    first = built(older, project, tmp_path / "old", server, **signs)
    assert first["push"] == {"base.bst", "one.bst", "two.bst"}
    for name, source in (("one", ours), ("two", older)):
        for demanded in ({}, demands):
            pulled = built(source, project, tmp_path / f"{name}{len(demanded)}", server, **demanded)
            assert (pulled["build"], pulled["pull"]) == (set(), {"two.bst"})
            assert pulled["warning"] == set()
    # both go on with the list and the cache of the other
    for source in (ours, older):
        again = built(source, project, tmp_path / "old", server, **signs)
        assert again["build"] == again["warning"] == set()


def test_a_format_that_is_yet_to_come(project: Path, server: Server, keys: Path, tmp_path: Path) -> None:
    ours = ROOT / "src"
    signs = {"ROOTSTREAM_CACHE_SIGN_WITH": str(keys / "ci.pem")}
    demands = {"ROOTSTREAM_CACHE_SIGNED_BY": str(keys / "ci.pub.pem")}
    built(ours, project, tmp_path / "signer", server, **signs)
    trust = Trust(Signatures(sign_with=keys / "ci.pem"), tmp_path / "later")
    assert trust.signer is not None
    told = signed_list.statement(signed_list.empty().renewed(datetime.now(UTC)))
    told["predicateType"] = told["predicateType"].replace(":1", ":2")
    told["subject"] = {"another": "form"}
    later = json.dumps(envelopes.signed(told, trust.signer)).encode()
    with Api(Remote(url=server.url)) as api:
        digest = remote_blobs.upload(api, uri(trust.own), later)
    found = built(ours, project, tmp_path / "reader", server, **demands)
    assert (found["pull"], found["build"]) == (set(), {"base.bst", "one.bst", "two.bst"})
    (warning,) = found["warning"]
    assert "another version of Rootstream" in warning
    # who signs leaves it alone
    found = built(ours, project, tmp_path / "other", server, **signs)
    assert any("nothing was signed" in text and "another version" in text for text in found["warning"])
    with Api(Remote(url=server.url)) as api:
        assert api.entry(uri(trust.own)) == digest
    # where it was seen, an older list is no way back
    kept = tmp_path / "reader" / "rootstream-signed"
    kept.mkdir(exist_ok=True)
    (kept / f"{trust.own}.json").write_bytes(later)
    with Api(Remote(url=server.url)) as api:
        remote_blobs.upload(api, uri(trust.own), signed_list.encoded(signed_list.empty(), trust.signer))
    found = built(ours, project, tmp_path / "reader", server, **demands)
    (warning,) = found["warning"]
    assert "nothing is used by this key" in warning
    found = built(ours, project, tmp_path / "reader", server, **signs)
    assert any("nothing was signed" in text for text in found["warning"])
