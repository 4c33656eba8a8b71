"""What goes wrong around a boot server: it says what, and goes on."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from tests.conftest import python_for_all
from tests.netboot.lab import FILES, SERVER, Lab, Make, neighbour, simulated

MACHINE = """
machines:
  box:
    macs: ["52:54:00:12:34:56"]
    address: 10.0.2.15
    system_mac: "52:54:00:12:34:57"
    system_address: 10.0.2.16
    system: hello
    power: {qemu: {bridge: br0, memory: 256M}}
"""


def dnsmasq(lab: Lab) -> set[int]:
    """Return the numbers of the dnsmasq processes in the lab's namespace."""
    found = subprocess.run(
        ["ip", "netns", "pids", lab.name], capture_output=True, text=True, timeout=30, check=True
    ).stdout.split()
    return {int(pid) for pid in found if _name(pid) == "dnsmasq"}


def renewed(lab: Lab, before: int) -> bool:
    return bool(dnsmasq(lab) - {before})


def _name(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def refused(lab: Lab, *words: str) -> str:
    done = lab.rootstream("serve", *words, timeout=60)
    assert done.returncode == 2, done.stderr
    return done.stderr


def booted(lab: Lab) -> None:
    """Boot, as far as the network is concerned."""
    with neighbour(lab, dhcp=False) as log:
        found = simulated(log.stem, "52:54:00:12:34:56", "52:54:00:12:34:57")
    assert found["hashes"] == [hashlib.sha256(data).hexdigest() for data in FILES.values()]
    lab.until(lambda: lab.boots()[-1]["outcome"] in ("served", "up"))


def test_a_killed_dnsmasq_is_started_again(make_light: Make) -> None:
    lab = make_light(MACHINE)
    lab.serve()
    for _ in range(2):
        (before,) = dnsmasq(lab)
        os.kill(before, signal.SIGKILL)
        lab.until(partial(renewed, lab, before))
    assert lab.said().count("restarting it in") == 2
    booted(lab)


def test_a_killed_server_leaves_nothing_running_and_forgets_nothing(make_light: Make) -> None:
    lab = make_light(MACHINE)
    server = lab.serve()
    lab.curl("/machines/52-54-00-12-34-56.ipxe")
    assert dnsmasq(lab)
    server.kill()
    server.wait()
    lab.until(lambda: not dnsmasq(lab))
    lab.serve()
    assert [boot["machine"] for boot in lab.boots()] == ["box"]
    assert lab.curl("/api/v1/boots/1")[0] == 200


def test_an_end_is_clean(make_light: Make) -> None:
    lab = make_light(MACHINE)
    server = lab.serve()
    server.send_signal(signal.SIGTERM)
    assert server.wait(20) == 0, lab.said()
    assert not dnsmasq(lab)
    assert "Traceback" not in lab.said()


def test_only_one_server_on_an_interface(make_light: Make) -> None:
    lab = make_light(MACHINE)
    lab.serve()
    said = refused(lab, "--interface", "br0", "--port", "8081")
    assert "another `rootstream serve` is running on br0" in said
    assert len(dnsmasq(lab)) == 1


def test_ports_in_use(make_light: Make) -> None:
    lab = make_light(MACHINE)
    lab.start(sys.executable, "-m", "http.server", "--bind", SERVER, "8080")
    lab.until(lambda: lab.run("ss", "-ltn").stdout.count(":8080"))
    assert "port 8080 of 10.0.2.1: Address already in use" in refused(lab, "--interface", "br0")
    block = (
        "import socket, time; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM);"
        f"s.bind(('{SERVER}', 69)); print('bound', flush=True); time.sleep(60)"
    )
    lab.start(sys.executable, "-c", block, log=lab.project / "block.log")
    lab.until((lab.project / "block.log").read_text)
    said = refused(lab, "--interface", "br0", "--port", "8081")
    assert "dnsmasq did not start" in said
    assert "Address already in use" in said


def test_interfaces_that_cannot_be_served(make_light: Make) -> None:
    lab = make_light(MACHINE)
    lab.ip("link", "add", "down0", "type", "bridge")
    lab.ip("link", "add", "bare0", "type", "bridge")
    lab.ip("link", "set", "bare0", "up")
    assert "there is no network interface 'eth7'" in refused(lab, "--interface", "eth7")
    assert "down0 is down" in refused(lab, "--interface", "down0")
    assert "bare0 has no IPv4 address" in refused(lab, "--interface", "bare0")
    assert "10.9.9.9 is not an address of br0" in refused(lab, "--interface", "br0", "--address", "10.9.9.9")
    outside = (lab.project / "system.yaml").read_text().replace("10.0.2.15", "10.9.9.9")
    (lab.project / "system.yaml").write_text(outside)
    assert "10.9.9.9 is not a machine's address in 10.0.2.0/24" in refused(lab, "--interface", "br0")


def test_without_the_right_to(make_light: Make) -> None:
    lab = make_light(MACHINE)
    nobody = 65534
    for path in (lab.project, *lab.project.rglob("*")):
        os.chown(path, nobody, nobody, follow_symlinks=False)
    for folder in lab.project.parents:  # pytest's own, which only root may enter
        mode = folder.stat().st_mode
        if not mode & 0o001:
            folder.chmod(mode | 0o011)
    python = python_for_all(lab.project.parent / "venv")
    state = lab.project.parent / "state-of-nobody"
    state.mkdir()
    os.chown(state, nobody, nobody)
    done = lab.run(
        *("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"),
        *("env", f"HOME={lab.project}", f"XDG_STATE_HOME={state}"),
        *(str(python), "-m", "rootstream", "serve", "--interface", "br0"),
        timeout=60,
    )
    assert done.returncode == 2
    assert "dnsmasq did not start" in done.stderr
    assert "run this as root" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_interface_that_vanishes_and_comes_back(make_light: Make) -> None:
    lab = make_light(MACHINE)
    server = lab.serve()
    lab.ip("link", "delete", "br0")
    lab.until(lambda: "serving is paused until it is back" in lab.said())
    lab.until(lambda: not dnsmasq(lab))
    assert server.poll() is None
    lab.ip("link", "add", "br0", "type", "bridge")
    lab.ip("address", "add", f"{SERVER}/24", "dev", "br0")
    lab.ip("link", "set", "br0", "up")
    lab.until(lambda: "br0 is served again" in lab.said())
    assert lab.curl("/boot.ipxe")[0] == 200
    booted(lab)


def test_only_the_named_interface_is_served(make_light: Make) -> None:
    lab = make_light(MACHINE)
    lab.ip("link", "add", "other0", "type", "bridge")
    lab.ip("address", "add", "10.0.9.1/24", "dev", "other0")
    lab.ip("link", "set", "other0", "up")
    lab.serve()
    listening = lab.run("ss", "-ltunH").stdout
    places = {line.split()[4] for line in listening.splitlines()}
    # dnsmasq has DHCP on all addresses of the one device; HTTP and TFTP are on its address
    assert {place for place in places if "10.0.9.1" in place or place.startswith(("[::]", "*"))} == set()
    assert f"{SERVER}%br0:8080" in places
    assert all("%br0" in place for place in places if place.startswith("0.0.0.0"))  # noqa: S104
    with neighbour(lab) as _:  # a host of the network, which knows a way to the other address
        done = lab.run(
            sys.executable, "-c", "import socket; socket.create_connection(('10.0.9.1', 8080), timeout=3)"
        )
    assert "refused" in done.stderr


def test_a_description_that_becomes_wrong_is_not_taken(make_light: Make) -> None:
    lab = make_light(MACHINE)
    lab.serve()
    path = lab.project / "system.yaml"
    good = path.read_text()
    path.write_text(good.replace("system: hello\n", "system: helo\n"))
    lab.until(lambda: "did you mean 'hello'" in lab.said())
    assert lab.curl("/machines/52-54-00-12-34-56.ipxe")[0] == 200
    path.write_text(good.replace("12:34:56", "12:34:99"))
    lab.until(lambda: "was reloaded" in lab.said())
    assert "unknown machine" in lab.curl("/machines/52-54-00-12-34-56.ipxe")[1]
    assert "boots hello" in lab.curl("/machines/52-54-00-12-34-99.ipxe")[1]


def test_what_is_served_follows_the_description(make_light: Make) -> None:
    lab = make_light(MACHINE)
    lab.serve()
    (before,) = dnsmasq(lab)
    path = lab.project / "system.yaml"
    good = path.read_text()
    path.write_text(good + "serve: {range: {first: 10.0.2.100, last: 10.0.2.110}, unknown: menu}\n")
    lab.until(lambda: "was reloaded" in lab.said())
    lab.until(partial(renewed, lab, before))
    assert "item local" in lab.curl("/machines/52-54-00-99-99-99.ipxe")[1]
    path.write_text(good + "serve: {range: {first: 10.9.2.100, last: 10.9.2.110}}\n")
    lab.until(lambda: "10.9.2.100 is not in 10.0.2.0/24" in lab.said())
    assert "item local" in lab.curl("/machines/52-54-00-99-99-99.ipxe")[1]


def test_a_full_disk(make_light: Make) -> None:
    lab = make_light(MACHINE)
    place = lab.kept
    place.mkdir(mode=0o700, parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=32m,mode=700", "none", str(place)],
        capture_output=True,
        timeout=30,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip("no file system of its own can be mounted here")
    try:
        lab.serve()
        filler = place / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as out:
            while out.write(bytes(1 << 16)):
                pass
        status, script = lab.curl("/machines/52-54-00-12-34-56.ipxe")
        assert (status, "boots hello" in script) == (200, True), script
        kernel = re.findall(r"kernel http://[^/]+(/\S+)", script)[0]
        assert lab.curl(kernel, method="HEAD")[0] == 200
        assert "machines can still boot" in lab.said()
        filler.unlink()
        booted(lab)
    finally:
        lab.end()
        subprocess.run(["umount", "--lazy", str(place)], timeout=30, check=False)


def test_without_a_server(make_light: Make) -> None:
    lab = make_light(MACHINE)
    for words in (("boot", "box"), ("power", "box", "on")):
        done = lab.rootstream(*words)
        assert done.returncode == 2
        assert "no `rootstream serve` is running for this project" in done.stderr


def test_a_virtual_machine_is_switched_through_the_server(make_lab: Make) -> None:
    lab = make_lab(MACHINE)
    server = lab.serve()

    def power(action: str) -> str:
        done = lab.rootstream("power", "box", action)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    assert power("status") == "off"
    power("on")
    assert power("status") == "on"
    lab.until(lambda: lab.boots()[0]["outcome"] in ("served", "up"))
    done = lab.rootstream("boot", "box", "--verify")  # it is switched off first
    assert done.returncode == 0, done.stdout + done.stderr
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(lab.rootstream, "boot", "box", "--verify") for _ in range(2)]
        codes = sorted(each.result().returncode for each in both)
    assert codes == [0, 2], [each.result().stderr for each in both]
    assert [boot["outcome"] for boot in lab.boots()][-1] == "passed"
    power("cycle")
    assert power("status") == "on"
    power("off")
    assert power("status") == "off"
    power("on")
    server.kill()  # the machine goes with it
    lab.until(lambda: power("status") == "off")
