"""BuildStream's user configuration, its environment, and the limit of the cache."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from rootstream.engine.host_requirements import host_needs, install_command, namespace_fix
from rootstream.engine.settings import (
    Settings,
    configuration,
    default_builders,
    environment_for,
    quota_of,
    settings_from,
)
from rootstream.engine.sharing import quota_bytes, reserve
from rootstream.errors import UserError


def settings(cache: Path, extra: Path | None = None) -> Settings:
    return Settings(cache=cache, quota="10G", builders=2, fetchers=4, max_jobs=3, extra=extra)


def test_the_cache_is_shared_by_all_projects_of_a_user(tmp_path: Path) -> None:
    at_home = settings_from({"HOME": str(tmp_path)})
    assert at_home.cache == tmp_path / ".cache" / "rootstream" / "bst"
    assert at_home.extra is None
    elsewhere = settings_from({"HOME": "/nowhere", "XDG_CACHE_HOME": str(tmp_path), "XDG_CONFIG_HOME": "relative"})
    assert elsewhere.cache == tmp_path / "rootstream" / "bst"


def test_the_environment_sets_limits(tmp_path: Path) -> None:
    found = settings_from(
        {
            "ROOTSTREAM_CACHE": str(tmp_path),
            "ROOTSTREAM_CACHE_QUOTA": "7G",
            "ROOTSTREAM_BUILDERS": "3",
            "ROOTSTREAM_JOBS": "5",
        }
    )
    assert (found.cache, found.quota, found.builders, found.max_jobs) == (tmp_path, "7G", 3, 5)


@pytest.mark.parametrize("text", ["0", "-1", "many", "9999", "\N{SUPERSCRIPT TWO}"])
def test_a_number_that_is_none(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError) as caught:
        settings_from({"ROOTSTREAM_CACHE": str(tmp_path), "ROOTSTREAM_BUILDERS": text})
    assert caught.value.reason == "setting-invalid"


def test_a_quota_is_chosen_from_the_disk(tmp_path: Path) -> None:
    quota = settings_from({"ROOTSTREAM_CACHE": str(tmp_path / "not" / "there")}).quota
    assert quota_bytes(quota, 0) is not None


def test_what_stays_free_of_a_large_disk_is_no_more_than_a_build_needs(tmp_path: Path) -> None:
    assert [reserve(gib << 30) >> 20 for gib in (10, 100, 4000)] == [512, 2048, 2048]
    chosen = settings_from({"ROOTSTREAM_CACHE": str(tmp_path)})
    tree = YAML(typ="safe").load(configuration(chosen, mark=None))
    assert 0 < int(tree["cache"]["reserved-disk-space"]) <= 2 << 30


@pytest.mark.parametrize(("cores", "builders"), [(1, 1), (2, 2), (4, 2), (16, 8), (128, 8)])
def test_builders(cores: int, builders: int) -> None:
    assert default_builders(cores) == builders


def test_the_users_file_goes_over_ours_and_ours_over_what_must_be(tmp_path: Path) -> None:
    extra = tmp_path / "engine.yaml"
    extra.write_text(
        "artifacts: {servers: [{url: 'https://cache.example.org', push: true}]}\n"
        "scheduler: {builders: 9}\ncache: {quota: 1T}\nlogging: {verbose: false}\ncachedir: /else\n"
    )
    chosen = settings(tmp_path / "cache", extra)
    tree = YAML(typ="safe").load(configuration(chosen, mark="@x:"))
    assert tree["artifacts"]["servers"][0]["push"] is True
    assert tree["scheduler"]["builders"] == 9
    assert tree["scheduler"]["fetchers"] == 4
    assert tree["cache"] == {
        "quota": "1T",
        "reserved-disk-space": "5%",
        "pull-buildtrees": False,
        "cache-buildtrees": "auto",
    }
    assert tree["cachedir"] == str(tmp_path / "cache")
    assert tree["logging"]["message-format"].startswith("@x:")
    assert quota_of(chosen) == "1T"
    for_people = YAML(typ="safe").load(configuration(chosen, mark=None))
    assert for_people["logging"] == {"verbose": False}
    guest = YAML(typ="safe").load(configuration(chosen, mark=None, expires=False))
    assert guest["cache"]["quota"] == "infinity"


@pytest.mark.parametrize(("text", "line"), [("a: [\n", 2), ("- a\n", None), ("a: b: c\n", 1), ("\x00", None)])
def test_a_fault_in_the_users_file(tmp_path: Path, text: str, line: int | None) -> None:
    extra = tmp_path / "engine.yaml"
    extra.write_text(text)
    with pytest.raises(UserError) as caught:
        configuration(settings(tmp_path, extra), mark=None)
    assert caught.value.reason == "engine-settings-invalid"
    assert caught.value.where is not None
    assert caught.value.where.path == extra
    if line is not None:
        assert caught.value.where.line == line


def test_the_environment_is_only_what_bst_needs(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir()
    given = environment_for(
        {
            "HOME": "/home/me",
            "PATH": f"/usr/bin:/not/there:relative::{private}",
            "https_proxy": "http://proxy:3128",
            "HTTP_PROXY": "http://proxy:3128",
            "LC_ALL": "C",
            "XDG_DATA_HOME": "/d",
            "ROOTSTREAM_X": "1",
            "AWS_SECRET_ACCESS_KEY": "no",
            "PYTHONPATH": "/no",
            "LD_PRELOAD": "no",
        }
    )
    assert set(given) == {
        "HOME", "PATH", "LANG", "LC_ALL", "XDG_DATA_HOME", "ROOTSTREAM_X", "https_proxy", "HTTP_PROXY",
        "PYTHONUNBUFFERED",
    }  # fmt: skip
    assert given["PATH"].split(os.pathsep) == [str(Path(sys.executable).parent), "/usr/bin", str(private)]


@pytest.mark.parametrize(
    ("quota", "expected"),
    [("80G", 80 << 30), ("50%", 500), ("123", 123), ("infinity", None), ("2T", 2 << 40), ("x", None)],
)
def test_quotas(quota: str, expected: int | None) -> None:
    assert quota_bytes(quota, 1000) == expected


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ('ID=linuxmint\nID_LIKE="ubuntu debian"\n', "sudo apt install"),
        ("NAME=x\nID=fedora\n", "sudo dnf install"),
        ('ID="opensuse-leap"\nID_LIKE="suse opensuse"\n', "sudo zypper install"),
        ("ID=unheard-of\n", "install the package"),
        ("", "install the package"),
    ],
)
def test_how_to_install(text: str, command: str) -> None:
    assert install_command(text) == command


def test_what_allows_namespaces() -> None:
    assert "apparmor_restrict" in namespace_fix({"kernel.apparmor_restrict_unprivileged_userns": "1"})
    assert "userns_clone=1" in namespace_fix({"kernel.unprivileged_userns_clone": "0"})
    assert "max_user_namespaces" in namespace_fix({"user.max_user_namespaces": "0"})
    assert "container" in namespace_fix({"user.max_user_namespaces": "90000"})


def test_every_unmet_need_has_a_fix(tmp_path: Path) -> None:
    needs = host_needs(settings(tmp_path), {"PATH": str(tmp_path)})
    assert len({need.name for need in needs}) == len(needs)
    unmet = [need.name for need in needs if not need.met]
    assert {"bubblewrap", "user namespaces"} <= set(unmet)
    assert all(need.fix for need in needs if not need.met)
    assert all(need.fix is None for need in needs if need.met)
