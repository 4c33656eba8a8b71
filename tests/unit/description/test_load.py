"""Mistakes in single words: each with its reason and line, all at once, in a user's words."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from rootstream.description.images.disk import Disk
from rootstream.description.images.initramfs import Initramfs
from rootstream.description.images.tar import Tar
from rootstream.description.layers import DevicesLayer, PermissionsLayer, UsersLayer
from rootstream.description.load import load
from rootstream.description.roots import FromBusybox
from rootstream.description.system import FromFolder
from rootstream.errors import Problems, UserError
from tests.loading import GOOD, line, message, one, problems, read, system, write, wrong

DATA = Path(__file__).parents[1] / "data" / "load"


def test_a_good_file(tmp_path: Path) -> None:
    description = read(tmp_path, "systems:\n" + GOOD + GOOD.replace("good", "better"))
    assert description.names() == ("good", "better")
    assert description.debian.suites == ("trixie",)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        load(tmp_path / "system.yaml")
    assert caught.value.reason == "no-project"
    assert "rootstream init" in str(caught.value)


@pytest.mark.parametrize("name", [".", "loop"])
def test_an_unreadable_file(tmp_path: Path, name: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UserError) as caught:
        load(tmp_path / name)
    assert caught.value.reason == "file-unreadable"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("~\n", ["empty-file"]),
        ("[]\n", ["wrong-type"]),
        ("systems\n", ["wrong-type"]),
        ("{}\n", ["missing-key"]),
        ("systems: {}\n", ["bad-value"]),
        ("systems:\n", ["bad-value"]),
        ("systems: []\n", ["wrong-type"]),
        ("systems: {a: []}\n", ["wrong-type"]),
        ("system: {}\n", ["unknown-key"]),
        ("systems:\n" + GOOD + "debian: {suites: []}\n", ["bad-value"]),
        ("systems:\n" + GOOD.replace("good", "12"), ["bad-value"]),
        ("systems:\n" + GOOD.replace("good", "Good"), ["bad-value"]),
        ("systems:\n" + GOOD + GOOD, ["yaml-duplicate-key"]),
    ],
)
def test_the_outermost_words(tmp_path: Path, text: str, expected: list[str]) -> None:
    assert [problem.reason for problem in problems(tmp_path, text)] == expected


def test_everything_that_is_missing(tmp_path: Path) -> None:
    found = problems(tmp_path, "systems:\n  a:\n  b:\n    images: [tar]\n")
    assert [(p.reason, line(p)) for p in found] == [("missing-key", 2), ("missing-key", 2), ("missing-key", 3)]
    assert [p.message.split(": ")[1] for p in found] == [
        "the required key 'root' is missing",
        "the required key 'images' is missing",
        "the required key 'root' is missing",
    ]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("kernal: {}", [("unknown-key", 1)]),
        ("arch: x86-64", [("bad-value", 1)]),
        ("description:\n  - x", [("wrong-type", 2)]),
        ("1: 2", [("unknown-key", 1)]),
        # choices
        ("root: bussybox", [("unknown-choice", 1)]),
        ("root: {}", [("wrong-type", 1)]),
        ("root: 5", [("wrong-type", 1)]),
        ("root:\n  elements:", [("missing-key", 2)]),
        ("root:\n  busybox: {}\n  elements: {target: x.bst}", [("several-choices", 3)]),
        (
            "images:\n  - disc\n  - {}\n  - 3\n  - [tar]",
            [("unknown-choice", 2), *(("wrong-type", n) for n in (3, 4, 5))],
        ),
        ("images: []", [("bad-value", 1)]),
        ("images: disk", [("wrong-type", 1)]),
        ("images:\n  - disk:\n    sector_size: 512", [("unknown-key", 3)]),
        ("images:\n  - tar: {level: 3}\n  - initramfs: {level: 30}", [("unknown-key", 2), ("bad-value", 3)]),
        ("layers:\n  - overlay", [("wrong-type", 2)]),
        ("layers:\n  - hostname: a\n    issue: b", [("several-choices", 3)]),
        ("layers:\n  - hostnme: a", [("unknown-choice", 2)]),
        ("checks:\n  - command: a\n    exit: 0\n    console: b\n    output: c", [("several-choices", 2)]),
        ("checks:\n  - within: 5", [("missing-key", 2)]),
        ("checks:\n  - port", [("wrong-type", 2)]),
        ("checks:\n  - http:\n      status: 99\n  - http: {port: 70000}", [("bad-value", 3), ("bad-value", 4)]),
        ("kernel:\n  source: debain", [("unknown-choice", 2)]),
        ("kernel:\n  source: {tar: {sha256: 0}}", [("missing-key", 2), ("wrong-type", 2)]),
        # one of several shapes
        ("kernel:\n  base: tinyconfi", [("bad-value", 2)]),
        ("kernel:\n  base: {defconfg: x}", [("unknown-choice", 2)]),
        ("kernel:\n  base: {defconfig: 1}", [("wrong-type", 2)]),
        ("kernel:\n  base: {defconfig: a b}", [("bad-value", 2)]),
        ("kernel:\n  base: []", [("wrong-type", 2)]),
        ("kernel:\n  base:", [("wrong-type", 2)]),
        ("layers:\n- users:\n  - name: a\n    password: lock", [("bad-value", 4)]),
        ("layers:\n- users:\n  - name: a\n    password:\n      hsh: $6$x", [("unknown-key", 5)]),
        ("layers:\n- users:\n  - name: a\n    password: {hash: secret}", [("bad-value", 4)]),
        ("layers:\n- users:\n  - name: a\n    sudo: yes", [("bad-value", 4)]),
        (
            "layers:\n- permissions:\n  - path: /a\n    owner: -1\n    group: 1.5",
            [("bad-value", 4), ("wrong-type", 5)],
        ),
        # numbers, text, lists
        ("layers:\n- hostname: 12", [("wrong-type", 2)]),
        ("layers:\n- hostname: a_b", [("bad-value", 2)]),
        ("layers:\n- hostname:", [("wrong-type", 2)]),
        *(
            (f"layers:\n- hostname: {name}", [("bad-value", 2)])
            for name in ("-box", "box-", "box.", ".box", "box..a", "a" * 64, f"{'a' * 60}.{'b' * 4}")
        ),
        *(
            (f"layers:\n- users:\n  - name: a\n    {words}", [("bad-value", 4)])
            for words in (
                "gecos: 'x:y'",
                "home: relative",
                "home: /home/a:b",
                "shell: /bin/sh:x",
                "password: {hash: $6$a$b:c}",
                "password: {hash: '$6$short$'}",
                "uid: -1",
            )
        ),
        ("layers:\n- users:\n  - name: a:b", [("bad-value", 3)]),
        *(
            (f"layers:\n- permissions:\n  - path: /a\n    capabilities: {words}", [("bad-value", 4)])
            for words in ("cap_fly+ep", "net_raw+ep", "cap_net_raw", "cap_chown+ep cap_kill+p", "''")
        ),
        ("layers:\n- overlay: /etc", [("bad-value", 2)]),
        ("layers:\n- overlay: a/../../b", [("bad-value", 2)]),
        ("kernel: {fragments: linux.config}", [("wrong-type", 1)]),
        ("kernel: {optional: [CONFIG-A]}", [("bad-value", 1)]),
        ("kernel: {modules: yes}", [("wrong-type", 1)]),
        ("machine: {cores: 0}", [("bad-value", 1)]),
        ("machine: {cores: 1.5}", [("wrong-type", 1)]),
        ("machine: {cores: '2'}", [("wrong-type", 1)]),
        ("machine: {memory: 512X}", [("bad-value", 1)]),
        ("machine: {memory: [512M]}", [("wrong-type", 1)]),
        ("machine: {timeout: .inf}", [("bad-value", 1)]),
        ("machine: {boot: [disk, dsk]}", [("bad-value", 1)]),
        ("machine: {boot: []}", [("bad-value", 1)]),
        ("machine: {nics: [{forward: {a: 1}}]}", [("bad-value", 1)]),
        ("machine: {nics: [{forward: {1: a}}]}", [("wrong-type", 1)]),
        ("machine: {nics: [{mac: 12:34}]}", [("bad-value", 1)]),
        ('machine: {kernel_args: "a\\nb"}', [("bad-value", 1)]),
        ('machine: {console: "ttyS0\\nx"}', [("bad-value", 1)]),
        (
            "images:\n- disk:\n    sector_size: 513\n    partitions:\n    - filesystem: vfatt",
            [("bad-value", 3), ("bad-value", 5)],
        ),
        (
            "images:\n- disk:\n    bootloader: none\n    partitions: [{filesystem: ext4, mount: /}, "
            + "{filesystem: ext4, size: 1M}, " * 4
            + "]",
            [("bad-value", 4)],
        ),
        ("images:\n- disk: {name: ../x}\n- disk: {name: .x}", [("bad-value", 2), ("bad-value", 3)]),
        ("epoch: 5", [("bad-value", 1)]),
    ],
)
def test_words_and_values(tmp_path: Path, words: str, expected: list[tuple[str, int]]) -> None:
    assert wrong(tmp_path, words) == expected


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("kernal: {}", "unknown key 'kernal'; did you mean 'kernel'?"),
        ("kernel: {bui-ltin: true}", "unknown key 'bui-ltin'; did you mean 'builtin'?"),
        ("zzz: {}", "unknown key 'zzz'"),
        ("variant: {}", "unknown key 'variant'; did you mean 'variants'?"),
        ("layers: [overlay]", "'overlay' needs a value: `overlay: ...`"),
        ("layers: [{overlay: a, users: []}]", "'overlay' and 'users' cannot be in one item"),
        ("images: [{disk: {}, sector_size: 512}]", "'sector_size' belongs below 'disk'"),
        ("kernel: {modules: yes}", "modules: expected true or false, not 'yes'; write true"),
        ("images: [{disk: {sector_size: 513}}]", "sector_size: expected one of: 512, 4096, not 513"),
        (
            "images: [{tar: {compression: zst}}]",
            "compression: expected one of: none, gzip, xz, zstd, not 'zst'; did you mean 'zstd'?",
        ),
        ("machine: {cores: 0}", "cores: expected an integer from 1 to 256, not 0"),
        ("machine: {extra_args: -x}", "extra_args: expected a list, not '-x'"),
        ("machine: {extra_args: [1.10]}", "extra_args[0]: expected text, not 1.10"),
        (
            "machine: {nics: [[]]}",
            "nics[0]: expected a mapping (keys: model, mac, forward), not a list",
        ),
        ("checks: [{poweroff: ''}]", "poweroff: expected non-empty text, not ''"),
        (
            "kernel: {base: x}",
            (
                "base: expected one of: tinyconfig, defconfig, allnoconfig; "
                "or a mapping with one of: defconfig, file, not 'x'"
            ),
        ),
        ("description: {a: 1}", "description: expected text, not a mapping"),
        (
            'layers: [{hostname: "\\e[31m"}]',
            "hostname: expected a host name of letters, digits and '-', at most 64 characters, not '\\x1b[31m'",
        ),
    ],
)
def test_messages_are_in_the_words_of_the_user(tmp_path: Path, words: str, said: str) -> None:
    assert message(tmp_path, words) == said


def test_a_long_value_is_cut(tmp_path: Path) -> None:
    for words in (
        f"layers: [{{hostname: {'_' * 5000}}}]",
        f"machine: {{memory: {'x' * 5000}}}",
        f"{'k' * 5000}: 1",
    ):
        assert len(message(tmp_path, words)) < 300


def test_hints_show_what_to_write(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        one(
            """
            kernel: {fragments: linux.config}
            layers: [{hostname: 12}]
            machine: {cores: "2"}
            images: [{disk: , name: x}, {ext: , tpye: ext4}]
            """
        ),
    )
    assert [problem.hint for problem in found] == [
        "Write a list with one item: [linux.config].",
        'Put it in quotes: "12".',
        "Remove the quotes.",
        "Indent it further than `disk:`.",
        "Allowed here: ext.",
    ]


def test_a_misspelt_word_is_not_missing_too(tmp_path: Path) -> None:
    found = problems(tmp_path, "systems:\n  a:\n    roots: busybox\n    images: [tar]\n")
    assert [(p.reason, line(p)) for p in found] == [("unknown-key", 3)]


def test_short_and_long_forms_are_the_same(tmp_path: Path) -> None:
    short = system(
        tmp_path, "images: [tar, initramfs]\nkernel: {source: debian}\nmachine:\nlayers:\nchecks: [login]"
    )
    long = system(
        tmp_path,
        """
        root: {busybox: }
        images: [{tar: {}}, {initramfs: }]
        kernel: {source: {debian: {}}}
        machine: {}
        layers: []
        checks: [{login: {user: root}}]
        """,
    )
    assert short == long


@pytest.mark.parametrize(
    ("written", "mode"),
    [
        ("0755", 0o755),
        ("755", 0o755),
        ('"0755"', 0o755),
        ("'755'", 0o755),
        ("0o755", 0o755),
        ("4755", 0o4755),
        ("0o4755", 0o4755),
        ("00", 0),
        ("0o644", 0o644),
    ],
)
def test_modes(tmp_path: Path, written: str, mode: int) -> None:
    found = system(tmp_path, f"layers: [{{permissions: [{{path: /a, mode: {written}}}]}}]")
    assert isinstance(found.layers[0], PermissionsLayer)
    assert found.layers[0].permissions[0].mode == mode


@pytest.mark.parametrize("written", ["0855", "0x1ed", "7.55", "rwx", "77777", "-755", "true", "1_0"])
def test_what_is_no_mode(tmp_path: Path, written: str) -> None:
    assert wrong(tmp_path, f"layers: [{{permissions: [{{path: /a, mode: {written}}}]}}]") == [("bad-value", 1)]


def test_values_come_out_as_plain_python(tmp_path: Path) -> None:
    found = system(
        tmp_path,
        """
        layers:
          - users: [{name: a, uid: 0o1750, gecos: "12", sudo: nopasswd}]
          - devices: [{path: /dev/x, type: char, major: 0x10, mode: 666, owner: 5, group: audio}]
        machine: {nics: [{mac: 52:54:00:12:34:56, forward: {2222: 22}}], memory: 1G, timeout: 2m}
        """,
    )
    users, devices = found.layers
    assert isinstance(users, UsersLayer)
    assert isinstance(devices, DevicesLayer)
    node = devices.devices[0]
    assert (users.users[0].uid, users.users[0].sudo) == (1000, "nopasswd")
    assert (node.major, node.mode, node.owner, node.group) == (16, 0o666, 5, "audio")
    assert {type(value) for value in (users.users[0].uid, node.major, node.mode, node.owner)} == {int}
    assert {type(port) for pair in found.machine.nics[0].forward.items() for port in pair} == {int}
    assert found.machine.nics[0].mac == "52:54:00:12:34:56"
    assert (found.machine.memory, found.machine.timeout) == (1 << 30, 120.0)


def test_anchors_share_words(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        """
        systems:
          a: &a
            root: &root {busybox: {baud: 9600}}
            images: [tar]
          b:
            <<: *a
            images: [{tar: {compression: xz}}]
          c: {root: *root, images: [tar]}
        """,
    )
    assert found.systems[0].system.root == found.systems[1].system.root == found.systems[2].system.root
    assert isinstance(found.systems[1].system.images[0], Tar)
    assert found.systems[1].system.images[0].compression == "xz"


def test_a_mistake_behind_an_alias_is_told_once(tmp_path: Path) -> None:
    text = "systems:\n  a: &a\n    root: busybox\n    images: [dsk]\n  b: *a\n"
    assert [(p.reason, line(p)) for p in problems(tmp_path, text)] == [("unknown-choice", 4)]


def test_a_project_folder_as_a_source(tmp_path: Path) -> None:
    (tmp_path / "linux").mkdir()
    found = system(tmp_path, "kernel: {source: {local: linux/}}\nimages: [initramfs]")
    assert found.kernel is not None
    assert found.kernel.source == FromFolder(local="linux/")
    assert isinstance(found.root, FromBusybox)
    assert isinstance(found.images[0], Initramfs)


def test_mistakes_of_all_kinds_come_in_the_order_of_the_file(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        "systems:\n"
        "  a:\n"
        "    root: busybox\n"
        "    root: busybox\n"
        "    images: [kernel]\n"
        "    layers: [{overlay: nowhere}]\n"
        "  b: {root: busybox, images: [tarr]}\n"
        "other: 1\n",
    )
    assert [(p.reason, line(p)) for p in found] == [
        ("yaml-duplicate-key", 4),
        ("kernel-needed", 5),
        ("missing-file", 6),
        ("unknown-choice", 7),
        ("unknown-key", 8),
    ]


def test_ten_mistakes_as_they_are_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(DATA / "ten-mistakes", tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Problems) as caught:
        load(Path("system.yaml"))
    golden = DATA / "ten-mistakes.txt"
    if "ROOTSTREAM_GOLDEN" in os.environ:
        golden.write_text(f"{caught.value}\n")
    assert len(caught.value.problems) == 10
    assert f"{caught.value}\n" == golden.read_text()


def test_the_seed_of_a_disk(tmp_path: Path) -> None:
    found = system(tmp_path, "images: [disk]")
    (made,) = found.images
    assert isinstance(made, Disk)
    assert [partition.mount for partition in made.partitions] == ["/boot", "/"]


def test_reading_is_repeatable(tmp_path: Path) -> None:
    path = write(tmp_path, "systems:\n" + GOOD)
    assert load(path) == load(path)
