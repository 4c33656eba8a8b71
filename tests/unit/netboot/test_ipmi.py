"""What ipmitool is told: never a password, and how the machine's firmware boots."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rootstream.description.power.ipmi import Ipmi
from rootstream.errors import UserError
from rootstream.netboot.power import ipmi
from tests.powered import switched

WORDS = Ipmi(address="10.0.0.3", user="root", password_file="secret")


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a program on PATH that notes what it is told, and says that the machine is off."""
    program = tmp_path / "bin" / "ipmitool"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$*" >> {tmp_path}/told\necho Chassis Power is off\n')
    program.chmod(0o755)
    (tmp_path / "secret").write_text("letmein\n")
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return tmp_path / "told"


@pytest.mark.parametrize(("uefi", "options"), [(True, " options=efiboot"), (False, "")])
def test_the_next_boot_is_from_the_network(tmp_path: Path, tool: Path, uefi: bool, options: str) -> None:
    ipmi.switch(WORDS, switched(tmp_path, WORDS, firmware="uefi" if uefi else "bios"), "cycle")
    begin = f"-I lanplus -H 10.0.0.3 -p 623 -U root -f {tmp_path}/secret chassis "
    said = [f"bootdev pxe{options}", "power status", "power on"]
    assert tool.read_text().splitlines() == [begin + words for words in said]
    assert "letmein" not in tool.read_text()


def test_what_it_says_when_it_fails(tmp_path: Path, tool: Path) -> None:
    (tmp_path / "bin" / "ipmitool").write_text("#!/bin/sh\necho no session >&2\nexit 1\n")
    with pytest.raises(UserError) as caught:
        ipmi.state(WORDS, switched(tmp_path, WORDS))
    assert caught.value.reason == "power-failed"
    assert "no session" in caught.value.message
    assert not tool.exists()
