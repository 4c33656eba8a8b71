"""The cross environment, from the toolchain that is in the output folder."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from rootstream.buildroot import env
from rootstream.buildroot.workspace import Workspace
from rootstream.errors import UserError


def tools(space: Workspace, *names: str) -> Path:
    folder = space.output / "host/bin"
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def test_without_a_toolchain(box: Workspace) -> None:
    assert not env.available(box)
    tools(box, "gcc")
    assert not env.available(box)
    with pytest.raises(UserError) as caught:
        env.variables(box)
    assert caught.value.reason == "not-built"
    assert "`rootstream make --system box toolchain`" in str(caught.value.hint)


def test_everything_has_the_prefix_of_the_compiler(box: Workspace) -> None:
    prefix = "x86_64-buildroot-linux-gnu-"
    names = ("gcc", "g++", "ar", "ld", "objcopy")
    folder = tools(box, *(prefix + name for name in names), "zz-gcc", "a-gcc")
    (box.output / "sysroot").mkdir()
    (box.output / "staging").symlink_to("sysroot")
    assert env.available(box)
    staging, host = box.output / "sysroot", box.output / "host"
    assert env.variables(box) == {
        **{
            name: f"{folder}/{prefix}{program}"
            for name, program in zip(("CC", "CXX", "AR", "LD", "OBJCOPY"), names, strict=True)
        },
        "CROSS_COMPILE": prefix,
        "PATH": f"{host}/bin:{host}/sbin:/usr/bin:/bin",
        "PKG_CONFIG": f"{host}/bin/pkg-config",
        "PKG_CONFIG_SYSROOT_DIR": str(staging),
        "PKG_CONFIG_LIBDIR": f"{staging}/usr/lib/pkgconfig:{staging}/usr/share/pkgconfig",
        "STAGING_DIR": str(staging),
        "TARGET_DIR": str(box.output / "target"),
        "CONFIGURE_FLAGS": "--host=x86_64-buildroot-linux-gnu --prefix=/usr --sysconfdir=/etc",
    }


def test_a_compiler_of_no_linux(box: Workspace) -> None:
    tools(box, "riscv32-none-elf-gcc")
    assert env.variables(box)["CROSS_COMPILE"] == "riscv32-none-elf-"


def test_a_shell_reads_it(box: Workspace) -> None:
    tools(box, "a-linux-gcc")
    text = env.exports(box) + 'printf "%s" "$CONFIGURE_FLAGS"'
    done = subprocess.run(["/bin/sh", "-c", text], capture_output=True, text=True, check=True)
    assert done.stdout == "--host=a-linux --prefix=/usr --sysconfdir=/etc"
    assert env.exports(box).splitlines() == sorted(env.exports(box).splitlines())
