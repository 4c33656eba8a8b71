"""A make that is asked for its packages and then builds: with the real make, on a tiny tree."""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from rootstream import events
from rootstream.buildroot import confined, info
from rootstream.buildroot.build import make_run, notes
from rootstream.buildroot.generate import external, translate
from rootstream.buildroot.sources import fetching
from rootstream.buildroot.workspace import Workspace, workspace
from rootstream.errors import UserError
from rootstream.project import project
from tests.loading import read

# As much of Buildroot as the rules of the external tree need.
MAKEFILE = """\
.NOTPARALLEL:
BR2_EXTERNAL_ROOTSTREAM_PATH = $(BR2_EXTERNAL)
UPPERCASE = $(subst one,ONE,$(subst two,TWO,$(1)))
PACKAGES = one
ONE_FINAL_RECURSIVE_DEPENDENCIES = two
ONE_VERSION = it's $$ one
TWO_VERSION = 2
THREE_VERSION = 3
show-info:
\t@:
\t$(info { "one": { "version": "1", "stamp_dir": "build/one-1" }, "two": { "version": "2" } })
all:
\t@echo '>>> one 1 Building'
\t@test ! -e $(O)/refuse
include $(BR2_EXTERNAL)/external.mk
"""


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "Makefile").write_text(MAKEFILE)
    words = f"{{root: {{buildroot: {{tree: {{local: {tree}}}}}}}, images: [files]}}"
    (described,) = read(tmp_path, f"systems: {{box: {words}}}\n").systems
    found = workspace(project.find(tmp_path), described, tree, dict(os.environ))
    found.output.mkdir(parents=True)
    external.write(found, translate.generate(described, tmp_path, found.generated))
    return found


def make(space: Workspace, answered: Callable[[str], bool]) -> list[events.Event]:
    told: list[events.Event] = []
    make_run.run(space, (), told.append, what="the build", answered=answered)
    return told


def test_make_waits_until_its_answer_is_taken(space: Workspace) -> None:
    order: list[str] = []

    def answered(text: str) -> bool:
        order.append("answered")
        known = info.keep(space, "key", text)
        assert sorted(known.packages) == ["one", "two"]
        assert known.variables["one"]["ONE_VERSION"] == "it's $ one"
        assert known.variables["two"] == {"TWO_VERSION": "2"}
        return True

    told = make(space, answered)
    assert order == ["answered"]
    assert [event.element for event in told if isinstance(event, events.ElementStarted)] == ["one"]
    assert info.is_known(space, "key")
    log = (space.logs / "latest" / "build.log").read_text()
    assert ">>> one 1 Building" in log
    assert "stamp_dir" not in log


def test_an_answer_after_which_it_may_not_build_ends_make(space: Workspace) -> None:
    assert not make_run.run(space, (), events.ignore, what="the build", answered=lambda _text: False)
    assert ">>> one" not in (space.logs / "latest" / "build.log").read_text()


def test_who_refuses_the_answer_ends_make(space: Workspace) -> None:
    def answered(_text: str) -> bool:
        raise UserError("dropped", "a symbol was dropped")

    with pytest.raises(UserError, match="dropped"):
        make(space, answered)
    assert ">>> one" not in (space.logs / "latest" / "build.log").read_text()
    assert not (space.state / info.PIPE).exists()


def test_a_make_that_cannot_answer_is_told_with_what_it_said(space: Workspace) -> None:
    with (space.tree / "Makefile").open("a") as file:
        file.write("$(error no such folder)\n")
    with pytest.raises(UserError) as caught:
        make(space, lambda _text: True)
    assert caught.value.reason == "buildroot-failed"
    assert "no such folder" in str(caught.value.detail)


def test_a_build_that_fails_after_its_answer_names_the_package(space: Workspace) -> None:
    (space.output / "refuse").touch()
    with pytest.raises(UserError, match="one failed") as caught:
        make(space, lambda _text: True)
    # a command to paste must not wait at the gate
    assert info.GATE not in str(caught.value.hint) + (space.logs / "latest" / "build.log").read_text()


# Buildroot before 2020.02, which make 4.3 takes for incomplete in a folder that is new
INCLUDING = """\
BR2_EXTERNAL_FILE = $(BASE_DIR)/.br-external.mk
BASE_DIR = $(O)
-include $(BR2_EXTERNAL_FILE)
$(shell mkdir -p $(O); echo 'EXTERNAL = read' > $(BR2_EXTERNAL_FILE))
include $(BR2_EXTERNAL_FILE)
"""


def test_older_trees_include_what_they_make_in_a_new_folder(space: Workspace) -> None:
    makefile = space.tree / "Makefile"
    makefile.write_text(INCLUDING + makefile.read_text().replace("one 1 Building", "one $(EXTERNAL) Building"))
    shutil.rmtree(space.output)
    assert make_run.run(space, ("all",), events.ignore, what="the build")
    assert ">>> one read Building" in (space.logs / "latest" / "build.log").read_text()


def rule(space: Workspace, recipe: str) -> None:
    """Have the tree's package built by another recipe."""
    text = (space.tree / "Makefile").read_text()
    (space.tree / "Makefile").write_text(text.replace("\t@test ! -e $(O)/refuse\n", f"\t{recipe}\n"))


