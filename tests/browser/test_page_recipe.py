"""The recipe page: setpoints, next stages, and the confirmation of the node."""

import pytest
from playwright.sync_api import expect

from idro.protocol.reason import Reason
from idroserra.recipes import model
from support.delayed_responses import DelayedResponses
from support.pages import DESKTOP, PHONE, SMALLEST

RUN = "/api/nodes/idro-a/recipe"


def panel(page):
    return page.locator("#recipe")


def start(host, recipe="basil"):
    assert host.client.post(RUN, json={"recipe": recipe, "by": "anna"}).status_code == 201


@pytest.mark.parametrize(("size", "scheme"), [(PHONE, "light"), (DESKTOP, "dark"),
                                              (SMALLEST, "dark")],
                         ids=["phone", "desktop", "smallest"])
def test_from_the_choice_to_the_next_stage(host, node, tab, size, scheme):
    watched = tab(size, scheme)
    page = watched.open("/nodes/idro-a/crop")
    expect(panel(page).locator("option")).to_have_text(model.names())
    page.select_option("#recipe [name=recipe]", "lettuce")
    expect(panel(page).locator(".about")).to_contain_text("35 days: establish, rosette, head.")
    expect(panel(page).locator("[data-part=start] .timeline li")).to_have_count(3)
    expect(panel(page).locator(".changes tbody tr")).to_have_text([
        "EC1.60 ± 0.08 mS/cm1.20 ± 0.10 mS/cm",
        "Light16 h from 06:00 at 80 %16 h from 06:00 at 60 %"])
    expect(panel(page).get_by_role("button", name="Start…")).to_be_disabled()
    watched.check()
    start(host, "lettuce")
    expect(panel(page).locator(".confirmation")).to_contain_text(
        "The node has confirmed the setpoints.")
    assert node.values["ec.target_us_cm"] == 1_200
    expect(panel(page).locator(".where")).to_have_text(
        "lettuce, day 1 of 35. Stage 1 of 3: establish, day 1 of 7")
    expect(panel(page).locator("[data-part=open] .timeline [aria-current]")).to_contain_text(
        "today: day 1, 7 days left")
    rows = panel(page).locator(".now div")
    expect(rows).to_have_text(["pH5.80 ± 0.20", "EC1.20 ± 0.10 mS/cm",
                               "Light16 h from 06:00 at 60 %"])
    expect(panel(page).locator(".next h3")).to_contain_text(", stage rosette")
    expect(panel(page).locator(".next div")).to_have_text(
        ["EC1.30 ± 0.10 mS/cm", "Light16 h from 06:00 at 67 %"])
    watched.check()
    panel(page).get_by_role("button", name="Next stage…").click()
    expect(page.locator("#recipe-sure")).to_contain_text("The rest of establish is skipped.")
    expect(page.locator("#recipe-sure .changed li").first).to_have_text(
        "EC: 1.20 ± 0.10 mS/cm → 1.30 ± 0.10 mS/cm")
    page.get_by_role("button", name="Start next stage").click()
    expect(panel(page).locator(".where")).to_contain_text("Stage 2 of 3: rosette, day 1 of 14")
    panel(page).get_by_role("button", name="Stop…").click()
    expect(page.locator("#recipe-sure")).to_contain_text("The setpoints do not change.")
    page.get_by_role("button", name="Stop now").click()
    expect(panel(page).locator(".result")).to_contain_text(
        "lettuce was stopped by anna. Its last setpoints remain active.")
    expect(panel(page).get_by_role("button", name="Start…")).to_be_visible()
    watched.check()


def test_what_the_start_of_another_recipe_changes_is_not_shown(node, tab, eventually):
    page = tab(PHONE, worker=False).open("/nodes/idro-a/crop")
    run = panel(page).locator(".see")
    expect(run).to_be_enabled()
    starts = DelayedResponses(page, "**/recipe/start?*", count=None)
    page.select_option("#recipe [name=recipe]", "lettuce")
    starts.wait()
    page.select_option("#recipe [name=recipe]", "basil")
    eventually(lambda: page.evaluate("0") or len(starts.answers) == 2, 10, "the other one")
    starts.let_go()
    expect(run).to_be_disabled()
    starts.let_go()
    expect(run).to_be_enabled()


