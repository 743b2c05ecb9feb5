"""The page of all hosts on a phone and a desktop, with hosts that fail, hang and lie."""

import pytest
from playwright.sync_api import expect

from idroserra.auth.roles import Role
from idroserra.other_hosts.service import OLD_MS
from support.all_pages import AXE, LOCALES, axe_violations
from support.pages import DESKTOP, PHONE, MonitoredTab
from support.several_hosts import HOSTILE, several_hosts
from support.wait import wait_until

FARMS = 50


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    with several_hosts(tmp_path_factory.mktemp("hosts"), wait_until, FARMS) as made:
        yield made


def opened(browser, home, size, language="en", role=Role.VIEWER):
    tab = MonitoredTab(browser, home.url, size, "light", home.session_of(role), LOCALES[language])
    tab.page.goto(f"{home.url}/hosts")
    expect(tab.page.locator("#hosts .host")).to_have_count(FARMS + 9)
    return tab


def with_an_old_state_of_its_own(route):
    answer = route.fetch()
    hosts = answer.json()["hosts"]
    for host in hosts:
        if host["is_own"]:
            host["answered_unix_ms"] -= OLD_MS + 60_000
    route.fulfill(response=answer, json={"hosts": hosts})


def tile(page, name):
    return page.locator(f'.host[data-host="{name}"]')


@pytest.mark.parametrize(("language", "words"), [
    ("it", ("rifiuta il token", "1 fermato")), ("zh", ("它拒绝了令牌", "1 个已停止"))])
def test_the_page_speaks_the_language_of_its_reader(rig, browser, language, words):
    home, _north = rig
    desktop = opened(browser, home, DESKTOP, language)
    expect(tile(desktop.page, "Refused").locator(".sentence")).to_contain_text(words[0])
    expect(tile(desktop.page, "North").locator(".chip")).to_have_text([words[1]])
    line = desktop.page.locator(".view-only").bounding_box()
    below = desktop.page.locator("#find-hosts").bounding_box()
    assert below["y"] - line["y"] - line["height"] >= 8
    desktop.check()
    desktop.close()


def test_one_page_says_which_host_needs_somebody_now(rig, browser):
    home, north = rig
    phone = opened(browser, home, PHONE, role=Role.OPERATOR)
    page = phone.page
    expect(page.locator('.nav a[aria-current="page"]')).to_have_attribute("href", "/hosts")
    expect(page.locator("#stop-bar")).to_have_count(0)
    expect(tile(page, "North")).to_have_attribute("data-level", "bad")
    expect(tile(page, "North").locator(".chip")).to_have_text(["1 stopped"])
    expect(tile(page, "North").locator("h2 a")).to_have_attribute("href", north.url)
    expect(tile(page, "North").locator(".raised")).to_contain_text("Valley · idro-n · ")
    expect(tile(page, "North").locator("header small")).to_contain_text("answered")
    expect(tile(page, "Refused").locator(".sentence")).to_contain_text("it refuses the token")
    expect(tile(page, "Refused").locator("header small")).to_contain_text("unknown since")
    expect(tile(page, "Hanging").locator(".sentence")).to_contain_text("no answer within 10 s")
    expect(tile(page, "Older").locator(".notes")).to_contain_text("Missing: parts")
    # A liar's names are texts, and its tile its own.
    expect(tile(page, "Liar").locator(".sentence")).to_contain_text(HOSTILE.split()[0])
    expect(page.locator("#hosts :is(img, script)")).to_have_count(0)
    assert page.evaluate("[...document.querySelectorAll('#hosts a')].every("
                         "({ protocol }) => ['http:', 'https:'].includes(protocol))")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.evaluate(AXE.read_text("utf-8"))
    assert axe_violations(page) == []
    # The filter, and live: the host is stopped while the page is open.
    page.locator("[name=find]").fill("valley idro-n north")
    expect(page.locator("#hosts .host")).to_have_count(1)
    page.locator("[name=find]").fill("")
    page.locator("[name=level]").select_option("bad")
    expect(tile(page, "Home")).to_have_count(0)
    assert page.title() == "All hosts · Idroserra"
    north.stop_web()
    expect(tile(page, "North").locator(".sentence")).to_contain_text("no connection")
    expect(tile(page, "North").locator(".chip")).to_have_count(0)
    expect(page.locator("#strip strong")).to_contain_text("hosts need attention")
    # What the page keeps of its own host grows old like the rest.
    page.route("**/api/hosts", with_an_old_state_of_its_own)
    expect(tile(page, "Home").locator(".sentence")).to_contain_text("State unknown.")
    page.unroute_all(behavior="wait")
    phone.check()
    phone.close()
