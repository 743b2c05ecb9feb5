"""A late answer does not replace newer state."""

import pytest
from playwright.sync_api import expect

from idroserra.calibration.reference_solutions import buffer_ph
from support.calibration_cups import Cups
from support.delayed_responses import DelayedResponses, hide, is_live, settled, show
from support.pages import DESKTOP, PHONE
from support.real_host import own_host
from support.wait import wait_until

host = own_host


@pytest.fixture
def node(host, request):
    """A node of its own, which reads."""
    node = host.node(request.function.__name__[5:20].replace("_", "-").strip("-"))
    node.read()
    return node


def test_a_snapshot_that_comes_late_undoes_no_message(node, tab):
    page = tab(PHONE, worker=False).open(f"/nodes/{node.node}")
    expect(page.locator("#strip strong")).to_contain_text("All is well")
    snapshots = DelayedResponses(page, "**/api/nodes")
    hide(page)
    show(page)
    snapshots.wait()
    node.tell("stopped", {"by": "anna"})
    expect(page.locator("#strip strong")).to_contain_text("All dosing is stopped")
    snapshots.let_go()
    expect(page.locator("#strip strong")).to_contain_text("All dosing is stopped")
    expect(page.get_by_role("button", name="Resume")).to_be_visible()


def test_what_is_missed_is_asked_for_until_it_is_there(host, node, tab):
    """A day in a pocket: nothing of yesterday looks alive, and the bell is of today."""
    page = tab(PHONE, worker=False).open(f"/nodes/{node.node}")
    expect(page.locator("#strip strong")).to_contain_text("All is well")
    page.clock.install()
    hide(page)
    page.evaluate("""async (state) => {
      const { state: shown } = await import(state);
      shown.eventId = "deadbeef-7"; // of a feed that is no more
      shown.alarms = { ...shown.alarms, count: 7 };
      shown.hostReasons = [{ level: "bad", text: "The disk of yesterday is full." }];
    }""", _module(page, "state"))
    page.clock.fast_forward(86_400_000)
    page.route("**/api/nodes", lambda route: route.abort())
    with page.expect_event("requestfailed", lambda one: one.url.endswith("/api/nodes")):
        show(page)
    expect(page.locator("#strip strong")).to_have_text("Connection to the host lost.")
    bell = page.locator("#bell b")
    wait_until(lambda: bell.text_content() == str(_standing(host)), 10, "the bell of today")
    settled(page)
    expect(page.locator("#link")).to_have_attribute("data-state", "lost")
    page.unroute("**/api/nodes")
    page.clock.run_for(6_000)
    is_live(page)
    expect(page.locator("#strip strong")).to_contain_text("All is well")


def test_a_browser_that_stores_nothing_shows_every_message(host, node, tab):
    watched = tab(PHONE, worker=False)
    watched.page.add_init_script("""Object.defineProperty(window, "localStorage", {
      get() { throw new DOMException("blocked", "SecurityError"); },
    })""")
    page = watched.open(f"/nodes/{node.node}")
    expect(page.locator("#strip strong")).to_contain_text("All is well")
    page.clock.install()
    page.clock.fast_forward(11_000)  # the time of the next contact is to be stored
    node.tell("stopped", {"by": "anna"})
    expect(page.locator("#strip strong")).to_contain_text("All dosing is stopped")
    watched.check()
    node.close()
    host.service.commands.forget(node.node)  # the overview groups many


def test_a_dose_that_was_heard_stays_in_the_list(node, tab):
    page = tab(DESKTOP, worker=False).open(f"/nodes/{node.node}/log")
    expect(page.locator("#why .empty")).not_to_have_text("Loading…")
    lists = DelayedResponses(page, "**/events?*limit=60*")
    page.locator("#why select").select_option(label="Doses and runs")
    lists.wait()
    node.tell("dosed", {"actuator": "ph_down", "volume_ul": 2_500, "on_ms": 2_500,
                        "reason": {"code": "ph_turn", "values": {}}, "by": "control"})
    expect(page.locator("#why li")).to_contain_text("2.50 ml")
    lists.let_go()
    expect(page.locator("#why li")).to_contain_text("2.50 ml")


