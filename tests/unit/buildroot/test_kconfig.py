"""Texts and surroundings of Buildroot's own Kconfig programs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rootstream.buildroot.config import kconfig
from rootstream.buildroot.workspace import Workspace

X11 = "/tmp/.X11-unix"  # noqa: S108


@pytest.mark.parametrize(
    ("text", "quoted"), [("", '""'), ("a b", '"a b"'), ('say "x"', '"say \\"x\\""'), ("a\\b", '"a\\\\b"')]
)
def test_texts_in_quotes(text: str, quoted: str) -> None:
    assert kconfig.quoted(text) == quoted
    assert kconfig.unquoted(quoted) == text


@pytest.mark.parametrize("value", ["y", "12", "0x1", ""])
def test_what_has_no_quotes_stays(value: str) -> None:
    assert kconfig.unquoted(value) == value


def test_symbols_are_named_as_buildroot_writes_them() -> None:
    assert kconfig.plain("CONFIG_BR2_A [=n] && CONFIG_X") == "BR2_A [=n] && CONFIG_X"


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({}, "C.UTF-8"),
        ({"LANG": "de_DE.UTF-8"}, "de_DE.UTF-8"),
        ({"LANG": "de_DE.UTF-8", "LC_ALL": "en_US.UTF-8"}, "en_US.UTF-8"),
        ({"LC_ALL": "", "LANG": ""}, "C.UTF-8"),
    ],
)
def test_what_a_menu_is_drawn_with(box: Workspace, env: dict[str, str], expected: str) -> None:
    space = replace(box, env={**env, "DISPLAY": ":1", "COLUMNS": "90", "SECRET": "x"})
    assert kconfig.display(space) == {"DISPLAY": ":1", "COLUMNS": "90", "LC_ALL": expected}


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({}, ()),
        ({"DISPLAY": ":0"}, (X11,)),
        ({"DISPLAY": ":0", "XAUTHORITY": "/home/me/.Xauthority"}, (X11, "/home/me/.Xauthority")),
        ({"WAYLAND_DISPLAY": "wayland-0"}, ()),
        ({"WAYLAND_DISPLAY": "wayland-0", "XDG_RUNTIME_DIR": "/run/user/1"}, ("/run/user/1/wayland-0",)),
    ],
)
def test_what_a_window_needs(box: Workspace, env: dict[str, str], expected: tuple[str, ...]) -> None:
    assert kconfig.windows(replace(box, env=env)) == tuple(map(Path, expected))


def test_the_environment_of_conf_is_that_of_make_without_its_own(box: Workspace) -> None:
    file = kconfig.environment_file(box)
    file.parent.mkdir(parents=True)
    file.write_bytes(b"A=1=2\0MAKEFLAGS=w\0MFLAGS=-w\0MAKE_X=1\0EMPTY=\0NAME=gr\xc3\xb6\xff\0")
    assert kconfig.environment(box) == {"A": "1=2", "EMPTY": "", "NAME": "grö\udcff"}
