"""Every page in Italian, the longest language: no barrier that axe finds, no overflow, no request
to anywhere else. axe looks at each page once, by turns small and light, or large and dark;
`make screenshots` looks at all of them in every language, size and palette, and keeps pictures."""

from contextlib import suppress
from itertools import cycle

import pytest
from playwright.sync_api import expect

from idroserra.auth.roles import Role
from support.all_pages import TWO_LOOKS, PageChecker, pages, populate_host
from support.real_host import own_host
from support.wait import wait_until

host = own_host


@pytest.fixture(scope="module")
def walk(browser, host):
    populate_host(host, wait_until)
    walking = PageChecker(browser, host, "it")
    yield walking
    walking.close()


def test_no_page_has_a_barrier(walk):
    wrong = []
    for look, (name, (path, role)) in zip(cycle(TWO_LOOKS), pages().items(), strict=False):
        found = walk.check(walk.open(path, role), [look])
        wrong += [f"{name}: {one}" for one in found]
    assert not wrong, "\n".join(wrong)


def test_numbers_are_typed_as_the_language_writes_them(host, walk):
    page = walk.open("/nodes/idro-a", Role.ADMIN).page
    expect(page.locator(".tile[data-channel='reservoir.ph'] .value")).to_contain_text(",")
    page = walk.open("/nodes/idro-a/water", Role.ADMIN).page
    page.fill("[name='ph.target']", "6,05")
    assert page.evaluate("document.querySelector(\"[name='ph.target']\").checkValidity()")
    page.fill("[name='ph.target']", "6,05,1")
    assert not page.evaluate("document.querySelector(\"[name='ph.target']\").checkValidity()")


def test_a_person_chooses_language_and_units(host, walk):
    page = walk.open("/account", Role.ADMIN).page
    for _ in range(3):  # a loaded host may not answer in time: the page then says to try again
        page.select_option("[name=language]", "zh")
        page.select_option("[name=ec]", "ppm500")
        page.select_option("[name=temperature]", "F")
        page.locator("#speech button").click()
        with suppress(AssertionError):
            expect(page.locator("#speech-title")).to_have_text("语言和单位", timeout=30_000)
            break
    expect(page.locator("#speech-title")).to_have_text("语言和单位")
    page = walk.open("/nodes/idro-a", Role.ADMIN).page
    expect(page.locator(".tile[data-channel='reservoir.ec_us_cm'] .value")).to_contain_text("ppm")
    expect(page.locator(".tile[data-channel='reservoir.temp_c'] .value")).to_contain_text("°F")
    expect(page.locator("#strip strong")).not_to_contain_text("All")
    assert host.view("idro-a")["channels"]["reservoir.ec_us_cm"]["display"]["unit"] == "mS/cm"


@pytest.mark.parametrize(("room", "wanted"), [
    ("charts", {"bell", "stack"}), ("water", {"setting-ph-target", "volume_ml"})])
def test_everything_is_reached_by_the_keyboard_and_seen(walk, room, wanted):
    page = walk.open(f"/nodes/idro-a/{room}", Role.ADMIN).page
    for first in ("skip", "stop"):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == first
    reached, unseen = set(), []
    for _ in range(80):
        page.keyboard.press("Tab")
        name, is_seen = page.evaluate("""() => {
          const {activeElement: it} = document;
          const {outlineStyle, outlineWidth} = getComputedStyle(it);
          const name = it.id || it.name || it.className || it.textContent.trim();
          return [name, outlineStyle !== "none" && parseFloat(outlineWidth) >= 2];
        }""")
        if name in reached and name == "skip":
            break
        reached.add(name)
        if not is_seen and page.evaluate("document.activeElement !== document.body"):
            unseen.append(name)
    assert wanted <= reached
    assert unseen == []


def test_without_the_host_nothing_old_is_shown(host, walk):
    page = walk.open("/", Role.ADMIN).page
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    page.wait_for_function("() => localStorage.getItem('idroserra_offline') !== null")
    manifest = host.client.get("/manifest.webmanifest").json()
    assert manifest["display"] == "standalone"
    for icon in manifest["icons"]:
        assert host.client.get(icon["src"]).status_code == 200
    host.stop_web()
    page.reload()
    expect(page.locator("h1")).to_be_visible()
    expect(page.locator("#seen")).not_to_be_empty()
    assert page.locator(".tile").count() == 0
