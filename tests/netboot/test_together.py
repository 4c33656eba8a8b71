"""Two machines with different systems at once, and a build that is replaced all the time while they boot."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor

from tests.conftest import rootstream
from tests.netboot.lab import Lab, Make

from rootstream import events
from rootstream.description.load import load
from rootstream.netboot.store import record, state_folder
from rootstream.netboot.store.builds import Builds
from rootstream.project.project import find

MACHINES = """
machines:
  one:
    macs: ["52:54:00:12:34:01"]
    address: 10.0.2.11
    system: hello
    kernel_args: lab.name={name} lab.build={build}
    power: {qemu: {bridge: br0, memory: 256M}}
  two:
    macs: ["52:54:00:12:34:02"]
    address: 10.0.2.12
    system: hello@debug
    power: {qemu: {bridge: br0, memory: 256M, nic: e1000}}
serve: {keep: 2}
"""


def replace(lab: Lab, done: threading.Event) -> int:
    """Make new builds of hello, as ends of `rootstream build` would, until told to end; return how many."""
    project = find(lab.project)
    builds = Builds(state_folder.builds(project), state_folder.content(project))
    description = load(project.description)
    number = 0
    while not done.wait(0.05):
        number += 1
        builds.record("hello", project.out("hello"), args=f"quiet lab.number={number}")
        record.record(project, description, ("hello",), events.ignore)
    return number


def test_two_systems_at_once_while_one_is_replaced(make_lab: Make) -> None:
    lab = make_lab(MACHINES)
    rootstream("build", "hello@debug", cwd=lab.project, check=True)
    lab.serve()
    done = threading.Event()
    with ThreadPoolExecutor(3) as pool:
        replaced = pool.submit(replace, lab, done)
        ran = list(pool.map(lambda name: lab.rootstream("boot", name, "--verify"), ("one", "two")))
        done.set()
    assert [each.returncode for each in ran] == [0, 0], ran[0].stdout + ran[1].stdout + lab.said()
    assert replaced.result() > 10
    boots = {boot["machine"]: boot for boot in lab.boots()}
    assert {name: boot["system"] for name, boot in boots.items()} == {"one": "hello", "two": "hello@debug"}
    consoles = {name: (lab.kept / f"machines/{name}/console.log").read_text() for name in boots}
    assert "Linux version" in consoles["two"]  # loglevel=7
    kept = sorted(path.name for path in (lab.kept / "builds/hello").glob("2*"))
    assert boots["one"]["build"] in kept  # it was booted a moment ago


def test_a_new_build_is_live_and_can_be_rolled_back(make_lab: Make) -> None:
    lab = make_lab(MACHINES)
    lab.serve()
    first = lab.curl("/machines/52-54-00-12-34-01.ipxe")[1]
    hostname = (lab.project / "system.yaml").read_text().replace("hostname: hello\n", "hostname: other\n")
    (lab.project / "system.yaml").write_text(hostname)
    rootstream("build", "hello", cwd=lab.project, check=True)
    listed = lab.rootstream("builds", "hello").stdout.splitlines()
    assert [line[0] for line in listed] == ["*", " "]
    new, old = (re.findall(r"\d{8}-\d{6}-[0-9a-f]{8}", line)[0] for line in listed)
    assert old in first
    assert new not in first
    done = lab.rootstream("rollback", "hello")
    assert old in done.stdout
    assert [line[0] for line in lab.rootstream("builds", "hello").stdout.splitlines()] == [" ", "*"]
    wrong = lab.rootstream("rollback", "hello", "20200101-000000-00000000")
    assert wrong.returncode == 2
    assert "no build" in wrong.stderr
