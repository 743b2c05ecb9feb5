"""The alarm page: worst first, consequences grouped, actions confirmed once stored."""

import sqlite3
from contextlib import closing

import pytest
from playwright.sync_api import expect

from support.delayed_responses import DelayedResponses, hide, show
from support.pages import DESKTOP, PHONE
from support.real_host import Host
from support.wait import wait_until

PROBES = ("reservoir.ph", "reservoir.ec_us_cm", "reservoir.level_mm")
# No delays, so that alarms are notified at once.
AT_ONCE = {"on_delay_s": 0, "off_delay_s": 0}
RULES = {name: AT_ONCE for name in ("bus_dead", "probe_fault", "sensor_fault", "node_silent",
                                    "water_hot", "reading_stale")}


@pytest.fixture
def host(tmp_path, mosquitto, eventually, receiver):
    targets = [{"name": "anna-phone", "url": receiver.url()},
               {"name": "boss", "url": receiver.url(), "escalation_only": True}]
    running = Host(tmp_path / "host", mosquitto.port, eventually, more={"alarms": {
        "rules": RULES, "targets": targets, "gather_s": 0,
        "heartbeat_url": f"http://127.0.0.1:{receiver.port}/beat"}})
    yield running
    running.stop()


@pytest.fixture
def sick(host):
    """A node whose converter has died, and whose water is hot: two causes, three consequences."""
    node = host.node("idro-a")
    node.read({"reservoir.temp_c": 31.0}, faults=dict.fromkeys(PROBES, "no_ack"))
    return node


def card(page, key):
    return page.locator(f".alarm[data-key='{key}']")


@pytest.mark.parametrize(("size", "scheme"), [(DESKTOP, "dark"), (PHONE, "light")],
                         ids=["desktop", "phone"])
def test_a_cause_is_listed_first_with_its_consequences_grouped(sick, tab, size, scheme):
    watched = tab(size, scheme)
    page = watched.open("/alarms")
    expect(page.locator("#standing > .alarm")).to_have_count(2)
    bus = page.locator("#standing > .alarm").first
    expect(bus.locator("h3")).to_have_text(
        "idro-a: A bus or converter of the board does not answer")
    expect(bus.locator(".text")).to_contain_text("converter main")
    expect(bus.locator(".more summary")).to_have_text("3 grouped alarms")
    bus.locator(".more summary").click()
    expect(bus.locator(".more li").first).to_contain_text("A water probe has no value")
    expect(page.locator("#bell b")).to_have_text("2")
    expect(page.locator("#strip strong")).to_have_text("2 unacknowledged alarms.")
    watched.check()


def test_acknowledge_is_confirmed_by_the_journal(sick, host, tab):
    watched = tab(PHONE)
    page = watched.open("/alarms")
    hot = card(page, "water_hot/idro-a/reservoir.temp_c")
    expect(hot.locator(".text")).to_contain_text("31.0 °C, above 28.0 °C")
    expect(hot.locator("h3 a")).to_have_attribute("href", "/nodes/idro-a")
    expect(hot.locator(".mend-it")).to_have_attribute("href", "/nodes/idro-a/water#setpoints")
    hot.get_by_role("button", name="Acknowledge").click()
    expect(hot.locator(".outcome")).to_have_text("Acknowledged.")
    expect(hot).to_have_attribute("data-state", "acknowledged")
    expect(page.locator("#history li").first).to_contain_text(
        "acknowledged, by anna")
    changes = host.client.get("/api/alarms/history").json()["changes"]
    assert [c["state"] for c in changes if c["rule"] == "water_hot"] == [
        "unacknowledged", "acknowledged"]
    watched.check()


def test_stopped_dosing_without_an_alarm_is_explained_beside_no_alarm(host, tab, eventually):
    node = host.node("idro-a")
    node.read()
    node.tell("armed", {})
    node.tell("stopped", {"by": "ann"})
    watched = tab(PHONE)
    page = watched.open("/alarms")
    expect(page.locator("#calm")).to_be_visible()
    expect(page.locator("#strip")).to_have_attribute("data-level", "warn")
    expect(page.locator("#strip li a").first).to_have_attribute("href", "/nodes/idro-a#control")
    watched.check()


def test_a_list_that_comes_late_does_not_take_it_back(sick, tab):
    page = tab(PHONE, worker=False).open("/alarms")
    hot = card(page, "water_hot/idro-a/reservoir.temp_c")
    expect(hot).to_have_attribute("data-state", "unacknowledged")
    lists = DelayedResponses(page, "**/api/alarms?*")
    hide(page)
    show(page)
    lists.wait()
    hot.get_by_role("button", name="Acknowledge").click()
    expect(hot.locator(".outcome")).to_have_text("Acknowledged.")
    lists.let_go()
    assert hot.get_attribute("data-state") == "acknowledged"


