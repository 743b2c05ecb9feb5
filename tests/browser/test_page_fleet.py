"""A fleet on the overview: the table, the switcher between nodes, a phone."""

import re
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from idroserra.auth.roles import Role
from support.all_pages import AXE, axe_violations
from support.pages import PHONE, MonitoredTab, resize
from support.real_host import standing_host
from support.wait import wait_until

SCREEN = {"width": 1440, "height": 900}
ZOOMED = {"width": 640, "height": 450}  # 1280 x 900 at 200 %
NARROW = {"width": 320, "height": 640}
PLACES = 5
HIGH_PX = 44
READINGS = {"lettuce-7": {"reservoir.ph": 6.60}}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    """Yield (host, {name: node}): 25 of basil and of lettuce, one too high, one stopped."""
    with standing_host(tmp_path_factory.mktemp("fleet")) as host:
        made = [f"{crop}-{number}" for number in range(1, 26) for crop in ("basil", "lettuce")]
        with ThreadPoolExecutor(10) as pool:
            nodes = dict(zip(made, pool.map(host.node, made), strict=True))
        for name, node in nodes.items():
            node.read(READINGS.get(name))
        nodes["basil-10"].tell("stopped", {"by": "anna"})
        wait_until(lambda: host.view("basil-10")["dosing"]["state"] == "stopped", 60, "the stop")
        wait_until(lambda: host.view("lettuce-25")["state"]["level"] == "ok", 60, "the fleet")
        yield host, nodes


@pytest.fixture
def open_page(browser, fleet):
    tabs = []

    def opened(path, size=SCREEN, role=Role.OPERATOR, worker=False):
        host, nodes = fleet
        for name, node in nodes.items():  # those of before other tests may be old by now
            node.read(READINGS.get(name))
        session = host.session_of(role)
        tabs.append(MonitoredTab(browser, host.url, size, "light", session, worker=worker))
        return tabs[-1], tabs[-1].open(path)

    yield opened
    for tab in tabs:
        tab.check()
        tab.close()


def names(page):
    return page.locator("#fleet tbody tr").evaluate_all("all => all.map((it) => it.dataset.node)")


def test_fifty_nodes_fit_two_screens_worst_first_then_in_natural_order(open_page):
    _, page = open_page("/")
    expect(page.locator("#fleet tbody tr")).to_have_count(50)
    assert page.evaluate("document.documentElement.scrollHeight") <= 2 * SCREEN["height"]
    assert names(page)[:5] == ["basil-10", "lettuce-7", "basil-1", "basil-2", "basil-3"]
    row = page.locator("#fleet [data-node=lettuce-7]")
    expect(row.locator("[data-column=ph]")).to_have_attribute("data-state", "off_band")
    expect(row.locator("[data-column=night] svg")).to_be_visible()
    page.evaluate(AXE.read_text("utf-8"))
    assert axe_violations(page) == []


def test_sort_search_and_filter_are_kept_in_the_address(fleet, open_page):
    _, page = open_page("/")
    page.locator("[data-sort=node]").click()
    assert names(page)[8:11] == ["basil-9", "basil-10", "basil-11"]
    page.locator("[data-sort=ph]").click()
    page.locator("[data-sort=ph]").click()
    assert names(page)[0] == "lettuce-7"
    expect(page.locator("th[data-column=ph]")).to_have_attribute("aria-sort", "descending")
    page.fill("#fleet [name=find]", "basil")
    page.select_option("#fleet [name=level]", "warn")
    expect(page.locator("#fleet tbody tr")).to_have_count(1)
    assert names(page) == ["basil-10"]
    page.reload()
    expect(page.locator("#fleet tbody tr")).to_have_count(1)
    expect(page.locator("#fleet [name=find]")).to_have_value("basil")
    page.fill("#fleet [name=find]", "lettuce-3")
    page.select_option("#fleet [name=level]", "")
    fleet[1]["lettuce-3"].read({"reservoir.ph": 5.55})
    expect(page.locator("[data-node=lettuce-3] [data-column=ph]")).to_have_text("5.55")
    fleet[1]["lettuce-3"].read()


