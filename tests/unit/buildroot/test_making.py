"""Buildroot's output as events and logs, what its images folder gives, and which targets its make may be given."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rootstream import events
from rootstream.archives import digests
from rootstream.buildroot import info, interactive
from rootstream.buildroot.build import collect, make_run
from rootstream.buildroot.build.make_run import Follower, Logs
from rootstream.description.images.files import Files
from rootstream.errors import UserError

# Lines of a real build of Buildroot 2026.08-rc1, shortened.
OUTPUT = b"""\
>>> host-skeleton  Extracting
>>> host-skeleton  Installing to host directory
>>> busybox 1.38.0 Downloading
/usr/bin/wget -O x
>>> busybox 1.38.0 Extracting
xzcat busybox.tar.xz | tar
>>> busybox 1.38.0 Patching
>>> toolchain  Extracting
>>> toolchain  Installing to staging directory
>>> busybox 1.38.0 Configuring
>>> busybox 1.38.0 Building
  CC      applets/applets.o
>>> busybox 1.38.0 Installing to target
\x1b[7m>>>   Finalizing target directory\x1b[27m
>>>   Generating filesystem image rootfs.cpio
"""


class Told:
    def __init__(self) -> None:
        self.events: list[events.Event] = []
        self.now = 0.0

    def __call__(self, event: events.Event) -> None:
        self.events.append(event)

    def clock(self) -> float:
        self.now += 1.0
        return self.now

    def finished(self) -> list[tuple[str, str, float]]:
        return [
            (event.element, event.result, event.elapsed)
            for event in self.events
            if isinstance(event, events.ElementFinished)
        ]


def follow(output: bytes, folder: Path, *, failed: bool) -> tuple[Told, str | None]:
    told = Told()
    follower = Follower(report=told, clock=told.clock, logs=folder)
    with Logs(folder, header="# made by a test\n") as logs:
        for line in output.splitlines(keepends=True):
            logs.write(line, follower.take(line))
    return told, follower.close(failed=failed)


def test_each_package_begins_and_ends_once(tmp_path: Path) -> None:
    told, culprit = follow(OUTPUT, tmp_path, failed=False)
    assert culprit is None
    assert [name for name, _, _ in told.finished()] == ["host-skeleton", "toolchain", "busybox"]
    # its steps count, not what was built between them
    assert {name: spent for name, _, spent in told.finished()}["busybox"] == 6.0
    steps = [event.text for event in told.events if isinstance(event, events.Step)]
    assert steps == ["finalizing target directory", "generating filesystem image rootfs.cpio"]
    phases = [event.text for event in told.events if isinstance(event, events.Phase) if event.element == "busybox"]
    assert phases == ["Downloading", "Extracting", "Patching", "Configuring", "Building", "Installing to target"]


def test_a_package_that_is_only_configured_yet_has_not_ended(tmp_path: Path) -> None:
    """Buildroot configures a kernel before it builds what that needs."""
    output = b"".join(
        f">>> {line}\n".encode()
        for line in (
            "linux 6.12 Extracting",
            "linux 6.12 Configuring",
            "host-bison 3.8 Building",
            "host-bison 3.8 Installing to host directory",
            "linux 6.12 Building",
            "linux 6.12 Installing to images directory",
        )
    )
    told, _ = follow(output, tmp_path, failed=False)
    assert [name for name, _, _ in told.finished()] == ["host-bison", "linux"]


def test_the_package_at_work_is_the_one_that_failed(tmp_path: Path) -> None:
    output = OUTPUT[: OUTPUT.index(b">>> busybox 1.38.0 Installing")] + b"applets.c:1: error: no\n"
    told, culprit = follow(output, tmp_path, failed=True)
    assert culprit == "busybox"
    assert told.finished()[-1][:2] == ("busybox", "failure")


def test_a_failure_outside_of_packages_blames_none(tmp_path: Path) -> None:
    _, culprit = follow(OUTPUT + b"post-build.sh: not found\n", tmp_path, failed=True)
    assert culprit is None


def test_logs_are_split_by_package(tmp_path: Path) -> None:
    follow(OUTPUT, tmp_path, failed=False)
    assert (tmp_path / "build.log").read_bytes() == b"# made by a test\n" + OUTPUT
    text = (tmp_path / "busybox.log").read_text()
    assert "applets.o" in text
    assert "toolchain" not in text


def test_what_looks_at_ended_steps_can_end_the_run(tmp_path: Path) -> None:
    ended: list[tuple[str, str]] = []

    def after(name: str, phase: str) -> None:
        ended.append((name, phase))
        if (name, phase) == ("busybox", make_run.CONFIGURING):
            raise UserError("dropped", "a symbol was dropped")

    told = Told()
    follower = Follower(report=told, clock=told.clock, logs=tmp_path, after=after)
    lines = OUTPUT.splitlines(keepends=True)
    with pytest.raises(UserError, match="dropped"):
        list(map(follower.take, lines))
    assert ended[-1] == ("busybox", "Configuring")
    assert ("busybox", "Building") not in ended
    assert not [event for event in told.events if isinstance(event, events.Phase) if event.text == "Building"]


# Of a real answer of Buildroot 2026.08-rc1, shortened; a value in several lines is from a `define`.
ANSWER = """\
{ "host-lz4": { "type": "host", "name": "lz4", "version": "1.10.0", "stamp_dir": "build/host-lz4-1.10.0", \
"downloads": [ { "source": "lz4-1.10.0.tar.gz", "uris": [ "https+https://example.org/lz4" ] } ], \
"dependencies": [ "host-skeleton" ] }, "lz4": { "type": "target", "name": "lz4", "install_target": true }, \
"rootfs-tar": { "type": "rootfs" } }
HOST_LZ4_DIR='/o/build/host-lz4-1.10.0'
HOST_LZ4_BUILD_CMDS='make -C a CFLAGS='\\''-O2 -g'\\'' lib
\tmake -C a LZ4_X='\\''1'\\''
'
LZ4_VERSION='1.10.0'
OTHER_VERSION='5'
"""


def test_packages_and_their_variables_are_read_from_one_answer() -> None:
    told, variables = info.answer_of("warning: clock skew\n" + ANSWER)
    packages = info.packages_of(told, variables)
    assert list(packages) == ["host-lz4", "lz4"]
    assert packages["host-lz4"].build == "build/host-lz4-1.10.0"
    assert packages["host-lz4"].downloads == (("lz4-1.10.0.tar.gz", ("https+https://example.org/lz4",)),)
    assert variables["lz4"] == {"LZ4_VERSION": "1.10.0"}
    assert variables["host-lz4"] == {
        "HOST_LZ4_DIR": "/o/build/host-lz4-1.10.0",
        "HOST_LZ4_BUILD_CMDS": "make -C a CFLAGS='-O2 -g' lib\n\tmake -C a LZ4_X='1'\n",
    }


def test_what_older_trees_do_not_tell_is_in_their_variables() -> None:
    """The answer of Buildroot 2024.02.13 for one package, with a global patch folder, shortened."""
    told = {"type": "host", "version": "3.11.11", "dl_dir": "python3", "stamp_dir": "build/host-python3-3.11.11"}
    variables = {
        "HOST_PYTHON3_HASH_FILES": "package/python3//python3.hash /p/patches/python3/3.11.11/python3.hash",
        "HOST_PYTHON3_PKGDIR": "package/python3/",
    }
    found = info.package("host-python3", told, variables)
    assert found.folder == "package/python3"
    assert found.hashes == ("package/python3//python3.hash", "/p/patches/python3/3.11.11/python3.hash")
    assert found.patches == ("/p/patches/python3/3.11.11",)
    newer = info.package("host-python3", {**told, "package_dir": "package/python3", "patches": []}, variables)
    assert newer.patches == ()


@pytest.mark.parametrize("text", ["", "make: *** no", "[]", '{"a": 5}', ANSWER[:200]])
def test_an_answer_that_is_none_is_told(text: str) -> None:
    with pytest.raises(UserError, match="gave unreadable output"):
        info.answer_of(text)


@pytest.mark.parametrize("name", [b"../../etc/x", b"/x", b"..", b".hidden"])
def test_a_package_cannot_name_a_log_elsewhere(tmp_path: Path, name: bytes) -> None:
    told, _ = follow(b">>> " + name + b" 1 Building\n", tmp_path / "logs", failed=False)
    assert not [event for event in told.events if isinstance(event, events.ElementStarted)]
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["build.log", "logs"]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("bzImage", "rootfs.cpio", "rootfs.cpio.xz", "rootfs.ext2", "vmlinux"):
        (folder / name).write_text(name)
    (folder / "rootfs.ext4").symlink_to("rootfs.ext2")
    return folder


def exported(images: Path, **words: object) -> dict[str, tuple[str, str]]:
    files = Files.model_validate(words)
    return {each.name: (each.source.name, each.kind) for each in collect.chosen(images, (), (files,))}


def test_all_files_are_exported_with_their_kinds(images: Path) -> None:
    found = exported(images)
    assert {name: kind for name, (_, kind) in found.items()} == {
        "bzImage": "kernel",
        "rootfs.cpio": "initramfs",
        "rootfs.cpio.xz": "initramfs",
        "rootfs.ext2": "ext",
        "rootfs.ext4": "ext",
        "vmlinux": "kernel",
    }
    assert collect.first_kernel(tuple(name for name, (_, kind) in found.items() if kind == "kernel")) == "bzImage"


def test_files_are_exported_under_the_names_of_the_user(images: Path) -> None:
    names = {"vmlinux": "boot/binaries/riscv64gc/supervisor", "rootfs.cpio.xz": "initrd.mistify"}
    found = exported(images, names=names, only=True)
    assert found == {
        "boot/binaries/riscv64gc/supervisor": ("vmlinux", "kernel"),
        "initrd.mistify": ("rootfs.cpio.xz", "initramfs"),
    }


def test_two_files_cannot_have_one_name(images: Path) -> None:
    with pytest.raises(UserError) as caught:
        exported(images, names={"vmlinux": "bzImage"})
    assert caught.value.reason == "name-taken"


def test_a_file_that_was_not_made_is_told_with_those_that_were(images: Path) -> None:
    with pytest.raises(UserError) as caught:
        exported(images, names={"rootfs.iso9660": "x.iso"})
    assert caught.value.reason == "image-missing"
    assert "bzImage" in (caught.value.hint or "")


def test_a_link_out_of_the_images_folder_is_refused(images: Path) -> None:
    (images / "shadow").symlink_to("/etc/shadow")
    with pytest.raises(UserError) as caught:
        exported(images)
    assert caught.value.reason == "image-outside"


def test_copies_are_whole_and_links_are_files(images: Path, tmp_path: Path) -> None:
    files = collect.chosen(images, (), (Files(),))
    collect.copy(files, tmp_path / "copy", os.environ)
    assert (tmp_path / "copy" / "rootfs.ext4").read_text() == "rootfs.ext2"
    assert not (tmp_path / "copy" / "rootfs.ext4").is_symlink()


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("menuconfig", "config-target"),
        ("linux-menuconfig", "config-target"),
        ("busybox-update-config", "config-target"),
        ("linux-savedefconfig", "config-target"),
        ("savedefconfig", "config-target"),
        ("qemu_x86_64_defconfig", "config-target"),
        ("olddefconfig", "config-target"),
        ("allyesconfig", "config-target"),
        ("randpackageconfig", "config-target"),
        ("O=/tmp/x", "make-variable"),
        ("BR2_EXTERNAL+=/x", "make-variable"),
        ("-j4", "make-option"),
        ("--jobs=4", "make-option"),
        ("-C/tmp", "make-option"),
        ("--eval=x", "make-option"),
    ],
)
def test_what_make_may_not_be_given(word: str, reason: str) -> None:
    with pytest.raises(UserError) as caught:
        interactive.checked((word,))
    assert caught.value.reason == reason


def test_what_make_may_be_given() -> None:
    words = ("help", "linux-reconfigure", "foo-rebuild", "host-finalize", "V=1", "-s", "legal-info", "sdk")
    assert interactive.checked(words) == words


@pytest.mark.parametrize(
    ("words", "looks"),
    [
        (("help",), True),
        (("list-defconfigs",), True),
        (("-s", "printvars", "VARS=LINUX_VERSION"), True),
        (("busybox-show-depends",), True),
        (("source",), True),
        (("graph-depends",), True),
        (("busybox-rebuild",), False),
        (("help", "all"), False),
        ((), False),
        (("sdk",), False),
    ],
)
def test_which_targets_only_look(words: tuple[str, ...], looks: bool) -> None:
    assert interactive.looks_only(words) is looks


NEEDS = {
    "linux": ("toolchain", "host-kmod"),
    "toolchain": ("skeleton",),
    "skeleton": (),
    "host-kmod": ("host-meson",),
    "host-meson": (),
    "host-xz": (),
}


@pytest.mark.parametrize(
    ("name", "variables", "wanted"),
    [
        ("linux", {}, {"linux"}),
        (
            "linux",
            {
                "LINUX_DEPENDENCIES": "toolchain host-kmod",
                "LINUX_KCONFIG_DEPENDENCIES": " toolchain",
                "LINUX_EXTRACT_DEPENDENCIES": "host-xz",
            },
            {"linux", "toolchain", "skeleton", "host-xz"},
        ),
        ("linux", {"LINUX_PATCH_DEPENDENCIES": "host-kmod"}, {"linux", "host-kmod", "host-meson"}),
        ("linux", {"LINUX_KCONFIG_DEPENDENCIES": "nobody-knows"}, set(NEEDS)),
        ("other", {}, set(NEEDS)),
    ],
)
def test_a_menu_wants_what_its_kconfig_runs(name: str, variables: dict[str, str], wanted: set[str]) -> None:
    known = {each: info.package(each, {"dependencies": needs}, {}) for each, needs in NEEDS.items()}
    assert interactive.wanted_by_menu(name, known, variables) == wanted


def test_a_digest_of_files_sees_every_change(tmp_path: Path) -> None:
    folder = tmp_path / "overlay"
    (folder / "etc").mkdir(parents=True)
    (folder / "etc" / "motd").write_text("one")
    seen = {digests.digest([folder])}
    (folder / "etc" / "motd").write_text("two")
    seen.add(digests.digest([folder]))
    (folder / "etc" / "motd").chmod(0o755)
    seen.add(digests.digest([folder]))
    (folder / "link").symlink_to("etc/motd")
    seen.add(digests.digest([folder]))
    (folder / "empty").mkdir()
    seen.add(digests.digest([folder]))
    (folder / "etc" / "motd").unlink()
    seen.add(digests.digest([folder]))
    seen.add(digests.digest([tmp_path / "absent"]))
    assert len(seen) == 7
    (folder / "etc" / ".git").mkdir()
    assert digests.digest([folder]) in seen


@pytest.mark.parametrize("count", [0, make_run.KEPT_LOGS - 1, make_run.KEPT_LOGS, make_run.KEPT_LOGS + 3])
def test_the_last_logs_are_kept(tmp_path: Path, count: int) -> None:
    """One place is left for the run that begins."""
    logs = tmp_path / "logs"
    make_run._tidy(logs)  # there is none
    names = [f"2025{number:02}" for number in range(count)]
    logs.mkdir()
    for name in names:
        (logs / name).mkdir()
        (logs / name / "build.log").touch()
    (logs / "0-file").touch()
    (logs / "latest").symlink_to(names[-1] if names else "none")
    make_run._tidy(logs)
    kept = names[-make_run.KEPT_LOGS + 1 :]
    assert sorted(path.name for path in logs.iterdir()) == ["0-file", *kept, "latest"]