def test_what_a_package_leaves_running_holds_nothing_up(space: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    rule(space, "@sh -c 'sleep 600 & echo left'")
    assert make_run.run(space, ("all",), events.ignore, what="the build")
    monkeypatch.setitem(space.env, confined.VARIABLE, confined.OFF)
    assert make_run.run(space, ("all",), events.ignore, what="the build")


def test_a_host_that_buildroot_does_not_take_is_told_as_that(space: Workspace) -> None:
    checks = space.tree / "support/dependencies"
    checks.mkdir(parents=True)
    (checks / "dependencies.mk").write_text(
        "dependencies:\n\t@echo \"You must install 'unzip' on your build machine\" >&2; exit 1\n"
    )
    with (space.tree / "Makefile").open("a") as file:
        file.write("include support/dependencies/dependencies.mk\none-source: dependencies\n")
    with pytest.raises(UserError, match="unzip") as caught:
        fetching.as_buildroot_does(space, ("one",), events.ignore, output=space.output)
    assert caught.value.reason == "host-refused"


def test_what_the_host_has_and_no_build_is_shown_is_named(
    space: Workspace, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = tmp_path_factory.mktemp("host")
    (host / "key").write_text("")
    (host / "home/bin").mkdir(parents=True)
    (host / "home/bin/my-program").symlink_to("/bin/true")
    monkeypatch.setitem(space.env, "HOME", str(host / "home"))
    monkeypatch.setitem(space.env, "PATH", f"{host}/home/bin:{space.env['PATH']}")
    hints = []
    for recipe in (f"cat {host}/key", "my-program; exit 1", f"cat {host}/nowhere"):
        (space.tree / "Makefile").write_text(MAKEFILE.replace("test ! -e $(O)/refuse", recipe))
        with pytest.raises(UserError, match="one failed") as caught:
            make_run.run(space, ("all",), events.ignore, what="the build")
        hints.append(str(caught.value.hint))
    assert hints[0].startswith(f"{host}/key is on this host")
    assert hints[1].startswith(f"{host}/home/bin/my-program is on this host")
    assert "is on this host" not in hints[2]


def test_who_wants_a_network_to_build_is_told(space: Workspace) -> None:
    rule(space, "@python3 -c 'import urllib.request as u; u.urlopen(\"http://example.org/\")'")
    with pytest.raises(UserError, match="failed") as caught:
        make_run.run(space, ("all",), events.ignore, what="the build")
    assert "network: build" in str(caught.value.hint)


def test_a_build_folder_that_leads_out_is_refused(space: Workspace, tmp_path: Path) -> None:
    (tmp_path / "victim").mkdir()
    rule(space, f"@mkdir -p $(O)/build && ln -s {tmp_path}/victim $(O)/build/one-1")
    with pytest.raises(UserError) as caught:
        make_run.run(space, ("all",), events.ignore, what="the build")
    assert caught.value.reason == "output-outside"


def test_what_the_configuration_names_elsewhere_is_there(space: Workspace, tmp_path: Path) -> None:
    (tmp_path / "tools/bin").mkdir(parents=True)
    (tmp_path / "tools/bin/cc").write_text("compiler")
    space.config.write_text(f'BR2_TOOLCHAIN_EXTERNAL_PATH="{tmp_path}/tools"\n')
    rule(space, f"@grep -q compiler {tmp_path}/tools/bin/cc && ! touch {tmp_path}/tools/new 2>/dev/null")
    assert make_run.run(space, ("all",), events.ignore, what="the build")


def test_a_home_is_no_toolchain(space: Workspace) -> None:
    space.config.write_text(f'BR2_TOOLCHAIN_EXTERNAL_PATH="{Path.home()}"\n')
    with pytest.raises(UserError) as caught:
        make_run.run(space, ("all",), events.ignore, what="the build")
    assert caught.value.reason == "path-refused"


def test_a_sandbox_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/bwrap").write_text(
        "#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2; exit 1\n"
    )
    (tmp_path / "bin/bwrap").chmod(0o755)
    search = f"{tmp_path}/bin:{os.environ['PATH']}"
    with pytest.raises(UserError) as caught:
        confined.require({"PATH": search})
    assert caught.value.reason == "sandbox-forbidden"
    with pytest.raises(UserError) as caught:
        confined.require({"PATH": str(tmp_path)})
    assert caught.value.reason == "sandbox-missing"
    with pytest.raises(UserError) as caught:
        confined.is_off({confined.VARIABLE: "no"})
    assert caught.value.reason == "sandbox-unknown"


def test_ccache_of_a_configuration_has_a_folder_that_stays(space: Workspace) -> None:
    rule(space, "@touch $$BR2_CCACHE_DIR/kept")
    space.config.write_text("BR2_CCACHE=y\n")
    assert make_run.run(space, ("all",), events.ignore, what="the build")
    assert (space.folder / "ccache/kept").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root unpacks for other users")
def test_what_root_built_outside_of_the_sandbox_is_not_known(
    space: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes.write(space, notes.Known(inputs="x"))
    assert notes.read(space) is not None
    monkeypatch.setitem(space.env, confined.VARIABLE, confined.OFF)
    notes.write(space, notes.Known(inputs="x"))
    assert notes.read(space) is not None
    monkeypatch.delitem(space.env, confined.VARIABLE)
    assert notes.read(space) is None


@pytest.mark.skipif(shutil.which("fakeroot") is None, reason="fakeroot is not installed")
def test_fakeroot_remembers_owners_and_devices_in_the_sandbox(space: Workspace) -> None:
    commands = "touch a; chown 12:34 a; chown -h 0:0 .; mknod n c 1 3; tar c --numeric-owner ."
    rule(space, f"@mkdir $(O)/made && cd $(O)/made && fakeroot sh -ec '{commands}' > ../made.tar")
    assert make_run.run(space, ("all",), events.ignore, what="the build")
    with tarfile.open(space.output / "made.tar") as archive:
        found = {each.name: (each.uid, each.gid, each.type) for each in archive}
    assert found == {
        ".": (0, 0, tarfile.DIRTYPE),
        "./a": (12, 34, tarfile.REGTYPE),
        "./n": (0, 0, tarfile.CHRTYPE),
    }