def test_a_recipe_starts_only_after_its_preview_and_what_it_changes(host, node, tab):
    host.client.post("/api/recipes/lettuce/clone", json={"name": "mine"})
    watched = tab(PHONE)
    page = watched.open("/nodes/idro-a/crop")
    page.select_option("#recipe [name=recipe]", "mine")
    begin = panel(page).get_by_role("button", name="Start…")
    expect(begin).to_be_disabled()
    page.locator("#preview summary").click()
    page.fill("#preview [name=days]", "1")
    panel(page).get_by_role("button", name="Run preview").click()
    expect(begin).to_be_disabled()
    expect(panel(page).locator(".previewed")).to_contain_text("Time in band: pH", timeout=240_000)
    watched.check()
    begin.click()
    sure = page.locator("#recipe-sure")
    expect(sure.locator("h2")).to_have_text("Start mine today?")
    expect(sure.locator(".changed li").first).to_have_text(
        "EC: 1.60 ± 0.08 mS/cm → 1.20 ± 0.10 mS/cm")
    assert node.values["ec.target_us_cm"] == 1_600
    page.keyboard.press("Escape")
    form = host.client.get("/api/recipes/mine/file").text.replace("1200", "1250")
    begin.click()  # the dialog shows the recipe before the change
    assert host.client.put("/api/recipes/mine", json={"toml": form}).status_code == 200
    page.get_by_role("button", name="Start now").click()
    expect(panel(page).locator(":scope > .outcome")).to_have_text(
        "mine has changed since it was shown: reload the page and check it")
    assert node.values["ec.target_us_cm"] == 1_600
    expect(panel(page).locator(".changes")).to_contain_text("1.25 ± 0.10 mS/cm")
    expect(begin).to_be_disabled()  # the preview was of the recipe before the change
    assert host.client.put("/api/recipes/mine", json={
        "toml": form.replace("1250", "1200")}).status_code == 200
    page.reload()
    page.select_option("#recipe [name=recipe]", "mine")
    begin.click()
    page.get_by_role("button", name="Start now").click()
    expect(panel(page).locator(".confirmation")).to_contain_text(
        "The node has confirmed the setpoints.")
    assert node.values["ec.target_us_cm"] == 1_200


def test_setpoints_are_active_only_once_the_node_confirms_them(host, node, tab):
    watched = tab(PHONE)
    page = watched.open("/nodes/idro-a/crop")
    node.leave()
    expect(page.locator("#strip strong")).to_contain_text("No contact")
    start(host)
    expect(panel(page).locator(".confirmation")).to_have_text(
        "The node is offline: it receives the setpoints when it is back online.")
    expect(panel(page).locator(".now small").first).to_have_text("Still active: 5.80 ± 0.20")
    watched.check()


def test_a_refusal_holds_it_in_words_until_it_is_sent_again(host, node, tab):
    node.refuse_config = Reason("settings_not_written", detail="ENOSPC")
    watched = tab(PHONE)
    page = watched.open("/nodes/idro-a/crop")
    start(host)
    expect(panel(page).locator(".confirmation")).to_have_text(
        "Paused: the node refused the setpoints: the settings cannot be written: ENOSPC. "
        "Nothing is sent until you send again or stop.")
    expect(panel(page).locator(".chip")).to_have_text("held")
    watched.check()
    node.refuse_config = None
    panel(page).get_by_role("button", name="Send again").click()
    expect(panel(page).locator(".confirmation")).to_have_text(
        "The node has confirmed the setpoints.")
    expect(panel(page).get_by_role("button", name="Send again")).to_be_hidden()