def test_the_last_selected_time_is_shown(node, tab):
    page = tab(PHONE, worker=False).open(f"/nodes/{node.node}/log")
    sentence = page.locator("#happened .sentence span")
    expect(sentence).not_to_have_text("Loading…")
    nights = DelayedResponses(page, "**/happened?*")
    page.get_by_role("button", name="Last night").click()
    nights.wait()
    page.route("**/happened?*", lambda route: route.fulfill(
        json={"level": "ok", "summary": "That of the day.", "sentences": []}), times=1)
    page.get_by_role("button", name="Last 24 hours").click()
    expect(sentence).to_have_text("That of the day.")
    nights.let_go()
    expect(sentence).to_have_text("That of the day.")


def test_a_point_that_was_taken_is_not_asked_for_again(host, node, tab):
    cups = Cups(node)
    page = tab(PHONE, worker=False).open(f"/nodes/{node.node}/calibrate")
    page.locator("#choose").get_by_role("button", name="pH", exact=True).click()
    todo = page.locator("#walk .do")
    expect(todo).to_be_visible()
    cups.read({"reservoir.ph": cups.ph(buffer_ph("7.00", cups.temp_c))})
    take = page.locator("#walk .acts").get_by_role("button", name="Take this point")
    expect(take).to_be_enabled()
    looks = DelayedResponses(page, "**/calibrations/*", count=None)
    looks.wait()
    take.click()
    expect(todo).to_have_text("Rinse the probe and put it into pH 4.01.")
    looks.let_go()
    expect(todo).to_have_text("Rinse the probe and put it into pH 4.01.")
    page.unroute_all(behavior="ignoreErrors")


def test_a_greenhouse_that_is_forgotten_is_gone_from_every_page(host, node, tab):
    overview = tab(PHONE, worker=False).open("/")
    page = tab(PHONE, worker=False).open(f"/nodes/{node.node}")
    card = overview.locator(f".node-card[data-node='{node.node}']")
    expect(card).to_be_visible()
    node.close()
    host.service.commands.forget(node.node)
    expect(page.locator("h1")).to_have_text("Page not found")
    expect(card).to_have_count(0)


def _module(page, name):
    return page.evaluate(
        "name => document.querySelector('script[type=module]').src.replace(/[^/]+$/, name)",
        f"{name}.js")


def _standing(host):
    return host.client.get("/api/alarms").json()["summary"]["count"]


def test_a_message_that_comes_late_does_not_set_the_clock_back(node, tab):
    page = tab(PHONE, worker=False).open(f"/nodes/{node.node}")
    seconds = page.evaluate("""async (module) => {
      const { setClock, nowUnixMs } = await import(module);
      return [100, 98, 101, 90].map((ahead) => {
        setClock(Date.now() + 1_000 * ahead);
        return Math.round((nowUnixMs() - Date.now()) / 1_000);
      });
    }""", _module(page, "state"))
    assert seconds == [100, 100, 101, 90]  # by 5 s and more, a clock was set


def test_a_clock_that_is_late_hides_no_change_of_settings(host, node, tab):
    page = tab(PHONE, worker=False).open(f"/nodes/{node.node}/charts")
    panel = page.locator(".panel[data-quantity=ph]")
    expect(panel).to_have_attribute("data-bands", "2")  # not known, and known
    is_live(page)
    page.evaluate("""async (module) => {
      const { setClock } = await import(module);
      setClock(Date.now() - 8_000);
    }""", _module(page, "state"))
    node.read()
    host.client.put(f"/api/nodes/{node.node}/config", json={
        "values": {"ph.target": 6.2}, "by": "anna"})
    expect(panel).to_have_attribute("data-bands", "3")  # the old target, and the new one
