"""Commands and setpoints on the page: pending until the node answers."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from idro.protocol.reason import Reason
from support import paho_node
from support.delayed_responses import DelayedResponses, hide, show
from support.pages import DESKTOP, PHONE
from support.wait import wait_until


def outcome(page, where):
    return page.locator(f"{where} .outcome")


def test_a_stop_is_pending_then_confirmed_then_resumed(node, tab):
    watched = tab(PHONE)
    page = watched.open("/nodes/idro-a")
    page.get_by_role("button", name="Stop all dosing").click()
    expect(outcome(page, "#control")).to_contain_text("Confirmed: the node stopped all dosing")
    assert [command.verb for command in node.commands] == ["stop"]
    node.tell("stopped", {"by": "someone at the page"})
    expect(page.locator("#strip strong")).to_contain_text("All dosing is stopped")
    watched.check()
    page.get_by_role("button", name="Resume").click()
    expect(outcome(page, "#control")).to_contain_text("Confirmed: dosing is enabled again")
    node.tell("resumed", {"by": "someone at the page"})
    expect(page.get_by_role("button", name="Resume")).to_be_hidden()
    watched.check()


@pytest.mark.parametrize("by", ["pointer", "key"])
def test_a_stop_does_not_wait_for_the_answer_to_a_resume(node, tab, by):
    page = tab(PHONE).open("/nodes/idro-a")
    node.tell("stopped", {"by": "someone at the page"})
    node.answer = None
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("button", name="Resume")).to_be_disabled()
    wait_until(lambda: node.commands, 10, "the resume")
    node.answer = "done"
    if by == "pointer":
        page.get_by_role("button", name="Stop all dosing").click(timeout=3_000)
    else:
        page.keyboard.press("F8")
    expect(outcome(page, "#control")).to_contain_text("Confirmed: the node stopped all dosing")
    assert [command.verb for command in node.commands] == ["resume", "stop"]
    node.tell("resumed", {"by": "someone at the page"})


@pytest.mark.parametrize("path", ["/", "/alarms", "/account", "/nodes/idro-a/report"])
def test_every_page_stops_a_node_without_a_question(node, tab, path):
    watched = tab(PHONE)
    page = watched.page
    page.goto(f"{watched._url}{path}")  # not every page has a live stream
    page.locator("#stop-bar .stop").click()
    expect(page.locator("#stop-bar .outcome")).to_contain_text(
        "Confirmed: the node stopped all dosing")
    assert [command.verb for command in node.commands] == ["stop"]
    watched.check()


@pytest.mark.parametrize("path", ["/nodes/idro-a", "/"])
@pytest.mark.parametrize("by", ["pointer", "key"])
def test_a_stop_while_the_page_loads_is_sent(node, tab, path, by):
    page = tab(PHONE, worker=False).open(path)
    script = DelayedResponses(page, "**/stop_key.js")
    page.reload(wait_until="commit")
    script.wait()
    if by == "pointer":
        page.get_by_role("button", name="Stop all dosing").click()
    else:
        page.keyboard.press("F8")
    assert node.commands == []
    script.let_go()
    expect(page.locator(":is(#control, #stop-bar) .outcome")).to_contain_text(
        "Confirmed: the node stopped all dosing")
    assert [command.verb for command in node.commands] == ["stop"]


def test_a_stop_without_an_answer_is_a_failure_in_words(node, tab):
    node.answer = None
    watched = tab()
    page = watched.open("/nodes/idro-a")
    page.get_by_role("button", name="Stop all dosing").click()
    expect(outcome(page, "#control")).to_have_attribute("data-state", "pending")
    expect(outcome(page, "#control")).to_contain_text("No answer yet.")
    expect(outcome(page, "#control")).to_have_attribute("data-state", "failed")
    expect(outcome(page, "#control")).to_contain_text(
        "Not confirmed yet: the host repeats the stop until the node answers.")
    expect(page.get_by_role("button", name="Stop all dosing")).to_be_enabled()
    node.answer = "done"
    expect(outcome(page, "#control")).to_contain_text("Confirmed: the node stopped all dosing")
    watched.check()


def test_a_stop_at_a_node_without_contact_says_what_the_node_does(host, node, tab):
    host.service.nodes.set_online("idro-a", False)
    watched = tab()
    page = watched.open("/nodes/idro-a")
    node.answer = None
    page.get_by_role("button", name="Stop all dosing").click()
    expect(outcome(page, "#control")).to_contain_text(
        "Not delivered yet: the node is offline. The host sends it until the node answers")
    node.answer = "done"
    expect(outcome(page, "#control")).to_contain_text("Confirmed: the node stopped all dosing")
    watched.check()


def test_a_dose_by_hand_is_confirmed_twice(node, tab):
    watched = tab()
    page = watched.open("/nodes/idro-a/water")
    page.select_option("#dose [name=actuator]", "nutrient_a")
    page.fill("#dose [name=volume_ml]", "2.5")
    page.press("#dose [name=volume_ml]", "Enter")
    expect(page.locator("#dose-sure h2")).to_have_text("Dose 2.50 ml of nutrient A?")
    page.keyboard.press("Escape")
    expect(page.locator("#dose-sure")).to_be_hidden()
    assert node.commands == []
    page.get_by_role("button", name="Dose…").click()
    page.locator("#dose-sure [value=yes]").click()
    expect(outcome(page, "#dose")).to_contain_text("Confirmed: 2.50 ml of nutrient A dosed")
    assert node.commands[0].args == {"actuator": "nutrient_a", "volume_ul": 2_500}
    watched.check()


def test_an_earlier_question_does_not_enable_the_answer_of_a_later_one(node, tab):
    page = tab().open("/nodes/idro-a/water")
    preview, yes = page.locator("#dose-sure .preview"), page.locator("#dose-sure [value=yes]")
    page.clock.install()
    page.clock.pause_at(datetime.now(UTC) + timedelta(seconds=2))
    page.get_by_role("button", name="Dose…").click()
    expect(preview).to_have_attribute("data-state", re.compile("plain|warned"))
    page.clock.run_for(200)
    page.keyboard.press("Escape")
    expect(page.locator("#dose-sure")).to_be_hidden()
    held = DelayedResponses(page, "**/dose-preview*")
    page.get_by_role("button", name="Dose…").click()
    held.wait()
    for _ in range(5):
        page.clock.run_for(100)
        expect(yes).to_be_disabled()
    held.deliver()
    expect(preview).to_have_attribute("data-state", re.compile("plain|warned"))
    page.clock.run_for(1_000)
    expect(yes).to_be_enabled()


def test_a_dose_the_wrong_way_is_warned_of_before_and_a_refused_one_says_why(
        host, node, tab, eventually):
    node.answer, node.reason = "refused", Reason("channel_stale", channel="reservoir.ph")
    node.read({"reservoir.ph": 5.7})  # below its target of 5.8
    eventually(lambda: host.view("idro-a")["channels"]["reservoir.ph"]["value"] == 5.7, 10,
               "the reading at the host")
    watched = tab(PHONE)
    page = watched.open("/nodes/idro-a/water")
    page.get_by_role("button", name="Dose…").click()
    preview = page.locator("#dose-sure .preview")
    expect(preview).to_have_attribute("data-state", "warned")
    expect(preview.locator("[data-code=dose_wrong_way]")).to_contain_text("away from its target")
    expect(preview.locator("li")).to_have_count(3)
    expect(preview.locator("li").first).to_contain_text("5.70; target 5.80")
    expect(page.locator("#dose-sure [value=yes]")).to_have_text("Dose 2.00 ml of pH down")
    watched.check()
    page.locator("#dose-sure [value=yes]").click()
    expect(outcome(page, "#dose")).to_have_text("Refused by the node: pH has no recent reading")


def test_dosing_that_is_off_leads_to_its_switch_which_answers_what_changed(node, tab):
    node.values["dosing.enabled"] = False
    node.report(0)
    watched = tab(PHONE)
    page = watched.open("/nodes/idro-a")
    page.locator("#control [data-dosing] a").click()
    expect(page).to_have_url(re.compile("/nodes/idro-a/water#setpoints$"))
    page.locator("#settings [name='dosing.enabled']").check()
    page.locator("#settings .save-bar [type=submit]").click()
    page.locator("#settings-sure [value=yes]").click()
    expect(outcome(page, "#settings")).to_have_text(
        "Confirmed by the node: Automatic dosing on (was off).")
    expect(page.locator("#control [data-dosing] a")).to_have_count(0)
    watched.check()


def change_ph(page):
    """Open the dialog of the pH tile and return it."""
    page.locator(".tile[data-channel='reservoir.ph'] .change").click()
    return page.locator("[data-change='reservoir.ph']")


def test_setpoints_are_confirmed_by_the_nodes_own_report(node, tab):
    watched = tab()
    page = watched.open("/nodes/idro-a")
    dialog = change_ph(page)
    expect(dialog.locator("[name='ph.target']")).to_have_value("5.8")
    expect(dialog.locator("[type=submit]")).to_be_disabled()
    dialog.locator("[name='ph.target']").fill("6.05")
    dialog.locator("[name='ph.deadband']").fill("0.3")
    expect(dialog.locator(".changes li")).to_have_text(
        ["pH target: 5.8 → 6.05", "pH deadband (±): 0.2 → 0.3"])
    dialog.locator("[type=submit]").click()
    expect(dialog.locator(".outcome")).to_have_text(
        "Confirmed by the node: pH target 6.05 (was 5.8); pH deadband (±) 0.3 (was 0.2).")
    assert (node.values["ph.target"], node.values["ph.deadband"]) == (6.05, 0.3)
    watched.check()


def test_a_setpoint_out_of_range_or_refused_says_why(node, tab):
    node.refuse_config = Reason("setting_range", setting="ph.target", range="4.5..7.5 pH")
    dialog = change_ph(tab().open("/nodes/idro-a"))
    expect(dialog.locator("[name='ph.target']")).to_have_value("5.8")
    dialog.locator("[name='ph.target']").fill("12")
    dialog.locator("[type=submit]").click()
    expect(dialog.locator("[name='ph.target']:invalid")).to_have_count(1)
    dialog.locator("[name='ph.target']").fill("6")
    dialog.locator("[type=submit]").click()
    expect(dialog.locator(".outcome")).to_contain_text("a number in 4.5..7.5 pH is needed")
    assert node.values["ph.target"] == 5.8


def test_the_time_range_is_part_of_the_url(node, host, tab):
    watched = tab(DESKTOP)
    page = watched.open("/nodes/idro-a/charts")
    page.get_by_role("button", name="7 d").click()
    expect(page).to_have_url(f"{host.url}/nodes/idro-a/charts?range=7d")
    page.get_by_role("button", name="1 h").click()
    over = page.locator(".panel[data-quantity=ph] .u-over")
    over.scroll_into_view_if_needed()
    box = over.bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 200, y)
    page.mouse.down()
    page.mouse.move(box["x"] + 400, y, steps=4)
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"range=1h&from=\d+&to=\d+"))
    address = page.url
    page.reload()
    expect(page.get_by_role("button", name="Back to now")).to_be_visible()
    assert page.url == address
    page.locator("#stack").focus()
    page.keyboard.press("ArrowLeft")
    expect(page).not_to_have_url(address)
    page.keyboard.press("Home")
    expect(page).to_have_url(f"{host.url}/nodes/idro-a/charts?range=1h")
    watched.check()


def test_the_tooltip_of_a_mark_shows_volume_and_reason(node, host, tab):
    now_unix_ms = host.view("idro-a")["last_seen_unix_ms"]
    doses = host.client.get("/api/nodes/idro-a/events", params={
        "from_unix_ms": now_unix_ms - 3_600_000, "to_unix_ms": now_unix_ms, "kinds": "dosed"})
    dose_unix_ms = doses.json()["events"][1]["unix_us"] // 1_000
    page = tab().open("/nodes/idro-a/charts?range=1h")
    doses = page.locator(".panel[data-quantity=doses]")
    expect(doses).to_have_attribute("data-marks", "3")
    over = doses.locator(".u-over")
    over.scroll_into_view_if_needed()
    box = over.bounding_box()
    to_unix_ms = page.evaluate("Date.now()")  # the chart follows it
    x = box["x"] + box["width"] * (1 - (to_unix_ms - dose_unix_ms) / 3_600_000)
    page.mouse.move(x - 30, box["y"] + 12)
    page.mouse.move(x, box["y"] + 12, steps=6)
    expect(page.locator(".tip")).to_contain_text("pH down: 2.50 ml")
    expect(page.locator(".tip")).to_contain_text("pH is high, 6.04 (target 5.90)")


def test_a_tab_in_the_background_keeps_no_stream_open(node, tab):
    page = tab(worker=False).open("/nodes/idro-a")
    with page.expect_event("requestfailed", lambda r: "/api/live" in r.url):
        hide(page)
    with page.expect_request(lambda r: "/api/live" in r.url):
        show(page)


def test_a_run_by_hand_has_an_end_before_it_begins(node, tab):
    watched = tab(PHONE)
    page = watched.open("/nodes/idro-a/water")
    form = page.locator("#run")
    form.locator("[name=actuator]").select_option("circulation")
    expect(form.locator("[name=duty_pct]")).to_be_hidden()
    form.locator("[name=minutes]").fill("241")
    form.get_by_role("button", name="Run…").click()
    expect(page.locator("#run-sure")).to_be_hidden()
    form.locator("[name=minutes]").fill("2.5")
    form.get_by_role("button", name="Run…").click()
    expect(page.locator("#run-sure h2")).to_have_text("Run circulation for 2.5 min?")
    page.get_by_role("button", name="Run now").click()
    expect(outcome(page, "#run")).to_contain_text("Confirmed: circulation runs for 2.5 min")
    form.locator("[name=actuator]").select_option("light")
    form.locator("[name=duty_pct]").fill("40")
    form.locator("[name=minutes]").fill("10")
    form.get_by_role("button", name="Run…").click()
    expect(page.locator("#run-sure h2")).to_have_text("Run light at 40 % for 10 min?")
    page.get_by_role("button", name="Run now").click()
    expect(outcome(page, "#run")).to_contain_text("Confirmed: light runs for 10 min")
    assert [(command.verb, command.args) for command in node.commands] == [
        ("run", {"actuator": "circulation", "for_ms": 150_000}),
        ("run", {"actuator": "light", "for_ms": 600_000, "duty_pct": 40}),
    ]
    watched.check()


@pytest.mark.parametrize(("form", "args"), [
    ("dose", {"actuator": "nutrient_a", "volume_ul": 2_500}),
    ("run", {"actuator": "light", "for_ms": 600_000, "duty_pct": 40})])
def test_what_was_confirmed_is_sent_though_the_outputs_changed(node, tab, monkeypatch, form, args):
    page = tab(PHONE).open("/nodes/idro-a/water")
    fields = page.locator(f"#{form}")
    fields.locator("[name=actuator]").select_option(args["actuator"])
    for name, text in {"dose": {"volume_ml": "2.5"},
                       "run": {"minutes": "10", "duty_pct": "40"}}[form].items():
        fields.locator(f"[name={name}]").fill(text)
    fields.locator("button").click()
    expect(page.locator(f"#{form}-sure")).to_be_visible()
    more = {"fan": "switch", "additive": "doser"}
    monkeypatch.setattr(paho_node, "OUTPUTS", more | paho_node.OUTPUTS)
    node.announce()
    expect(fields.locator("[name=actuator] option")).to_have_count({"dose": 5, "run": 3}[form])
    page.locator(f"#{form}-sure [value=yes]").click()
    expect(outcome(page, f"#{form}")).to_contain_text("Confirmed:")
    assert node.commands[0].args == args


def test_the_setting_that_was_confirmed_is_sent(node, tab):
    page = tab(PHONE).open("/nodes/idro-a/water")
    field = page.locator("[name='ph.target']")
    field.fill("6.05")
    page.get_by_role("button", name="Save…", exact=True).click()
    expect(page.locator("dialog[open] .changes")).to_contain_text("5.8 → 6.05")
    for by_another in (6.05, 6.2):
        node.values = node.values | {"ph.target": by_another}
        node.announce()
        expect(page.locator("#settings .setting.changed")).to_have_count(0)
    expect(field).to_have_value("6.2")
    page.locator("dialog[open] [value=yes]").click()
    expect(page.locator("#settings .outcome")).to_contain_text(
        "Confirmed by the node: pH target 6.05")
    assert node.values["ph.target"] == 6.05
