"""Check `file`, in a real shell on a terminal of this host: what it sees, whatever the file is called."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from rootstream.boot.checks import runner
from rootstream.boot.checks.file import listed
from rootstream.boot.machine import Guest
from rootstream.description.checks.command import CommandCheck
from rootstream.description.checks.file import FileCheck
from rootstream.netboot.line import opened

TERMINAL = "import pty, sys; pty.spawn(sys.argv[1:])"
NAMES = (
    "plain",
    "two  words",
    "$(touch hit)",
    "`touch hit`",
    "'; touch hit; '",
    '"quoted"',
    "-rf",
    "*",
    "größe",
    "back\\slash",
    "tab\there",
)
WITHIN = 60.0


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Guest]:
    """Return a shell on a terminal, in a folder of its own, with an alias that a login may bring."""
    folder = tmp_path / "home"
    folder.mkdir()
    env = {**os.environ, "PS1": "# ", "ENV": "", "LC_ALL": "C.UTF-8"}
    argv = (sys.executable, "-c", TERMINAL, "sh", "-c", f"cd {folder}; exec sh -i")
    with opened(argv, name="box", address=None, log=tmp_path / "log", report=lambda _: None, env=env) as guest:
        yield guest


def results(guest: Guest, *checks: FileCheck) -> list[tuple[bool, str]]:
    deadline = guest.console.started + 10 * WITHIN
    first = CommandCheck(command="alias ls='ls --color=always -C' head='echo no'", within=WITHIN)
    found = runner.run((first, *checks), guest, deadline=deadline)[1:]
    assert all(each.logs_in for each in found)
    return [(each.passed, each.detail) for each in found]


def with_mode(mode: str, **words: object) -> FileCheck:
    return FileCheck.model_validate({"mode": mode, "within": WITHIN, **words})


def test_names_are_only_names(shell: Guest, tmp_path: Path) -> None:
    folder = tmp_path / "home"
    checks = []
    for number, name in enumerate(NAMES):
        (folder / name).write_text(f"this is {number}\nand more\n")
        checks.append(FileCheck(file=str(folder / name), content=f"^this is {number}$", within=WITHIN))
    assert results(shell, *checks) == [(True, f"this is {number}") for number in range(len(NAMES))]
    assert sorted(each.name for each in folder.iterdir()) == sorted(NAMES)


def test_what_is_not_as_it_should_be(shell: Guest, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("one\ntwo\n")
    file.chmod(0o4750)
    (tmp_path / "link").symlink_to(file)
    large = tmp_path / "large"
    large.write_text("x" * 70_000 + "end")
    os.mkfifo(tmp_path / "pipe")
    path = str(file)
    user, group = file.owner(), file.group()
    found = results(
        shell,
        with_mode("4750", file=str(tmp_path / "link"), owner=f"{user}:{group}"),
        FileCheck(file=path, owner=user, content="two$", within=WITHIN),
        with_mode("0750", file=path),
        FileCheck(file=path, owner="nobody-such", within=WITHIN),
        FileCheck(file=path, owner=f"{user}:nobody-such", within=WITHIN),
        FileCheck(file=path, content="three", within=WITHIN),
        FileCheck(file=str(large), content="end", within=WITHIN),
        *(FileCheck(file=str(tmp_path / name), within=WITHIN) for name in ("missing", "pipe", "home")),
    )
    assert [good for good, _ in found] == [True, True] + [False] * 8
    assert found[0][1] == f"4750 {user}:{group}"
    assert [detail.rpartition("/")[2] for _, detail in found[2:5]] == [
        "file has mode 4750, not 0750",
        f"file belongs to {user}, not nobody-such",
        f"file belongs to {user}:{group}, not {user}:nobody-such",
    ]
    assert found[5][1] == "the content doesn't match 'three': one\ntwo"
    assert all(detail.startswith(f"there is no file {tmp_path}/") for _, detail in found[7:])


def test_an_ls_that_knows_no_names(tmp_path: Path) -> None:
    """The one of the BusyBox in the boot tests is such a one."""
    file, bin_ = tmp_path / "file", tmp_path / "bin"
    file.touch()
    bin_.mkdir()
    (bin_ / "ls").write_text('#!/bin/sh\nexec /bin/ls -n "$@"\n')
    (bin_ / "ls").chmod(0o755)
    user, group, seen = file.owner(), file.group(), file.stat()
    env = {**os.environ, "PS1": "# ", "ENV": "", "PATH": f"{bin_}:{os.environ['PATH']}"}
    wanted = (user, f"{user}:{group}", f"{seen.st_uid}:{seen.st_gid}", "daemon", f"{user}:daemon", ".*")
    argv = (sys.executable, "-c", TERMINAL, "sh", "-i")
    with opened(argv, name="box", address=None, log=tmp_path / "log", report=lambda _: None, env=env) as guest:
        checks = [FileCheck.model_construct(file=str(file), owner=owner, within=WITHIN) for owner in wanted]
        found = [each.passed for each in runner.run(checks, guest, deadline=guest.console.started + 10 * WITHIN)]
    assert found == [True, True, True, False, False, False]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (("-rw-r--r-- 1 root root 5 Jan  1 00:00 /a", "-rw-r--r-- 1 0 0 5 x"), ("0644", "root", "root", "0", "0")),
        (("-rwsr-sr-t    1 a b  5 x", "noise", "-rwsr-sr-t 1 1 2 5 x"), ("7755", "a", "b", "1", "2")),
        (("-rwSr-Sr-T+ 1 0 42 5 x", "-rwSr-Sr-T+ 1 0 42 5 x"), ("7644", "0", "42", "0", "42")),
        (
            ("noise", "----------. 12 root wheel 5 x", "----------. 12 0 7 5 x"),
            ("0000", "root", "wheel", "0", "7"),
        ),
        (("-rw-r--r-- 1 root root 5 x",), None),
        (("drwxr-xr-x 2 root root 5 x", "drwxr-xr-x 2 0 0 5 x"), None),
        (("ls: /a: No such file",), None),
        ((), None),
    ],
)
def test_what_ls_says(lines: tuple[str, ...], expected: tuple[str, ...] | None) -> None:
    found = listed("\n".join(lines))
    assert (found and (f"{found.mode:04o}", found.user, found.group, found.uid, found.gid)) == expected


@pytest.mark.parametrize(
    "words",
    [
        *({"file": "etc/passwd"}, {"file": "/a/../b"}, {"file": "/a\nb"}, {"file": "/a", "mode": "999"}),
        *({"file": "/a", "owner": "a b"}, {"file": "/a", "owner": "a:b:c"}, {"file": "/a", "owner": "-a"}),
    ],
)
def test_what_no_check_says(words: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        FileCheck.model_validate(words)
