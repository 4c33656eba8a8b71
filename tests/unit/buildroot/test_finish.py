"""What the scripts at the end of a Buildroot build do to its target folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rootstream.buildroot.generate.finish import post_build, post_fakeroot

HASH = "$6$salt$hash"


def test_sshd_config_keeps_what_it_says_otherwise() -> None:
    before = "# head\nport 99\nUseDNS no\n  PermitRootLogin yes\nMatch User a\n  PasswordAuthentication yes\n"
    once = post_build.openssh_text(before, {"root": "no", "passwords": False, "ports": [22, 23]})
    says = [line for line in once.split("\n") if line and not line.startswith("#")]
    assert says[:3] == ["PermitRootLogin no", "PasswordAuthentication no", "KbdInteractiveAuthentication no"]
    assert says[3:] == ["Port 22", "Port 23", "UseDNS no", "Match User a"]
    again = post_build.openssh_text(once, {"root": "yes"})
    assert "\nport 99\n" in again
    assert "Port 22" not in again
    assert "\n".join(post_build.pristine(again)) == before


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("", "-g -s -p 22"),
        ('DROPBEAR_ARGS="-K 30"', "-K 30 -g -s -p 22"),
        ("X=1\nexport DROPBEAR_ARGS='-j -k' # no forwarding", "-j -k -g -s -p 22"),
    ],
)
def test_dropbear_keeps_its_arguments(before: str, expected: str) -> None:
    policy = {"root": "prohibit-password", "passwords": False, "ports": [22]}
    once = post_build.dropbear_text(before, policy)
    assert f'\nDROPBEAR_ARGS="{expected}"\n' in f"\n{once}"
    assert post_build.dropbear_text(once, policy) == once
    done = subprocess.run(["sh", "-c", f'{once}\nprintf %s "$DROPBEAR_ARGS"'], capture_output=True, check=True)
    assert done.stdout.decode() == expected


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Return a target folder with the least that a Buildroot target has."""
    etc = tmp_path / "target" / "etc"
    etc.mkdir(parents=True)
    (etc / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\nadmin:x:1000:1000::/home/admin:/bin/sh\n")
    (etc / "group").write_text("root:x:0:\nadmin:x:1000:\n")
    (etc / "shadow").write_text("root:*:::::::\nadmin:*:::::::\n")
    return tmp_path / "target"


def finish(target: Path, told: dict[str, object], program: str = "post_build") -> int:
    place = target.parent / "data.json"
    place.write_text(json.dumps(told))
    main = post_build.main if program == "post_build" else post_fakeroot.main
    return main(["", str(place), str(target)])


def test_the_password_of_root_is_set(target: Path) -> None:
    assert finish(target, {"password": HASH}) == 0
    assert (target / "etc/shadow").read_text() == f"root:{HASH}:::::::\nadmin:*:::::::\n"


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"sshd": {"root": "no", "required": True}}, "no SSH server"),
        ({"securetty": True}, "ignores /etc/securetty"),
        ({"folders": ["/out/x"]}, "leads out"),
        ({"issue": "x"}, "is a link"),
    ],
)
def test_a_target_that_cannot_do_it_is_a_mistake(
    target: Path, told: dict[str, object], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (target / "bin").mkdir()
    (target / "bin" / "login").write_text("of util-linux")
    (target / "out").symlink_to("/usr")
    (target / "etc" / "issue").symlink_to("/etc/issue")
    assert finish(target, told) == 2
    assert said in capsys.readouterr().err


def test_busyboxs_login_heeds_securetty(target: Path) -> None:
    (target / "bin").mkdir()
    (target / "bin" / "login").symlink_to("busybox")
    assert finish(target, {"securetty": True}) == 0
    assert (target / "etc/securetty").read_text().startswith("#")


def test_services_for_systemd(target: Path) -> None:
    systemd = target / "usr/lib/systemd/systemd"
    systemd.parent.mkdir(parents=True)
    systemd.write_text("")
    service = {
        "name": "agent",
        "command": "a 'b c' %i $X",
        "user": "admin",
        "after": ["first"],
        "restart": "always",
    }
    assert finish(target, {"services": [service | {"enabled": True}]}) == 0
    unit = (target / "etc/systemd/system/agent.service").read_text()
    assert "\nAfter=network.target first.service\n" in unit
    assert "\nExecStart=/usr/libexec/services/agent\nRestart=always\n" in unit
    assert "\nUser=admin\n" in unit
    assert (target / "etc/systemd/system/multi-user.target.wants/agent.service").exists()
    assert (target / "usr/libexec/services/agent").read_text() == "#!/bin/sh\na 'b c' %i $X\n"


def running(place: Path) -> list[int]:
    return (
        [int(each) for each in place.read_text().split() if Path("/proc", each).exists()] if place.exists() else []
    )


def waited(place: Path, number: int) -> bool:
    limit = time.monotonic() + 20
    while len(running(place)) != number:
        if time.monotonic() > limit:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.skipif(shutil.which("start-stop-daemon") is None, reason="there is no start-stop-daemon")
def test_an_init_script_starts_again_and_stops_all_that_it_started(tmp_path: Path) -> None:
    """With Debian's start-stop-daemon; the service is a shell with a child in a pipeline."""
    pids = tmp_path / "pids"
    command = tmp_path / "agent"
    command.write_text(
        f"#!/bin/sh\nX=1; echo $$ >> {pids}\n(echo $(exec sh -c 'echo $PPID') >> {pids}; sleep 99) | cat\n"
    )
    command.chmod(0o755)
    service = {"name": "agent", "user": None, "restart": "always"}
    script = tmp_path / "S60agent"
    words = post_build.init_script(service).replace("/usr/libexec/services", str(tmp_path))
    script.write_text(words.replace("/run/", f"{tmp_path}/"))
    script.chmod(0o755)
    try:
        subprocess.run([script, "start"], check=True, stdout=subprocess.DEVNULL)
        assert waited(pids, 2)
        first = running(pids)
        subprocess.run(["kill", "-9", "--", f"-{first[0]}"], check=True)
        limit = time.monotonic() + 20
        while len(found := running(pids)) != 2 or set(found) & set(first):
            assert time.monotonic() < limit
            time.sleep(0.05)
    finally:
        subprocess.run([script, "stop"], check=True, stdout=subprocess.DEVNULL)
    assert waited(pids, 0)


def test_a_comment_with_any_sign_in_it(target: Path) -> None:
    assert finish(target, {"comments": {"admin": "a # \\1 größe $"}}, "post_fakeroot") == 0
    assert "admin:x:1000:1000:a # \\1 größe $:/home/admin" in (target / "etc/passwd").read_text()


def test_an_owner_or_path_that_is_not_there_is_a_mistake(target: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert finish(target, {"permissions": [{"path": "/etc/nothing"}]}, "post_fakeroot") == 2
    assert finish(target, {"permissions": [{"path": "/etc/group", "owner": "nope"}]}, "post_fakeroot") == 2
    assert finish(target, {"keys": {"nope": "/home/nope"}}, "post_fakeroot") == 2
    said = capsys.readouterr().err
    assert "there is no /etc/nothing" in said
    assert "no user 'nope'" in said


def test_the_scripts_need_nothing_but_python() -> None:
    for module in (post_build, post_fakeroot):
        argv = [sys.executable, "-I", "-S", str(module.__file__), "/nowhere.json", "/nowhere"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert "No such file or directory: '/nowhere.json'" in done.stderr


def test_numbers_of_users_and_groups(target: Path) -> None:
    passwd = "root:x:0:0::/:/bin/sh\nno:x:a:7::/:\nodd:x:5:b::/:\nshort:x:6\nplain:x:7:8::/:\n\n"
    (target / "etc/passwd").write_text(passwd)
    (target / "etc/group").write_text("root:x:0:\nno:x:a:\nusers:x:100:plain,odd\n+\n")
    assert post_fakeroot.numbers(target, "passwd") == {"root": (0, 0), "odd": (5, 5), "plain": (7, 8)}
    assert post_fakeroot.numbers(target, "group") == {"root": (0, 0), "users": (100, 100)}


@pytest.mark.parametrize(
    ("shadow", "expected"),
    [
        ("root:*\nx:*:1:::::\n", f"root:{HASH}\nx:*:1:::::\n"),
        ("roots:*:::::::\nroot:*:1:0:9:7:::\n", f"roots:*:::::::\nroot:{HASH}:1:0:9:7:::\n"),
    ],
)
def test_only_the_password_field_of_root_changes(target: Path, shadow: str, expected: str) -> None:
    (target / "etc/shadow").write_text(shadow)
    assert finish(target, {"password": HASH}) == 0
    assert (target / "etc/shadow").read_text() == expected


@pytest.mark.parametrize(("login", "heeded"), [("busybox", True), ("dogbox", False), ("zbox", False)])
def test_whose_login_heeds_securetty(target: Path, login: str, *, heeded: bool) -> None:
    (target / "bin").mkdir()
    (target / "bin/login").symlink_to(login)
    assert finish(target, {"securetty": True}) == (0 if heeded else 2)


def test_owners_of_a_folder_and_all_below(target: Path) -> None:
    below = target / "srv/data/sub"
    below.mkdir(parents=True)
    (below / "file").touch()
    (below / "link").symlink_to("file")
    told = [{"path": "/srv/data", "owner": "admin", "group": "admin", "recursive": True}]
    if os.geteuid() == 0:
        assert finish(target, {"permissions": told}, "post_fakeroot") == 0
        owners = {(path.lstat().st_uid, path.lstat().st_gid) for path in (target / "srv/data").rglob("*")}
        assert owners == {(1000, 1000)}
        assert (target / "srv/data").stat().st_uid == 1000
        assert (target / "srv").stat().st_uid == 0


def service(name: str, **words: object) -> dict[str, object]:
    return {"name": name, "command": f"run {name}", "enabled": True, "restart": "always", "after": [], **words}


@pytest.mark.parametrize("count", [1, 3, post_build.LAST - post_build.FIRST + 3])
def test_services_of_an_init_with_scripts(target: Path, count: int) -> None:
    told = [service(f"s{number}", enabled=number != 1) for number in range(count)]
    for _ in range(2):  # the second time they are there
        assert finish(target, {"services": told}) == 0
    first, last = post_build.FIRST, post_build.LAST
    expected = {f"S{min(first + n, last):02d}s{n}" if n != 1 else "s1" for n in range(count)}
    scripts = list((target / "etc/init.d").iterdir())
    assert {path.name for path in scripts} == expected
    commands = list((target / "usr/libexec/services").iterdir())
    assert {path.read_text() for path in commands} == {f"#!/bin/sh\nrun s{n}\n" for n in range(count)}
    assert {path.stat().st_mode & 0o777 for path in (*scripts, *commands)} == {0o755}


def test_services_of_systemd(target: Path) -> None:
    (target / "usr/lib/systemd").mkdir(parents=True)
    (target / "usr/lib/systemd/systemd").touch()
    told = [service("one"), service("two", after=["one"], user="admin", restart="no", enabled=False)]
    for _ in range(2):
        assert finish(target, {"services": told}) == 0
    folder = target / "etc/systemd/system"
    assert {path.name for path in folder.rglob("*.service")} == {"one.service", "two.service"}
    assert (folder / "multi-user.target.wants/one.service").readlink() == Path("../one.service")
    assert not (folder / "multi-user.target.wants/two.service").exists()
    lines = (folder / "two.service").read_text().splitlines()
    for line in ("After=network.target one.service", "Restart=no", "User=admin", "Description=two"):
        assert line in lines
    assert "ExecStart=/usr/libexec/services/two" in lines
    assert "User=" not in (folder / "one.service").read_text()
    assert not (target / "etc/init.d").exists()
