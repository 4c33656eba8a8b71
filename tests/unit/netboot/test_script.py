"""What reaches iPXE's shell, which can quote nothing: arguments that mean something there are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from rootstream.description.machines import NetMachine
from rootstream.errors import UserError
from rootstream.netboot import script
from rootstream.netboot.script import Served
from rootstream.netboot.store.builds import Build
from rootstream.project.manifest import ExportedFile
from tests.loading import GOOD, problems, read

SERVED = Served(server="10.0.2.1", base="http://10.0.2.1:8080")
MACHINE = NetMachine(macs=("52:54:00:00:00:01",), system="it")
WORDS = ("quiet || shell", "a && b", "a ; b", "#", "a #b", "x=${net0/mac}", "${", "a\t||\tb")
FINE = ("a|b", "a||b", "x=#1", "a&&b", "a;b", "$HOME", "{name}", 'dm="0 1 linear /dev/sda 0"', "-- init=/x")


def build(args: str = "", **names: str) -> Build:
    files = tuple(ExportedFile(name=name, kind=kind, size=1, sha256="0" * 64) for kind, name in names.items())
    return Build(target="it", id="20260101-000000-00000000", made=0.0, arch="x86_64", args=args, files=files)


@pytest.mark.parametrize("args", WORDS)
def test_arguments_of_a_build_that_mean_something(args: str) -> None:
    with pytest.raises(UserError) as caught:
        script.kernel_args("box", MACHINE, build(args), SERVED, console="ttyS0", home=())
    assert caught.value.reason == "not-for-ipxe"


@pytest.mark.parametrize("args", FINE)
def test_arguments_that_mean_nothing(args: str) -> None:
    text = script.kernel_args("box", MACHINE, build(args), SERVED, console="ttyS0", home=())
    assert text.startswith(" ".join(args.split()))


def test_names_of_files_are_quoted() -> None:
    made = build(kernel="a b || shell", initramfs="sub/${x} #1 && y.cpio")
    text = script.start("box", made, SERVED, args="quiet", boot=1, efi=False)
    assert text
    (kernel,) = (line for line in text.splitlines() if line.startswith("kernel "))
    (initrd,) = (line for line in text.splitlines() if line.startswith("initrd "))
    assert kernel.split()[1:] == [
        "http://10.0.2.1:8080/builds/it/20260101-000000-00000000/a%20b%20%7C%7C%20shell?boot=1",
        *("initrd=__x___1____y.cpio", "quiet", "||", "goto", "failed"),
    ]
    assert initrd.split()[:3] == ["initrd", "--name", "__x___1____y.cpio"]
    assert "${" not in text


@pytest.mark.parametrize("args", WORDS)
@pytest.mark.parametrize("whose", ["machine", "system", "variant"])
def test_a_description_is_refused_with_its_line(tmp_path: Path, args: str, whose: str) -> None:
    quoted = "'" + args + "'"
    system = GOOD.replace("[initramfs]", "[kernel, initramfs]")
    own = f"    kernel_args: {quoted}\n" if whose == "machine" else ""
    if whose == "system":
        system += f"    machine: {{kernel_args: {quoted}}}\n"
    if whose == "variant":
        system += f"    variants: {{debug: {{machine: {{kernel_args: {quoted}}}}}}}\n"
    text = f"systems:\n{system}machines:\n  box:\n    macs: ['52:54:00:00:00:01']\n    system: good\n{own}"
    found = [each for each in problems(tmp_path, text) if each.reason == "not-for-ipxe"]
    assert len(found) == 1
    assert found[0].where
    assert found[0].where.line == 1 + next(
        number for number, line in enumerate(text.splitlines()) if "kernel_args" in line
    )
    if whose != "machine":  # QEMU and boot loaders take it
        assert read(tmp_path, text.partition("machines:")[0]).systems


@pytest.mark.parametrize("args", ["a\x1b[2Jb", "a\x07", "a\x7fb", "a\u0085b", "a\u2028b"])
def test_control_characters_are_refused(tmp_path: Path, args: str) -> None:
    system = GOOD.replace("[initramfs]", "[kernel, initramfs]")
    escaped = args.encode("unicode_escape").decode().replace("\\x", "\\u00")
    found = problems(tmp_path, f'systems:\n{system}    machine: {{kernel_args: "{escaped}"}}\n')
    assert len(found) == 1
    assert "control characters" in found[0].message
