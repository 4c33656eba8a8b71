"""Who may push can bind any key to any content; who demands signatures is not reached by that."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cache_server import Server, casd, serving
from engine_project import left_by, make_project

from rootstream.engine import (
    Engine,
    Remote,
    Signatures,
    Workers,
    pushing,
    remote_blobs,
    signed_list,
    signing,
    stored,
)
from rootstream.engine.remote_api import URN, Api
from rootstream.engine.trust import Trust, uri
from rootstream.errors import UserError
from rootstream.events import ElementFinished, Event, Notice, Plan
from rootstream.formats import protobuf

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("signed") / "project")


@pytest.fixture(scope="module")
def evil(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project of the same name whose elements have other contents."""
    folder = make_project(tmp_path_factory.mktemp("evil") / "project")
    path = folder / "elements" / "one.bst"
    path.write_text(path.read_text().replace("echo one >", "echo evil >"))
    return folder


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path / "server") as found:
        yield found


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the keys of CI and of somebody else."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("ci", "other"):
        made = ["openssl", "genpkey", "-algorithm", "ed25519", "-out", f"{name}.pem"]
        subprocess.run(made, cwd=folder, check=True, capture_output=True)
        public = ["openssl", "pkey", "-in", f"{name}.pem", "-pubout", "-out", f"{name}.pub.pem"]
        subprocess.run(public, cwd=folder, check=True, capture_output=True)
    return folder


def client(
    cache: Path,
    server: Server,
    signed_by: Path | None = None,
    *,
    sign_with: Path | None = None,
    workers: Workers | None = None,
    config: Path | None = None,
) -> Engine:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    wanted = None
    if signed_by or sign_with:
        wanted = Signatures(signed_by=(signed_by,) if signed_by else (), sign_with=sign_with)
    own = {"XDG_CONFIG_HOME": str(config)} if config else {}
    remote = Remote(url=server.url, push=True)
    return Engine.of({**kept, "ROOTSTREAM_CACHE": str(cache), **own}, remote, workers, wanted)


def build(engine: Engine, project: Path, target: str = "two.bst", *, push: bool = False) -> list[Event]:
    events: list[Event] = []
    engine.build(project, [target], events.append)
    if push:
        pushing.push(engine, events.append)
    assert left_by(engine.settings.cache) == []
    return events


def done(events: list[Event], action: str) -> set[str]:
    return {
        e.element
        for e in events
        if isinstance(e, ElementFinished) and e.action == action and e.result == "success"
    }


def said(events: list[Event], level: str = "warning") -> list[str]:
    return [e.text for e in events if isinstance(e, Notice) and e.level == level]


def content(engine: Engine, project: Path, target: Path) -> str:
    engine.checkout(project, "two.bst", target)
    return (target / "two").read_text()


def entry(engine: Engine, project: Path, element: str) -> stored.Artifact:
    (state,) = engine.show(project, [element], depends="none")
    found = stored.artifact(engine.settings.cache, element, state.key)
    assert found is not None
    return found


def poison(server: Server, name: str, data: bytes) -> None:
    """Bind the name of an artifact to the message of another one, as anybody can who may push."""
    with Api(Remote(url=server.url)) as api:
        remote_blobs.upload(api, URN + name, data)


def poisoned(server: Server, project: Path, evil: Path, folder: Path) -> None:
    """Have the server give other contents for the key of `two.bst`."""
    attacker = client(folder / "attacker", server)
    build(attacker, evil, push=True)
    other = entry(attacker, evil, "two.bst")
    right = attacker.show(project, ["two.bst"], depends="none")[0]
    # its keys are forged, too, as nothing but a signature keeps them from being so
    changed = b"".join(
        protobuf.text(number, right.key if number in (5, 6, 16) else value)
        if isinstance(value, bytes)
        else protobuf.number(number, value)
        for number, value in protobuf.fields(other.data)
    )
    poison(server, f"tiny/two/{right.key}", changed)


