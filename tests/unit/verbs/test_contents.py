"""What a manifest says that a system is made of, from its description and plan."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from rootstream.description.model import Described, Description, System
from rootstream.errors import UserError
from rootstream.host.content import chunks
from rootstream.plan import inputs, make
from rootstream.plan.model import Plan
from rootstream.project.lock import Lock
from rootstream.report import names
from rootstream.report.contents import GoModule
from rootstream.verbs import contents, vendored
from tests.unit.report.test_license_texts import BSD, MIT

CARGO_LOCK = f"""\
version = 3

[[package]]
name = "agent"
version = "0.1.0"

[[package]]
name = "libc"
version = "0.2.153"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "{"a" * 64}"

[[package]]
name = "forked"
version = "1.0.0"
source = "git+https://example.org/forked#0123"
"""
MODULES = """\
# golang.org/x/sys v0.15.0
## explicit; go 1.18
golang.org/x/sys/unix
golang.org/x/sys/cpu
# example.org/unused v1.0.0
## explicit
# example.org/old v1.0.0 => example.org/new v1.1.0
example.org/old
# example.org/here v1.2.0 => ../here
example.org/here
"""
SUMS = (
    "golang.org/x/sys v0.15.0 h1:abc=\ngolang.org/x/sys v0.15.0/go.mod h1:def=\nexample.org/new v1.1.0 h1:new=\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for path in ("overlay/etc/motd", "agent/Cargo.lock", "web/go.mod", "linux/Makefile", "payload/guest"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text("x\n")
    (tmp_path / "agent/Cargo.lock").write_text(CARGO_LOCK)
    (tmp_path / "web/vendor").mkdir()
    (tmp_path / "web/vendor/modules.txt").write_text(MODULES)
    (tmp_path / "web/go.sum").write_text(SUMS)
    return tmp_path


def told(folder: Path, **words: Any) -> tuple[Plan, dict[str, Any], dict[str, str]]:  # noqa: ANN401
    system = System.model_validate({"root": {"busybox": {}}, "kernel": {}, "images": ({"tar": {}},), **words})
    described = Described(name="box", variant=None, system=system)
    plan, outputs = make.plan(
        Description(systems=(described,)), inputs.gather(Description(systems=(described,)), folder), Lock(refs={})
    )
    target = outputs["box"].element
    return plan, contents.contents(described, plan, target, folder), contents.ships(plan, target)


def by_kind(shipped: dict[str, str]) -> dict[str, str]:
    return {
        request.split('"package":"')[1].split('"')[0] if '"package":"' in request else request: name
        for request, name in shipped.items()
    }


def test_trees_and_nothing_of_the_base_are_shipped(folder: Path) -> None:
    shipped = told(folder, images=({"kernel": {}}, {"tar": {}}))[2]
    assert by_kind(shipped) == {"linux": "linux", "busybox": "busybox", "musl": "musl"}


def test_a_kernel_that_no_image_needs_is_not_built_for_the_list(folder: Path) -> None:
    plan, _, shipped = told(folder)
    assert "linux" not in shipped.values()
    assert not any(name.startswith("linux-") for name in plan.closure("inventory-box.bst"))
    asking: tuple[dict[str, Any], ...] = ({"images": ({"kernel": {}}, {"tar": {}})}, {"kernel": {"modules": True}})
    for words in asking:
        plan, _, shipped = told(folder, **words)
        assert "linux" in shipped.values()
        assert any(name.startswith("linux-") for name in plan.closure("inventory-box.bst"))


def test_a_debian_root_and_its_kernel_are_shipped(folder: Path) -> None:
    words: dict[str, Any] = {
        "root": {"debian": {"packages": ("systemd-sysv",)}},
        "kernel": {"debian": "linux-image-cloud-amd64"},
        "images": ({"kernel": {}}, {"ext": {}}),
    }
    _, found, shipped = told(folder, **words)
    sets = [request for request, name in shipped.items() if name == "packages"]
    assert len(sets) == 3
    for package in ("systemd-sysv", "linux-image-cloud-amd64", "busybox-static"):
        assert any(f'"{package}"' in request for request in sets)
    assert not any("fakeroot" in request or "binutils" in request for request in sets)
    assert found["origins"]["the root"] == {"packages": ["dpkg"]}
    assert found["origins"]["modules.tar"] == {"packages": ["linux-image-cloud-amd64"]}


def test_wheels_and_trees_of_git_are_shipped(folder: Path) -> None:
    git = {"name": "My.Tool", "url": "https://example.org/tool.git", "version": "1.0"}
    words = {
        "root": {"debian": {"packages": ("python3",)}},
        "layers": ({"python": {"install": ("x",), "git": (git,)}},),
    }
    names = set(told(folder, **words)[2].values())
    assert names == {"packages", "python", "my-tool"}


def test_what_is_linked_from_the_build_environment(folder: Path) -> None:
    assert told(folder)[1]["linked"] == []
    assert told(folder, images=({"disk": {"bootloader": "syslinux"}},))[1]["linked"] == [
        "syslinux",
        "syslinux-common",
    ]
    layers = ({"packages": ({"name": "web", "source": "web", "build": "go"},)},)
    assert told(folder, layers=layers)[1]["linked"] == ["golang-*-src"]
    layers = ({"packages": ({"name": "agent", "source": "agent", "build": "cargo"},)},)
    assert told(folder, layers=layers)[1]["linked"] == ["libc6-dev", "libstd-rust-dev"]


def test_the_projects_own(folder: Path) -> None:
    packages = (
        {"name": "agent", "source": "agent", "build": "cargo", "version": "2.0", "license": "MIT"},
        {"name": "web", "source": "web", "build": "go"},
    )
    plan, found, _ = told(
        folder,
        kernel={"source": {"local": "linux"}},
        layers=({"overlay": "overlay"}, {"packages": packages}),
        product={"version": "1.4", "license": "mit or apache-2.0"},
    )
    assert found["product"] == {"version": "1.4", "license": "MIT OR Apache-2.0"}
    overlay, agent, web, linux = found["own"]
    assert (overlay["kind"], overlay["name"]) == ("overlay", "overlay")
    content = plan.files["files/root-box/1-overlay.tar"]
    assert overlay["sha256"] == hashlib.sha256(b"".join(chunks(content))).hexdigest()
    assert (agent["version"], agent["license"], len(agent["sha256"])) == ("2.0", "MIT", 64)
    assert (web["kind"], "version" in web) == ("package", False)
    assert (linux["kind"], linux["name"], len(linux["sha256"])) == ("tree", "linux", 64)
    assert found["origins"]["1-overlay.tar"] == {"overlay": "overlay", "component": "overlay"}
    assert found["origins"]["agent"] == {"component": "agent"}
    assert agent["crates"] == [
        {
            "name": "libc",
            "version": "0.2.153",
            "source": "registry+https://github.com/rust-lang/crates.io-index",
            "checksum": "a" * 64,
        },
        {"name": "forked", "version": "1.0.0", "source": "git+https://example.org/forked#0123"},
    ]
    assert web["modules"] == [
        {"path": "golang.org/x/sys", "version": "v0.15.0", "sum": "h1:abc="},
        {"path": "example.org/new", "version": "v1.1.0", "sum": "h1:new="},
        {"path": "../here", "version": "v1.2.0"},
    ]


def test_what_a_capsule_carries_is_the_projects_own(folder: Path) -> None:
    _, found, _ = told(folder, arch="riscv64", images=({"capsule": {"payload": "payload"}},))
    assert found["own"] == [{"kind": "payload", "name": "payload", "folder": "payload"}]


@pytest.mark.parametrize("text", ["[", "package = 3", '[[package]]\nsource = "x"', "[package]\na = 1"])
def test_a_lock_of_cargo_that_is_none(folder: Path, text: str) -> None:
    (folder / "agent/Cargo.lock").write_text(text)
    with pytest.raises(UserError) as caught:
        contents.crates(folder, folder / "agent")
    assert caught.value.reason == "bad-cargo-lock"
    assert caught.value.where is not None
    assert caught.value.where.path == folder / "agent/Cargo.lock"


def test_a_folder_without_lists_has_neither(folder: Path) -> None:
    assert contents.crates(folder, folder / "overlay") == []
    assert contents.modules(folder, folder / "overlay") == []


def test_licenses_of_what_is_vendored(folder: Path) -> None:
    crate, module = folder / "agent/vendor/libc", folder / "web/vendor/golang.org/x/sys"
    replaced = folder / "web/vendor/example.org/old"
    for place in (crate, module, replaced):
        place.mkdir(parents=True)
        (place / "LICENSE").write_text("The terms.\n")
    (crate / "Cargo.toml").write_text(
        '[package]\nname = "libc"\nversion = "0.2.153"\nlicense = "MIT/Apache-2.0"\n'
    )
    (crate / "COPYING").symlink_to("/etc/passwd")
    (folder / "agent/vendor/broken").mkdir()
    (folder / "agent/vendor/broken/Cargo.toml").write_text("= no TOML")
    kinds = {"agent": "cargo", "web": "go"}
    rows = tuple({"name": name, "source": name, "build": kind} for name, kind in kinds.items())
    _, found, _ = told(folder, layers=({"packages": rows},))
    digest = hashlib.sha256(b"The terms.\n").hexdigest()
    assert found["texts"] == {digest: "The terms.\n"}
    agent, web = (each for each in found["own"] if each["kind"] == "package")
    texts = [{"path": "LICENSE", "sha256": digest}]
    by_name = {each["name"]: each for each in agent["crates"]}
    assert (by_name["libc"]["license"], by_name["libc"]["texts"]) == ("MIT/Apache-2.0", texts)
    assert "license" not in by_name["forked"]
    assert {each["path"]: each.get("texts") for each in web["modules"]} == {
        "golang.org/x/sys": texts,
        "example.org/new": texts,
        "../here": None,
    }


def test_a_module_has_the_license_that_its_file_is_the_text_of(tmp_path: Path) -> None:
    for path, text in {"example.org/mit": MIT, "example.org/both": MIT + BSD}.items():
        (tmp_path / "vendor" / path).mkdir(parents=True)
        (tmp_path / "vendor" / path / "LICENSE").write_text(text)
    rows = [
        vendored.module(tmp_path, tmp_path, {"path": path, "version": "v1"}, vendored.Texts())
        for path in ("example.org/mit", "example.org/both", "example.org/none")
    ]
    assert [row.get("license") for row in rows] == ["MIT", None, None]
    component = names.of_module(GoModule.model_validate(rows[0]), "web")
    assert component.license == "MIT"


def test_texts_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vendored, "MOST_TEXTS", 10)
    (tmp_path / "LICENSE").write_text("12345678")
    (tmp_path / "NOTICE").write_text("1234")
    (tmp_path / "LICENSES.md").write_text("no license of its own name")
    texts = vendored.Texts()
    assert [each["path"] for each in texts.rows(tmp_path, tmp_path)] == ["LICENSE", "NOTICE"]
    assert list(texts.found.values()) == ["12345678"]
    assert vendored.module(tmp_path, tmp_path, {"path": "../x"}, texts) == {"path": "../x"}
