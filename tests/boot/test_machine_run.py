"""Boots for a person: on a terminal, and without one."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable

import pexpect
import pytest
from boxes import LOGIN

from rootstream import events
from rootstream.boot.run import run
from rootstream.description.machine import BootImage, Machine
from rootstream.errors import UserError

pytestmark = pytest.mark.boot

MakeImage = Callable[..., BootImage]
TCG = Machine(accelerator="tcg")
PATIENCE = 100
ON_TERMINAL = """
import sys
from rootstream.boot.run import run
from rootstream.description.machine import BootImage, Machine
image = BootImage(kind="initramfs", kernel=sys.argv[1], file=sys.argv[2], name="box")
print("ended:", run(arch="x86_64", machine=Machine(accelerator="tcg"), image=image))
print("typed:", input())
"""


def terminal(image: BootImage) -> pexpect.spawn[str]:
    argv = ["-c", ON_TERMINAL, str(image.kernel), image.file]
    return pexpect.spawn(sys.executable, argv, timeout=PATIENCE, encoding="utf-8")


def test_the_console_is_on_the_terminal_until_the_guest_ends(image: MakeImage) -> None:
    child = terminal(image(LOGIN))
    child.expect("box login: ")
    child.sendline("root")
    child.expect("# ")
    child.send("\x03")  # for the guest, not for us
    child.sendline("echo still $((40 + 2)); poweroff -f")
    child.expect("still 42")
    child.expect("ended: off")
    child.sendline("a line again")  # the terminal is as it was
    child.expect("typed: a line again\r\n")
    child.expect(pexpect.EOF)


def test_modes_that_a_guest_sets_are_set_back(image: MakeImage) -> None:
    modes = ("?7l", "?25l", "?1049h", "31m", "?1000h", "?2004h", "2;5r")
    child = terminal(image("".join(f"printf '\\033[{mode}'; " for mode in modes) + "poweroff -f"))
    child.expect("ended: off")
    shown = child.before or ""
    for mode, back in zip(modes, ("?7h", "?25h", "?1047l", "0m", "?1000l", "?2004l", "r"), strict=True):
        assert shown.rindex(f"\x1b[{back}") > shown.index(f"\x1b[{mode}")
    child.sendline("")
    child.expect(pexpect.EOF)


def test_the_person_can_leave(image: MakeImage) -> None:
    child = terminal(image(LOGIN))
    child.expect("box login: ")
    child.send("\x01x")
    child.expect("ended: off")
    child.sendline("")
    child.expect(pexpect.EOF)


def test_a_port_in_use_is_said_on_the_terminal_too(image: MakeImage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        machine = f"nics=(Nic(forward={{{port}: 22}}),)"
        program = ON_TERMINAL.replace('accelerator="tcg"', f'accelerator="tcg", {machine}')
        box = image(LOGIN)
        argv = ["-c", program.replace("BootImage, Machine", "BootImage, Machine, Nic"), str(box.kernel), box.file]
        child = pexpect.spawn(sys.executable, argv, timeout=PATIENCE, encoding="utf-8")
        child.expect(f"UserError: port {port} of this host")
        child.expect(pexpect.EOF)


def test_without_a_terminal_the_console_is_shown_until_the_end(image: MakeImage) -> None:
    seen: list[events.Event] = []
    box = image("echo good bye; poweroff -f")
    assert run(arch="x86_64", machine=TCG, image=box, terminal=False, report=seen.append) == "off"
    assert "good bye" in "".join(event.text for event in seen if isinstance(event, events.Console))


def test_without_a_terminal_there_may_be_a_limit(image: MakeImage) -> None:
    assert run(arch="x86_64", machine=TCG, image=image(LOGIN), terminal=False, limit=1.0) == "deadline"


def test_without_a_terminal_a_panic_is_an_error(image: MakeImage) -> None:
    with pytest.raises(UserError) as caught:
        run(arch="x86_64", machine=TCG, image=image(), terminal=False)
    assert caught.value.reason == "kernel-panic"