def test_manual_settings_are_shown_beside_the_recipe(node, host, tab):
    watched = tab(DESKTOP)
    page = watched.open("/nodes/idro-a/crop")
    start(host)
    expect(panel(page).locator(".confirmation")).to_have_text(
        "The node has confirmed the setpoints.")
    host.client.put("/api/nodes/idro-a/config", json={"values": {"ph.target": 6.1}})
    expect(panel(page).locator(".now small")).to_have_text(
        "Set by hand, active: 6.10 ± 0.20")
    watched.check()


def test_an_answer_that_comes_late_does_not_undo_what_the_node_said_since(host, node, tab):
    page = tab(DESKTOP, worker=False).open("/nodes/idro-a/crop")
    start(host)
    confirmation = panel(page).locator(".confirmation")
    expect(confirmation).to_have_text("The node has confirmed the setpoints.")
    late = []

    def hold_back(route):
        late.append((route, route.fetch()))
        node.confirm_config()

    page.route("**/api/nodes/idro-a/recipe/skip", hold_back)
    node.withholds_config = True
    panel(page).get_by_role("button", name="Next stage…").click()
    page.get_by_role("button", name="Start next stage").click()
    expect(panel(page).locator(".where")).to_contain_text("Stage 2 of 3")
    expect(confirmation).to_have_text("The node has confirmed the setpoints.")
    route, answer = late[0]
    assert answer.json()["run"]["confirmation"]["state"] == "pending"
    route.fulfill(response=answer)
    expect(panel(page).get_by_role("button", name="Stop…")).to_be_enabled()
    expect(confirmation).to_have_text("The node has confirmed the setpoints.")


def test_two_people_who_ask_for_the_next_stage_skip_one(host, node, tab):
    page = tab(DESKTOP, worker=False).open("/nodes/idro-a/crop")
    start(host)
    panel(page).get_by_role("button", name="Next stage…").click()
    expect(page.locator("#recipe-sure")).to_contain_text("The rest of establish is skipped.")
    host.client.post("/api/nodes/idro-a/recipe/skip", json={"by": "bert"})
    expect(panel(page).locator(".where")).to_contain_text("Stage 2 of 3")
    page.get_by_role("button", name="Start next stage").click()
    expect(panel(page).locator(".outcome")).to_contain_text("is in stage 2 by now")
    expect(panel(page).locator(".where")).to_contain_text("Stage 2 of 3")


def test_a_press_during_which_the_node_confirms_is_not_lost(host, node, tab):
    """The setpoints and the strip of causes become shorter then, and the button moves."""
    node.withholds_config = True
    page = tab(PHONE).open("/nodes/idro-a/crop")
    start(host)
    confirmation = panel(page).locator(".confirmation")
    expect(confirmation).to_have_text("Sent; the node has not confirmed the setpoints yet.")
    expect(page.locator("#strip")).to_have_attribute("data-code", "settings_waiting")
    panel(page).get_by_role("button", name="Stop…").hover()
    page.mouse.down()
    node.confirm_config()
    expect(confirmation).to_have_text("The node has confirmed the setpoints.")
    page.mouse.up()
    expect(page.locator("#recipe-sure")).to_contain_text("The setpoints do not change.")


def test_safety_gate_findings_are_shown_before_the_start(node, host, tab, eventually):
    node.values = node.values | {"dosing.enabled": False, "doser.ul_per_s": 20}
    node.report(1)
    eventually(lambda: host.view("idro-a")["config"]["reported_rev"] == 1, 10, "its report")
    page = tab(PHONE).open("/nodes/idro-a/crop")
    page.select_option("#recipe [name=recipe]", "tomato")
    notes = panel(page).locator("[data-part=start] .notes li")
    expect(notes.first).to_contain_text("dosing is off")
    expect(notes.nth(1)).to_contain_text("EC has to rise by 0.40 mS/cm")


def test_without_a_key_there_is_no_recipe(host, tab):
    host.node("idro-a", adopt=False)
    page = tab(PHONE).open("/nodes/idro-a/crop")
    expect(panel(page)).to_be_hidden()
