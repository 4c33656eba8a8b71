"""Signed lists of results: what they say, who has signed them, and everything that they must not be."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner

from rootstream.engine import asset_index, origins, signed_list, unverifiable
from rootstream.engine.elements import ElementState
from rootstream.engine.remote_api import URN
from rootstream.engine.remotes import Remote, Signatures
from rootstream.engine.settings import Settings, configuration, unverified_in
from rootstream.engine.signed_list import NotAList, SignedList, decoded, encoded
from rootstream.engine.stored import Artifact, Digest
from rootstream.formats import protobuf
from rootstream.host import envelopes

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
ONE, TWO = Digest("1" * 64, 100), Digest("2" * 64, 200)


@pytest.fixture(scope="module")
def signer() -> CryptoSigner:
    return CryptoSigner(Ed25519PrivateKey.generate())


def listed() -> SignedList:
    return signed_list.empty().renewed(NOW, more={"p/one/aa": ONE, "p/two/bb": TWO})


def test_what_is_signed_is_read(signer: CryptoSigner) -> None:
    told = listed()
    assert decoded(encoded(told, signer), signer.public_key) == told
    assert told.is_valid(NOW + timedelta(days=29))
    assert not told.is_valid(NOW + timedelta(days=30))


def test_the_next_list_is_newer_whatever_was_lost(signer: CryptoSigner) -> None:
    told = listed()
    after = told.renewed(NOW, keep=["p/one/aa"], days=1)
    assert (after.number, dict(after.entries)) == (told.number + 1, {"p/one/aa": ONE})
    lost = signed_list.empty().renewed(NOW + timedelta(hours=1))
    assert lost.number > after.number
    revoked = after.renewed(NOW, more={"p/one/aa": ONE, "p/two/bb": TWO}, revoke=[TWO.hash])
    assert (dict(revoked.entries), revoked.revoked) == ({"p/one/aa": ONE}, frozenset({TWO.hash}))
    assert revoked.renewed(NOW, more={"p/two/bb": TWO}).entries == revoked.entries
    assert decoded(encoded(revoked, signer), signer.public_key) == revoked


def test_another_key_or_a_changed_byte_is_refused(signer: CryptoSigner) -> None:
    other = CryptoSigner(Ed25519PrivateKey.generate())
    data = encoded(listed(), signer)
    with pytest.raises(NotAList, match="no signature of the key"):
        decoded(data, other.public_key)
    envelope = json.loads(data)
    envelope["payload"] = json.loads(encoded(listed().renewed(NOW), other))["payload"]
    with pytest.raises(NotAList, match="no signature of the key"):
        decoded(json.dumps(envelope).encode(), signer.public_key)
    for bad in (b"", b"[]", b"{}", data[:-1], b'{"payload": 1, "signatures": []}', b"[" * 100_000):
        with pytest.raises(NotAList, match="not a signed statement"):
            decoded(bad, signer.public_key)


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("_type",), "x"),
        (("predicateType",), "https://slsa.dev/provenance/v1"),
        (("predicate", "number"), True),
        (("predicate", "number"), -1),
        (("predicate", "expires"), "2026-12-31T00:00:00"),
        (("predicate", "expires"), "never"),
        (("predicate", "revoked"), ["x"]),
        (("subject", 0, "name"), "../../etc"),
        (("subject", 0, "name"), 5),
        (("subject", 0, "digest", "sha256"), "A" * 64),
        (("subject", 0, "annotations", "size"), 0),
        (("subject", 0, "annotations", "size"), 1.5),
        (("subject", 0), None),
        (("subject",), 7),
    ],
)
def test_what_is_signed_but_no_list(signer: CryptoSigner, keys: tuple[Any, ...], value: Any) -> None:  # noqa: ANN401
    told: Any = signed_list.statement(listed())
    at = told
    for key in keys[:-1]:
        at = at[key]
    at[keys[-1]] = value
    data = json.dumps(envelopes.signed(told, signer)).encode()
    with pytest.raises(NotAList, match="is no list"):
        decoded(data, signer.public_key)


def test_the_index_knows_what_is_signed_and_nothing_else() -> None:
    def asked(*uris: str) -> bytes | None:
        return asset_index.answer(b"".join(protobuf.text(4, each) for each in uris), {"p/one/aa": ONE})

    found = asked(URN + "p/one/aa")
    assert found is not None
    assert Digest.of(protobuf.first(found, 5)) == ONE
    for uri in (URN + "p/two/bb", "urn:fdc:buildstream.build:2020:source:x"):
        found = asked(uri)
        assert found is not None
        assert protobuf.first_number(protobuf.first(found, 1), 1) == 5
        assert protobuf.first(found, 5) == b""
    assert asked() is None
    assert asset_index.answer(b"\xff", {}) is None


def artifact(cache: Path, name: str, *, strong: str = "", files: str = "f") -> Artifact:
    """Write an artifact to a cache as BuildStream does."""
    key = name.rpartition("/")[2]
    data = protobuf.number(2, 1) + protobuf.text(5, strong or key) + protobuf.text(8, files)
    path = cache / "artifacts" / "refs" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return Artifact(element=name.split("/")[1], name=name, data=data)


def state(name: str, *build: str, run: tuple[str, ...] = ()) -> ElementState:
    return ElementState(
        name=f"{name}.bst", kind="manual", key=name * 2, state="cached", build_depends=build, runtime_depends=run
    )


def test_what_is_built_from_something_unknown_is_unknown(tmp_path: Path) -> None:
    elements = (state("a"), state("b", "a.bst"), state("c", "b.bst", run=("a.bst",)), state("d", "c.bst"))
    made = {each.name: artifact(tmp_path, f"p/{each.name[0]}/{each.key}") for each in elements}

    def build(name: str, *, here: bool = True) -> str | None:
        origins.record_built(tmp_path, elements, name, here=here)
        return origins.origin(tmp_path, made[name])

    assert build("b.bst") is None
    assert build("a.bst") == "built"
    assert [build("b.bst"), build("c.bst")] == ["built", "built"]
    assert build("b.bst", here=False) == "accepted"
    assert build("c.bst") == "accepted"
    origins.record(tmp_path, made["b.bst"], "signed")
    assert [build("c.bst"), build("d.bst")] == ["built", "built"]
    # `d` is built from `c`, which needs `a` to run: another artifact in the place of `a` is not known
    origins.forget(tmp_path, made["d.bst"])
    made["d.bst"] = artifact(tmp_path, made["d.bst"].name)
    artifact(tmp_path, "p/a/aa", files="other")
    assert build("d.bst") is None


def test_an_artifact_is_known_only_under_its_own_key(tmp_path: Path) -> None:
    found = artifact(tmp_path, "p/one/aa")
    origins.record(tmp_path, found, "built")
    moved = artifact(tmp_path, "p/one/bb", strong="aa")
    assert origins.is_of(found)
    assert not origins.is_of(moved)
    assert origins.origin(tmp_path, moved) is None
    origins.forget(tmp_path, found)
    assert [each.name for each in origins.artifacts(tmp_path)] == ["p/one/bb"]


def test_sources_that_a_server_may_have_provided_are_forgotten_once(tmp_path: Path) -> None:
    assert origins.knows_sources(tmp_path, foreign=False)
    (tmp_path / "source_protos").mkdir()
    assert origins.knows_sources(tmp_path, foreign=False)
    assert not origins.knows_sources(tmp_path, foreign=True)
    assert not origins.knows_sources(tmp_path, foreign=False)
    origins.trust_sources(tmp_path)
    assert not (tmp_path / "source_protos").exists()
    assert origins.knows_sources(tmp_path, foreign=False)


FOREIGN = """\
scheduler: {builders: 3}
source-caches: {servers: [{url: 'https://s.test'}]}
remote-execution: {execution-service: {url: 'https://e.test'}}
artifacts:
  override-project-caches: false
  servers: [{url: 'https://a.test'}, {url: 'https://i.test', type: index}]
