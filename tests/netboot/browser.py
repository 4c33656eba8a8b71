"""Debian's Chromium without a window, driven over its DevTools protocol: what the tests of the page need of it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import pytest

PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser")
PATIENCE = 30.0
KEYS: Mapping[str, tuple[int, str]] = {
    "Tab": (9, ""),
    "Enter": (13, "\r"),
    "Escape": (27, ""),
    "Space": (32, " "),
    "Down": (40, ""),
}
NAMES = {"Space": " ", "Down": "ArrowDown"}
T = TypeVar("T")


class Tab:
    """A page that is open; `faults` are exceptions and violations of its security policy."""

    def __init__(self, browser: Browser, session: str) -> None:
        self.faults: list[str] = []
        self._browser = browser
        self._session = session
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **words: object) -> dict[str, Any]:
        return self._browser.call(method, words, self._session)

    def heard(self, method: str, words: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            details = words["exceptionDetails"]
            self.faults.append(str(details.get("exception", {}).get("description", details["text"])))
        elif method == "Log.entryAdded" and words["entry"]["source"] != "network":
            self.faults.append(words["entry"]["text"])
        elif method == "Runtime.consoleAPICalled" and words["type"] in ("error", "assert"):
            self.faults.append(str(words["args"]))

    def look(
        self, width: int = 1280, height: int = 900, *, dark: bool = False, still: bool = True, phone: bool = False
    ) -> None:
        """Give the page a size and a scheme; `still` is that the person prefers reduced motion."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone
        )
        features = [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if still else "no-preference"},
        ]
        self.call("Emulation.setEmulatedMedia", features=features)

    def go(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        self.until("document.readyState === 'complete'")

    def js(self, expression: str) -> Any:  # noqa: ANN401  (whatever the page says)
        """Return the value of an expression; promises are waited for."""
        done = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def until(self, expression: str, patience: float = PATIENCE) -> Any:  # noqa: ANN401
        """Wait for an expression to become true; return its value."""
        deadline = time.monotonic() + patience
        while not (value := self.js(expression)):
            assert time.monotonic() < deadline, f"{expression}\n{self.text()}\n{self.faults}"
            time.sleep(0.05)
        return value

    def text(self, selector: str = "body") -> str:
        return str(self.js(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    def shows(self, text: str, selector: str = "body") -> None:
        """Wait for a text."""
        self.until(
            f"(document.querySelector({json.dumps(selector)})?.innerText ?? '').includes({json.dumps(text)})"
        )

    def click(self, selector: str) -> None:
        """Press the mouse where an element is, once nothing is in front of it."""
        name = json.dumps(selector)
        x, y = self.until(
            f"(() => {{ const it = document.querySelector({name}); if (!it || it.disabled) return null;"
            " it.scrollIntoView({block: 'center', behavior: 'instant'}); const box = it.getBoundingClientRect();"
            " const at = [box.x + box.width / 2, box.y + box.height / 2];"
            " const hit = document.elementFromPoint(...at);"
            " return hit && (it.contains(hit) || hit.contains(it)) ? at : null; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def key(self, name: str, *, shift: bool = False) -> None:
        code, text = KEYS[name]
        words: dict[str, Any] = {
            "key": NAMES.get(name, name),
            "windowsVirtualKeyCode": code,
            "modifiers": 8 if shift else 0,
        }
        self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **words)
        self.call("Input.dispatchKeyEvent", type="keyUp", **words)

    def type(self, text: str) -> None:
        self.call("Input.insertText", text=text)

    def focus(self) -> str:
        """Return what has the focus: its id, name or text."""
        return str(
            self.js(
                "(it => it.id || it.getAttribute('aria-label') || it.innerText || it.tagName)"
                "(document.activeElement)"
            )
        )

    def shot(self, path: Path, *, whole: bool = True) -> Path:
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole, **self._clip(whole))
        path.write_bytes(base64.b64decode(data["data"]))
        return path

    def _clip(self, whole: bool) -> dict[str, Any]:
        if not whole:
            return {}
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        return {"clip": {**size, "scale": 1}}


class Browser:
    """A browser with a folder of its own."""

    def __init__(self, program: str, folder: Path) -> None:
        self._loop = asyncio.new_event_loop()
        self._number = 0
        self._tabs: dict[str, Tab] = {}
        self._child = subprocess.Popen(
            [
                program,
                "--headless",
                "--no-sandbox",  # a sandbox of its own needs a user other than root
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-background-networking",
                "--disable-component-update",
                "--no-first-run",
                "--no-proxy-server",
                "--hide-scrollbars",
                "--remote-debugging-port=0",
                f"--user-data-dir={folder}",
                "about:blank",
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            port, path = self._port(folder / "DevToolsActivePort")
            self._http, self._line = self._do(self._connect(f"ws://127.0.0.1:{port}{path}"))
        except BaseException:
            self._child.kill()
            self._child.wait()
            raise

    def _port(self, note: Path) -> tuple[str, str]:
        deadline = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(OSError, ValueError):
                port, path = note.read_text().split()
                return port, path
            assert self._child.poll() is None, "the browser ended"
            assert time.monotonic() < deadline, "the browser did not start"
            time.sleep(0.05)

    async def _connect(self, url: str) -> tuple[aiohttp.ClientSession, aiohttp.ClientWebSocketResponse]:
        http = aiohttp.ClientSession()
        return http, await http.ws_connect(url, max_msg_size=0)

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(asyncio.wait_for(work, PATIENCE))

    def call(self, method: str, words: dict[str, Any], session: str | None = None) -> dict[str, Any]:
        return self._do(self._call(method, words, session))

    async def _call(self, method: str, words: dict[str, Any], session: str | None) -> dict[str, Any]:
        self._number += 1
        number = self._number
        await self._line.send_json(
            {"id": number, "method": method, "params": words, **({"sessionId": session} if session else {})}
        )
        while True:
            told = await self._line.receive_json()
            if told.get("id") == number:
                assert "error" not in told, (method, told["error"])
                return dict(told["result"])
            tab = self._tabs.get(told.get("sessionId", ""))
            if tab is not None and "method" in told:
                tab.heard(told["method"], told["params"])

    def tab(self) -> Tab:
        """Open a page with a storage of its own."""
        context = self.call("Target.createBrowserContext", {})["browserContextId"]
        target = self.call("Target.createTarget", {"url": "about:blank", "browserContextId": context})["targetId"]
        session = self.call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        made = Tab(self, session)
        self._tabs[session] = made
        made.look()
        return made

    def end(self) -> None:
        with contextlib.suppress(Exception):
            self.call("Browser.close", {})
        with contextlib.suppress(Exception):
            self._do(self._line.close())
        with contextlib.suppress(Exception):
            self._do(self._http.close())
        self._loop.close()
        try:
            self._child.wait(10)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()


@contextlib.contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """Start the browser; skip the test where there is none."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip("no Chromium here (Debian: `apt install chromium-headless-shell`)")
    made = Browser(program, folder)
    try:
        yield made
    finally:
        made.end()
