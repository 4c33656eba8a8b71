"""Provenance: signed by a key file, verified by a key that is given, compared with the files in out/."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from rootstream.__main__ import main
from rootstream.host.envelopes import STATEMENT
from rootstream.project.project import Project
from rootstream.verbs import circumstances
from tests.unit.report.exports import HELLO, INVENTORY, export

SYSTEM = "systems:\n  hello:\n    root: busybox\n    kernel: {}\n    images: [kernel]\n"
Run = Callable[..., tuple[int, str]]
KEYS: dict[str, Callable[[], Any]] = {
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "ecdsa": lambda: ec.generate_private_key(ec.SECP256R1()),
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
}


def key(folder: Path, name: str = "ed25519") -> tuple[Path, Path]:
    made = KEYS[name]()
    private, public = folder / f"{name}.pem", folder / f"{name}.pub.pem"
    private.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(made.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "system.yaml").write_text(SYSTEM)
    export(tmp_path / "out" / "hello", HELLO, INVENTORY)
    return tmp_path


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(folder)

    def run(*words: object) -> tuple[int, str]:
        status = main([str(word) for word in words])
        stdout, stderr = capfd.readouterr()
        return status, stdout or stderr

    return run


@pytest.fixture
def signed(folder: Path, run: Run) -> tuple[Path, Path]:
    """Return a signed statement and the public key."""
    private, public = key(folder)
    place = folder / "x.json"
    assert run("provenance", "hello", "--key", private, "--builder", "https://example.org/ci", "-o", place)[0] == 0
    return place, public


def test_a_statement(run: Run) -> None:
    status, text = run("provenance", "hello")
    told = json.loads(text)
    assert (status, told["_type"]) == (0, "https://in-toto.io/Statement/v1")
    assert told["predicateType"] == "https://slsa.dev/provenance/v1"
    assert [each["name"] for each in told["subject"]] == ["bzImage", "inventory.jsonl"]
    definition = told["predicate"]["buildDefinition"]
    assert definition["externalParameters"]["system"] == "hello"
    linux = [each for each in definition["resolvedDependencies"] if each["annotations"]["component"] == "linux"]
    assert {each["uri"] for each in linux} == {"pkg:deb/debian/linux@6.12.107-1?arch=source&distro=trixie"}
    assert all(len(each["digest"]["sha256"]) == 64 for each in linux)
    assert told["predicate"]["runDetails"]["builder"]["id"] == "urn:rootstream:builder:unnamed"
    assert "slsaLevel" not in text


@pytest.mark.parametrize("name", KEYS)
def test_what_is_signed_is_verified(run: Run, folder: Path, name: str) -> None:
    private, public = key(folder, name)
    assert run("provenance", "--key", private, "-o", "x.json") == (0, "")
    status, text = run("verify", "hello", "--provenance", "x.json", "--key", public)
    assert (status, text.splitlines()[:2]) == (0, ["verified   bzImage", "verified   inventory.jsonl"])


def test_the_builder_is_named(run: Run, signed: tuple[Path, Path]) -> None:
    text = run("verify", "hello", "--provenance", signed[0], "--key", signed[1])[1]
    assert text.splitlines()[-1] == "builder    https://example.org/ci, as the statement says"


@pytest.mark.parametrize("change", ["content", "missing", "more", "list"])
def test_other_files_than_were_signed(run: Run, folder: Path, signed: tuple[Path, Path], change: str) -> None:
    out = folder / "out/hello"
    manifest = json.loads((out / "manifest.json").read_text())
    if change == "content":
        (out / "bzImage").write_bytes(b"another")
        expected = "different  bzImage"
    elif change == "missing":
        manifest["files"] = []
        expected = "missing    bzImage"
    elif change == "more":
        (out / "sbom.cdx.json").write_text("{}")
        expected = "unknown    sbom.cdx.json"
    else:
        (out / "inventory.jsonl").write_text("{}")
        expected = "different  inventory.jsonl"
    (out / "manifest.json").write_text(json.dumps(manifest))
    status, text = run("verify", "hello", "--provenance", signed[0], "--key", signed[1])
    assert (status, text.startswith(expected)) == (1, True)
    assert "verified" not in text


def test_the_manifest_is_not_believed(run: Run, folder: Path, signed: tuple[Path, Path]) -> None:
    (folder / "out/hello/bzImage").write_bytes(b"another")  # the manifest has the old digest still
    assert run("verify", "hello", "--provenance", signed[0], "--key", signed[1])[0] == 1
    status, text = run("provenance", "hello")
    assert (status, "is not the file that was exported" in text) == (2, True)


@pytest.mark.parametrize("change", ["payload", "signature", "key", "none", "type"])
def test_what_was_changed_has_no_signature(run: Run, folder: Path, signed: tuple[Path, Path], change: str) -> None:
    data = json.loads(signed[0].read_text())
    public = signed[1]
    expected = "no signature in it is of the key"
    if change == "payload":
        payload = json.loads(base64.b64decode(data["payload"]))
        payload["subject"][0]["digest"]["sha256"] = "0" * 64
        data["payload"] = base64.b64encode(json.dumps(payload).encode()).decode()
    elif change == "signature":
        data["signatures"][0]["sig"] = base64.b64encode(bytes(64)).decode()
    elif change == "key":
        public = key(folder)[1]
        data["signatures"][0]["key"] = public.read_text()
    elif change == "none":
        data["signatures"] = []
    else:
        data["payloadType"] = "text/plain"
        expected = "not a statement of in-toto"
    signed[0].write_text(json.dumps(data))
    status, text = run("verify", "hello", "--provenance", signed[0], "--key", public)
    assert (status, expected in text) == (2, True)


def test_a_signed_text_that_is_no_statement(run: Run, folder: Path) -> None:
    from rootstream.report import provenance  # noqa: PLC0415

    private, public = key(folder)
    for told in (
        {},
        {"_type": "x"},
        {"_type": STATEMENT, "predicateType": provenance.PREDICATE, "subject": []},
    ):
        (folder / "x.json").write_bytes(provenance.signed(told, private))
        status, text = run("verify", "hello", "--provenance", "x.json", "--key", public)
        assert (status, "x.json" in text) == (2, True)
        assert "verified" not in text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"text",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'{"payload": 3, "signatures": []}',
        b'{"payload": "!", "payloadType": "x", "signatures": [1]}',
    ],
)
def test_files_that_are_no_statements(run: Run, folder: Path, content: bytes) -> None:
    (folder / "x.json").write_bytes(content)
    status, text = run("verify", "hello", "--provenance", "x.json", "--key", key(folder)[1])
    assert (status, "is not a signed statement (DSSE)" in text) == (2, True)


def test_keys_that_cannot_be_used(run: Run, folder: Path, signed: tuple[Path, Path]) -> None:
    private, public = key(folder)
    locked = folder / "locked.pem"
    made = ed25519.Ed25519PrivateKey.generate()
    locked.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")))
    (folder / "text").write_text("text")
    for path in (public, locked, folder / "text"):
        status, text = run("provenance", "hello", "--key", path)
        assert (status, "cannot be used to sign" in text) == (2, True)
    for path in (private, folder / "text"):
        status, text = run("verify", "hello", "--provenance", signed[0], "--key", path)
        assert (status, "is no public key" in text) == (2, True)
    assert run("verify", "hello", "--provenance", signed[0])[0] == 2
    assert run("verify", "hello", "--key", public)[0] == 2


def test_keys_with_a_passphrase(folder: Path, run: Run) -> None:
    made = ed25519.Ed25519PrivateKey.generate()
    private, public, words = folder / "locked.pem", folder / "locked.pub.pem", folder / "words"
    private.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"open it")))
    public.write_bytes(made.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    words.write_text("open it\nsecond line\n")
    place = folder / "x.json"
    assert run("provenance", "hello", "--key", private, "--passphrase-file", words, "-o", place)[0] == 0
    assert run("verify", "hello", "--provenance", place, "--key", public)[0] == 0
    words.write_text("something else\n")
    status, text = run("provenance", "hello", "--key", private, "--passphrase-file", words)
    assert status == 2
    assert "with the passphrase that it needs" in text


def test_when_it_was_built_and_from_what(folder: Path, run: Run) -> None:
    found = Project(folder=folder, kind="described")

    def git(*words: str) -> str:
        identity = ("-c", "user.name=x", "-c", "user.email=x@example.org")
        argv = ["git", *identity, *words]
        return subprocess.run(argv, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()

    def told() -> tuple[Any, Any]:
        predicate = json.loads(run("provenance", "hello")[1])["predicate"]
        rows = predicate["buildDefinition"]["resolvedDependencies"]
        return predicate["runDetails"].get("metadata"), [row for row in rows if row["name"] == "project"]

    assert told() == (None, [])  # it was built elsewhere
    git("init", "-q")
    (folder / ".gitignore").write_text("out/\n.rootstream/\n")
    circumstances.note(found, ["hello"], 1e9, 1e9 + 60, os.environ)
    times = {"startedOn": "2001-09-09T01:46:40Z", "finishedOn": "2001-09-09T01:47:40Z"}
    assert told() == (times, [])  # there is no commit yet
    git("add", "-A")
    git("commit", "-q", "-m", "one")
    commit = {"gitCommit": git("rev-parse", "HEAD")}
    for clean in (True, False):
        if not clean:
            (folder / "new").touch()
        circumstances.note(found, ["hello"], 1e9, 1e9 + 60, os.environ)
        ((row,),) = told()[1:]
        assert (row["digest"], row["annotations"]["as_committed"]) == (commit, clean)
    (folder / "out/hello/manifest.json").write_text((folder / "out/hello/manifest.json").read_text() + "\n")
    assert told() == (None, [])  # another export took its place
