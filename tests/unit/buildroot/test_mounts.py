"""What the sandbox of Buildroot shows: links that lead to it, no home and nothing hidden in one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from rootstream.buildroot import mounts


def inside(wanted: dict[Path, bool], home: Path, script: str) -> str:
    """Run a shell script in a sandbox with the system and these paths, and return what it prints."""
    shown = dict.fromkeys(mounts.SYSTEM, False) | wanted
    options = mounts.options(shown, home)
    argv = ["bwrap", "--unshare-user", "--unshare-net", "--dev", "/dev", *options, "sh", "-c", script]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def test_a_path_through_links_is_the_same_inside(tmp_path: Path) -> None:
    (tmp_path / "real/inner").mkdir(parents=True)
    (tmp_path / "real/inner/file").write_text("here\n")
    (tmp_path / "to").symlink_to("real")
    (tmp_path / "chain").symlink_to(tmp_path / "to")
    path = tmp_path / "chain/inner"
    assert (
        inside({path: False}, tmp_path / "home", f"cat {path}/file {tmp_path}/real/inner/file") == "here\nhere\n"
    )


def test_what_may_be_written_lies_in_what_may_not(tmp_path: Path) -> None:
    (tmp_path / "project/output").mkdir(parents=True)
    script = f"cd {tmp_path}/project; touch output/a && echo output; touch b 2>/dev/null || echo not the project"
    wanted = {tmp_path / "project": False, tmp_path / "project/output": True}
    assert inside(wanted, tmp_path / "home", script) == "output\nnot the project\n"
    assert (tmp_path / "project/output/a").exists()


@pytest.mark.parametrize("below", [True, False])
def test_a_home_that_is_seen_shows_nothing_hidden(tmp_path: Path, *, below: bool) -> None:
    home = tmp_path / "home" if below else tmp_path
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh/id").write_text("key\n")
    (home / ".netrc").write_text("password\n")
    (home / "file").write_text("seen\n")
    script = f"cd {home}; cat .ssh/id .netrc 2>/dev/null; cat file"
    assert inside({tmp_path: False}, home, script) == "seen\n"


def test_what_is_wanted_of_a_hidden_folder_is_seen_and_no_more(tmp_path: Path) -> None:
    for name in ("wanted", "other"):
        (tmp_path / "home/.local" / name).mkdir(parents=True)
        (tmp_path / "home/.local" / name / "file").write_text(f"{name}\n")
    script = f"cd {tmp_path}/home/.local; cat wanted/file other/file 2>/dev/null; true"
    wanted = {tmp_path: False, tmp_path / "home/.local/wanted": False}
    assert inside(wanted, tmp_path / "home", script) == "wanted\n"


def test_our_python_is_seen_without_its_environment(tmp_path: Path) -> None:
    script = f"{mounts.interpreter()} -I -c 'import json, sys; print(sys.prefix == sys.base_prefix)'"
    assert inside(mounts.system({"PATH": "/usr/bin"}, downloading=False), tmp_path / "home", script) == "True\n"


def test_private_keys_beside_certificates_are_not_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ssl/private").mkdir(parents=True)
    (tmp_path / "ssl/private/key").write_text("key\n")
    (tmp_path / "ssl/certificate").write_text("seen\n")
    monkeypatch.setattr(mounts, "PRIVATE", (tmp_path / "ssl/private",))
    script = f"cd {tmp_path}/ssl; cat private/key 2>/dev/null; cat certificate"
    assert inside({tmp_path / "ssl": False}, tmp_path / "home", script) == "seen\n"


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/opt/toolchain", True),
        ("/srv/patches/one.patch", True),
        ("/home/me/x-tools/arm", True),
        ("/home/me/.ssh", False),
        ("/home/me/x-tools/.hidden", False),
        ("/home/me", False),
        ("/home", False),
        ("/", False),
        ("/etc/shadow", False),
        ("/root/x", False),
        ("/var/lib/other", False),
    ],
)
def test_what_a_configuration_may_name(path: str, *, allowed: bool) -> None:
    assert mounts.is_allowed(Path(path), Path("/home/me")) is allowed


def test_a_link_is_allowed_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "home/.ssh").mkdir(parents=True)
    (tmp_path / "keys").symlink_to(tmp_path / "home/.ssh")
    assert not mounts.is_allowed(tmp_path / "keys", tmp_path / "home")


def test_a_home_of_a_service_has_toolchains() -> None:
    assert mounts.is_allowed(Path("/var/lib/ci/x-tools"), Path("/var/lib/ci"))


def test_the_hosts_own_files_are_not_writable(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.pem"
    env = {"PATH": "/usr/bin", "SSL_CERT_FILE": str(bundle), "CURL_CA_BUNDLE": "relative.pem"}
    found = mounts.system(env, downloading=False)
    assert set(found.values()) == {False}
    assert {Path("/usr"), Path("/etc/passwd"), bundle} <= found.keys()
    assert Path("relative.pem") not in found
    more = mounts.system(env, downloading=True).keys() - found.keys()
    assert Path("/etc/resolv.conf") in more
    assert Path("/etc/gitconfig") in more


def test_folders_of_programs_on_the_search_path(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "bin").mkdir(parents=True)
    (tmp_path / "link").symlink_to(home / "bin")
    words = (
        "/opt/tool/bin",
        "/opt/other/sbin",
        "/opt/plain",
        str(home / "bin"),
        str(tmp_path / "link"),
        "bin",
        "",
    )
    found = list(mounts._programs({"PATH": ":".join(words), "HOME": str(home)}))
    assert found == [Path("/opt/tool"), Path("/opt/other"), Path("/opt/plain")]
    assert list(mounts._programs({"PATH": "/bin:/sbin", "HOME": str(home)})) == []
