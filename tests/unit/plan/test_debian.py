"""The plan of a Debian root: what is pinned, what configures it, what a change touches."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from rootstream.description.model import Debian, Described, Description, System
from rootstream.errors import UserError
from rootstream.host.content import chunks
from rootstream.plan import inputs, make, text
from rootstream.plan.model import Plan
from tests.loading import message, wrong

ROOT: dict[str, Any] = {"suite": "trixie", "packages": ("systemd-sysv", "sudo"), "drop": ("/usr/share/perl5",)}


def plan(folder: Path, *, debian: dict[str, Any] | None = None, **changes: object) -> Plan:
    words = {"root": {"debian": ROOT}, "images": ("tar",), **changes}
    system = System.model_validate(words)
    described = Described(name="box", variant=None, system=system)
    description = Description(systems=(described,), debian=Debian.model_validate(debian or {}))
    return make.plan(description, inputs.gather(description, folder), None)[0]


def named(made: Plan, ending: str) -> str:
    return next(name for name in made.elements if name.endswith(f"{ending}.bst"))


def test_the_set_is_unpacked_and_configured_in_its_own_root(tmp_path: Path) -> None:
    made = plan(tmp_path)
    configured = made.elements[named(made, "-configured")]
    assert configured.kind == "script"
    assert configured.config == {"root-read-only": False}
    places = {dependency.element: dependency.location for dependency in configured.builds_with}
    assert places[named(made, "-unpacked")] == "/"
    assert places[named(made, "-fakeroot")] == "/.rootstream/fakeroot"
    rendered = b"".join(chunks(text.render(made)[f"elements/{configured.name}"])).decode()
    assert "commands:" in rendered
    assert "install-commands" not in rendered


def test_what_is_left_out_changes_nothing_that_is_pinned(tmp_path: Path) -> None:
    plain, docs = plan(tmp_path), plan(tmp_path, root={"debian": {**ROOT, "docs": True, "locales": "all"}})
    assert {source.request() for source in plain.missing()} == {source.request() for source in docs.missing()}
    assert named(plain, "-unpacked") != named(docs, "-unpacked")
    request = json.loads(plain.elements[named(plain, "-unpacked")].sources[0].request())
    assert request["essential"] is True
    assert "exclude" not in request


def asked(made: Plan) -> dict[str, Any]:
    request = made.elements[named(made, "-unpacked")].sources[0].request()
    found: dict[str, Any] = json.loads(request)
    return found


@pytest.mark.parametrize(
    ("words", "kernel", "more"),
    [
        ({}, None, {"systemd-resolved"}),
        ({"network": "none"}, None, set()),
        ({"packages": ("dash",)}, None, set()),
        ({"packages": ("systemd-sysv", "ifupdown")}, None, set()),
        ({"suite": "bullseye"}, None, set()),
        ({"network": "none"}, {"debian": "linux-image-cloud-amd64"}, {"kmod", "udev"}),
        ({"packages": ("dash", "kmod")}, {"debian": "linux-image-cloud-amd64"}, set()),
        ({"packages": ("dash",)}, {"modules": True}, {"kmod"}),
        ({"packages": ("dash",)}, {}, set()),
    ],
)
def test_defaults_bring_what_they_need(
    tmp_path: Path, words: dict[str, Any], kernel: dict[str, Any] | None, more: set[str]
) -> None:
    root = {**ROOT, **words}
    made = plan(tmp_path, root={"debian": root}, kernel=kernel)
    assert set(asked(made)["packages"]) == {*root["packages"], *more}


@pytest.mark.parametrize(
    ("words", "project", "suites"),
    [
        ({"suite": "trixie"}, ("bookworm",), ["trixie", "trixie-updates", "trixie-security"]),
        ({"suite": "trixie", "also": ()}, ("trixie",), ["trixie"]),
        ({"suite": "trixie", "also": ("trixie-backports",)}, ("trixie",), ["trixie", "trixie-backports"]),
        ({"suite": "sid"}, ("trixie",), ["sid"]),
        ({"suite": None}, ("bookworm",), ["bookworm", "bookworm-updates", "bookworm-security"]),
        ({"suite": None}, ("bookworm", "bookworm-updates"), ["bookworm", "bookworm-updates"]),
        ({"suite": None, "also": ("x",)}, ("bookworm",), ["bookworm", "x"]),
    ],
)
def test_a_release_brings_its_updates(
    tmp_path: Path, words: dict[str, Any], project: tuple[str, ...], suites: list[str]
) -> None:
    kernel = {"debian": "linux-image-cloud-amd64"}
    made = plan(tmp_path, root={"debian": {**ROOT, **words}}, kernel=kernel, debian={"suites": project})
    assert asked(made)["suites"] == suites
    sources = [source for each in made.elements.values() for source in each.sources]
    kernels = [each for each in sources if each.words.get("packages") == ["linux-image-cloud-amd64"]]
    assert [each.words["suites"] for each in kernels] == [suites]


def test_one_more_run_says_what_is_random(tmp_path: Path) -> None:
    """It does not depend on what is left out, but on what the scripts are told."""
    plain = plan(tmp_path)
    other = plan(tmp_path, root={"debian": {**ROOT, "docs": True, "locales": ("de",)}})
    assert named(plain, "-run-2") == named(other, "-run-2")
    assert named(plain, "-configured") != named(other, "-configured")
    assert [name for name in plain.elements if "-run-" in name] == [named(plain, "-run-2")]
    assert named(other, "-run-1") in other.elements
    kept = plan(tmp_path, root={"debian": {**ROOT, "identities": {"/etc/munge/munge.key": "keep"}}})
    assert named(plain, "-run-2") != named(kept, "-run-2")
    root = plain.elements["root-box.bst"]
    words = " ".join(root.commands)
    assert words.count("--made ") == 2
    assert {named(plain, "-configured"), named(plain, "-run-2")} <= {each.element for each in root.builds_with}


def test_a_dropped_path_does_not_configure_it_again(tmp_path: Path) -> None:
    other = plan(tmp_path, root={"debian": {**ROOT, "drop": ("/usr/share/bug",)}})
    assert named(plan(tmp_path), "-configured") == named(other, "-configured")


def test_a_unit_to_mask_does_not_either(tmp_path: Path) -> None:
    other = plan(tmp_path, root={"debian": {**ROOT, "mask": ("apt-daily.timer",)}})
    assert named(plan(tmp_path), "-configured") == named(other, "-configured")
    assert json.loads(b"".join(chunks(other.files["files/root-box/spec.json"])))["units"]["mask"] == [
        "apt-daily.timer"
    ]


def test_languages_are_kept_by_name(tmp_path: Path) -> None:
    made = plan(tmp_path, root={"debian": {**ROOT, "locales": ("de",)}})
    words = made.elements[named(made, "-unpacked")].sources[0].words
    assert "/usr/share/locale/de/*" in words["include"]
    assert "/usr/share/locale/*" in words["exclude"]


@pytest.mark.parametrize(
    ("locale", "kept"),
    [("C.UTF-8", ()), ("POSIX", ()), ("pt_BR", ("pt_BR",)), ("de_DE.UTF-8", ("de_DE", "de"))],
)
def test_locales_as_debian_names_them(tmp_path: Path, locale: str, kept: tuple[str, ...]) -> None:
    made = plan(tmp_path, root={"debian": {**ROOT, "locales": (locale,)}})
    words = made.elements[named(made, "-unpacked")].sources[0].words
    own = [path for path in words["include"] if path.startswith("/usr/share/locale/") and path.endswith("/*")]
    assert own == [f"/usr/share/locale/{name}/*" for name in kept]


def test_wheels_are_for_the_suites_python(tmp_path: Path) -> None:
    (tmp_path / "limits.txt").write_text("six==1.17.0\n")
    layer = {"python": {"install": ("six",), "constraints": ("limits.txt",)}}
    made = plan(tmp_path, layers=(layer,))
    source = next(
        source for each in made.elements.values() for source in each.sources if source.kind == "python_wheels"
    )
    assert (source.words["python"], source.words["machine"]) == ("3.13", "x86_64")
    assert made.files[source.words["constraints"]] == b"six==1.17.0\n"
    assert "limits" not in source.request()
    (tmp_path / "limits.txt").write_text("six==1.16.0\n")
    other = plan(tmp_path, layers=(layer,))
    assert {each.request() for each in other.missing()} != {each.request() for each in made.missing()}


def test_the_python_of_an_unknown_suite_has_to_be_told(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        plan(tmp_path, root={"debian": {"suite": "stable"}}, layers=({"python": {"install": ("six",)}},))
    assert caught.value.reason == "python-unknown"
    plan(
        tmp_path,
        root={"debian": {"suite": "stable"}},
        layers=({"python": {"install": ("six",), "version": "3.13"}},),
    )


def test_options_of_pip_are_refused(tmp_path: Path) -> None:
    (tmp_path / "wanted.txt").write_text("six\n--index-url https://example.org\n")
    with pytest.raises(UserError) as caught:
        plan(tmp_path, layers=({"python": {"requirements": ("wanted.txt",)}},))
    assert caught.value.reason == "requirement-refused"
    assert caught.value.where is not None
    assert caught.value.where.line == 2


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("arch: aarch64\nroot: {debian: {}}\nimages: [tar]", "not-available"),
        ("root: {debian: {}}\nimages: [tar]\nlayers: [{python: {}}]", "bad-value"),
        ("root: busybox\nimages: [tar]\nlayers: [{python: {install: [six]}}]", "not-available"),
        ("root: {debian: {drop: [usr/share]}}\nimages: [tar]", "bad-value"),
        ("root: {debian: {drop: [/]}}\nimages: [tar]", "bad-value"),
        ("root: {debian: {mask: [a b]}}\nimages: [tar]", "bad-value"),
        ("root: {debian: {mask: [a.service], enable: [a.service]}}\nimages: [tar]", "bad-value"),
    ],
)
def test_what_cannot_be(tmp_path: Path, words: str, reason: str) -> None:
    assert [found for found, _ in wrong(tmp_path, words)] == [reason]


def test_a_foreign_debian_is_refused_with_the_reason(tmp_path: Path) -> None:
    said = message(tmp_path, "arch: riscv64\nroot: {debian: {}}\nimages: [tar]")
    assert "cannot be configured on x86_64 yet" in said


def test_a_changed_overlay_touches_the_image_alone(tmp_path: Path) -> None:
    (tmp_path / "overlay").mkdir()
    words: dict[str, Any] = {"kernel": {}, "layers": ({"overlay": "overlay"},), "images": ("kernel", "initramfs")}
    before = plan(tmp_path, **words)
    (tmp_path / "overlay" / "motd").write_text("hello")
    after = plan(tmp_path, **words)
    assert before.elements == after.elements
    assert not [name for name in after.elements if name.startswith(("root-", "notes-"))]
    (image,) = (each for name, each in after.elements.items() if name.startswith("image-box-initramfs"))
    assert any(name.startswith("stem-") for name in image.uses())
    assert {path for path in after.files if before.files.get(path) != after.files[path]} == {
        "files/root-box/1-overlay.tar"
    }


def test_what_lasts_is_in_the_stem_and_what_is_dropped_is_not(tmp_path: Path) -> None:
    words: dict[str, Any] = {"kernel": {}, "images": ("kernel", "initramfs")}
    names = []
    for drop in (("/usr/share/perl5",), ("/usr/share/bug",)):
        made = plan(tmp_path, root={"debian": {**ROOT, "drop": drop}}, **words)
        (stem,) = (each for name, each in made.elements.items() if name.startswith("stem-"))
        names.append(stem.name)
        told = next(
            json.loads(b"".join(chunks(data))) for path, data in made.files.items() if path.endswith("/stem.json")
        )
        assert told["drop"] == list(drop)
        assert "hostname" not in told
    assert names[0] != names[1]


def test_a_disk_beside_it_is_made_from_the_whole_root(tmp_path: Path) -> None:
    made = plan(tmp_path, kernel={}, images=("kernel", "initramfs", "ext"))
    assert "root-box.bst" in made.elements
    assert "notes-box.bst" not in made.elements  # the initramfs brings them
    assert "notes-box.bst" in plan(tmp_path).elements


KEYS = (b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n1\n", b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n2\n")
VENDOR = {"url": "https://v.invalid/apt", "suites": ("stable",), "key": "key.asc"}


def with_repositories(folder: Path, *, key: bytes = KEYS[0], **words: object) -> Plan:
    (folder / "key.asc").write_bytes(key)
    return plan(folder, root={"debian": {**ROOT, "repositories": {"vendor": VENDOR}, **words}})


def spec(made: Plan) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(b"".join(chunks(made.files["files/root-box/spec.json"])))
    return found


def test_a_repository_is_part_of_what_is_pinned(tmp_path: Path) -> None:
    plain, made = asked(plan(tmp_path)), with_repositories(tmp_path)
    request = asked(made)
    digest = hashlib.sha256(KEYS[0]).hexdigest()
    words = {"name": "vendor", "url": VENDOR["url"], "suites": ["stable"], "components": ["main"], "key": digest}
    assert request == {**plain, "repositories": [words]}
    assert made.files[f"files/apt-keys/{digest}"] == KEYS[0]
    source = made.elements[named(made, "-unpacked")].sources[0]
    assert source.free["keys"] == "files/apt-keys"
    others = [
        each for element in made.elements.values() for each in element.sources if "repositories" in each.words
    ]
    assert {each.request() for each in others} == {source.request()}  # fakeroot and the base are the archive's


def test_the_content_of_its_key_decides_and_not_its_name(tmp_path: Path) -> None:
    first, second = with_repositories(tmp_path), with_repositories(tmp_path, key=KEYS[1])
    (tmp_path / "moved.asc").write_bytes(KEYS[0])
    moved = with_repositories(tmp_path, repositories={"vendor": {**VENDOR, "key": "moved.asc"}})
    assert asked(first) != asked(second)
    assert asked(first) == asked(moved)
    assert named(first, "-configured") == named(moved, "-configured")


def test_without_repositories_a_request_has_no_word_for_them(tmp_path: Path) -> None:
    assert list(asked(plan(tmp_path))) == [
        "architecture", "components", "essential", "kind", "packages", "recommends", "suites",
    ]  # fmt: skip
    assert "repositories" not in spec(plan(tmp_path))["apt"]


def test_apt_in_the_image_has_them_unless_it_has_none(tmp_path: Path) -> None:
    [told] = spec(with_repositories(tmp_path))["apt"]["repositories"]
    assert base64.b64decode(told.pop("key")) == KEYS[0]
    assert told == {"name": "vendor", "url": VENDOR["url"], "suites": ["stable"], "components": ["main"]}
    assert spec(with_repositories(tmp_path, apt="none")).get("apt") is None
    local = with_repositories(tmp_path, repositories={"vendor": {**VENDOR, "url": "file:///srv/apt"}})
    assert "repositories" not in spec(local)["apt"]
    flat = with_repositories(tmp_path, repositories={"vendor": {**VENDOR, "suites": ("./",)}})
    assert spec(flat)["apt"]["repositories"][0]["components"] == []


def test_the_first_run_packs_the_tree_and_the_others_list_what_they_made(tmp_path: Path) -> None:
    made = plan(tmp_path, root={"debian": {**ROOT, "docs": True}})
    first, *others = (made.elements[named(made, ending)] for ending in ("-configured", "-run-1", "-run-2"))
    (command,) = first.commands
    assert not command.startswith("#")
    assert '/chosen/configure "%{install-root}/root.tar" "%{install-root}/made"' in command
    assert command.splitlines()[-1].startswith("cp ")
    assert "later.so" not in command
    for run, each in enumerate(others, 1):
        (command,) = each.commands
        assert command.splitlines()[0] == f"# run {run}"
        assert '/chosen/configure none "%{install-root}/made"' in command
        assert "\ncp " not in command
        assert ("later.so" in command) == (run == 2)
        assert "to see what is not the same each time" in each.description
    assert first.description == "A configured Debian of trixie+trixie-updates+trixie-security"
