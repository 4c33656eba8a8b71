"""Plugs with Tasmota: how one is asked, what it answers, and that one which answers anything is an error, soon."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from rootstream.description.power.tasmota import Tasmota
from rootstream.netboot.power import control, tasmota
from tests.powered import HOSTILE, SECRET, Answer, answering, of, refused, switched

PASSWORD = f"{SECRET}&cmnd=Reset 1 #%ß"


class Plug(BaseHTTPRequestHandler):
    """What Tasmota answers at /cm, with and without a password, with one relay and with several."""

    server: Strip

    def do_GET(self) -> None:
        strip = self.server
        asked = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
        strip.asked.append(asked["cmnd"])
        if urlsplit(self.path).path != "/cm":
            self.answer(404, {})
        elif strip.password and (asked.get("user"), asked.get("password")) != ("admin", strip.password):
            self.answer(401, {"WARNING": "Need user=<username>&password=<password>"})
        else:
            self.answer(200, strip.obey(*asked["cmnd"].upper().split()))

    def answer(self, status: int, value: object) -> None:
        text = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (its name)
        """Print nothing."""


class Strip(ThreadingHTTPServer):
    """A device with relays, all of them off."""

    def __init__(self, relays: int, password: str = "", *, locked: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), Plug)
        self.on = [False] * relays
        self.password = password
        self.locked = locked
        self.asked: list[str] = []

    def obey(self, command: str, value: str | None = None) -> dict[str, str]:
        number = int(command.removeprefix("POWER") or 1)
        if not 1 <= number <= len(self.on):
            return {"Command": "Unknown"}
        if value and not self.locked:
            self.on[number - 1] = value == "ON"
        name = "POWER" if len(self.on) == 1 else f"POWER{number}"
        return {name: "ON" if self.on[number - 1] else "OFF"}


@contextlib.contextmanager
def serving(strip: Strip) -> Iterator[str]:
    thread = threading.Thread(target=strip.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{strip.server_port}"
    finally:
        strip.shutdown()
        thread.join(10)
        strip.server_close()


@pytest.mark.parametrize(
    ("relays", "outlet", "command"), [(1, None, "Power"), (1, 1, "Power1"), (4, None, "Power"), (4, 3, "Power3")]
)
def test_an_outlet_is_switched(tmp_path: Path, relays: int, outlet: int | None, command: str) -> None:
    strip = Strip(relays)
    with serving(strip) as url:
        context = switched(tmp_path, Tasmota(url=url, outlet=outlet, pause=0.01))
        seen = [control.state(context.project, "box", context.machine)]
        for action in ("on", "cycle", "off"):
            control.switch(context.project, "box", context.machine, action)
            seen.append(control.state(context.project, "box", context.machine))
    assert seen == ["off", "on", "on", "off"]
    said = [words.removeprefix(command).strip() for words in strip.asked]
    assert said == ["", "ON", "", "OFF", "ON", "", "OFF", ""]
    assert not any(strip.on)


def test_a_password_is_one_word_of_the_address_and_in_no_message(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(PASSWORD + "\n")
    strip = Strip(1, PASSWORD)
    with serving(strip) as url:
        power = Tasmota(url=url, password_file="secret")
        tasmota.switch(power, switched(tmp_path, power), "on")
        assert strip.asked == ["Power ON"]
        strip.password = "another"
        found = refused(lambda: tasmota.state(power, switched(tmp_path, power)))
    assert "401" in found.message


def test_a_lock_is_told(tmp_path: Path) -> None:
    with serving(Strip(1, locked=True)) as url:
        power = Tasmota(url=url)
        assert (
            "does not switch on" in refused(lambda: tasmota.switch(power, switched(tmp_path, power), "on")).message
        )


def test_an_outlet_that_there_is_not(tmp_path: Path) -> None:
    with serving(Strip(2)) as url:
        power = Tasmota(url=url, outlet=3)
        assert "POWER3" in refused(lambda: tasmota.state(power, switched(tmp_path, power))).message


@pytest.mark.parametrize(
    "value",
    [
        *([], None, 1, "ON", {}, {"POWER": ["ON"]}, {"POWER": {"ON": 1}}, {"POWER": None}, {"POWER": True}),
        *({"POWER": "\x1b[2J"}, {"POWER2": "ON"}, {"Command": "\r\n" * 1000}, {"POWER": "on"}),
    ],
)
def test_what_is_no_state(tmp_path: Path, value: object) -> None:
    with answering(of(value)) as url:
        power = Tasmota(url=url)
        refused(lambda: tasmota.state(power, switched(tmp_path, power)))


@pytest.mark.parametrize("answer", HOSTILE)
def test_it_is_an_error_and_soon(tmp_path: Path, answer: Answer) -> None:
    (tmp_path / "secret").write_text(PASSWORD)
    with answering(answer) as url:
        power = Tasmota(url=url, password_file="secret", timeout=2.0)
        refused(lambda: tasmota.state(power, switched(tmp_path, power)))


def test_nobody_there(tmp_path: Path) -> None:
    with answering(of({})) as url:
        pass
    power = Tasmota(url=url)
    assert url in refused(lambda: tasmota.state(power, switched(tmp_path, power))).message
