"""The stop of a site from the page, and resuming it: many nodes at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from support.delayed_responses import settled
from support.wait import wait_until


@pytest.fixture
def fleet_at(host):
    """fleet_at(site, *names) returns {name: node} of nodes there."""

    def made(site, *names):
        with ThreadPoolExecutor(10) as pool:
            nodes = dict(zip(names, pool.map(host.node, names), strict=True))
        for name, node in nodes.items():
            host.service.nodes.move(name, site)
            node.read()
        return nodes

    return made


def test_a_site_is_stopped_by_one_key_and_each_answer_is_shown(fleet_at, tab):
    nodes = fleet_at("Naples", "basil-1", "basil-2", "basil-3")
    elsewhere = fleet_at("Rome", "basil-4")["basil-4"]
    nodes["basil-2"].answer = None
    page = tab().open("/sites/Naples")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.locator("#stop-bar .stop")).to_be_focused()  # the first after the skip link
    page.keyboard.press("F8")
    sure = page.locator("#stop-sure")
    expect(sure.locator("li b")).to_have_text(["basil-1", "basil-2", "basil-3"])
    expect(sure.locator("[value=yes]")).to_have_text("Stop 3 nodes")
    expect(sure.locator("[value=yes]")).to_be_focused()
    page.keyboard.press("F8")
    results = page.locator("#stop-results")
    expect(results.locator("[data-state=done] b")).to_have_text(["basil-1", "basil-3"])
    expect(results.locator("h2")).to_have_text("2 of 3 nodes confirmed the stop.")
    expect(results.locator("li:not([data-state=done]) b")).to_have_text(["basil-2"])
    nodes["basil-2"].answer = "done"
    expect(results.locator("[data-state=done]")).to_have_count(3)
    assert [one.verb for one in nodes["basil-1"].commands] == ["stop"]
    assert elsewhere.commands == []
    results.locator("button").click()
    for name in ("basil-1", "basil-2"):
        nodes[name].tell("stopped", {"by": "operator-of-tests"})
        expect(page.locator(f".node-card[data-node={name}] .sentence")).to_contain_text("stopped")
    gone = nodes["basil-3"]
    gone.leave()
    page.locator("#stop-bar .resume").click()
    expect(page.locator("#stop-sure [value=yes]")).to_have_text("Resume 2 nodes")
    page.locator("#stop-sure [value=yes]").click()
    expect(results.locator("[data-state=done]")).to_have_count(2)
    assert [one.verb for one in nodes["basil-1"].commands] == ["stop", "resume"]
    assert "resume" not in [one.verb for one in gone.commands]


def stop_site(page):
    page.locator("#stop-bar .stop").click()
    page.locator("#stop-sure [value=yes]").click()


def test_the_answers_of_a_stop_are_looked_up_a_few_at_a_time(fleet_at, tab):
    names = [f"basil-{number}" for number in range(11, 20)]
    nodes = fleet_at("Bari", *names)
    for name in names:
        nodes[name].answer = None
    page = tab().open("/sites/Bari")
    looks = []
    page.route("**/api/commands/*", lambda route: looks.append(route))
    page.clock.install()
    page.clock.pause_at(datetime.now(UTC) + timedelta(seconds=2))  # else a look is given up
    page.locator("#stop-bar .stop").click()
    page.clock.run_for(1_000)  # the yes is enabled
    page.locator("#stop-sure [value=yes]").click()
    results = page.locator("#stop-results")
    expect(results.locator("li")).to_have_count(len(names))
    wait_until(lambda: page.clock.run_for(1_000) or looks, 10, "a look")
    for _ in range(3):
        page.clock.run_for(1_000)
    under_way = [look.request.url for look in looks if not look.request.failure]
    assert len(set(under_way)) == len(under_way) == 2
    for name in names:
        nodes[name].answer = "done"
    expect(results.locator("[data-state=done]")).to_have_count(len(names))


def test_a_late_answer_of_a_stop_is_not_shown_as_one_of_a_resume(host, fleet_at, tab):
    names = ["basil-21", "basil-22"]
    nodes = fleet_at("Trani", *names)
    for name in names:
        nodes[name].answer = None
    page = tab().open("/sites/Trani")
    looks = []
    page.route("**/api/commands/*", lambda route: (
        looks.append(route) if len(looks) < 2 else route.continue_()))
    stop_site(page)
    wait_until(lambda: page.evaluate("0") or len(looks) == 2, 10, "a look at each")
    results = page.locator("#stop-results")
    results.locator("button").click()
    for name in names:
        nodes[name].answer = "done"
        nodes[name].tell("stopped", {"by": "anna"})
    paths = [urlsplit(look.request.url).path for look in looks]
    wait_until(lambda: all(host.client.get(path).json()["state"] == "done" for path in paths),
               30, "both stops")
    for name in names:
        nodes[name].answer = None
    page.locator("#stop-bar .resume").click()
    page.locator("#stop-sure [value=yes]").click()
    wait_until(lambda: len(resumed(nodes, names)) == 2, 10, "both resumes")
    for look in looks:
        look.fulfill(response=look.fetch())
    settled(page)
    expect(results.locator("li span")).to_have_text(["Waiting for the node…"] * 2)
    for name in names:
        nodes[name].answer = "done"


def stopped_site(host, nodes):
    for node in nodes.values():
        node.tell("stopped", {"by": "anna"})
    wait_until(lambda: all(host.view(name)["dosing"]["state"] == "stopped" for name in nodes),
               30, "the stops")


def resumed(nodes, names):
    return [name for name in names if "resume" in [one.verb for one in nodes[name].commands]]


def test_a_stop_ends_a_resume_of_many_and_is_not_swallowed_by_its_dialogs(host, fleet_at, tab):
    names = [f"lettuce-{number}" for number in range(10, 20)]
    nodes = fleet_at("Pisa", *names)
    stopped_site(host, nodes)
    for name in names:
        nodes[name].answer = None  # each resume waits for its answer
    page = tab().open("/sites/Pisa")
    sure, results = page.locator("#stop-sure"), page.locator("#stop-results")
    page.locator("#stop-bar .resume").click()
    page.keyboard.press("F8")
    expect(sure.locator("[value=yes]")).to_have_text("Stop 10 nodes")
    sure.locator("[value=no]").click()
    page.locator("#stop-bar .resume").click()
    expect(sure.locator("[value=yes]")).to_have_text("Resume 10 nodes")
    sure.locator("[value=yes]").click()
    wait_until(lambda: len(resumed(nodes, names)) == 6, 10, "six at once")
    page.keyboard.press("F8")
    expect(sure.locator("[value=yes]")).to_have_text("Stop 10 nodes")
    expect(sure.locator("[value=yes]")).to_be_focused()
    page.keyboard.press("F8")
    for name in names:
        nodes[name].answer = "done"
    expect(results.locator("[data-state=done]")).to_have_count(10)
    results.locator("button").click()
    expect(page.locator("#stop-bar .resume")).to_be_enabled()
    assert len(resumed(nodes, names)) == 6


def test_a_stop_of_another_person_ends_a_resume_of_many(host, fleet_at, tab):
    names = [f"lettuce-{number}" for number in range(20, 25)]
    names += [f"basil-{number}" for number in range(20, 25)]
    nodes = fleet_at("Lucca", *names)
    stopped_site(host, nodes)
    for name in names:
        nodes[name].answer = None
    page = tab().open("/sites/Lucca")
    page.locator("#stop-bar .resume").click()
    page.locator("#stop-sure [value=yes]").click()
    wait_until(lambda: len(resumed(nodes, names)) == 6, 10, "six at once")
    assert host.client.post("/api/sites/Lucca/stop", json={}).status_code == 202
    for name in names:
        nodes[name].answer = "done"
    results = page.locator("#stop-results")
    expect(results.locator("[data-state=refused]")).to_have_count(4)
    assert len(resumed(nodes, names)) == 6
