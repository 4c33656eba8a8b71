"""Passwords of systems that are built package by package: placeholders in elements, the real ones by a pipe."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from rootstream.buildroot.generate.draft import Generated, GeneratedFile
from rootstream.buildroot.graph import private, staging
from rootstream.buildroot.graph.places import EXTERNAL
from rootstream.errors import UserError

HASH = "$6$" + "salt" * 4 + "$" + "x" * 86


@pytest.mark.parametrize("field", ["-", "*", "!", "!-", "!=", "="])
def test_a_table_without_passwords_may_be_shared(tmp_path: Path, field: str) -> None:
    text = f"# name uid group gid password\n\njoe -1 joe -1 {field if field != '!-' else '!'} /home/joe - -\n"
    private.require_no_password(tmp_path / "users", text)


@pytest.mark.parametrize("field", [HASH, f"!{HASH}", "=clear", "!=clear", "abJnggxhB/yWI"])
def test_a_table_with_a_password_is_refused_with_its_line(tmp_path: Path, field: str) -> None:
    with pytest.raises(UserError) as caught:
        private.require_no_password(tmp_path / "users", f"# users\njoe -1 joe -1 {field} /home/joe - -\n")
    assert f"{tmp_path}/users:2: the password of joe would enter the cache" in str(caught.value)


def test_files_with_a_secret_are_left_out_and_no_others(tmp_path: Path) -> None:
    for name, text in {"a/one": "plain", "a/two": f"x{HASH}x", "b/three": "plain", "four": HASH}.items():
        place = tmp_path / name
        place.parent.mkdir(exist_ok=True)
        place.write_text(text)
    secrets = [HASH.encode()]
    found = [str(each.relative_to(tmp_path)) for each in private.without(secrets, tmp_path)]
    assert found == ["a/one", "b"]
    assert list(private.without([], tmp_path)) == [tmp_path]


def test_a_log_shows_no_hash() -> None:
    said = f"s,^root:[^:]*:,root:{HASH}:, and $y$j9T$abc/def$ghi. of /etc/shadow, $1$ab$cd'"
    assert private.redacted(said) == "s,^root:[^:]*:,root:***:, and *** of /etc/shadow, ***'"


def test_what_comes_through_the_pipe_has_the_paths_of_the_sandbox() -> None:
    trees = staging.Trees(
        digest="1",
        tree=Path("/here/tree"),
        externals={f"{EXTERNAL}/0": Path("/here/own"), f"{EXTERNAL}/1": Path("/here/made")},
    )
    files = {"scripts/post": GeneratedFile(content=b"exec /here/made/x\n", mode=0o755)}
    generated = Generated(settings=(), files=files)
    data = private.archive(
        f'A="/here/made/tables /here/own"\nP="{HASH}"\n',
        generated,
        trees,
        lambda text: text.replace("/here/made", f"{EXTERNAL}/1").replace("/here/own", f"{EXTERNAL}/0"),
    )
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        members = {each.name: (each.mode, tar.extractfile(each)) for each in tar}
        texts = {name: file.read().decode() for name, (_, file) in members.items() if file}
    assert texts["config"] == f'A="{private.FOLDER}/tables {EXTERNAL}/0"\nP="{HASH}"\n'
    assert texts["private/scripts/post"] == f"exec {private.FOLDER}/x\n"
    assert members["private/scripts/post"][0] == 0o755
    assert "private/external.mk" in members
    assert f"BR2_EXTERNAL={EXTERNAL}/0:{private.FOLDER}" in private.commands(trees)
