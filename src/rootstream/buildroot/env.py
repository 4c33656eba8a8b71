"""The cross environment of a workspace, for compiling by hand what Buildroot does not build."""

from __future__ import annotations

import shlex
from pathlib import Path

from rootstream.buildroot.workspace import Workspace
from rootstream.errors import UserError, Where


def _compiler(space: Workspace) -> Path | None:
    """Return the cross compiler: the one of the tuple that all of the toolchain's programs begin with."""
    found = sorted((space.output / "host" / "bin").glob("*-linux-*gcc")) or sorted(
        (space.output / "host" / "bin").glob("*-gcc")
    )
    return found[0] if found else None


def available(space: Workspace) -> bool:
    """Say whether the toolchain is built."""
    return _compiler(space) is not None


def variables(space: Workspace) -> dict[str, str]:
    """Return the environment: compiler, binutils, pkg-config, staging and target folders.

    Raises `UserError` not-built before there is a toolchain.
    """
    compiler = _compiler(space)
    if compiler is None:
        target = space.described.target
        raise UserError(
            "not-built",
            f"{target} has no toolchain yet",
            where=Where(path=space.output / "host"),
            hint=f"`rootstream make --system {target} toolchain` builds it, `rootstream build` builds everything.",
        )
    host = space.output / "host"
    cross = str(compiler).removesuffix("gcc")
    staging = (space.output / "staging").resolve()
    names = {"CC": "gcc", "CXX": "g++", "CPP": "cpp", "AR": "ar", "AS": "as", "LD": "ld", "NM": "nm"}
    names |= {
        "RANLIB": "ranlib",
        "STRIP": "strip",
        "OBJCOPY": "objcopy",
        "OBJDUMP": "objdump",
        "READELF": "readelf",
    }
    found = {name: f"{cross}{program}" for name, program in names.items() if Path(f"{cross}{program}").exists()}
    return {
        **found,
        "CROSS_COMPILE": Path(cross).name,
        "PATH": f"{host}/bin:{host}/sbin:{space.env.get('PATH', '')}",
        "PKG_CONFIG": f"{host}/bin/pkg-config",
        "PKG_CONFIG_SYSROOT_DIR": str(staging),
        "PKG_CONFIG_LIBDIR": f"{staging}/usr/lib/pkgconfig:{staging}/usr/share/pkgconfig",
        "STAGING_DIR": str(staging),
        "TARGET_DIR": str(space.output / "target"),
        "CONFIGURE_FLAGS": f"--host={Path(cross).name.removesuffix('-')} --prefix=/usr --sysconfdir=/etc",
    }


def exports(space: Workspace) -> str:
    """Return the environment as shell text."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(variables(space).items()))
