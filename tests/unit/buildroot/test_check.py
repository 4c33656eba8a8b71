"""What is wrong or doubtful about a configuration of Buildroot, from what was asked for and what came out."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rootstream.buildroot.config import check
from rootstream.buildroot.config.configuration import Composed
from rootstream.formats.kconfig.facts import Reason
from rootstream.formats.kconfig.fragment import Problem, Request

LEGACY = """\
config BR2_OLD_TEXT
\tstring "old"
\thelp
\t  It is called
\t  BR2_NEW_TEXT now.

\t  More about it.

config BR2_OLD_BARE
\tbool "bare"

endmenu
"""


def asked(symbol: str, value: str) -> Request:
    return Request(symbol=symbol, value=value, file="box_defconfig", line=3, prefix="")


def composed(*requests: Request, **result: str) -> Composed:
    by_symbol = {each.symbol: each for each in requests}
    values = {each.symbol: each.value for each in requests} | result
    none: tuple[Problem, ...] = ()
    return Composed(
        asked=requests,
        requests=by_symbol,
        settings={},
        result=values,
        text="",
        said="",
        problems=none,
        changed=False,
    )


def space(folder: Path, **root: Any) -> Any:  # noqa: ANN401  (what stands for a workspace)
    described = SimpleNamespace(system=SimpleNamespace(arch="x86_64"), lines={"arch": 4, "root": 5})
    own = SimpleNamespace(optional=(), defconfig=None, **root)
    return SimpleNamespace(tree=folder, project=folder, described=described, root=own)


@pytest.mark.parametrize(
    ("kernel", "headers", "expected"),
    [
        ('"6.1.20"', ("5_15", "6_1"), None),
        ('"6.1"', ("6_2",), "kernel headers are 6.2, the kernel is 6.1"),
        ('"v5.19.3"', ("4_20", "6_1", "6_0"), "kernel headers are 6.1, the kernel is 5.19"),
        ('"5.9"', ("5_10",), "kernel headers are 5.10, the kernel is 5.9"),
        ('"6.1"', (), None),
        ('"custom"', ("6_2",), None),
    ],
)
def test_headers_are_not_newer_than_the_kernel(
    kernel: str, headers: tuple[str, ...], expected: str | None
) -> None:
    result = {f"BR2_TOOLCHAIN_HEADERS_AT_LEAST_{each}": "y" for each in headers}
    result |= {"BR2_TOOLCHAIN_HEADERS_AT_LEAST_9_9": "n", "BR2_LINUX_KERNEL_VERSION": kernel}
    found = list(check._headers(composed(asked("BR2_LINUX_KERNEL", "y"), **result)))
    assert [(each.message, each.severity, each.kind, each.file, each.line) for each in found] == (
        [] if expected is None else [(expected, "error", "headers-newer", "box_defconfig", 3)]
    )
    assert list(check._headers(composed(**result))) == []  # no kernel is built


def test_headers_are_told_at_the_version_of_the_kernel() -> None:
    version = Request(symbol="BR2_LINUX_KERNEL_CUSTOM_VERSION_VALUE", value='"5.4"', file="f", line=8, prefix="")
    result = {"BR2_LINUX_KERNEL_VERSION": '"5.4"', "BR2_TOOLCHAIN_HEADERS_AT_LEAST_5_5": "y"}
    (found,) = check._headers(composed(asked("BR2_LINUX_KERNEL", "y"), version, **result))
    assert (found.file, found.line) == ("f", 8)
    (found,) = check._headers(composed(BR2_LINUX_KERNEL="y", **result))
    assert (found.file, found.line) == ("", 0)


@pytest.mark.parametrize(
    ("arch", "expected"),
    [
        ('"x86_64"', []),
        ('""', []),
        ('"aarch64"', [("error", "Write `arch: aarch64`.")]),
        ('"mips"', [("warning", "It can be built, but not booted here: there is no machine for it.")]),
    ],
)
def test_another_architecture(tmp_path: Path, arch: str, expected: list[tuple[str, str]]) -> None:
    own = space(tmp_path)
    found = list(check._architecture(own, composed(BR2_ARCH=arch)))
    assert [(each.severity, each.reason) for each in found] == expected
    assert [(each.file, each.line) for each in found] == [("system.yaml", 4)] * len(expected)
    del own.described.lines["arch"]
    assert [each.line for each in check._architecture(own, composed(BR2_ARCH=arch))] == [5] * len(expected)
    own.described.lines.clear()
    assert [each.line for each in check._architecture(own, composed(BR2_ARCH=arch))] == [0] * len(expected)
    assert list(check._architecture(own, composed())) == []


@pytest.mark.parametrize(
    ("symbol", "value", "expected"),
    [
        ("BR2_DL_DIR", '"$(TOPDIR)/dl"', []),
        ("BR2_DL_DIR", '""', []),
        ("BR2_DL_DIR", '"/dl"', [("warning", 'BR2_DL_DIR="/dl" is not used')]),
        ("BR2_CCACHE_DIR", '"/c"', [("warning", 'BR2_CCACHE_DIR="/c" is not used')]),
        ("BR2_HOST_DIR", '"/h"', [("error", 'BR2_HOST_DIR="/h" cannot be used')]),
        ("BR2_HOST_DIR", '"$(BASE_DIR)/host"', []),
    ],
)
def test_folders_that_a_build_is_given(symbol: str, value: str, expected: list[tuple[str, str]]) -> None:
    found = list(check._folders(composed(asked(symbol, value))))
    assert [(each.severity, each.message) for each in found] == expected
    assert [(each.kind, each.symbol, each.wanted, each.line) for each in found] == [
        ("folder-given", symbol, value, 3)
    ] * len(expected)


def test_symbols_that_buildroot_gave_up(tmp_path: Path) -> None:
    assert check.legacy_symbols(space(tmp_path)) == {}
    (tmp_path / "Config.in.legacy").write_text(LEGACY)
    assert check.legacy_symbols(space(tmp_path)) == {
        "BR2_OLD_TEXT": "It is called BR2_NEW_TEXT now.",
        "BR2_OLD_BARE": "it is listed in Config.in.legacy",
    }


@pytest.mark.parametrize(
    ("value", "legacy", "optional", "expected"),
    [
        ('"a"', "y", (), ["error"]),
        ('"a"', "y", ("BR2_OLD_TEXT",), ["note"]),
        ('"a"', "n", (), []),
        *((value, "y", (), []) for value in ("n", '""', "0")),
    ],
)
def test_who_asks_for_one_is_told(
    tmp_path: Path, value: str, legacy: str, optional: tuple[str, ...], expected: list[str]
) -> None:
    (tmp_path / "Config.in.legacy").write_text(LEGACY)
    wanted = composed(asked("BR2_OLD_TEXT", value), BR2_LEGACY=legacy)
    found = list(check._requests(space(tmp_path), wanted, frozenset(optional)))
    assert [(each.severity, each.kind, each.symbol, each.line) for each in found] == [
        (severity, "symbol-legacy", "BR2_OLD_TEXT", 3) for severity in expected
    ]
    assert [(each.message, each.reason) for each in found] == [
        (f"BR2_OLD_TEXT={value} belongs to an older Buildroot", "It is called BR2_NEW_TEXT now.")
    ] * len(expected)


@pytest.mark.parametrize(
    ("got", "optional", "severity", "message"),
    [
        (None, (), "error", "BR2_X=y was requested, but is not in the final configuration"),
        ("n", (), "error", "BR2_X=y was requested, but has the value n"),
        ("y", (), "warning", "BR2_X=y has no effect"),
        ("n", ("BR2_X",), "note", "BR2_X=y was requested, but has the value n"),
    ],
)
def test_what_became_of_a_request(got: str | None, optional: tuple[str, ...], severity: str, message: str) -> None:
    reason = Reason(kind="unknown", text="CONFIG_BR2_X is nowhere", details=("nearest: CONFIG_BR2_Y",))
    found = check._problem(asked("BR2_X", "y"), got, reason, frozenset(optional))
    assert (found.severity, found.message, found.got, found.wanted) == (severity, message, got, "y")
    assert (found.kind, found.reason, found.details) == ("symbol-unknown", "BR2_X is nowhere", ("nearest: BR2_Y",))


@pytest.mark.parametrize(("count", "expected"), [(check.FULL, False), (check.FULL + 1, True)])
def test_a_whole_config_is_no_defconfig(tmp_path: Path, count: int, *, expected: bool) -> None:
    lines = [f"BR2_{number}=y" if number % 2 else f"# BR2_{number} is not set" for number in range(count)]
    (tmp_path / "box_defconfig").write_text("\n".join(["# a comment", *lines, "OTHER=y"]))
    own = space(tmp_path)
    own.root.defconfig = "box_defconfig"
    found = list(check._whole(own))
    assert [(each.severity, each.kind, each.file, each.line) for each in found] == (
        [("warning", "whole-config", "box_defconfig", 1)] if expected else []
    )
    assert all(each.message.startswith(f"{count} symbols: ") for each in found)
    assert all(each.reason and each.reason.startswith("`rootstream config minimize`") for each in found)
    own.root.defconfig = None
    assert list(check._whole(own)) == []
