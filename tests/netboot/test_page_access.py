"""The status page for everyone: keyboard, small screens, contrast, names for readers, no needless motion."""

from __future__ import annotations

import pytest
from tests.netboot.browser import Tab
from tests.netboot.pagesite import BOX, Site, logged_in, opened


def test_the_keyboard_is_enough(tab: Tab, lab: Site) -> None:
    lab.past("box", BOX, lab.build("one"), age=60)
    opened(tab, lab)
    tab.shows("passed")
    seen = []
    for _ in range(7):
        tab.key("Tab")
        seen.append(tab.focus())
        shown = tab.js(
            "(it => getComputedStyle(it).outlineStyle !== 'none'"
            " || getComputedStyle(it.closest('.machine') ?? it).outlineStyle !== 'none')(document.activeElement)"
        )
        assert shown, seen
    assert seen == ["Skip to the content", "Machines", "Builds", "Activity", "login-button", "box", "shelf-2"]
    tab.key("Tab", shift=True)
    tab.key("Enter")
    tab.until("document.title.startsWith('box ')")
    assert tab.focus() == "box"  # the heading
    tab.key("Tab")
    tab.key("Enter")  # "Log in", in the line that says why the rest is locked
    tab.until("document.getElementById('login').open")
    tab.type(lab.token)
    tab.key("Enter")
    tab.shows("Log out", "#login-button")
    tab.js("document.querySelector('[data-action=cycle]').focus()")
    tab.key("Enter")
    tab.until("document.getElementById('confirm').open")
    tab.key("Tab")
    tab.key("Space")
    tab.shows("is switched off and on", "#notes")
    tab.until("document.activeElement.dataset.action === 'cycle'")
    tab.js("document.querySelector('.boot summary').focus()")
    tab.key("Enter")
    tab.shows("power on", ".boot details[open]")


VIEWS = ("", "machines/box", "builds", "activity")


@pytest.fixture
def busy(lab: Site) -> Site:
    """Return a lab where all that is shown has something to show."""
    build = lab.build("one")
    for number in range(4):
        lab.past("box", BOX, build, age=9000 - 2000 * number, pace=1 + number / 3, good=number != 2)
    lab.boot()
    lab.state.tell("stranger", "request from a machine not in `machines:`: 52:54:00:00:00:01 at 10.0.2.99")
    lab.console("box", b"x" * 500 + b"\n")
    assert lab.change("/machines/shelf-2/choose", {"system": "hello@debug", "once": True})[0] == 200
    return lab


@pytest.mark.parametrize("view", VIEWS)
def test_small_screens(tab: Tab, busy: Site, view: str) -> None:
    tab.look(360, 740, phone=True)
    logged_in(tab, busy, view)
    tab.js("document.querySelectorAll('summary').forEach(it => it.click())")
    assert tab.js("document.documentElement.scrollWidth") == 360
    outside = tab.js(
        "[...document.querySelectorAll('button, a, input, select, summary, h1, h2, .outcome, .pill')]"
        ".filter(it => !it.matches('.skip')).filter(it => { const box = it.getBoundingClientRect();"
        " return box.width && (box.left < 0 || box.right > 360 || box.height < 12); }).map(it => it.outerHTML)"
    )
    assert outside == []


CONTRAST = """
(() => {
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
  const parts = (color, under) => {
    canvas.fillStyle = under ? `rgb(${under.join()})` : '#fff';
    canvas.fillRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (color) => {
    const [r, g, b] = color.map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const back = (it) => it ? parts(getComputedStyle(it).backgroundColor, back(it.parentElement)) : [255, 255, 255];
  const found = [];
  let seen = 0;
  for (const it of document.querySelectorAll('body *')) {
    const text = [...it.childNodes].some(each => each.nodeType === 3 && each.data.trim());
    const off = it.closest(':disabled, fieldset:disabled, svg, .hidden, noscript, dialog:not([open])');
    if (!text || off || !it.checkVisibility() || it.getBoundingClientRect().width < 2) continue;
    const under = back(it);
    const [a, b] = [light(parts(getComputedStyle(it).color, under)), light(under)].sort((x, y) => y - x);
    seen += 1;
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < 4.5) found.push(`${contrast.toFixed(2)} ${it.outerHTML.slice(0, 200)}`);
  }
  return [seen, found];
})()
"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_can_be_read(tab: Tab, busy: Site, dark: bool) -> None:
    tab.look(dark=dark)
    logged_in(tab, busy)
    for view in VIEWS:
        tab.js(f"location.hash = '#/{view}'")
        tab.js("document.querySelectorAll('details').forEach(it => { it.open = true; })")
        seen, faint = tab.js(CONTRAST)
        assert seen > 15
        assert faint == []


def test_everything_has_a_name(tab: Tab, busy: Site) -> None:
    logged_in(tab, busy)
    for view in VIEWS:
        tab.js(f"location.hash = '#/{view}'")
        tab.until("document.querySelector('main h1') !== null")
        nodes = tab.call("Accessibility.getFullAXTree")["nodes"]
        wanted = ("button", "link", "textbox", "combobox", "checkbox", "image", "dialog", "heading", "searchbox")
        for node in nodes:
            if not node.get("ignored") and node["role"]["value"] in wanted:
                assert node["name"]["value"], node
        assert tab.js("document.querySelectorAll('h1').length") == 1


def test_less_motion(tab: Tab, busy: Site) -> None:
    busy.state.begin("box", BOX, stage="dhcp")
    moving = "document.getAnimations().length"
    tab.look(still=False)
    opened(tab, busy)
    tab.until(f"{moving} > 0")
    tab.look(still=True)
    tab.until(f"{moving} === 0")
