"""The correction page of a fresh fill: states as the node reports them, legible from afar."""

import pytest
from playwright.sync_api import expect

from idro.protocol.reason import Reason
from support.correction_reports import publish_state
from support.pages import DESKTOP, PHONE


def panel(page):
    return page.locator("#correct")


@pytest.mark.parametrize(("size", "scheme"), [(PHONE, "light"), (DESKTOP, "dark")],
                         ids=["phone", "desktop"])
def test_from_the_confirmation_to_the_target(node, tab, size, scheme):
    watched = tab(size, scheme)
    page = watched.open("/nodes/idro-a/water")
    expect(panel(page).locator("[name=target_ph]")).to_have_value("5.80")
    page.fill("#correct [name=total_ml]", "400")
    page.fill("#correct [name=target_ph]", "5.9")
    page.locator("#correct").get_by_role("button", name="Start…").click()
    expect(page.locator("#correct-sure h2")).to_have_text(
        "Bring the pH to 5.90 with at most 400.0 ml of pH down?")
    page.keyboard.press("Escape")
    assert node.commands == []
    page.locator("#correct").get_by_role("button", name="Start…").click()
    page.get_by_role("button", name="Start now").click()
    expect(panel(page).locator(".outcome")).to_contain_text(
        "Confirmed: the correction has started")
    assert [(c.verb, c.args) for c in node.commands] == [("correct", {
        "actuator": "ph_down", "target_milli_ph": 5_900, "volume_ul": 400_000})]
    expect(panel(page).locator(".call")).to_be_hidden()  # the node has not said so itself
    publish_state(node, "opened")
    expect(panel(page).locator(".call")).to_contain_text("Opened")
    expect(page.locator("#correct").get_by_role("button", name="Start…")).to_be_hidden()
    publish_state(node, "ready", "press_button", next_ul=25_000)
    expect(panel(page).locator(".call")).to_have_text("Press the button on the board")
    expect(panel(page).locator(".then")).to_contain_text("This doses 25.0 ml of pH down")
    assert panel(page).locator(".call").evaluate(
        "e => parseFloat(getComputedStyle(e).fontSize)") >= 28
    watched.check()
    publish_state(node, "given", "step_given", {"volume_ul": 25_000}, given_ul=25_000,
                  left_ul=375_000)
    publish_state(node, "held", "mixing", {"left_ms": 600_000}, given_ul=25_000, left_ul=375_000)
    node.read({"reservoir.ph": 7.61})
    expect(panel(page).locator(".call")).to_have_text("Waiting: the water is mixing.")
    expect(panel(page).locator(".then")).to_have_text("Next step in 10 min at the earliest.")
    expect(panel(page).locator(".given")).to_have_text("25.0 ml of 400.0 ml dosed")
    expect(panel(page).locator(".ph")).to_have_text("pH 7.61 → 5.90")
    watched.check()
    publish_state(node, "ended", "target_reached", given_ul=310_000, left_ul=90_000)
    expect(panel(page).locator(".result")).to_contain_text("the target is reached; 310.0 ml")
    expect(panel(page).locator(".result")).to_have_attribute("data-level", "ok")
    expect(panel(page).locator(".outcome")).to_be_empty()
    expect(page.locator("#correct").get_by_role("button", name="Start…")).to_be_visible()
    watched.check()
    watched.open("/nodes/idro-a/log")
    expect(page.locator("#why li").first).to_contain_text(
        "Correction with pH down is over: the target is reached, 310.0 ml given")


def test_a_target_that_is_being_typed_is_left_alone(node, tab):
    page = tab(PHONE).open("/nodes/idro-a/water")
    target = panel(page).locator("[name=target_ph]")
    expect(target).to_have_value("5.80")
    target.fill("")
    node.tell("stopped", {"by": "anna"})
    expect(page.locator("[data-dosing]")).to_contain_text("stopped")
    expect(target).to_have_value("")


def test_the_target_that_is_offered_is_the_one_before_what_moves_ph_next(node, tab):
    """Nutrient that comes after acid lowers pH; CO2 that leaves raises it after base."""
    watched = tab(PHONE)
    page = watched.open("/nodes/idro-a/water")
    target, pump = panel(page).locator("[name=target_ph]"), panel(page).locator("[name=doser]")
    why = panel(page).locator("form p:visible")
    expect(target).to_have_value("5.80")
    expect(why).to_have_count(1)
    node.read({"reservoir.ec_us_cm": 1_000})
    expect(target).to_have_value("5.85")
    expect(why.first).to_have_text(
        "The target offered is 0.05 above the setpoint: the nutrient that comes next lowers pH.")
    watched.check()
    pump.select_option("ph_up")
    expect(target).to_have_value("5.75")
    expect(why.first).to_have_text(
        "The target offered is 0.05 below the setpoint: pH rises as CO2 leaves the water.")
    node.values = node.values | {"ph.target": 4.5}
    node.announce()
    expect(target).to_have_value("4.50")  # the least that a correction may have
    target.fill("6")
    pump.select_option("ph_down")
    expect(target).to_have_value("6")
    expect(why).to_have_count(1)


def test_the_target_that_was_confirmed_is_sent(node, tab):
    page = tab(PHONE).open("/nodes/idro-a/water")
    target = panel(page).locator("[name=target_ph]")
    expect(target).to_have_value("5.80")
    panel(page).locator("[name=total_ml]").fill("400")
    panel(page).get_by_role("button", name="Start…").click()
    question = page.locator("#correct-sure h2")
    expect(question).to_contain_text("Bring the pH to 5.80")
    node.values = node.values | {"ph.target": 6.2}  # by another person
    node.announce()
    expect(target).to_have_value("6.20")
    expect(question).to_contain_text("Bring the pH to 5.80")
    page.get_by_role("button", name="Start now").click()
    expect(panel(page).locator(".outcome")).to_contain_text(
        "Confirmed: the correction has started")
    assert node.commands[0].args["target_milli_ph"] == 5_800