projects:
  mine: {artifacts: {servers: [{url: 'https://p.test'}]}, strict: true}
"""


def test_what_nobody_signs_is_not_in_the_configuration(tmp_path: Path) -> None:
    extra = tmp_path / "engine.yaml"
    extra.write_text(FOREIGN)

    def settings(signatures: Signatures | None) -> Settings:
        return Settings(
            cache=tmp_path, quota="1G", builders=1, fetchers=1, max_jobs=1, extra=extra, signatures=signatures,
            remote=Remote(url="https://own.test", push=True),
        )  # fmt: skip

    chosen = settings(Signatures(signed_by=(tmp_path,)))
    text = configuration(chosen, mark=None, index="http://127.0.0.1:5", push=False)
    for each in ("s.test", "e.test", "p.test", "i.test", "override-project-caches: false"):
        assert each not in text
        assert each in configuration(settings(None), mark=None)
    assert text.count("type: index") == 1
    assert text.count("type: storage") == 2
    assert "builders: 3" in text
    assert "strict: true" in text
    assert "https://" not in configuration(chosen, mark=None)  # no index, so nothing is pulled
    assert {(keys, str(where).rpartition("engine.yaml")[2]) for keys, where in unverified_in(chosen)} == {
        ("source-caches", ":2:1"),
        ("remote-execution", ":3:1"),
        ("artifacts: override-project-caches", ":5:3"),
        ("projects: mine: artifacts", ":8:10"),
    }
    assert unverified_in(settings(None)) == ()
    assert unverifiable.named({"projects": 3, "artifacts": []}) == ()
