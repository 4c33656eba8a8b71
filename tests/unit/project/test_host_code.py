"""Code of a project that runs outside of a sandbox: found without running it, asked for once, asked for again."""

from __future__ import annotations

from pathlib import Path

import pytest

from rootstream import events
from rootstream.errors import UserError, Where
from rootstream.project import host_code
from rootstream.project.project import Project
from rootstream.verbs import build as workflow

LOCAL = "name: x\nplugins:\n- {origin: local, path: plugins, sources: [a]}\n"
JUNCTION = "sources:\n- {kind: git, url: 'https://example.org/x.git'}\nkind: junction\n"


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {"XDG_STATE_HOME": str(tmp_path / "state"), "HOME": str(tmp_path / "home")}


def project(folder: Path, **files: str) -> Path:
    for name, text in {"project.conf": "name: x\nmin-version: 2.4\n", **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def places(folder: Path) -> list[tuple[str, int | None]]:
    return [(str(each.where.path.relative_to(folder)), each.where.line) for each in host_code.plugins(folder)]


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({}, []),
        ({"project.conf": "plugins:\n- {origin: pip, package-name: buildstream-plugins, sources: [git]}\n"}, []),
        ({"project.conf": LOCAL}, [("project.conf", 3)]),
        ({"project.conf": "plugins:\n- 'origin' : \"loc\\u0061l\"\n"}, [("project.conf", 2)]),
        ({"project.conf": "(?):\n- x == 1:\n    plugins:\n    - origin: junction\n"}, [("project.conf", 4)]),
        ({"project.conf": "(@): [inc/a.yml]\n", "inc/a.yml": LOCAL}, [("inc/a.yml", 3)]),
        ({"project.conf": "(@): other.bst:a.yml\n"}, [("project.conf", 1)]),
        ({"project.conf": "(@): project.conf\n"}, [("project.conf", 1)]),
        ({"project.conf": "{"}, [("project.conf", None)]),
        ({"sub/project.conf": LOCAL}, [("sub/project.conf", 3)]),
        ({"out/project.conf": LOCAL, "elements/a.bst": "kind: import\n"}, []),
        ({"elements/a.bst": JUNCTION}, [("elements/a.bst", 3)]),
        ({"elements/a.bst": "{sources: [], 'kind': junctio\\u006e}\n"}, []),
        ({"elements/a.bst": '{"kind": "juncti\\x6fn"}\n'}, [("elements/a.bst", 1)]),
        ({"elements/a.bst": "(@): k.inc\n", "k.inc": "kind: junction\n"}, [("k.inc", 1)]),
    ],
)
def test_what_would_run_is_found(tmp_path: Path, files: dict[str, str], found: list[tuple[str, int]]) -> None:
    assert places(project(tmp_path, **files)) == found


def test_it_is_asked_for_once_and_again_after_a_change(tmp_path: Path, env: dict[str, str]) -> None:
    folder = project(tmp_path / "p", **{"project.conf": LOCAL, "plugins/a.py": "print('one')\n"})
    with pytest.raises(UserError) as raised:
        host_code.require(folder, host_code.plugins(folder), env)
    assert raised.value.reason == "host-code"
    assert raised.value.where == Where(path=folder / "project.conf", line=3, column=4)
    place = host_code.accept(folder, host_code.plugins(folder), env)
    assert not place.is_relative_to(folder)
    assert place.stat().st_mode & 0o777 == 0o600
    host_code.require(folder, host_code.plugins(folder), env)
    (folder / "plugins/a.py").write_text("print('two')\n")
    with pytest.raises(UserError):
        host_code.require(folder, host_code.plugins(folder), env)
    host_code.accept(folder, host_code.plugins(folder), env)
    (folder / "plugins/helper.py").write_text("print('three')\n")
    with pytest.raises(UserError):
        host_code.require(folder, host_code.plugins(folder), env)


def test_another_folder_with_the_same_content_asks(tmp_path: Path, env: dict[str, str]) -> None:
    first, second = (project(tmp_path / name, **{"project.conf": LOCAL}) for name in "ab")
    host_code.accept(first, host_code.plugins(first), env)
    with pytest.raises(UserError):
        host_code.require(second, host_code.plugins(second), env)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"project": "/", "accepted": []}', '{"accepted": 1}'])
def test_a_broken_note_accepts_nothing(tmp_path: Path, env: dict[str, str], text: str) -> None:
    folder = project(tmp_path / "p", **{"project.conf": LOCAL})
    host_code.accept(folder, host_code.plugins(folder), env).write_text(text)
    with pytest.raises(UserError):
        host_code.require(folder, host_code.plugins(folder), env)


def test_a_project_does_not_bring_its_own_acceptance(tmp_path: Path) -> None:
    folder = project(tmp_path, **{"project.conf": LOCAL})
    with pytest.raises(UserError) as raised:
        host_code.require(folder, host_code.plugins(folder), {"XDG_STATE_HOME": str(folder / "state")})
    assert raised.value.reason == "state-in-project"


def test_arguments_of_qemu(tmp_path: Path, env: dict[str, str]) -> None:
    path = tmp_path / "system.yaml"
    path.write_text("systems:\n  a:\n    machine:\n      extra_args: [-device, x]\n  b: {}\n")
    assert host_code.arguments(path, ["b"]) == ()
    (found,) = host_code.arguments(path, ["a", "b"])
    assert found.where.line == 4
    host_code.accept(tmp_path / "p", (found,), env)
    path.write_text(path.read_text().replace("-device, x", "-device, y"))
    with pytest.raises(UserError):
        host_code.require(tmp_path / "p", host_code.arguments(path, ["a"]), env)


def test_a_plain_project_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = project(tmp_path / "p", **{"project.conf": LOCAL})
    plain = Project(folder=folder, kind="plain")
    with pytest.raises(UserError) as raised:
        workflow.require_accepted(plain)
    assert raised.value.reason == "host-code"


def test_what_builds_tells_once_and_again_after_a_change(tmp_path: Path, env: dict[str, str]) -> None:
    folder = project(tmp_path / "p", **{"project.conf": LOCAL, "plugins/a.py": "print('one')\n"})
    told: list[events.Event] = []

    def build() -> int:
        told.clear()
        host_code.tell(folder, host_code.plugins(folder), env, told.append)
        return len(told)

    assert build() == 1
    assert isinstance(told[0], events.Notice)
    assert f"{folder / 'project.conf'}:3:4" in told[0].text
    assert build() == 0
    host_code.require(folder, host_code.plugins(folder), env)
    (folder / "plugins/a.py").write_text("print('two')\n")
    assert build() == 1


def test_where_nothing_can_be_noted_it_is_told_each_time(tmp_path: Path) -> None:
    folder = project(tmp_path / "p", **{"project.conf": LOCAL})
    (tmp_path / "state").write_text("a file")
    told: list[events.Event] = []
    for _ in range(2):
        host_code.tell(folder, host_code.plugins(folder), {"XDG_STATE_HOME": str(tmp_path / "state")}, told.append)
    assert len(told) == 2
