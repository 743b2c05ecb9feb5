"""The tasks of acting on a node: setpoints, schedule, by hand, correction, and the stop."""

from playwright.sync_api import expect

from browser.walks.walk_look import NODE
from idro.protocol.reason import Reason
from support.correction_reports import publish_state


def setpoints(walker):
    """pH and EC in the language's numbers: in force once the node has said so."""
    page, node = walker.page, walker.node
    walker.go(f"/nodes/{NODE}/water")
    expect(page.locator("[name='ph.target']")).to_have_value(walker.figure(5.8, 1))
    walker.type("[name='ph.target']", 6.05, 2)
    walker.type("[name='ec.target_us_cm']", 1.75, 2)
    walker.step("setpoints", "#settings .save-bar")
    page.locator("#settings .save-bar [type=submit]").click()
    page.locator("#settings-sure [value=yes]").click()
    walker.done("#settings .outcome", "Confirmed by the node: {changes}.")
    assert (node.values["ph.target"], node.values["ec.target_us_cm"]) == (6.05, 1750)
    walker.go(f"/nodes/{NODE}")
    low, high = walker.figure(5.85, 2), walker.figure(6.25, 2)
    expect(page.locator(".tile[data-channel='reservoir.ph'] .band")).to_contain_text(
        f"{low}–{high}")


def schedule(walker):
    """When the light is on, and for how long."""
    page, node = walker.page, walker.node
    walker.go(f"/nodes/{NODE}/climate")
    page.locator("[name='light.on_minute']").fill("07:30")
    walker.type("[name='light.on_minutes']", 12.5, 1)
    page.locator("#settings .save-bar [type=submit]").click()
    page.locator("#settings-sure [value=yes]").click()
    walker.done("#settings .outcome", "Confirmed by the node: {changes}.")
    assert (node.values["light.on_minute"], node.values["light.on_minutes"]) == (450, 750)
    walker.step("schedule", "#settings .outcome")


def by_hand(walker):
    """A dose and a run: each asks for confirmation, reports its result, or shows a refusal."""
    page, node = walker.page, walker.node
    walker.go(f"/nodes/{NODE}/water")
    page.locator("#dose [name=actuator]").select_option("nutrient_a")
    walker.type("#dose [name=volume_ml]", 2.5, 1)
    page.locator("#dose button").first.click()
    what = {"volume": f"{walker.figure(2.5, 2)} ml", "what": walker.plain("nutrient A")}
    walker.says("#dose-sure h2", "Dose {volume} of {what}?", **what)
    walker.step("dose-sure")
    page.locator("#dose-sure button[value=yes]").click()
    walker.done("#dose .outcome", "Confirmed: {volume} of {what} dosed", **what)
    refusal = Reason("hour_spent", volume_ul=12_500, share_pct=100)
    node.answer, node.reason = "refused", refusal
    page.locator("#dose button").first.click()
    page.locator("#dose-sure button[value=yes]").click()
    expect(page.locator("#dose .outcome")).to_have_attribute("data-state", "failed")
    walker.says("#dose .outcome", "Refused by the node: {reason}",
                reason=walker.reason(refusal))
    walker.step("dose-refused", "#dose")
    node.answer, node.reason = "done", None
    page.locator("#run [name=actuator]").select_option("light")
    page.locator("#run [name=duty_pct]").fill("40")
    walker.type("#run [name=minutes]", 2.5, 1)
    page.locator("#run button").first.click()
    what = {"what": walker.plain("light"), "minutes": walker.figure(2.5, 1), "level": 40}
    walker.says("#run-sure h2", "Run {what} at {level} % for {minutes} min?", **what)
    page.locator("#run-sure button[value=yes]").click()
    walker.done("#run .outcome", "Confirmed: {what} runs for {minutes} min", **what)
    assert node.commands[-1].args == {"actuator": "light", "for_ms": 150_000, "duty_pct": 40}
    walker.step("run", "#run")


def correction(walker):
    """A fresh fill brought to its pH, each step confirmed at the tank."""
    page, node = walker.page, walker.node
    walker.go(f"/nodes/{NODE}/water")
    walker.type("#correct [name=total_ml]", 400, 1)
    walker.type("#correct [name=target_ph]", 5.9, 1)
    walker.step("correction", "#correct")
    page.locator("#correct [data-part=start] button").click()
    walker.says("#correct-sure h2", "Bring the pH to {ph} with at most {volume} of {what}?",
                ph=walker.figure(5.9, 2), volume=f"{walker.figure(400, 1)} ml",
                what=walker.plain("pH down"))
    walker.step("correction-sure")
    page.locator("#correct-sure button[value=yes]").click()
    walker.done("#correct > .outcome", "Confirmed: the correction has started")
    assert node.commands[-1].args == {
        "actuator": "ph_down", "target_milli_ph": 5_900, "volume_ul": 400_000}
    publish_state(node, "ready", "press_button", next_ul=25_000)
    walker.says("#correct .call", "Press the button on the board")
    walker.step("correction-ready", "#correct")
    publish_state(node, "held", "mixing", {"left_ms": 600_000}, given_ul=25_000, left_ul=375_000)
    node.read({"reservoir.ph": 7.61})
    walker.says("#correct .then", "Next step in {time} at the earliest.")
    expect(page.locator("#correct .ph")).to_contain_text(walker.figure(7.61, 2))
    walker.step("correction-held", "#correct")
    publish_state(node, "ended", "target_reached", given_ul=310_000, left_ul=90_000)
    expect(page.locator("#correct .result")).to_have_attribute("data-level", "ok")
    walker.step("correction-ended", "#correct")


def stop(walker):
    """Stop all dosing: pending, confirmed, reported by the node, and resumed."""
    page, node = walker.page, walker.node
    walker.go(f"/nodes/{NODE}")
    page.locator("#control .stop").click()
    walker.done("#control .outcome", "Confirmed: the node stopped all dosing")
    assert node.commands[-1].verb == "stop"
    node.tell("stopped", {"by": "olga"})
    expect(page.locator("#control [data-dosing]")).to_contain_text(
        walker.sentence(Reason("dosing_stopped", by="olga")))
    walker.step("stopped", "#control")
    page.locator("#control .row button").click()
    walker.done("#control .outcome", "Confirmed: dosing is enabled again")
    node.tell("resumed", {"by": "olga"})
    expect(page.locator("#control .row button")).to_be_hidden()