def test_a_poisoned_key_reaches_only_who_demands_no_signature(
    project: Path, evil: Path, server: Server, keys: Path, tmp_path: Path
) -> None:
    signer = client(tmp_path / "ci", server, sign_with=keys / "ci.pem")
    first = build(signer, project, push=True)
    assert any("signed 3 of 3 results" in text for text in said(first, "info"))
    poisoned(server, project, evil, tmp_path)
    careless = client(tmp_path / "careless", server)
    assert done(build(careless, project), "pull") == {"two.bst"}
    assert content(careless, project, tmp_path / "out1") == "evil\n"

    careful = client(tmp_path / "careful", server, keys / "ci.pub.pem")
    events = build(careful, project)
    assert done(events, "pull") == {"two.bst"}
    assert done(events, "build") == set()
    assert said(events) == []
    assert content(careful, project, tmp_path / "out2") == "one\n"
    # what the careless one has pulled is not used, once signatures are demanded in the same cache
    wiser = client(tmp_path / "careless", server, keys / "ci.pub.pem")
    events = build(wiser, project)
    assert any("forgotten" in text for text in said(events))
    assert content(wiser, project, tmp_path / "out3") == "one\n"


def test_what_nobody_has_signed_is_built_here(
    project: Path, evil: Path, server: Server, keys: Path, tmp_path: Path
) -> None:
    poisoned(server, project, evil, tmp_path)
    engine = client(tmp_path / "one", server, keys / "ci.pub.pem")
    events = build(engine, project)
    assert done(events, "pull") == set()
    assert done(events, "build") == {"base.bst", "one.bst", "two.bst"}
    assert next(e for e in events if isinstance(e, Plan)).to_pull == 0
    (warning,) = said(events)
    assert "no list signed by ci.pub.pem" in warning
    assert content(engine, project, tmp_path / "out") == "one\n"


def test_a_signer_replaces_what_was_poisoned_and_signs_nothing_that_was_pulled(
    project: Path, evil: Path, server: Server, keys: Path, tmp_path: Path
) -> None:
    poisoned(server, project, evil, tmp_path)
    shared = tmp_path / "shared"
    build(client(shared, server), project)  # pulls the wrong one, without a record of where it is from
    signer = client(shared, server, sign_with=keys / "ci.pem")
    events = build(signer, project, push=True)
    assert done(events, "build") == {"base.bst", "one.bst", "two.bst"}
    assert content(signer, project, tmp_path / "out") == "one\n"
    careless = client(tmp_path / "careless", server)
    build(careless, project)
    assert content(careless, project, tmp_path / "out2") == "one\n"  # the server has the right one now
    # another machine pulls what is signed, and signs none of it again
    other = client(tmp_path / "other", server, keys / "ci.pub.pem", sign_with=keys / "other.pem")
    events = build(other, project, "both.bst", push=True)
    assert done(events, "pull") == {"one.bst", "two.bst"}
    assert done(events, "build") == {"both.bst"}
    trust = Trust(Signatures(signed_by=(keys / "other.pub.pem",)), tmp_path / "looks")
    trust.refresh([Remote(url=server.url)])
    assert {name.split("/")[1] for name in trust.digests()} == {"both"}


