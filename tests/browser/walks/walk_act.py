"""The tasks of acting on a node: setpoints, schedule, recipe, preview, by hand, and the stop."""

from playwright.sync_api import expect

from browser.walks.walk_look import NODE
from idro.protocol.reason import Reason
from support.page_walker import patience

PREVIEW_S = 300


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
    node.answer, node.reason = "refused", "budget of the hour is spent, 12.5 ml"
    page.locator("#dose button").first.click()
    page.locator("#dose-sure button[value=yes]").click()
    expect(page.locator("#dose .outcome")).to_have_attribute("data-state", "failed")
    walker.says("#dose .outcome", "Refused by the node: {reason}",
                reason=walker.plain("budget of the {span} is spent, {volume} ml").format(
                    span=walker.plain("hour"), volume=walker.figure(12.5, 1)))
    walker.step("dose-refused", "#dose")
    node.answer, node.reason = "done", ""
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


def recipe(walker):
    """A recipe begun, its next stage, and its end."""
    page = walker.page
    walker.go(f"/nodes/{NODE}/crop")
    page.locator("#recipe [name=recipe]").select_option("lettuce")
    page.locator("#recipe [data-part=start] button").click()
    walker.says("#recipe-sure h2", "Start {recipe} today?", recipe="lettuce")
    walker.step("recipe-sure")
    page.locator("#recipe-sure button[value=yes]").click()
    walker.says("#recipe .confirmation", "The node has confirmed the setpoints.")
    walker.says("#recipe .where", "{recipe}, day {day} of {days}. Stage {stage} of {stages}: "
                "{stage_name}, day {stage_day} of {stage_days}", recipe="lettuce", day=1, days=35,
                stage=1, stages=3, stage_name=walker.plain("establish"))
    expect(page.locator("#recipe .now div").nth(1)).to_contain_text(walker.figure(1.2, 2))
    walker.step("recipe", "#recipe")
    page.locator("#recipe .onward").click()
    page.locator("#recipe-sure button[value=yes]").click()
    expect(page.locator("#recipe .where")).to_contain_text(walker.plain("rosette"))
    page.locator("#recipe .end").click()
    page.locator("#recipe-sure button[value=yes]").click()
    expect(page.locator("#recipe [data-part=result]")).to_be_visible()
    walker.step("recipe-stopped", "#recipe")


def preview(walker):
    """What the twin says of the next day."""
    page = walker.page
    page.locator("#preview summary").first.click()
    page.locator("#preview [name=plan]").select_option("recipe:lettuce")
    page.locator("#preview [name=days]").fill("1")
    page.locator("#preview form button.main").click()
    expect(page.locator("#preview .plots canvas")).to_have_count(3, timeout=patience(PREVIEW_S))
    walker.says("#preview .result", "Time in band: pH {ph} %, EC {ec} %.")
    walker.step("preview", "#preview .asked")
    walker.step("preview-days", "#preview table")


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
