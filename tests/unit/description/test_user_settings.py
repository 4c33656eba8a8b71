"""`config.yaml` of a user: where it is, what it says, and the place of every mistake in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from rootstream.description.user_settings import CERTIFICATE, CacheSetting, cache, place
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


def found(home: Path, **environment: str) -> CacheSetting | None:
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
    assert found(home, ROOTSTREAM_CACHE_URL="off") is None


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("cache:\n  url: https://cache.example\n  pusch: true\n", 3, "did you mean 'push'"),
        ("cache:\n  token: token\n", 1, "url"),
        ("cache:\n  url: cache.example\n", 2, "https://HOST"),
        ("cache:\n  url: https://cache.example/path\n", 2, "without a path"),
        ("cache:\n  url: https://cache.example:99999\n", 2, "port"),
        ("cache:\n  url: https://cache.example\n  push: perhaps\n", 3, "push"),
        ("cache:\n  url: https://cache.example\n  ca: nowhere.crt\n", 3, "nowhere.crt"),
        ("cache:\n  url: https://cache.example\n  ca: token\n", 3, "PEM"),
        ("cache:\n  url: https://cache.example\n  client_cert: ca.crt\n", 3, "client_key"),
        ("cache:\n  url: http://cache.example\n  token: token\n", 3, "unencrypted"),
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