def test_a_node_is_found_by_the_keyboard(fleet, open_page):
    host, _ = fleet
    _, page = open_page("/nodes/basil-3")
    expect(page.locator("#switch b")).to_have_text("basil-3")
    page.locator("#switch").focus()
    page.keyboard.press("Enter")
    combo = page.get_by_role("combobox", name="Find a node")
    expect(combo).to_be_focused()
    expect(page.locator("#switch-list li")).to_have_count(50)
    expect(page.locator("#switch-list [aria-selected=true] b")).to_have_text("basil-3")
    page.evaluate(AXE.read_text("utf-8"))
    assert axe_violations(page) == []
    page.keyboard.type("lettuce-2")
    options = page.locator("#switch-list li b")
    expect(options).to_have_text(["lettuce-2", *(f"lettuce-2{n}" for n in range(6))])
    page.keyboard.press("ArrowDown")
    active = combo.get_attribute("aria-activedescendant")
    expect(page.locator(f"#{active} b")).to_have_text("lettuce-20")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{host.url}/nodes/lettuce-20")


def test_a_phone_has_its_places_at_the_bottom_and_the_header_holds(open_page):
    tab, page = open_page("/", PHONE)
    for size in (PHONE, NARROW, ZOOMED):
        resize(page, size)
        tab.check()
        bar = page.locator(".nav")
        box = bar.bounding_box()
        assert round(box["y"] + box["height"]) == size["height"], size
        places = [one.bounding_box() for one in bar.locator("> *:visible").all()]
        assert 4 <= len(places) <= PLACES
        assert all(one["height"] >= HIGH_PX and one["width"] >= HIGH_PX for one in places), size
        above = page.locator(".top > :not(.nav):visible").all()
        header = [one.bounding_box() for one in above]
        assert [one for one in (*places, *header)
                if one["x"] < 0 or one["x"] + one["width"] > size["width"]] == [], size
        middles = [one["y"] + one["height"] / 2 for one in header]
        assert max(middles) - min(middles) <= 2, size  # in one row
    resize(page, PHONE)
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    foot = page.locator(".foot").bounding_box()
    assert foot["y"] + foot["height"] <= page.locator(".nav").bounding_box()["y"]
    heights = {one.bounding_box()["height"] for one in page.locator("#fleet tbody tr").all()[:9]}
    assert max(heights) <= 60, heights
    page.evaluate(AXE.read_text("utf-8"))
    assert axe_violations(page) == []


def test_a_viewer_has_no_stop(open_page):
    _, page = open_page("/", role=Role.VIEWER)
    expect(page.locator("#fleet tbody tr").first).to_be_visible()
    expect(page.locator(".stop")).to_have_count(0)


def test_last_nights_are_asked_for_again_one_by_one_after_a_refusal(open_page):
    """One node whose night cannot be read does not empty the cells of the others."""
    tab, page = open_page("/alarms", worker=False)
    asked = []

    def answer(route):
        names = parse_qs(urlsplit(route.request.url).query)["nodes"][0].split(",")
        asked.append(names)
        if "basil-2" in names and ["basil-2"] not in asked[:-1]:
            route.fulfill(status=503, json={"error": "too slow"})
        else:
            route.continue_()

    page.route("**/api/nights?*", answer)
    tab.open("/?find=basil-2")
    night = "#fleet [data-node={}] [data-column=night]"
    expect(page.locator(night.format("basil-20"))).not_to_be_empty()
    expect(page.locator(night.format("basil-20") + " svg")).to_be_visible()
    expect(page.locator(night.format("basil-2") + " svg")).to_have_count(0)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator(night.format("basil-2") + " svg")).to_be_visible()
    assert len(asked[0]) > 1
    # Chromium logs the two refusals.
    assert len(tab.troubles) == 2
    tab.troubles.clear()


def test_a_night_that_failed_is_asked_for_again_in_a_tab_shown_meanwhile(open_page):
    tab, page = open_page("/alarms", worker=False)
    refused, held = [], []

    def answer(route):
        names = parse_qs(urlsplit(route.request.url).query)["nodes"][0].split(",")
        if "basil-2" in names and len(refused) < 2:
            refused.append(names)
            route.fulfill(status=503, json={"error": "too slow"})
        elif names == ["basil-20"]:
            held.append(route)
        else:
            route.continue_()

    page.route("**/api/nights?*", answer)
    tab.open("/?find=basil-2")
    wait_until(lambda: page.evaluate("0") or held, 10, "the others, one by one")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    held[0].continue_()
    expect(page.locator("#fleet [data-node=basil-2] [data-column=night] svg")).to_be_visible()
    tab.troubles.clear()  # the two refusals


def test_the_tooltip_of_a_cell_follows_its_reason(fleet, open_page):
    _, page = open_page("/?find=basil-10")
    cell = page.locator("#fleet [data-node=basil-10] [data-column=dosing]")
    expect(cell).to_have_attribute("title", re.compile("anna"))
    fleet[1]["basil-10"].tell("stopped", {"by": "bert"})
    expect(cell).to_have_attribute("title", re.compile("bert"))
