"""Variants: what they replace, what they append, and whose line a mistake is on."""

from __future__ import annotations

from pathlib import Path

import pytest

from rootstream.description.images.disk import Disk
from rootstream.description.images.tar import Tar
from rootstream.description.layers import HostnameLayer
from rootstream.description.machine import Nic
from rootstream.description.model import System
from rootstream.description.roots import FromBusybox, FromElements
from rootstream.description.system import ConfigFile, FromTarball, NamedDefconfig
from tests.loading import line, problems, read

BASE = """\
systems:
  a:
    root: {busybox: {baud: 9600, fragments: [one.config]}}
    kernel: {base: {defconfig: x_defconfig}, modules: true}
    layers: [{hostname: base}]
    images: [tar]
    machine: {memory: 64M, nics: [{forward: {1: 1}}]}
    variants:
"""


def both(folder: Path, *changes: str) -> tuple[System, System]:
    """Load the base with a variant; the first change is on line 10."""
    for name in ("one", "two"):
        (folder / f"{name}.config").touch()
    description = read(folder, BASE + "      v:\n" + "".join(f"        {change}\n" for change in changes))
    assert description.names() == ("a", "a@v")
    assert description.systems[1].slug == "a--v"
    return description.systems[0].system, description.systems[1].system


def wrong(folder: Path, *changes: str) -> list[tuple[str, int, str]]:
    with pytest.MonkeyPatch.context():
        for name in ("one", "two"):
            (folder / f"{name}.config").touch()
    text = BASE + "      v:\n" + "".join(f"        {change}\n" for change in changes)
    return [(problem.reason, line(problem), problem.message) for problem in problems(folder, text)]


@pytest.mark.parametrize("change", [(), ("{}",), ("add:",), ("add: {}",), ("machine:",)])
def test_no_change(tmp_path: Path, change: tuple[str, ...]) -> None:
    base, variant = both(tmp_path, *change)
    assert base == variant


def test_too_many(tmp_path: Path) -> None:
    (tmp_path / "one.config").touch()
    found = problems(tmp_path, BASE + "".join(f"      v{number}: {{}}\n" for number in range(101)))
    assert [(p.reason, p.message) for p in found] == [
        ("bad-value", "variants: 101 items, but at most 100 are allowed")
    ]


def test_order(tmp_path: Path) -> None:
    text = BASE + "      z: {}\n      b: {}\n  c: {root: busybox, images: [tar], variants: }\n"
    (tmp_path / "one.config").touch()
    assert read(tmp_path, text).names() == ("a", "a@z", "a@b", "c")


def test_mappings_merge_and_the_rest_is_replaced(tmp_path: Path) -> None:
    base, variant = both(
        tmp_path,
        "description: other",
        "machine: {memory: 1G}",
        "layers: []",
        "images: [{tar: {compression: xz}}, disk]",
        "root: {busybox: {fragments: [two.config]}}",
    )
    assert variant.description == "other"
    assert (variant.machine.memory, variant.machine.nics) == (1 << 30, base.machine.nics)
    assert variant.layers == ()
    assert [type(image) for image in variant.images] == [Tar, Disk]
    assert isinstance(variant.root, FromBusybox)
    assert (variant.root.busybox.baud, variant.root.busybox.fragments) == (9600, ("two.config",))
    assert isinstance(base.root, FromBusybox)
    assert base.root.busybox.fragments == ("one.config",)


def test_another_choice_takes_the_place_of_the_first(tmp_path: Path) -> None:
    (tmp_path / "project.conf").write_text("name: own\n")
    (tmp_path / "a.bst").touch()
    _, variant = both(
        tmp_path,
        "root: {elements: {target: a.bst}}",
        "kernel: {source: {tar: {url: file.tar}}, base: {file: two.config}}",
    )
    assert isinstance(variant.root, FromElements)
    assert variant.kernel is not None
    assert isinstance(variant.kernel.source, FromTarball)
    assert variant.kernel.base == ConfigFile(file="two.config")
    assert variant.kernel.modules


def test_the_same_choice_merges(tmp_path: Path) -> None:
    _, variant = both(tmp_path, "kernel: {source: {debian: {suite: sid}}}", "root: busybox")
    assert isinstance(variant.root, FromBusybox)
    assert variant.root.busybox.baud == 9600
    assert variant.kernel is not None
    assert variant.kernel.base == NamedDefconfig(defconfig="x_defconfig")


def test_a_word_for_a_mapping_replaces_it(tmp_path: Path) -> None:
    _, variant = both(tmp_path, "kernel: {base: tinyconfig}")
    assert variant.kernel is not None
    assert variant.kernel.base == "tinyconfig"


def test_null_takes_a_word_away(tmp_path: Path) -> None:
    base, variant = both(tmp_path, "kernel: null")
    assert base.kernel
    assert variant.kernel is None