def test_a_notification_test_without_an_answer_is_not_confirmed(receiver, tab):
    page = tab(PHONE, worker=False).open("/alarms")
    expect(page.locator("#delivery .targets li")).to_have_count(2)
    page.clock.install()
    asked = []
    page.route("**/api/alarms?*", lambda route: (asked.append(route), route.abort()))
    with page.expect_event("requestfinished", lambda one: one.url.endswith("/api/alarms/test")):
        page.get_by_role("button", name="Send a test").click()
    wait_until(lambda: page.clock.run_for(100) or asked, 15, "the question what became of it")
    wait_until(lambda: receiver.messages, 15, "the test at the recipients")
    expect(page.locator("#delivery .outcome")).to_have_attribute("data-state", "pending")
    page.clock.run_for(60_000)
    expect(page.locator("#delivery .outcome")).to_have_text(
        "Not confirmed: The host does not answer: check the network.")


def test_a_cleared_alarm_stays_until_acknowledged(sick, tab):
    page = tab().open("/alarms")
    hot = card(page, "water_hot/idro-a/reservoir.temp_c")
    expect(hot).to_have_attribute("data-state", "unacknowledged")
    sick.read()
    expect(hot).to_have_attribute("data-state", "returned")
    page.get_by_role("button", name="Acknowledge all").click()
    expect(page.locator("#calm")).to_be_visible()
    expect(page.locator("#strip strong")).to_have_text("No active alarms.")


def test_the_end_of_an_alarm_leaves_the_focus_at_the_next_one(sick, host, tab):
    page = tab().open("/alarms")
    button = card(page, "water_hot/idro-a/reservoir.temp_c").get_by_role(
        "button", name="Acknowledge")
    expect(page.locator("#standing > .alarm")).to_have_count(2)
    button.focus()
    sick.read({"reservoir.temp_c": 31.0})
    bus = page.locator("#standing > .alarm").first
    expect(bus).to_have_attribute("data-state", "returned")
    host.client.post("/api/alarms/acknowledge", json={"keys": [bus.get_attribute("data-key")]})
    expect(page.locator("#standing > .alarm")).to_have_count(1)
    expect(button).to_be_focused()


def test_an_alarm_is_shelved_and_unshelved(sick, tab):
    watched = tab()
    page = watched.open("/alarms")
    hot = card(page, "water_hot/idro-a/reservoir.temp_c")
    hot.locator("select").select_option("3600000")
    expect(page.locator("#aside summary").first).to_have_text("Shelved: 1")
    expect(page.locator("#standing > .alarm")).to_have_count(1)
    page.locator("#aside > summary").click()
    expect(hot.locator(".meta")).to_contain_text("shelved until")
    watched.check()
    hot.get_by_role("button", name="Unshelve").click()
    expect(page.locator("#standing > .alarm")).to_have_count(2)
    expect(hot).to_have_attribute("data-state", "unacknowledged")


def test_the_overview_counts_and_leads_there(sick, host, tab):
    watched = tab(PHONE)
    page = watched.open("/")
    expect(page.locator("#alarm-line b")).to_have_text("2 unacknowledged alarms.")
    expect(page.locator("#alarm-line span")).to_contain_text("idro-a")
    watched.check()
    page.locator("#alarm-line").click()
    expect(page).to_have_url(f"{host.url}/alarms")


def test_no_page_is_fine_beside_an_alarm_of_the_site(host, node, tab):
    """Its nodes are fine again, but the alarm is not acknowledged."""
    node.read()
    page = tab().open("/settings/nodes")
    expect(page.locator("#strip")).to_have_attribute("data-level", "ok")
    page.evaluate("""async (module) => (await import(module)).apply({ type: "alarms", summary: {
        count: 1, unacknowledged: 1, priority: "high", worst: "2 of 2 nodes were silent",
        health: "" } })""", page.locator("script[type=module]").first.evaluate(
            "(script) => new URL('state.js', script.src).href"))
    expect(page.locator("#strip")).to_have_attribute("data-level", "bad")
    expect(page.locator("#strip strong a")).to_have_attribute("href", "/alarms")


