"""What changes of a configuration make of the user's own files: lines, places in system.yaml, texts for make."""

from __future__ import annotations

import difflib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ruamel.yaml.constructor import RoundTripConstructor
from ruamel.yaml.representer import RoundTripRepresenter

from rootstream.buildroot.config import check, file_edits, requested, saving
from rootstream.buildroot.config.configuration import Composed, joined
from rootstream.buildroot.generate.draft import Setting
from rootstream.formats.kconfig.fragment import Request, fragment_requests, same

INDENTED = """\
# systems
systems:
  box:  # the only one
    root:
      buildroot:
        tree: {local: /br}
    images: [files]
    layers:
      - hostname: box
      - issue: "quoted"
    variants:
      debug:
        description: with tools
"""
FLUSH = INDENTED.replace("      - ", "    - ")
WIDE = "\n".join(" " * (len(line) - len(line.lstrip())) + line for line in INDENTED.splitlines()) + "\n"

NULL = "tag:yaml.org,2002:null"


def space(variant: str | None = None) -> Any:  # noqa: ANN401  (what stands for a workspace)
    described = SimpleNamespace(name="box", variant=variant, target="box")
    return SimpleNamespace(described=described, project=Path("/p"))


def added(before: str, after: str) -> list[str]:
    lines = [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[0] in "+-"]
    assert all(line[0] == "+" for line in lines), lines
    return [line[2:].strip() for line in lines]


@pytest.mark.parametrize("text", [INDENTED, FLUSH, WIDE], ids=["indented", "flush", "wide"])
def test_a_new_file_is_named_and_all_other_lines_stay(text: str) -> None:
    place = saving.SavePlace(path="configs/box_defconfig", whole=True, words=("defconfig",))
    assert added(text, saving.named(text, space(), place)) == ["defconfig: configs/box_defconfig"]


def test_a_file_of_a_variant_is_added_to_the_list() -> None:
    place = saving.SavePlace(path="configs/x.config", whole=False, words=("configs", "linux", "fragments"))
    text = saving.named(INDENTED, space("debug"), place)
    assert added(INDENTED, text)[-2:] == ["fragments:", "- configs/x.config"]


def test_a_variant_is_made_beside_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    # BuildStream's own YAML reads and writes None so, for all round trips of the process that imports it
    table = {**RoundTripConstructor.yaml_constructors, NULL: RoundTripConstructor.construct_yaml_str}
    monkeypatch.setattr(RoundTripConstructor, "yaml_constructors", table)
    others = {**RoundTripRepresenter.yaml_representers, type(None): lambda it, _: it.represent_str("None")}
    monkeypatch.setattr(RoundTripRepresenter, "yaml_representers", others)
    text = saving.with_variant(INDENTED, "box", "small")
    assert added(INDENTED, text) == ["small:"]
    place = saving.SavePlace(path="c", whole=False, words=("fragments",))
    assert added(INDENTED, saving.named(text, space("small"), place))[0] == "small:"


def test_lines_are_edited_and_the_last_of_a_symbol_counts() -> None:
    text = "# why\nBR2_A=y\n\nBR2_B=y\nBR2_A=m\n# BR2_C is not set\n"
    changes: dict[str, str | None] = {"BR2_A": "n", "BR2_B": None, "BR2_C": "y", "BR2_D": '"x"'}
    assert file_edits.edited(text, changes, "") == '# why\n\n# BR2_A is not set\nBR2_C=y\nBR2_D="x"\n'


def test_symbols_without_a_prefix_and_with_one_are_not_mixed_up() -> None:
    assert (
        file_edits.edited("UCLIBC_HAS_IPV6=y\n", {"UCLIBC_HAS_IPV6": "n"}, "") == "# UCLIBC_HAS_IPV6 is not set\n"
    )
    requests, problems = fragment_requests("f", "CONFIG_A=y\n", "")
    assert ([each.symbol for each in requests], problems) == (["CONFIG_A"], [])


@pytest.mark.parametrize(
    ("value", "refused"),
    [
        ('"plain"', False),
        ('"$(BR2_EXTERNAL_X_PATH)/a ${HOME}"', False),
        ('"$$6$$salt$$hash"', False),
        ('"$6$salt$hash"', True),
        ('"a # b"', True),
        ('"ends in $"', True),
        ("y", False),
    ],
)
def test_texts_that_make_would_change_are_told(value: str, refused: bool) -> None:
    request = Request(symbol="BR2_X", value=value, file="f", line=3, prefix="")
    composed = Composed(
        asked=(request,),
        requests={"BR2_X": request},
        settings={},
        result={"BR2_X": value},
        text="",
        said="",
        problems=(),
        changed=False,
    )
    found = list(check._unreadable(composed))
    assert [(each.kind, each.line) for each in found] == ([("make-text", 3)] if refused else [])
    assert same(value, composed.result["BR2_X"])


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ("", ["n"]),
        ('BR2_TARGET_GENERIC_ROOT_PASSWD=""\n', ["n"]),
        ('BR2_TARGET_GENERIC_ROOT_PASSWD="factory"\n', []),
    ],
)
def test_a_password_of_the_defconfig_says_that_root_logs_in(own: str, expected: list[str]) -> None:
    login = Setting(
        symbol="BR2_TARGET_ENABLE_ROOT_LOGIN", value="n", weak=True, unless="BR2_TARGET_GENERIC_ROOT_PASSWD"
    )
    requests, _ = fragment_requests("f", own, "")
    weak, strong = joined(requests, (login,))
    assert ([each.value for each in weak], strong) == (expected, [])


def test_the_defconfig_is_named_as_buildroot_names_it(tmp_path: Path) -> None:
    def named(file: str) -> list[str]:
        (tmp_path / file).write_text("")
        own = SimpleNamespace(root=SimpleNamespace(defconfig=file), project=tmp_path)
        return [each.value for each in requested.origin(own)]  # type: ignore[arg-type]  # what stands for a workspace

    assert named("box_defconfig") == [f'"{tmp_path}/box_defconfig"']
    assert named("a box_defconfig") == []  # make could not read it