def test_it_is_ended_from_the_page_and_says_why_it_is_over(node, tab):
    publish_state(node, "ready", "press_button", next_ul=25_000)
    watched = tab(PHONE)
    page = watched.open("/nodes/idro-a/water")
    expect(page.locator("#strip strong")).to_contain_text(
        "A correction waits for the button on the board: 25.0 ml of pH down.")
    page.get_by_role("button", name="End the correction").click()
    expect(panel(page).locator(".outcome")).to_contain_text("Confirmed: the correction has ended")
    expect(panel(page).locator(".call")).to_be_visible()  # until the node says so itself
    assert [c.verb for c in node.commands] == ["end_correction"]
    publish_state(node, "ended", "ended_by", {"by": "someone at the page"})
    expect(panel(page).locator(".result")).to_contain_text("ended by someone at the page")
    expect(panel(page).locator(".result")).to_have_attribute("data-level", "warn")
    watched.check()


def test_a_refusal_to_open_says_why(node, tab):
    node.answer, node.reason = "refused", Reason("correction_already")
    page = tab().open("/nodes/idro-a/water")
    page.fill("#correct [name=total_ml]", "400")
    page.locator("#correct").get_by_role("button", name="Start…").click()
    page.get_by_role("button", name="Start now").click()
    expect(panel(page).locator(".outcome")).to_have_text(
        "Refused by the node: a correction is open already")


def test_a_reset_ends_it_and_silence_is_no_call_to_press(node, tab):
    publish_state(node, "ready", "press_button", next_ul=25_000)
    page = tab(PHONE).open("/nodes/idro-a/water")
    expect(panel(page).locator(".call")).to_have_text("Press the button on the board")
    node.tell("boot", {"reset": "power_on", "version": "0.1.0", "last_error": None})
    expect(panel(page).locator(".result")).to_contain_text("the board was reset")
    publish_state(node, "ready", "press_button", next_ul=25_000)
    expect(panel(page).locator(".call")).to_have_text("Press the button on the board")
    node.leave()
    expect(panel(page).locator(".call")).to_have_text("No contact: check the board")


def test_without_a_button_it_says_how_to_pour(host, node, tab, eventually):
    node.has_button = False
    node.announce()
    eventually(lambda: host.view("idro-a")["has_button"] is False, 10, "the board at the host")
    watched = tab(PHONE)
    page = watched.open("/nodes/idro-a/water")
    expect(panel(page)).to_contain_text("This board has no button, so pour by hand")
    expect(page.locator("#correct").get_by_role("button", name="Start…")).to_be_hidden()
    watched.check()


def test_advice_and_dosing_authority_are_shown(node, tab):
    node.granted_pct, node.values = 0, node.values | {"dosing.authority_pct": 0}
    node.announce()
    why = Reason("ph_high_returns", milli_ph=6_310)
    advice = Reason("advice", actuator="ph_down", volume_ul=2_100, why=why)
    in_band = Reason("ec_in_band", ec_us_cm=1_590, target_us_cm=1_600)
    node.tell("decided", {"loop": "ph", "reason": advice.as_json()})
    node.tell("decided", {"loop": "ec", "reason": in_band.as_json()})
    watched = tab(PHONE)
    page = watched.open("/nodes/idro-a/water")
    expect(page.locator("#advice li")).to_have_text(
        "Give 2.10 ml of pH down, because pH is high, 6.31, but returns by itself")
    expect(page.locator("#strip strong")).to_contain_text("Give 2.10 ml of pH down")
    expect(page.locator("[data-dosing]")).to_contain_text("Advice only")
    watched.check()
    node.values = node.values | {"dosing.authority_pct": 100}
    node.granted_pct, node.earn_left_ms = 25, 51 * 3_600_000
    node.announce()
    expect(page.locator("[data-dosing]")).to_have_text(
        "Automatic dosing with a quarter of its budgets; full authority in 2 d 3 h at the "
        "earliest")
    expect(page.locator("#advice")).to_be_hidden()
    node.tell("authority", {"granted_pct": 100, "asked_pct": 100,
                            "reason": Reason("authority_earned").as_json()})
    expect(page.locator("[data-dosing]")).to_have_text("Automatic dosing on")
    watched.check()


def test_nutrient_is_offered_by_its_titration_with_the_setpoint_as_target(
        host, node, tab, eventually):
    watched = tab(PHONE)
    node.read({"reservoir.ec_us_cm": 1_000})
    eventually(lambda: host.view("idro-a")["channels"]["reservoir.ec_us_cm"]["value"] == 1_000,
               10, "the reading at the host")
    page = watched.open("/nodes/idro-a/water")
    panel(page).locator("[name=doser]").select_option("nutrient_a")
    expect(panel(page).locator("[name=target_ph]")).to_be_hidden()
    expect(panel(page).locator("[data-for=ec]")).to_contain_text("then as much of B")
    expect(panel(page).locator("[name=total_ml]")).to_have_value("138.0")  # 600 uS/cm, and 15 %
    watched.check()
    panel(page).get_by_role("button", name="Start…").click()
    expect(page.locator("#correct-sure h2")).to_have_text(
        "Bring the EC to 1.60 mS/cm with at most 138.0 ml of nutrient A and as much of B?")
    page.get_by_role("button", name="Start now").click()
    expect(panel(page).locator(".outcome")).to_contain_text(
        "Confirmed: the correction has started")
    assert [(c.verb, c.args) for c in node.commands] == [("correct", {
        "actuator": "nutrient_a", "target_us_cm": 1_600, "volume_ul": 138_000})]
