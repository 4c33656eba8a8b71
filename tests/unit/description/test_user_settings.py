"""`config.yaml` of a user: where it is, what it says, and the place of every mistake in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from rootstream.description.user_file import is_set, place
from rootstream.description.user_settings import CERTIFICATE, ServerSetting, cache, signatures, workers
from rootstream.errors import Problems, UserError

TOKEN = "s3cret-t0ken"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / ".config" / "rootstream"
    folder.mkdir(parents=True)
    (folder / "token").write_text(TOKEN + "\n")
    (folder / "ca.crt").write_bytes(CERTIFICATE + b"\n")
    return tmp_path


def write(home: Path, text: str) -> Path:
    path = home / ".config" / "rootstream" / "config.yaml"
    path.write_text(text)
    return path


def found(home: Path, **environment: str) -> ServerSetting | None:
    return cache({"HOME": str(home), **environment})


def problems(home: Path, **environment: str) -> list[UserError]:
    with pytest.raises(UserError) as caught:
        found(home, **environment)
    told = caught.value
    return list(told.problems) if isinstance(told, Problems) else [told]


def test_where_it_is(tmp_path: Path) -> None:
    assert place({"HOME": "/h"}) == Path("/h/.config/rootstream/config.yaml")
    assert place({"HOME": "/h", "XDG_CONFIG_HOME": "/x"}) == Path("/x/rootstream/config.yaml")
    assert place({"HOME": "/h", "XDG_CONFIG_HOME": "relative"}) == Path("/h/.config/rootstream/config.yaml")
    assert found(tmp_path) is None


def test_whether_anything_is_set(home: Path) -> None:
    assert not is_set({"HOME": str(home)})
    assert is_set({"HOME": str(home), "ROOTSTREAM_CACHE_URL": "https://c.example"})
    write(home, "")
    assert is_set({"HOME": str(home)})


@pytest.mark.parametrize("text", ["", "# nothing\n", "cache: {url: off}\n", "cache: {url: off, push: true}\n"])
def test_no_cache(home: Path, text: str) -> None:
    write(home, text)
    assert found(home) is None


def test_paths_are_relative_to_the_file_and_may_begin_at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(home))
    folder = home / ".config" / "rootstream"
    text = "cache: {url: 'https://cache.example/', token: ~/.config/rootstream/token, ca: ca.crt, push: true}\n"
    path = write(home, text)
    setting = found(home)
    assert setting is not None
    assert (setting.url, setting.push) == ("https://cache.example", True)
    assert (setting.token, setting.ca) == (folder / "token", folder / "ca.crt")
    assert str(setting.where) == f"{path}:1:14"


def test_variables_go_over_the_file(home: Path, tmp_path: Path) -> None:
    write(home, "cache: {url: 'https://cache.example', token: token, push: true}\n")
    (tmp_path / "other").write_text("x")
    told = found(
        home,
        ROOTSTREAM_CACHE_URL="https://other.example",
        ROOTSTREAM_CACHE_TOKEN_FILE=str(tmp_path / "other"),
        ROOTSTREAM_CACHE_PUSH="false",
    )
    assert told is not None
    assert (told.url, told.token, told.push) == ("https://other.example", tmp_path / "other", False)
    kept = found(home, ROOTSTREAM_CACHE_PUSH="false")
    assert kept is not None
    assert (kept.url, kept.push) == ("https://cache.example", False)


def test_keys_of_signatures(home: Path, tmp_path: Path) -> None:
    folder = home / ".config" / "rootstream"
    (folder / "a.pub.pem").write_text("-----BEGIN PUBLIC KEY-----\n")
    (folder / "own.pem").write_text("-----BEGIN PRIVATE KEY-----\n")
    write(home, "cache: {url: 'https://cache.example', signed_by: [a.pub.pem], sign_with: own.pem}\n")
    own = {"HOME": str(home)}
    told = signatures(own)
    assert told is not None
    assert (told.signed_by, told.sign_with) == ((folder / "a.pub.pem",), folder / "own.pem")
    # what is demanded of one server is demanded of another, too; what is signed for one is not
    told = signatures({**own, "ROOTSTREAM_CACHE_URL": "https://other.example"})
    assert told is not None
    assert (told.signed_by, told.sign_with) == ((folder / "a.pub.pem",), None)
    (tmp_path / "b.pub.pem").write_text("-----BEGIN PUBLIC KEY-----\n")
    both = f"{folder / 'a.pub.pem'}:{tmp_path / 'b.pub.pem'}"
    told = signatures({"HOME": "/", "ROOTSTREAM_CACHE_SIGNED_BY": both})
    assert told is not None
    assert told.signed_by == (folder / "a.pub.pem", tmp_path / "b.pub.pem")
    assert cache({"HOME": "/", "ROOTSTREAM_CACHE_SIGNED_BY": both}) is None
    write(home, "cache: {url: 'https://cache.example'}\n")
    assert signatures(own) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("signed_by: [nowhere.pem]", "nowhere.pem"),
        ("signed_by: [token]", "not a public key"),
        ("signed_by: [own.pem]", "not a public key"),
        ("signed_by: own.pem", "expected a list"),
        ("signed_by: []", "signed_by"),
        ("sign_with: a.pub.pem", "not a private key"),
        ("sign_with: token", "not a private key"),
    ],
)
def test_a_mistake_in_keys_has_its_line(home: Path, text: str, told: str) -> None:
    (home / ".config" / "rootstream" / "a.pub.pem").write_text("-----BEGIN PUBLIC KEY-----\n")
    (home / ".config" / "rootstream" / "own.pem").write_text("-----BEGIN PRIVATE KEY-----\n")
    path = write(home, f"cache:\n  url: https://cache.example\n  {text}\n")
    with pytest.raises(UserError) as caught:
        signatures({"HOME": str(home)})
    problem = caught.value.problems[0] if isinstance(caught.value, Problems) else caught.value
    assert problem.where is not None
    assert (problem.where.path, problem.where.line) == (path, 3)
    assert told in problem.message
    assert TOKEN not in str(problem)


def test_another_address_gets_no_token_of_the_first(home: Path) -> None:
    write(home, "cache: {url: 'https://cache.example', token: token, ca: ca.crt, push: true}\n")
    told = found(home, ROOTSTREAM_CACHE_URL="https://other.example")
    assert told is not None
    assert (told.token, told.ca, told.push) == (None, None, False)


def test_no_cache_by_variable(home: Path) -> None:
    write(home, "cache: {url: 'https://cache.example'}\n")
    assert found(home, ROOTSTREAM_CACHE_URL="off") is None


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("cache:\n  url: https://cache.example\n  pusch: true\n", 3, "did you mean 'push'"),
        ("cache:\n  token: token\n", 1, "url"),
        ("cache:\n  url: cache.example\n", 2, "https://HOST"),
        ("cache:\n  url: http://cache.example\n", 2, "port"),
        ("cache:\n  url: https://cache.example/path\n", 2, "without a path"),
        ("cache:\n  url: https://cache.example:99999\n", 2, "port"),
        ("cache:\n  url: https://cache.example\n  push: perhaps\n", 3, "push"),
        ("cache:\n  url: https://cache.example\n  ca: nowhere.crt\n", 3, "nowhere.crt"),
        ("cache:\n  url: https://cache.example\n  ca: token\n", 3, "PEM"),
        ("cache:\n  url: https://cache.example\n  client_cert: ca.crt\n", 3, "client_key"),
        ("cache:\n  url: http://cache.example:80\n  token: token\n", 3, "https://"),
        ("cache:\n  url: http://127.0.0.1:80\n  token: token\n", 3, "https://"),
        ("cache:\n  url: http://127.0.0.1:80\n  ca: ca.crt\n", 3, "https://"),
        ("cahce: {}\n", 1, "did you mean 'cache'"),
        ("cache: [\n", 2, ""),
    ],
)
def test_a_mistake_has_its_line(home: Path, text: str, line: int, told: str) -> None:
    path = write(home, text)
    problem = problems(home)[0]
    assert problem.where is not None
    assert (problem.where.path, problem.where.line) == (path, line)
    assert told in problem.message


def test_a_token_is_never_repeated(home: Path) -> None:
    for text in (
        f"cache: {{url: 'https://cache.example', token: {TOKEN}}}\n",
        f"cache: {{url: 'https://me:{TOKEN}@cache.example'}}\n",
        f"cache: {{url: 'https://{TOKEN}@cache.example:port'}}\n",
    ):
        write(home, text)
        assert all(TOKEN not in str(each) for each in problems(home))
    (home / ".config" / "rootstream" / "token").write_text(f"user {TOKEN}\n")
    write(home, "cache: {url: 'https://cache.example', token: token}\n")
    assert all(TOKEN not in str(each) for each in problems(home))


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"ROOTSTREAM_CACHE_URL": "ftp://cache.example"}, "ROOTSTREAM_CACHE_URL"),
        ({"ROOTSTREAM_CACHE_URL": "https://c.example", "ROOTSTREAM_CACHE_PUSH": "x"}, "ROOTSTREAM_CACHE_PUSH"),
        ({"ROOTSTREAM_CACHE_PUSH": "true"}, "no ROOTSTREAM_CACHE_URL"),
        ({"ROOTSTREAM_CACHE_URL": "https://c.example", "ROOTSTREAM_CACHE_CA": "/none"}, "ROOTSTREAM_CACHE_CA"),
        ({"ROOTSTREAM_CACHE_TOKEN": TOKEN}, "ROOTSTREAM_CACHE_TOKEN_FILE"),
    ],
)
def test_a_variable_that_is_wrong(home: Path, variables: dict[str, str], told: str) -> None:
    (problem,) = problems(home, **variables)
    assert problem.reason == "setting-invalid"
    assert told in str(problem)
    assert TOKEN not in str(problem)


def test_workers(home: Path) -> None:
    text = "workers: {url: 'https://w.example:50051', token: token, at_once: 16, jobs: 8}\n"
    path = write(home, text)
    told = workers({"HOME": str(home)})
    assert told is not None
    assert (told.url, told.at_once, told.jobs) == ("https://w.example:50051", 16, 8)
    assert told.token == path.parent / "token"
    assert found(home) is None
    over = {"ROOTSTREAM_WORKERS_URL": "http://127.0.0.1:5", "ROOTSTREAM_WORKERS_AT_ONCE": "3"}
    told = workers({"HOME": str(home), **over})
    assert told is not None
    assert (told.url, told.at_once, told.jobs, told.token) == ("http://127.0.0.1:5", 3, None, None)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("workers:\n  url: https://w.example\n  at_once: 0\n", 3),
        ("workers:\n  url: https://w.example\n  jobs: many\n", 3),
        ("workers:\n  url: https://w.example\n  push: true\n", 3),
    ],
)
def test_a_mistake_in_workers_has_its_line(home: Path, text: str, line: int) -> None:
    write(home, text)
    with pytest.raises(UserError) as caught:
        workers({"HOME": str(home)})
    told = caught.value.problems[0] if isinstance(caught.value, Problems) else caught.value
    assert told.where is not None
    assert told.where.line == line
    with pytest.raises(UserError) as caught:
        workers({"HOME": "/", "ROOTSTREAM_WORKERS_URL": "http://w:1", "ROOTSTREAM_WORKERS_JOBS": "x"})
    assert "ROOTSTREAM_WORKERS_JOBS" in caught.value.message