def test_lists_below_add_are_appended(tmp_path: Path) -> None:
    base, variant = both(
        tmp_path,
        "add:",
        "  layers: [{hostname: more}]",
        "  images: [squashfs]",
        "  root: {busybox: {fragments: [two.config]}}",
        "  kernel: {fragments: [two.config]}",
        "  machine: {nics: [{model: e1000}]}",
        "  checks: []",
    )
    assert variant.layers == (*base.layers, HostnameLayer(hostname="more"))
    assert len(variant.images) == 2
    assert isinstance(variant.root, FromBusybox)
    assert (variant.root.busybox.fragments, variant.root.busybox.baud) == (("one.config", "two.config"), 9600)
    assert variant.kernel is not None
    assert variant.kernel.fragments == ("two.config",)
    assert variant.machine.nics == (*base.machine.nics, Nic(model="e1000"))


def test_add_comes_after_what_is_replaced(tmp_path: Path) -> None:
    _, variant = both(tmp_path, "layers: [{hostname: new}]", "add: {layers: [{hostname: newer}]}")
    assert variant.layers == (HostnameLayer(hostname="new"), HostnameLayer(hostname="newer"))


@pytest.mark.parametrize(
    ("changes", "reason", "where"),
    [
        (("kernal: {}",), "unknown-key", 10),
        (("layers:", "- overlai: x"), "unknown-choice", 11),
        (("machine: {cores: 0}",), "bad-value", 10),
        (("variants: {}",), "unknown-key", 10),
        (("root: {bussybox: {}}",), "unknown-choice", 10),
        (("add: []",), "wrong-type", 10),
        (("add: {layrs: []}",), "unknown-key", 10),
        (("add: {arch: x86_64}",), "wrong-type", 10),
        (("add: {layers: {hostname: a}}",), "wrong-type", 10),
        (("add: {root: {elements: {target: [x]}}}",), "bad-value", 10),
        (("add:", "  layers: [{hostname: a_b}]"), "bad-value", 11),
        (("kernel: {fragments: [three.config]}",), "missing-file", 10),
        (("images: [disk]", "add: {machine: {disks: [{size: 1}]}}"), "bad-value", 11),
    ],
)
def test_mistakes_are_told_once_on_the_lines_of_the_variant(
    tmp_path: Path, changes: tuple[str, ...], reason: str, where: int
) -> None:
    found = wrong(tmp_path, *changes)
    assert [(why, place) for why, place, _ in found] == [(reason, where)]
    assert "(in a@v)" not in found[0][2]


def test_a_mistake_of_the_base_is_told_once(tmp_path: Path) -> None:
    text = BASE.replace("baud: 9600", "baud: 1").replace("one.config", "nowhere") + "      v: {}\n      w: {}\n"
    assert [(p.reason, line(p)) for p in problems(tmp_path, text)] == [("bad-value", 3)]
    text = BASE.replace("one.config", "nowhere") + "      v: {}\n      w: {}\n"
    assert [(p.reason, line(p)) for p in problems(tmp_path, text)] == [("missing-file", 3)]


def test_a_mistake_that_only_the_two_together_make_names_the_variant(tmp_path: Path) -> None:
    found = wrong(tmp_path, "add: {images: [disk]}", "machine: {nics: []}", "kernel:")
    assert [(reason, place) for reason, place, _ in found] == [("kernel-needed", 10)]
    text = BASE.replace("images: [tar]", "images: [disk]").replace("one.config", "two.config")
    found_there = problems(tmp_path, text + "      v: {kernel: null}\n")
    assert [(p.reason, line(p)) for p in found_there] == [("kernel-needed", 6)]
    assert found_there[0].message.endswith("(in a@v)")


def test_it_names_every_variant_that_has_it(tmp_path: Path) -> None:
    (tmp_path / "one.config").touch()
    text = BASE.replace("images: [tar]", "images: [disk]") + "      v: {kernel: null}\n      w: {kernel: null}\n"
    assert [p.message[-8:] for p in problems(tmp_path, text)] == ["(in a@v)", "(in a@w)"]


def test_a_list_with_a_default_is_not_appended_to_in_secret(tmp_path: Path) -> None:
    text = (
        "systems:\n  a:\n    root: busybox\n    images: [tar]\n"
        "    variants:\n      v:\n        add: {machine: {nics: [{model: e1000}]}}\n"
    )
    assert [(p.reason, line(p)) for p in problems(tmp_path, text)] == [("add-to-default", 7)]


@pytest.mark.parametrize("variants", ["[]", "{V: {}}", "{v: []}", "{1: {}}"])
def test_what_is_no_variant(tmp_path: Path, variants: str) -> None:
    (tmp_path / "one.config").touch()
    text = BASE.replace("    variants:\n", f"    variants: {variants}\n")
    assert [line(problem) for problem in problems(tmp_path, text)] == [8]
