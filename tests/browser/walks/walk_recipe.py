"""The tasks of a crop: a recipe of one's own, its preview, its start at the adopted board."""

from playwright.sync_api import expect

from browser.walks.walk_setup import BOARD
from support.page_walker import patience

OWN = "bench-1"
PREVIEW_S = 300


def own_recipe(walker):
    """A shipped recipe cloned and changed, and the differences between the two."""
    page = walker.page
    walker.place("/recipes")
    walker.step("recipes")
    page.locator("[data-recipe=lettuce] [data-clone]").click()
    page.locator("#clone [name=name]").fill(OWN)
    walker.step("clone")
    walker.follow(page.locator("#clone [type=submit]"))
    first = page.locator(".stages > li").first
    walker.type(".stages > li:first-child [data-key='ec.target_us_cm']", 1.35, 2)
    first.locator("[data-part=days]").fill("6")
    walker.step("recipe-form", ".stages > li")
    page.locator("#recipe-form [type=submit]").click()
    walker.done(".save .outcome", "Saved. What changed:")
    expect(page.locator(".save .changes tbody")).to_contain_text(walker.figure(1.35, 2))
    walker.step("recipe-saved", ".save")
    walker.follow(page.locator("main > .row a[href='/recipes']"))
    page.locator("#diff [name=before]").select_option("lettuce")
    page.locator("#diff [name=after]").select_option(f"recipe:{OWN}")
    page.locator("#diff button").click()
    expect(page.locator("#diff tbody tr")).not_to_have_count(0)
    walker.step("recipe-differences", "#diff")


def preview(walker):
    """What a start changes, and what the twin says of the next day."""
    page = walker.page
    walker.place("/")
    walker.follow(page.locator(f".node-card[data-node={BOARD}] h2 a"))
    walker.follow(page.locator(".rooms [data-room=crop]"))
    page.locator("#recipe [name=recipe]").select_option(OWN)
    expect(page.locator("#recipe .changes tbody")).to_contain_text(walker.figure(1.35, 2))
    expect(page.locator("#recipe [data-part=start] [type=submit]")).to_be_disabled()
    walker.step("recipe-chosen", "#recipe .changes")
    page.locator("#preview summary").first.click()
    page.locator("#preview [name=days]").fill("1")
    page.locator("#recipe .see").click()
    expect(page.locator("#preview .plots canvas")).to_have_count(3, timeout=patience(PREVIEW_S))
    walker.says("#preview .result", "Time in band: pH {ph} %, EC {ec} %.")
    walker.step("preview", "#preview .asked")
    walker.step("preview-days", "#preview table")


def recipe(walker):
    """The recipe begun at the board, its next stage, and its end."""
    page = walker.page
    walker.says("#recipe .previewed", "Preview of {when}: {result}")
    page.locator("#recipe [data-part=start] [type=submit]").click()
    walker.says("#recipe-sure h2", "Start {recipe} today?", recipe=OWN)
    walker.step("recipe-sure")
    page.locator("#recipe-sure button[value=yes]").click()
    walker.says("#recipe .confirmation", "The node has confirmed the setpoints.")
    walker.says("#recipe .where", "{recipe}, day {day} of {days}. Stage {stage} of {stages}: "
                "{stage_name}, day {stage_day} of {stage_days}", recipe=OWN, day=1, days=34,
                stage=1, stages=3, stage_name=walker.plain("establish"))
    expect(page.locator("#recipe .now div").nth(1)).to_contain_text(walker.figure(1.35, 2))
    assert walker.host.view(BOARD)["config"]["values"]["ec.target_us_cm"] == 1_350
    walker.step("recipe", "#recipe")
    page.locator("#recipe .onward").click()
    page.locator("#recipe-sure button[value=yes]").click()
    expect(page.locator("#recipe .where")).to_contain_text(walker.plain("rosette"))
    page.locator("#recipe .end").click()
    page.locator("#recipe-sure button[value=yes]").click()
    expect(page.locator("#recipe [data-part=result]")).to_be_visible()
    walker.step("recipe-stopped", "#recipe")
