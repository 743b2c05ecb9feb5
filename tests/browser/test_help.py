"""The documentation that a host serves under /docs: access, links, accessibility and CSP."""

import re

import httpx
import pytest
from markupsafe import escape
from playwright.sync_api import expect

from idroserra.auth.roles import Role
from idroserra.broker.local import Broker
from idroserra.help.topics import PAGE, SEE, codes, groups
from idroserra.i18n.translate import LANGUAGES, TAGS, Locale, gettext, use_locale
from support.all_pages import AXE
from support.pages import DESKTOP, SMALLEST, MonitoredTab
from support.real_host import ROOT, Host
from support.wait import wait_until
from support.wheel import built_site

SERIOUS = """() => axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]})
  .then(({violations}) => violations
  .filter(({impact}) => impact === "serious" || impact === "critical")
  .flatMap(({id, nodes}) => nodes.map((node) => `${id}: ${node.html.slice(0, 160)}`)))"""


@pytest.fixture(scope="module")
def helpful(tmp_path_factory):
    """A host that shows the site of this tree, strictly built, and one alarm."""
    folder = tmp_path_factory.mktemp("help")
    broker = Broker(folder / "broker", "mosquitto")
    broker.start()
    host = Host(folder / "host", broker.port, wait_until, help_site=built_site(tmp_path_factory))
    host.node("idro-a").tell("latched", {"reason": {"code": "latch_no_effect", "values": {}}})
    wait_until(lambda: host.client.get("/api/alarms").json()["alarms"], 60, "an alarm")
    yield host
    host.stop()
    broker.stop()


def barriers(page):
    """Return the accessibility barriers of an open page, as tests/support/all_pages.py does."""
    page.evaluate(AXE.read_text("utf-8"))
    return page.evaluate(SERIOUS)


def test_an_alarm_links_to_its_help_section(helpful, browser):
    tab = MonitoredTab(browser, helpful.url, SMALLEST, "dark", helpful.session_of(Role.VIEWER))
    page = tab.open("/alarms")
    page.get_by_role("link", name="Instructions").first.click()
    expect(page.locator("#dosing_latched")).to_be_attached()
    page.wait_for_load_state()  # with its styles
    assert page.url.endswith("/docs/alarm-howto/#dosing_latched")
    assert page.evaluate("document.documentElement.scrollWidth") <= SMALLEST["width"]
    assert tab.troubles == []
    assert barriers(page) == []
    tab.close()


def test_help_is_readable_and_searchable_without_login(helpful, browser):
    tab = MonitoredTab(browser, helpful.url, DESKTOP, "light")
    page = tab.page
    page.goto(f"{helpful.url}/docs")
    expect(page.locator("h1")).to_contain_text("Idroserra")
    assert barriers(page) == []
    page.get_by_role("button", name="Search").first.click()
    page.locator("input[aria-label=Search]").fill("siphon")
    page.get_by_text("What only a series relay can stop").click()
    page.wait_for_url("**/docs/hardware/**")
    expect(page.locator("h1")).to_contain_text("Hardware")
    assert tab.troubles == []
    tab.close()


def test_every_link_of_the_page_into_the_help_leads_somewhere(helpful):
    folder = ROOT / "host" / "idroserra" / "web" / "templates"
    linked = {link for path in folder.glob("*.html")
              for link in re.findall(r'href="(/docs/[^"#{]*)"', path.read_text("utf-8"))}
    assert "/docs/" in linked
    linked |= {f"/docs/{name}/" for name in SEE}
    assert {link: helpful.client.get(link).status_code for link in linked} == dict.fromkeys(
        linked, 200)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_has_its_anchor_without_login(host, language):
    answer = httpx.get(f"{host.url}{PAGE}", headers={"Accept-Language": language})
    assert answer.status_code == 200
    assert f'<html lang="{TAGS[language]}">' in answer.text
    anchors = re.findall(r' id="(\w+)"', answer.text)
    assert len(anchors) == len(set(anchors))
    assert set(codes()) <= set(anchors)
    with use_locale(Locale(language)):
        for group in groups():
            for topic in group.topics.values():
                assert str(escape(gettext(topic.title))) in answer.text
    chosen = httpx.get(f"{host.url}{PAGE}?language=zh", headers={"Accept-Language": language})
    assert '<html lang="zh-Hans">' in chosen.text


@pytest.mark.parametrize(("size", "scheme"), [(SMALLEST, "dark"), (DESKTOP, "light")])
def test_the_help_on_a_code_is_shown_at_its_anchor(host, browser, size, scheme):
    tab = MonitoredTab(browser, host.url, size, scheme)
    page = tab.page
    page.goto(f"{host.url}{PAGE}#latch_wrong_way")
    expect(page.locator("#latch_wrong_way")).to_be_in_viewport()
    expect(page.locator("#latch_wrong_way")).to_contain_text("doses worked the wrong way")
    page.evaluate("scrollTo(0, 0)")
    page.locator("nav summary", has_text="Dosing of pH and EC").click()
    page.get_by_role("link", name="The water is mixing").click()
    expect(page.locator("#mixing")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    assert barriers(page) == []
    assert tab.troubles == []
    tab.close()


def test_a_reason_on_the_page_of_a_node_links_to_its_help(host, browser):
    node = host.node("idro-a")
    node.tell("decided", {"loop": "pH", "reason": {"code": "mixing", "values": {"left_ms": 1}}})
    node.read()
    tab = MonitoredTab(browser, host.url, DESKTOP, "light", host.session_of(Role.VIEWER))
    page = tab.open("/nodes/idro-a/log")
    page.locator("#why li", has_text="mixing").get_by_role("link").first.click()
    expect(page.locator("#mixing")).to_be_in_viewport()
    assert page.url.endswith(f"{PAGE}#mixing")
    tab.close()


def test_without_a_site_the_answer_says_so_and_no_page_links_to_it(host):
    answer = host.client.get("/docs/")
    assert answer.status_code == 404
    assert "not installed" in answer.json()["error"]
    assert "/docs/" not in host.client.get("/alarms").text
