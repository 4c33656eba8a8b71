"""The status page in a real browser, on the real server: what people see and do, and what is refused to others."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
from tests.netboot.browser import Browser, Tab
from tests.netboot.pagesite import BOX, Site, logged_in, opened, site

from rootstream.netboot import page
from rootstream.netboot.store import state_folder

# --- files -----------------------------------------------------------------------------------------------------


def test_files_have_validators_and_a_strict_policy(lab: Site) -> None:
    assert {"index.html", "main.js", "style.css", "icon.svg"} <= set(page.files())
    for path in ("/", *(f"/page/{name}" for name in page.files())):
        status, head, body = lab.ask(path)
        assert (status, head["X-Content-Type-Options"], head["Cache-Control"]) == (200, "nosniff", "no-cache")
        policy = head["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        status, again, nothing = lab.ask(path, head={"If-None-Match": head["ETag"]})
        assert (status, nothing, again["ETag"]) == (304, b"", head["ETag"])
        assert lab.ask(path, head={"If-None-Match": '"other"'})[2] == body
        status, other, nothing = lab.ask(path, method="HEAD")
        assert (status, nothing, other["Content-Length"]) == (200, b"", str(len(body)))


@pytest.mark.parametrize("path", ["/page/", "/page/../api.py", "/page/%2e%2e/__init__.py", "/page//etc/passwd"])
def test_nothing_else_is_handed_out(lab: Site, path: str) -> None:
    assert lab.ask(path)[0] == 404


def test_nothing_is_written_into_the_page() -> None:
    html = page.files()["index.html"].body.decode()
    assert not re.search(r"<style|style=|\son[a-z]+=|https?://|<script(?![^>]*src=)", html)
    scripts = b"".join(each.body for name, each in page.files().items() if name.endswith(".js"))
    assert not re.search(rb"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|localStorage", scripts)


# --- looking ---------------------------------------------------------------------------------------------------


def test_machines_and_their_boots(tab: Tab, lab: Site) -> None:
    opened(tab, lab)
    tab.shows("not built yet")
    build = lab.build("one")
    lab.past("box", BOX, build, age=600)
    tab.shows("passed", ".machine")
    tab.shows(build.id, ".machine")
    names = tab.js("[...document.querySelectorAll('.machine .name')].map(it => it.innerText)")
    assert names == ["box", "shelf-2", "spare"]
    bar = tab.js("document.querySelector('.machine .bar').getAttribute('aria-label')")
    for text in ("5.20 s.", "DHCP: 0.22 s, after 1.10 s", "phone-home: 0 ms, after 3.75 s", "checks: 2.25 s"):
        assert text in bar
    tab.click(".boot summary")
    tab.shows("undionly.kpxe", ".boot")
    tab.shows("40.2 MB", ".boot")
    tab.shows("command: uname -m", ".boot")


def test_a_boot_is_seen_while_it_happens(tab: Tab, lab: Site) -> None:
    build = lab.build("one")
    lab.past("box", BOX, build, age=900)
    opened(tab, lab, "machines/box")
    tab.shows("The chart appears after the second boot.")
    tab.click(".boot summary")
    lab.boot(home=False)
    tab.shows("started", "h1 + .outcome")
    tab.shows("started", ".boot")
    assert tab.js("document.querySelectorAll('.boot').length") == 2
    assert tab.js("[...document.querySelectorAll('.boot details')].map(it => it.open)") == [False, True]
    tab.shows(f"Box boots hello, build {build.id}", "#said")
    lab.boot()
    tab.shows("up", "h1 + .outcome")
    tab.shows("3 boots of box: fastest", "figcaption")
    assert tab.js("document.querySelectorAll('.column').length") == 3


def test_words_of_others_are_text(tab: Tab, lab: Site) -> None:
    evil = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    number = lab.past("box", BOX, lab.build("one"), age=60, good=False)
    lab.state.stage(number, "phone-home", detail=evil)
    lab.state.tell("warning", f"dnsmasq: {evil}", machine="box")
    opened(tab, lab)
    tab.click(".boot summary")
    tab.shows(evil, ".boot")
    tab.js("location.hash = '#/activity'")
    tab.shows(evil, ".activity")
    assert tab.js("document.querySelectorAll('main img, main script').length") == 0


def test_a_machine_that_is_not_there(tab: Tab, lab: Site) -> None:
    opened(tab, lab, "machines/%3Cb%3Enobody")
    tab.shows("No such machine")


def test_system_yaml_without_machines(chromium: Browser, tmp_path: Path) -> None:
    with site(tmp_path / "none", machines="") as lab:
        tab = chromium.tab()
        opened(tab, lab)
        tab.shows("There are no machines yet.")
        tab.js("location.hash = '#/builds'")
        tab.shows("Nothing has been built yet.")
        assert tab.faults == []


# --- the console -----------------------------------------------------------------------------------------------


def test_the_console_is_followed(tab: Tab, lab: Site) -> None:
    opened(tab, lab, "machines/box")
    tab.shows("This console has no output yet.", "#console-status")
    lab.console(
        "box", b"\x1b[2J\x1b[1;31mred\x1b[0m <img src=x onerror=alert(1)> \xff\x00\x9b2K\xe2\x80\xae\r\n\x1b]0;ti"
    )
    tab.shows("red <img src=x onerror=alert(1)>", "#console")
    lab.console("box", b"tle\x07after\r\n" + b"".join(b"line %d\r\n" % each for each in range(400)))
    tab.shows("line 399", "#console")
    text = tab.text("#console")
    assert "after\nline 0\n" in text
    assert not any(each in text for each in ("title", "tle", "\x1b", "\x00", "\u202e"))
    assert tab.js("document.querySelectorAll('#console *').length") == 0
    at_end = "(it => it.scrollTop + it.clientHeight >= it.scrollHeight - 2)(document.getElementById('console'))"
    tab.until(at_end)
    tab.click("#follow")
    tab.js("document.getElementById('console').scrollTop = 0")
    lab.console("box", b"more\r\n")
    tab.shows("more", "#console")
    assert tab.js("document.getElementById('console').scrollTop") == 0
    lab.console("box", b"a new boot\r\n", new=True)
    tab.until("document.getElementById('console').textContent === 'a new boot\\n'")


def test_only_the_end_of_a_long_log(tab: Tab, lab: Site) -> None:
    lab.console("box", b"the beginning\n" + b"x" * 70 + b"\n" + b"a line of a long log\n" * 30_000 + b"the end\n")
    opened(tab, lab, "machines/box")
    tab.shows("the end", "#console")
    tab.shows("Only the end of the log is shown.", "#console-status")
    assert "the beginning" not in tab.text("#console")


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        (["a\r\nb"], "a\nb"),
        (["ab\b\bc"], "cb"),
        (["10%\r20%"], "20%"),
        (["\x1b[", "31", "mred"], "red"),
        (["\x1b]8;;http://x\x1b", "\\link"], "link"),
        (["\x1bPq#0;2\x1b\\x"], "x"),
        (["a\x1b(Bb"], "ab"),
        (["a\x1b[5;5Hb"], "a\nb"),
        (["a\tb"], "a       b"),
        (["\x9b1mC1\x9d2;t\x07 too"], "C1 too"),
        (["\x1b]never ended" + "y" * 5000 + "\nback"], "back"),
        (["\u202eevil\u202c"], "\ufffdevil\ufffd"),
        (["grün 漢字 😀"], "grün 漢字 😀"),
    ],
)
def test_control_sequences(chromium: Browser, lab: Site, pieces: list[str], text: str) -> None:
    tab = chromium.tab()
    tab.go(f"{lab.url}/")
    found = tab.js(
        "import('/page/terminal.js').then(({Terminal}) => { const it = new Terminal();"
        f" {json.dumps(pieces)}.forEach(each => it.feed(each)); return it.text(); }})"
    )
    assert found.rpartition("y\n")[2] == text


# --- doing -----------------------------------------------------------------------------------------------------


def test_without_a_token_everything_can_only_be_looked_at(tab: Tab, lab: Site) -> None:
    lab.build("one")
    lab.build("two")
    opened(tab, lab, "machines/box")
    tab.shows("To change something, log in.")
    for name in ("on", "off", "cycle"):
        assert tab.js(f"document.querySelector('[data-action={name}]').disabled")
    assert tab.js("document.querySelector('#choice button').matches(':disabled')")
    tab.click("[data-do=power-state]")
    tab.shows("off", ".power-off")
    tab.js("location.hash = '#/builds'")
    tab.shows("Roll back")
    assert tab.js(
        "[...document.querySelectorAll('[data-do=rollback], [data-do=select]')].every(it => it.disabled)"
    )
    for path in ("machines/box/choose", "machines/box/power", "systems/hello/current", "login"):
        assert lab.ask(f"/api/v1/{path}", body={})[0] == 401


def test_login(tab: Tab, lab: Site) -> None:
    opened(tab, lab, "machines/box")
    tab.click("#login-button")
    assert tab.focus() == "token"
    for wrong in ("not-the-token-of-this-server", "with a blank", "ümlaut ✓"):
        tab.type(wrong)
        tab.key("Enter")
        tab.until("document.getElementById('login-fault').innerText !== ''")
        assert tab.js("sessionStorage.length") == 0
    assert tab.js("document.getElementById('login').open")
    tab.key("Escape")
    tab.until("!document.getElementById('login').open")
    logged_in(tab, lab, "machines/box")
    assert tab.js("[sessionStorage.length, localStorage.length, document.cookie]") == [1, 0, ""]
    assert not tab.js("document.querySelector('[data-action=on]').disabled")
    assert lab.token not in tab.js("document.documentElement.outerHTML")
    tab.go(f"{lab.url}/#/machines/box")
    tab.shows("Log out", "#login-button")
    tab.click("#login-button")
    tab.shows("Log in", "#login-button")
    assert tab.js("sessionStorage.length") == 0


def test_a_token_that_is_taken_back(tab: Tab, lab: Site) -> None:
    logged_in(tab, lab, "machines/box")
    state_folder.tokens(lab.project).write_text("another-token-for-other-people\n")
    tab.click("[data-action=on]")
    tab.shows("The server no longer accepts this token.", "#notes")
    tab.shows("Log in", "#login-button")
    assert not (lab.folder / "is-on").exists()


def test_choosing_what_a_machine_boots(tab: Tab, lab: Site) -> None:
    first = lab.build("one")
    time.sleep(1.1)  # the name of a build has seconds
    second = lab.build("two")
    debug = lab.build("three", "hello@debug")
    logged_in(tab, lab, "machines/box")
    tab.shows(second.id, "#content .build")
    tab.js("(it => { it.value = 'hello@debug'; it.dispatchEvent(new Event('change', {bubbles: true})); })(system)")
    tab.shows(debug.id, "#build")
    tab.click("#once")
    tab.click("#choice button.main")
    tab.shows("once", ".pill.once")
    choice = lab.state.choice("box")
    assert choice is not None
    assert (choice.system, choice.build, choice.once) == ("hello@debug", None, True)
    lab.boot()
    tab.until("!document.querySelector('.pill.once')")
    tab.js("(it => { it.value = 'hello'; it.dispatchEvent(new Event('change', {bubbles: true})); })(system)")
    tab.js(f"build.value = '{first.id}'")
    tab.click("#choice button.main")
    tab.shows("chosen", ".pill.choice")
    tab.shows(first.id, "#content .build")
    tab.click("[data-do=unchoose]")
    tab.until("!document.querySelector('.pill.choice')")
    assert lab.state.choice("box") is None


def test_rolling_back(tab: Tab, lab: Site) -> None:
    first = lab.build("one")
    time.sleep(1.1)
    second = lab.build("two")
    logged_in(tab, lab, "builds")
    tab.shows(second.id, ".kept.current")
    tab.click("[data-do=rollback]")
    tab.shows(first.id, ".kept.current")
    assert lab.builds.current("hello") == first
    tab.until("document.querySelector('[data-do=rollback]').disabled")
    tab.click(f"[data-build='{second.id}']")
    tab.shows(second.id, ".kept.current")
    assert lab.builds.current("hello") == second


def test_power(tab: Tab, lab: Site) -> None:
    logged_in(tab, lab, "machines/box")
    mark = lab.folder / "is-on"
    tab.click("[data-action=on]")
    tab.shows("box is switched on.", "#notes")
    assert mark.exists()
    tab.click("[data-do=power-state]")
    tab.shows("on", ".outcome.power-on")
    tab.click("[data-action=off]")
    tab.shows("What runs on it is interrupted", "#confirm")
    assert tab.focus() == "confirm-no"
    tab.key("Escape")
    tab.until("!document.getElementById('confirm').open")
    assert mark.exists()
    tab.click("[data-action=off]")
    tab.click("#confirm-no")
    tab.until("!document.getElementById('confirm').open")
    assert mark.exists()
    tab.click("[data-action=off]")
    tab.click("#confirm-yes")
    tab.shows("box is switched off.", "#notes")
    assert not mark.exists()
    tab.js("location.hash = '#/machines/spare'")
    tab.shows("This machine has no power control")
    tab.js("location.hash = '#/machines/shelf-2'")
    tab.shows("Controlled by: ipmi.")


def test_what_fails_is_told(tab: Tab, lab: Site) -> None:
    description = lab.folder / "system.yaml"
    description.write_text(description.read_text().replace("on: [touch,", "on: [/nowhere/touch,"))
    lab.down()
    lab.up()
    logged_in(tab, lab, "machines/box")
    tab.click("[data-action=on]")
    tab.until("document.querySelector('.toast.bad') !== null")
    assert "/nowhere/touch" in tab.text("#notes")


# --- the server goes -------------------------------------------------------------------------------------------


def test_the_server_goes_and_comes_back(tab: Tab, lab: Site) -> None:
    build = lab.build("one")
    opened(tab, lab)
    lab.down()
    tab.shows("The server does not respond.", "#gone")
    tab.shows("no connection", "#link")
    tab.shows(build.id, ".machine")
    lab.past("box", BOX, build, age=5)
    lab.up()
    tab.click("#gone button")
    tab.shows("live", "#link")
    tab.shows("passed", ".machine")
    assert tab.js("document.getElementById('gone').hidden")
    lab.down()
    tab.shows("The server does not respond.", "#gone")
    lab.up()
    tab.shows("live", "#link")  # by itself


# --- for everybody ---------------------------------------------------------------------------------------------
