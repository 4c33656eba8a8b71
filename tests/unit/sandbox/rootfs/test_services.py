"""Services for BusyBox's init: scripts that the shell can read and that do what they say."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from rootstream.sandbox.program import Mistake
from rootstream.sandbox.rootfs.services import ServiceSpec, add_services, script_text
from rootstream.sandbox.tree import Tree, text_file


def service(name: str = "web", **words: object) -> ServiceSpec:
    usual = {"command": "true", "user": None, "after": (), "restart": "always", "enabled": True}
    return ServiceSpec(name=name, **{**usual, **words})  # type: ignore[arg-type]


@pytest.fixture
def tree() -> Tree:
    made = Tree()
    made.put("etc/init.d/rcS", text_file(b"#!/bin/sh\n", 0o755))
    return made


def test_scripts_are_in_the_order_of_the_list(tree: Tree) -> None:
    add_services(tree, (service("web"), service("off", enabled=False), service("last")))
    names = [path for path, _, _ in tree.walk() if path.startswith("etc/init.d/")]
    assert names == ["etc/init.d/S60web", "etc/init.d/S62last", "etc/init.d/off", "etc/init.d/rcS"]
    command = tree.get("usr/libexec/services/web")
    assert command is not None
    assert command.mode == 0o755


def test_a_root_that_nothing_known_starts() -> None:
    with pytest.raises(Mistake, match="no systemd"):
        add_services(Tree(), (service(),))


def test_more_services_than_there_are_numbers(tree: Tree) -> None:
    with pytest.raises(Mistake, match="39 at most"):
        add_services(tree, tuple(service(f"s{number}") for number in range(40)))


@pytest.mark.parametrize("words", [{}, {"user": "daemon"}, {"restart": "no"}])
def test_the_shell_reads_it(tmp_path: Path, words: dict[str, object]) -> None:
    script = tmp_path / "script"
    script.write_text(script_text(service("web", **words)))
    subprocess.run(["sh", "-n", str(script)], check=True)
    done = subprocess.run(["sh", str(script), "what"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "start|stop|restart" in done.stderr
    assert ("-c daemon" in script.read_text()) == ("user" in words)
