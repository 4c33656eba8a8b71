"""The boot server when its disk is full, a BMC does not answer, and clients ask for more than their part."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web

from rootstream.errors import UserError
from rootstream.netboot import event_log
from rootstream.netboot.http import listening
from tests.netsite import MAC, MACHINES, RAMDISK, SYSTEM, Site, run_to_end


def stuck(site: Site) -> None:
    """Let the database grow no more: what SQLite says then is what it says on a full disk."""
    connection = site.state._connection()
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    for size in (900, 0):
        with contextlib.suppress(UserError):
            for _ in range(10_000):
                site.state.tell("filler", "x" * size)


def test_machines_boot_although_nothing_can_be_noted(tmp_path: Path) -> None:
    site = Site(tmp_path, SYSTEM + MACHINES)

    async def main() -> None:
        async with site.served():
            number = site.export()
            await site.ask(f"/machines/{MAC}.ipxe")  # a boot that is under way
            stuck(site)
            status, _, text = await site.ask(f"/machines/{MAC}.ipxe")
            assert (status, number in text.decode()) == (200, True)
            for query in ("", "?boot=1"):
                status, _, body = await site.ask(f"/builds/good/{number}/initramfs.cpio{query}")
                assert (status, body) == (200, RAMDISK)
            assert (await site.ask("/machines/52-54-00-12-99-99.ipxe"))[0] == 200
            for line in range(5):
                site.service.heard(
                    f"dnsmasq-dhcp: {line} DHCPDISCOVER(br0) 52:54:00:00:00:01 \n"
                    f"dnsmasq-dhcp: {line} vendor class: PXEClient"
                )
            said = [str(each) for each in site.told if "cannot be recorded" in str(each)]
            assert 1 <= len(said) <= 2, said

    run_to_end(main())


SLOW = MACHINES.replace('status: ["true"]', 'status: [sleep, "3"]')


def test_a_power_control_that_does_not_answer_keeps_nobody_waiting(tmp_path: Path) -> None:
    names = [f"slow{number}" for number in range(40)]
    more = "".join(
        f"  {name}:\n    macs: ['52:54:00:00:01:{number:02x}']\n    system: good\n"
        f"    power: {{command: {{on: ['true'], status: [sleep, '3']}}}}\n"
        for number, name in enumerate(names)
    )
    site = Site(tmp_path, SYSTEM + SLOW + more)

    async def main() -> None:
        async with site.served():
            number = site.export()
            asked = [asyncio.create_task(site.ask(f"/api/v1/machines/{name}/power")) for name in names]
            await asyncio.sleep(0.5)
            began = time.monotonic()
            status, _, body = await site.ask(f"/builds/good/{number}/initramfs.cpio")
            assert (status, body) == (200, RAMDISK)
            assert time.monotonic() - began < 1.5
            for task in asked:
                task.cancel()

    run_to_end(main())


def test_many_who_ask_whether_it_is_on_are_one_question(tmp_path: Path) -> None:
    count = MACHINES.replace('status: ["true"]', f"status: [sh, -c, 'echo >> {tmp_path}/asked; sleep 0.3']")
    site = Site(tmp_path, SYSTEM + count)

    async def main() -> None:
        async with site.served():
            answers = await asyncio.gather(*(site.ask("/api/v1/machines/box/power") for _ in range(20)))
            assert {json.loads(body)["power"] for _, _, body in answers} == {"on"}
            assert (tmp_path / "asked").read_text().count("\n") == 1
            site.switchboard.close()

    run_to_end(main())


def test_strangers_do_not_flood_what_is_told(tmp_path: Path) -> None:
    site = Site(tmp_path, SYSTEM + MACHINES)

    async def main() -> None:
        async with site.served():
            for number in range(3 * event_log.MOST_TOLD):
                assert (await site.ask(f"/machines/52-54-00-99-00-{number:02x}.ipxe"))[0] == 200
                assert (await site.ask("/api/v1/boots/7/home", method="POST"))[0] == 403
            assert len(site.told) == 2 * (event_log.MOST_TOLD + 1)  # of each kind

    run_to_end(main())


async def settled(count: Callable[[], int], wanted: int) -> None:
    """Wait until there are as many as are wanted, and see that no more come."""
    async with asyncio.timeout(60):
        while count() < wanted:  # noqa: ASYNC110  (a server tells nobody)
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.2)
    assert count() == wanted


def site_connections(runner: web.AppRunner) -> list[object]:
    assert runner.server
    return list(runner.server.connections)


def test_no_client_has_all_connections(tmp_path: Path) -> None:
    limits = listening.Room(connections=100, of_one=64, files=10, files_of_one=5)
    site = Site(tmp_path, SYSTEM + MACHINES)

    async def main() -> None:
        app = web.Application()
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        assert runner.server
        listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        listener.setblocking(False)
        port = listener.getsockname()[1]
        told: list[str] = []
        door = listening.Door(runner.server, [listener], listening.Connections(limits), told.append)
        taken = [await asyncio.open_connection("127.0.0.1", port) for _ in range(150)]
        await settled(lambda: len(site_connections(runner)), 64)
        other = [
            await asyncio.open_connection("127.0.0.1", port, local_addr=(f"127.0.0.{number}", 0))
            for number in range(2, 80)
        ]
        await settled(lambda: len(site_connections(runner)), 100)
        assert set(told) == {"all 100 connections are in use: new ones have to wait"}
        reader, writer = other[0]
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert b"404" in await reader.readline()
        for _, each in (*taken, *other[:-1]):
            each.close()
        reader, writer = other[-1]  # it waited until there was a place
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert b"404" in await reader.readline()
        writer.close()
        await door.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        await runner.cleanup()
        site.state.close()

    run_to_end(main())


def test_as_many_files_as_connections_need() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
        listening.allow_files()
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        assert soft == (min(4100, before[1]) if before[1] != resource.RLIM_INFINITY else 4100)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        *(
            (host, 200)
            for host in ("127.0.0.1", "127.0.0.1:8080", "[::1]:8080", "localhost:8080", "boot", "Boot.Lab.:80")
        ),
        *((host, 421) for host in ("evil.example", "evil.example:8080", "127.0.0.1.evil.example", "a.xlab")),
    ],
)
def test_a_foreign_name_that_leads_here_shows_nothing(tmp_path: Path, host: str, status: int) -> None:
    site = Site(tmp_path, SYSTEM + MACHINES + "serve: {domain: lab}\n")

    async def main() -> None:
        async with site.served():
            number = site.export()
            assert (await site.ask("/api/v1/machines", host=host))[0] == status
            for path in (
                "/boot.ipxe",
                f"/machines/{MAC}.ipxe",
                f"/builds/good/{number}/initramfs.cpio",
                "/nothing",
            ):
                found = (await site.ask(path, host=host))[0]
                assert (found == 421) == (status == 421), path

    run_to_end(main())
