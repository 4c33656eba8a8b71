"""The HTTP side of the boot server, asked over loopback: scripts, files, the API, and hostile clients."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from rootstream.netboot.http import api, sending
from rootstream.netboot.store import state_folder
from tests.netsite import MAC, MACHINES, RAMDISK, SYSTEM, Site, run_to_end

Run = Callable[[Callable[[Site], Coroutine[Any, Any, None]]], None]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def start(work: Callable[[Site], Coroutine[Any, Any, None]], text: str = SYSTEM + MACHINES) -> None:
        site = Site(tmp_path, text)

        async def main() -> None:
            async with site.served():
                await work(site)

        run_to_end(main())

    return start


def test_a_machine_gets_its_script(run: Run) -> None:
    async def work(site: Site) -> None:
        status, _, first = await site.ask("/boot.ipxe")
        assert (status, first[:6]) == (200, b"#!ipxe")
        base = f"http://127.0.0.1:{site.port}"
        assert f"{base}/machines/${{netX/mac:hexhyp}}.ipxe".encode() in first
        _, _, wait = await site.ask(f"/machines/{MAC}.ipxe")
        assert b"not built yet" in wait
        number = site.export()
        _, _, text = await site.ask(f"/machines/{MAC}.ipxe?platform=pcbios&chip=x")
        lines = text.decode().splitlines()
        assert lines[0] == "#!ipxe"
        kernel = next(line for line in lines if line.startswith("kernel "))
        assert f"{base}/builds/good/{number}/bzImage?boot=1" in kernel
        words = kernel.split()
        assert {"quiet", "name=box", "from=127.0.0.1", "console=ttyS0", "initrd=initramfs.cpio"} <= set(words)
        assert f"rootstream.home={base}/api/v1/boots/1/home" in words
        assert re.search(r" rootstream.token=[\w-]{30,} ", kernel)

    run(work)


def test_a_boot_once_is_for_one_boot(run: Run) -> None:
    async def work(site: Site) -> None:
        old, new = site.export(), site.export(kernel=b"new")
        site.service.choose("box", system=None, build=old, once=True)
        for _ in range(2):  # the same boot: it asks again
            _, _, text = await site.ask(f"/machines/{MAC}.ipxe")
            assert old in text.decode()
        for file in ("bzImage", "initramfs.cpio"):
            await site.ask(f"/builds/good/{old}/{file}?boot=1")
        _, _, text = await site.ask(f"/machines/{MAC}.ipxe")
        assert new in text.decode()
        boots = site.state.boots()
        assert [(boot.build, boot.outcome) for boot in boots] == [(new, "booting"), (old, "served")]
        assert {stage.name: stage.size for stage in boots[1].stages}["initramfs"] == len(RAMDISK)

    run(work)


@pytest.mark.parametrize(
    ("unknown", "status", "text"),
    [("local", 200, b"sanboot"), ("menu", 200, b"item 0 good"), ("refuse", 200, b"exit 1")],
)
def test_other_machines(tmp_path: Path, unknown: str, status: int, text: bytes) -> None:
    site = Site(tmp_path, f"{SYSTEM}{MACHINES}serve: {{unknown: {unknown}}}\n")

    async def main() -> None:
        async with site.served():
            number = site.export()
            found, _, body = await site.ask("/machines/52-54-00-00-00-99.ipxe")
            assert found == status
            assert text in body
            found, _, body = await site.ask("/menu/good.ipxe")
            assert found == (200 if unknown == "menu" else 404)
            assert (number.encode() in body) == (unknown == "menu")
            assert site.state.boots() == ()

    run_to_end(main())


def test_files(run: Run) -> None:
    async def work(site: Site) -> None:
        path = f"/builds/good/{site.export()}/initramfs.cpio"
        status, head, body = await site.ask(path)
        assert (status, body, head["content-length"]) == (200, RAMDISK, str(len(RAMDISK)))
        assert (head["accept-ranges"], head["content-type"]) == ("bytes", "application/octet-stream")
        tag, day = head["etag"], head["last-modified"]
        status, head, body = await site.ask(path, method="HEAD")
        assert (status, body, head["content-length"], head["etag"]) == (200, b"", str(len(RAMDISK)), tag)
        for given in ({"If-None-Match": tag}, {"If-None-Match": f'"a", W/{tag}'}, {"If-Modified-Since": day}):
            assert (await site.ask(path, head=given))[0] == 304
        assert (await site.ask(path, head={"If-None-Match": '"other"'}))[0] == 200
        assert (await site.ask(path, head={"If-Match": '"other"'}))[0] == 412

    run(work)


def test_ranges(run: Run) -> None:
    async def work(site: Site) -> None:
        path = f"/builds/good/{site.export()}/initramfs.cpio"
        tag = (await site.ask(path, method="HEAD"))[1]["etag"]
        size = len(RAMDISK)
        for asked, begin, end in (("5-9", 5, 10), ("-7", size - 7, size), (f"{size - 3}-", size - 3, size)):
            status, head, body = await site.ask(path, head={"Range": f"bytes={asked}"})
            assert (status, body) == (206, RAMDISK[begin:end])
            assert head["content-range"] == f"bytes {begin}-{end - 1}/{size}"
        for asked in (f"{size}-", "9" * 40 + "-", "5-4", "a-b", "-", "0-1,5-6", "--5"):
            status, _, body = await site.ask(path, head={"Range": f"bytes={asked}"})
            assert status in (200, 400, 416), asked
            assert body in (RAMDISK, b"") or status != 200
        status, _, body = await site.ask(path, head={"Range": "bytes=0-" + "9" * 40})
        assert (status, body) == (206, RAMDISK)
        assert (await site.ask(path, head={"Range": "bytes=0-1", "If-Range": tag}))[0] == 206
        for stale in ('"other"', f"W/{tag}", "Thu, 01 Jan 1970 00:00:00 GMT", "rubbish"):
            status, _, body = await site.ask(path, head={"Range": "bytes=0-1", "If-Range": stale})
            assert (status, body) == (200, RAMDISK), stale

    run(work)


@pytest.mark.parametrize(
    "path",
    [
        "/builds/good/{id}/../../../state.db",
        "/builds/good/{id}/%2e%2e/%2e%2e/%2e%2e/state.db",
        "/builds/good/{id}/..%2f..%2f..%2fstate.db",
        "/builds/good/{id}/build.json",
        "/builds/good/{id}//etc/passwd",
        "/builds/good/{id}/%2fetc%2fpasswd",
        "/builds/good/{id}/bzImage%00",
        "/builds/good/current/bzImage",
        "/builds/../builds/good/{id}/build.json",
        "/builds/%2e%2e/tokens/x",
        "/builds/..%2f..%2f..%2fsystem.yaml/{id}/bzImage",
        "/builds/.lock/{id}/bzImage",
        "//etc/passwd",
        "/ipxe/../../etc/passwd",
        "/ipxe/..%2f..%2fetc%2fpasswd",
        "/machines/../../x.ipxe",
        "/machines/%2e%2e%2fbox.ipxe",
        "/menu/..%2f..%2ftokens.ipxe",
        "/api/v1/machines/..%2f..%2ftokens/console",
        "/api/v1/boots/-1",
        "/api/v1/boots/99999999999999999999999999",
        "/tokens",
    ],
)
def test_paths_that_lead_elsewhere(run: Run, path: str) -> None:
    async def work(site: Site) -> None:
        number = site.export()
        api.ensure_token(state_folder.tokens(site.project))
        status, _, body = await site.ask(path.format(id=number))
        assert status in (400, 403, 404)
        secret = state_folder.tokens(site.project).read_text().split()[0]
        assert secret.encode() not in body
        assert b"root:" not in body

    run(work)


def test_a_flood_of_headers_and_rubbish(run: Run) -> None:
    async def work(site: Site) -> None:
        many = b"".join(b"X-%d: y\r\n" % number for number in range(5000))
        for text in (
            b"GET / HTTP/1.1\r\nHost: a\r\n" + many + b"\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 1_000_000 + b"\r\n\r\n",
            b"GET /" + b"y" * 1_000_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
            b"\x16\x03\x01" + bytes(500),
            b"POST /api/v1/machines/box/choose HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n",
            b"POST /api/v1/home/x HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nzz\r\n",
        ):
            answer = await site.raw(text)
            assert not answer or re.match(rb"HTTP/1\.[01] 4\d\d ", answer), answer[:100]
        assert (await site.ask("/boot.ipxe"))[0] == 200

    run(work)


def test_who_does_not_finish_asking_is_cut_off(run: Run) -> None:
    async def work(site: Site) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(b"GET /boot.ipxe HTTP/1.1\r\n")
        async with asyncio.timeout(20):
            for _ in range(200):
                try:
                    writer.write(b"X: y\r\n")
                    await writer.drain()
                    if await asyncio.wait_for(reader.read(1), 0.1) == b"":
                        break
                except TimeoutError:
                    continue
                except ConnectionError:
                    break
            else:
                pytest.fail("still connected")
        writer.close()

    run(work)


def test_who_does_not_read_is_cut_off(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "PATIENCE", 0.5)
    monkeypatch.setattr(sending, "LEAST_RATE", 1 << 30)

    async def work(site: Site) -> None:
        path = f"/builds/good/{site.export(ramdisk=bytes(20_000_000))}/initramfs.cpio"
        slow = socket.socket()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.setblocking(False)
        await asyncio.get_running_loop().sock_connect(slow, ("127.0.0.1", site.port))
        await asyncio.get_running_loop().sock_sendall(slow, f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        await asyncio.sleep(2)
        slow.setblocking(True)
        slow.settimeout(10)
        total = 0
        with slow:
            try:
                while data := await asyncio.to_thread(slow.recv, 1 << 20):
                    total += len(data)
            except ConnectionError:
                pass
        assert total < 20_000_000
        assert (await site.ask("/boot.ipxe"))[0] == 200

    run(work)


def test_reading_the_api(run: Run) -> None:
    async def work(site: Site) -> None:
        number = site.export()
        await site.ask(f"/machines/{MAC}.ipxe")
        _, _, body = await site.ask("/api/v1/machines/box")
        data = json.loads(body)
        assert data["next"] == {"system": "good", "build": number, "source": "description"}
        assert data["last_boot"]["outcome"] == "booting"
        listed = json.loads((await site.ask("/api/v1/machines"))[2])
        assert listed == {"machines": [data]}
        boot = json.loads((await site.ask("/api/v1/boots?machine=box&limit=5"))[2])["boots"][0]
        assert boot == json.loads((await site.ask(f"/api/v1/boots/{boot['id']}"))[2])
        assert [stage["name"] for stage in boot["stages"]] == ["script"]
        systems = json.loads((await site.ask("/api/v1/builds"))[2])["systems"]
        assert [(system["name"], system["current"]) for system in systems] == [("good", number)]
        told = json.loads((await site.ask("/api/v1/events"))[2])
        assert told["events"][-1]["text"].startswith("box boots good")
        later = await asyncio.gather(
            site.ask(f"/api/v1/events?wait=5&mark={URL.build(query={'m': told['mark']}).query['m']}"), _later(site)
        )
        assert json.loads(later[0][2])["mark"] != told["mark"]
        assert json.loads((await site.ask("/api/v1/machines/box/power"))[2])["power"] == "on"
        for path in ("machines/nobody", "boots/77", "boots?limit=x", "machines/nobody/console"):
            assert (await site.ask(f"/api/v1/{path}"))[0] in (400, 404)

    run(work)


async def _later(site: Site) -> None:
    await asyncio.sleep(0.3)
    site.state.tell("test", "something happened")


def test_changing_needs_a_token(run: Run) -> None:
    async def work(site: Site) -> None:
        old, new = site.export(), site.export(kernel=b"new")
        api.ensure_token(state_folder.tokens(site.project))
        assert state_folder.tokens(site.project).stat().st_mode & 0o777 == 0o600
        token = state_folder.tokens(site.project).read_text().split()[0]
        kind = {"Content-Type": "application/json"}
        good = {**kind, "Authorization": f"Bearer {token}"}
        choose, body = "/api/v1/machines/box/choose", json.dumps({"build": old})
        for head in (
            kind,
            {**kind, "Authorization": "Bearer "},
            {**kind, "Authorization": f"Bearer {token[:-1]}"},
            {**kind, "Authorization": f"Basic {token}"},
            {**kind, "Authorization": "Bearer \xe9\xe9"},
        ):
            status, answer, _ = await site.ask(choose, method="POST", head=head, body=body)
            assert (status, answer["www-authenticate"]) == (401, "Bearer")
        assert site.state.choice("box") is None
        status, _, answer_body = await site.ask(choose, method="POST", head=good, body=body)
        assert (status, json.loads(answer_body)["next"]["build"]) == (200, old)
        for wrong in (
            '{"build": "x"}',
            '{"system": "none"}',
            '{"once": 1}',
            "[]",
            "{",
            '{"other": 1}',
            "[" * 4_000,
        ):
            assert (await site.ask(choose, method="POST", head=good, body=wrong))[0] in (400, 404)
        assert (await site.ask(choose, method="POST", head=good, body="[" * 5_000))[0] == 413
        assert (await site.ask(choose, method="POST", head={"Authorization": f"Bearer {token}"}, body=body))[
            0
        ] == 400
        status, _, answer_body = await site.ask(choose, method="POST", head=good, body="{}")
        assert json.loads(answer_body)["next"]["build"] == new
        path = "/api/v1/systems/good/current"
        status, _, answer_body = await site.ask(path, method="POST", head=good, body="{}")
        assert (status, json.loads(answer_body)["current"]) == (200, old)
        path = "/api/v1/machines/box/power"
        status, _, answer_body = await site.ask(path, method="POST", head=good, body='{"action": "cycle"}')
        assert (status, json.loads(answer_body)["boot"]) == (200, 1)
        status, _, answer_body = await site.ask(path, method="POST", head=good, body='{"action": "off"}')
        assert (status, json.loads(answer_body)["error"]) == (400, "power-failed")

    run(work)


def test_a_system_reports_once(run: Run) -> None:
    async def work(site: Site) -> None:
        site.export()
        _, _, text = await site.ask(f"/machines/{MAC}.ipxe")
        found = re.search(r"rootstream.home=http://[^/]*(/\S+) rootstream.token=(\S+)", text.decode())
        assert found
        path, token = found.groups()
        inner = hashlib.sha256(f"{token}up=1.42".encode()).hexdigest()
        sign = hashlib.sha256(f"{token}{inner}".encode()).hexdigest()
        good = f"up=1.42&sign={sign}"
        of_nobody = hashlib.sha256(hashlib.sha256(b"up=1.42").hexdigest().encode()).hexdigest()

        async def said(body: str, where: str = path) -> int:
            return (await site.ask(where, method="POST", body=body))[0]

        for bad in ("", "up=1.42", f"up=1.43&sign={sign}", f"up=x&sign={sign}", good.upper()):
            assert await said(bad) == 403, bad
        assert await said(good + " " * 200) == 413
        assert await said(f"up=1.42&sign={of_nobody}") == 403
        assert await said(good, path.replace("/1/", "/2/")) == 403
        assert (await site.ask(path, method="GET"))[0] == 405
        assert site.state.boots()[0].outcome == "booting"
        assert await said(good) == 200
        assert await said(good) == 403
        (record,) = site.state.boots()
        assert record.outcome == "up"
        assert record.stages[-1].detail == "127.0.0.1, 1.42 s after the kernel started"

    run(work)


def test_times_of_a_boot_are_told_by_its_machine_alone(run: Run) -> None:
    async def work(site: Site) -> None:
        number = site.export()
        await site.ask(f"/machines/{MAC}.ipxe")
        site.state.update(1, address="10.9.9.9")
        for boot in ("1", "2", "-1", "1e9", "9" * 15, "9" * 30):
            assert (await site.ask(f"/builds/good/{number}/initramfs.cpio?boot={boot}"))[0] == 200
        (record,) = site.state.boots()
        assert record.outcome == "booting"
        assert [stage.name for stage in record.stages] == ["script"]

    run(work)