def test_a_pause_of_dosing_hides_no_alarm(host, node, tab):
    node.read()
    page = tab().open("/")
    page.evaluate("""async (module) => {
      const { state, apply } = await import(module);
      for (const one of state.nodes.values()) one.dosing = { ...one.dosing, state: "held" };
      apply({ type: "alarms", summary: { count: 1, unacknowledged: 1, priority: "high",
        worst: "2 of 2 nodes were silent", health: "" } });
    }""", page.locator("script[type=module]").first.evaluate(
        "(script) => new URL('state.js', script.src).href"))
    expect(page.locator("#strip")).to_have_attribute("data-level", "bad")
    expect(page.locator("#strip strong a")).to_have_attribute("href", "/alarms")
    expect(page.locator("#strip")).to_contain_text("Dosing is paused at")


def test_a_click_that_does_not_reach_the_host_shows_an_error(sick, host, tab):
    page = tab().open("/alarms")
    hot = card(page, "water_hot/idro-a/reservoir.temp_c")
    expect(hot).to_be_visible()
    page.context.set_offline(True)
    hot.get_by_role("button", name="Acknowledge").click()
    expect(hot.locator(".outcome")).to_contain_text("Failed: The host does not answer")
    page.context.set_offline(False)
    hot.get_by_role("button", name="Acknowledge").click()
    expect(hot.locator(".outcome")).to_have_text("Acknowledged.")


def test_the_notification_test_names_the_recipients(host, receiver, tab):
    watched = tab(PHONE)
    page = watched.open("/alarms")
    expect(page.locator("#delivery .targets li")).to_have_count(2)
    expect(page.locator("#delivery .beat")).to_contain_text("Heartbeat: sent")
    page.get_by_role("button", name="Send a test").click()
    expect(page.locator("#delivery .outcome")).to_have_text(
        "Sent to anna-phone, boss.")
    assert [message["title"] for message in receiver.messages] == [
        "test: test of the notifications"] * 2
    expect(page.locator("#delivery .targets li").first).to_contain_text("last sent")
    watched.check()


def test_a_failed_notification_is_shown_on_the_page(host, receiver, tab):
    watched = tab()
    receiver.status = 403
    page = watched.open("/alarms")
    page.get_by_role("button", name="Send a test").click()
    expect(page.locator("#delivery .outcome")).to_have_attribute("data-state", "failed")
    expect(page.locator("#delivery .outcome")).to_contain_text("error=403")
    expect(card(page, "not_delivered/anna-phone")).to_be_visible()
    expect(page.locator("#delivery .targets li").first).to_contain_text("delivery failed")
    assert "s3cretToken" not in page.content()
    assert "s3cretToken" not in host.client.get("/api/alarms").text
    watched.check()


def test_alarm_statistics_are_shown(sick, tab):
    page = tab().open("/alarms")
    expect(page.locator("#kpis dl div").first).to_contain_text("notified")
    expect(page.locator("#kpis h3")).to_contain_text("test")


def test_a_new_alarm_sends_a_notification(sick, receiver, eventually):
    eventually(lambda: receiver.messages, 15, "a notice")
    assert "idro-a: A bus or converter of the board does not answer" in str(receiver.messages)


def test_a_list_that_cannot_be_read_again_is_not_shown_as_current(host, tab):
    page = tab(PHONE, worker=False).open("/alarms")
    expect(page.locator("#calm")).to_be_visible()
    page.route("**/api/alarms**", lambda route: route.abort())
    hide(page)
    show(page)
    outcome = page.locator("#list-outcome")
    expect(outcome).to_have_text("Not current: The host does not answer: check the network.")
    expect(page.locator("#calm")).to_be_hidden()
    page.unroute("**/api/alarms**")
    hide(page)
    show(page)
    expect(page.locator("#calm")).to_be_visible()
    expect(outcome).to_be_hidden()


def test_alarms_are_shown_though_their_file_cannot_be_read(sick, host, tab):
    with closing(sqlite3.connect(host.service.config.data_dir / "alarms.db")) as other:
        for table in ("deliveries", "journal"):
            other.execute(f"ALTER TABLE {table} RENAME TO away_{table}")
    page = tab(PHONE).open("/alarms")
    expect(page.locator("#standing > .alarm")).to_have_count(2)
    why = "alarms.db: no such table: "
    expect(page.locator("#delivery .targets li").first).to_contain_text(
        f"delivery unknown: {why}deliveries")
    expect(page.locator("#history-outcome")).to_contain_text(why)
    assert host.client.get("/api/export/notices").status_code == 503
    page = tab(PHONE).open("/settings/notifications")
    expect(page.locator("#recipients .delivery").first).to_contain_text("delivery unknown")