def test_a_list_that_is_forged_old_or_expired_is_not_used(
    project: Path, server: Server, keys: Path, tmp_path: Path
) -> None:
    remote = Remote(url=server.url)
    signer = client(tmp_path / "ci", server, sign_with=keys / "ci.pem")
    build(signer, project, "one.bst", push=True)
    assert signer.trust is not None
    own = signer.trust.own
    with Api(remote) as api:
        before = api.entry(uri(own))
        assert before is not None
        old = remote_blobs.download(api, before, signed_list.MOST)
    build(signer, project, "two.bst", push=True)

    def told(cache: str, data: bytes | None = None, later: timedelta = timedelta(0)) -> tuple[int, str]:
        """Return how many results are trusted, and what is said, when the server has a list."""
        if data is not None:
            with Api(remote) as api:
                remote_blobs.upload(api, uri(own), data)
        trust = Trust(
            Signatures(signed_by=(keys / "ci.pub.pem",)), tmp_path / cache, lambda: datetime.now(UTC) + later
        )
        trust.refresh([remote])
        notes: list[Event] = []
        trust.tell(notes.append)
        return len(trust.digests()), " ".join(said(notes))

    assert told("a") == (3, "")
    assert told("b", later=timedelta(days=1)) == (3, "")
    assert told("b", later=-timedelta(days=1)) == (3, "")  # a clock that is off by a day
    count, text = told("c", later=timedelta(days=31))
    assert (count, "expired" in text) == (0, True)
    count, text = told("a", old)
    assert (count, "seen before" in text) == (3, True)
    other = Trust(Signatures(sign_with=keys / "other.pem"), tmp_path / "d")
    assert other.signer is not None
    forged = signed_list.encoded(signed_list.empty().renewed(datetime.now(UTC)), other.signer)
    for data, why in ((forged, "no signature of the key"), (old[:-9], "not a signed"), (b"{}", "not a signed")):
        count, text = told("a", data)
        assert (count, why in text) == (3, True)
        count, text = told("e", data)
        assert (count, why in text) == (0, True)


def test_what_is_revoked_is_not_used_any_more(project: Path, server: Server, keys: Path, tmp_path: Path) -> None:
    remote = Remote(url=server.url)
    signer = client(tmp_path / "ci", server, sign_with=keys / "ci.pem")
    build(signer, project, push=True)
    user = client(tmp_path / "one", server, keys / "ci.pub.pem")
    build(user, project)
    before = entry(user, project, "two.bst")
    events: list[Event] = []
    assert signer.trust is not None
    assert signing.renew(signer.trust, remote, days=7, revoke=["two"], report=events.append)
    assert "1 revoked" in said(events, "info")[0]
    assert not signing.renew(signer.trust, remote, days=7, revoke=["tw"], report=events.append)
    again = client(tmp_path / "one", server, keys / "ci.pub.pem")
    events = build(again, project)
    # the local copy goes, too, as soon as the revocation is known
    events += build(client(tmp_path / "one", server, keys / "ci.pub.pem"), project)
    assert "two.bst" in done(events, "build")
    assert entry(again, project, "two.bst").digest != before.digest


def test_workers_and_foreign_sources_are_left_out(
    project: Path, server: Server, keys: Path, tmp_path: Path
) -> None:
    place = tmp_path / "config" / "rootstream"
    place.mkdir(parents=True)
    (place / "engine.yaml").write_text(
        f"scheduler: {{builders: 1}}\nsource-caches:\n  servers:\n  - {{url: '{server.url}', push: true}}\n"
    )
    engine = client(tmp_path / "one", server, keys / "ci.pub.pem", config=tmp_path / "config")
    (warning,) = [text for text in said(build(engine, project)) if "source-caches" in text]
    assert f"{place / 'engine.yaml'}:2:1" in warning

    runner = Path(casd()).with_name("buildbox-run")
    with serving(tmp_path / "workers", f"--buildbox-run={runner}", "--jobs=2") as machines:
        for unsigned in (True, False):
            workers = Workers(remote=Remote(url=machines.url), unsigned=unsigned)
            cache = tmp_path / f"workers-{unsigned}"
            signer = client(cache, server, sign_with=keys / "other.pem", workers=workers)
            events = build(signer, project, push=True)
            assert any("nobody signs what they build" in text for text in said(events)) is not unsigned
            told = said(events, "info")
            assert any("signed 3 of 3" in text for text in told) is not unsigned
            assert any("workers built them" in text for text in told) is unsigned
            # it is used here all the same, and not built again
            assert done(build(client(cache, server, sign_with=keys / "other.pem"), project), "build") == set()


def test_a_key_that_is_none_is_an_error(server: Server, tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")
    with pytest.raises(UserError) as caught:
        client(tmp_path / "one", server, tmp_path / "bad.pem")
    assert caught.value.reason == "bad-key"
