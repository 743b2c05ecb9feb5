"""The tasks of a look: the overview, a node and its charts, and what stands on the alarm page."""

import re

from playwright.sync_api import expect

from idro.protocol.reason import Reason

NODE, SICK = "idro-a", "serra-nord"
HOT = f"water_hot/{SICK}/reservoir.temp_c"


def overview(walker):
    """Every greenhouse at a glance, the worst first, with its fault in words."""
    page = walker.page
    walker.go("/")
    cards = page.locator("#nodes .node-card")
    well = page.locator(f"#nodes .node-card[data-node={NODE}]")
    expect(cards.first).to_have_attribute("data-node", SICK)
    expect(well).to_have_attribute("data-level", "ok")
    expect(page.locator("#strip")).to_have_attribute("data-level", "bad")
    expect(page.locator("#alarm-line b")).to_have_text(walker.words(
        "1 unacknowledged alarm.", "{count} unacknowledged alarms.", 2))
    tile = well.locator(".tile[data-channel='reservoir.ec_us_cm']")
    expect(tile.locator(".value")).to_contain_text(walker.figure(1.59, 2))
    walker.step("overview", "#nodes")
    walker.step("overview-well", f".node-card[data-node={NODE}]")
    walker.follow(page.locator(f".node-card[data-node={NODE}] h2 a"))


def charts(walker):
    """Ranges, a zoom by dragging and back, and the doses with their reasons."""
    page = walker.page
    walker.go(f"/nodes/{NODE}")
    expect(page.locator(".tile[data-channel='reservoir.ph'] .value")).to_contain_text(
        walker.figure(5.80, 2))
    walker.step("node-tiles")
    walker.follow(page.locator(".rooms [data-room=charts]"))
    expect(page.locator("#link")).to_have_attribute("data-state", "live")
    for name in ("7d", "1h"):
        page.locator(f"#ranges [data-range='{name}']").click()
        expect(page).to_have_url(re.compile(f"range={name}$"))
    expect(page.locator(".panel[data-quantity=doses]")).to_have_attribute("data-marks", "2")
    over = page.locator(".panel[data-quantity=ph] .u-over")
    walker.step("charts", "#ranges")
    over.evaluate("it => it.scrollIntoView({block: 'center'})")
    box = over.bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.3, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.7, y, steps=4)
    page.mouse.up()
    expect(page.locator("#now")).to_be_visible()
    walker.says("#now", "Back to now")
    expect(page).to_have_url(re.compile(r"from=\d+&to=\d+"))
    walker.step("zoom", "#stack")
    page.locator("#now").click()
    expect(page).to_have_url(re.compile("range=1h$"))


def why(walker):
    """What the controller did, with its reason, in plain words; then only refusals."""
    page = walker.page
    walker.go(f"/nodes/{NODE}/log")
    items = page.locator("#why .why-list li")
    expect(items).not_to_have_count(0)
    expect(page.locator("#why")).to_contain_text(
        walker.reason(Reason("mixing", left_ms=240_000)))
    walker.step("why", "#why .why-list")
    page.locator("#why select").select_option(index=1)
    expect(page.locator("#why li[data-kind=dosed]")).to_have_count(0)
    expect(page.locator("#why li[data-kind=refused]")).not_to_have_count(0)


def balance(walker):
    """What came in and what left, of a day and of a month."""
    page = walker.page
    walker.go(f"/nodes/{NODE}/water")
    for days in ("1", "30", "7"):
        page.locator(f"#balance [data-days='{days}']").click()
        expect(page.locator(f"#balance [data-days='{days}']")).to_have_attribute(
            "aria-pressed", "true")
    expect(page.locator("#balance tfoot")).to_contain_text(f"{walker.figure(2.5, 2)} ml")
    walker.step("balance", "#balance")


def bottles(walker):
    """New bottle of acid, and what is left of it."""
    page = walker.page
    page.locator("#bottles li[data-doser=ph_down] button").first.click()
    page.locator("#bottle [name=volume_ml]").fill("1000")
    page.locator("#bottle [name=stock]").select_option("h3po4_10pct")
    walker.step("new-bottle")
    page.locator("#bottle button[value=yes]").click()
    walker.done("#bottles > .outcome", "Saved: {ml} ml of {name}.", ml=1000,
                name=walker.plain("pH down"))
    expect(page.locator("#bottles li[data-doser=ph_down] progress")).to_have_attribute(
        "value", "100")
    walker.step("bottles", "#bottles")


def alarms(walker):
    """The cause first; acknowledged, shelved, taken back, and the test of the notifications."""
    page = walker.page
    walker.go("/alarms")
    standing = page.locator("#standing > .alarm")
    expect(standing).to_have_count(2)
    expect(standing.first.locator(".more summary")).to_have_text(walker.words(
        "1 grouped alarm", "{count} grouped alarms", 3))
    standing.first.locator(".more summary").click()
    standing.first.locator(".why-it summary").click()
    walker.step("alarms")
    hot = f".alarm[data-key='{HOT}']"
    page.locator(f"{hot} [data-do=acknowledge]").click()
    walker.done(f"{hot} .outcome", "Acknowledged.")
    expect(page.locator(hot)).to_have_attribute("data-state", "acknowledged")
    expect(page.locator(f"{hot} .text")).to_contain_text(f"{walker.figure(31.0, 1)} °C")
    walker.step("acknowledged", hot)
    page.locator(f"{hot} select").select_option("28800000")
    expect(page.locator(hot)).to_have_attribute("data-state", "shelved")
    walker.says("#aside summary", "Shelved: {count}", count=1)
    page.locator("#aside > summary").click()
    walker.step("shelved", "#aside")
    page.locator(f"{hot} [data-do=unshelve]").click()
    expect(standing).to_have_count(2)
    expect(page.locator("#history li")).not_to_have_count(0)
    walker.step("alarm-history", "#history")
    page.locator("#test").click()
    walker.done("#delivery .outcome", "Sent to {names}.")
    expect(page.locator("#delivery .outcome")).to_contain_text("anna-phone, boss")
    page.locator("#delivery details summary").click()
    walker.step("delivery", "#delivery")
