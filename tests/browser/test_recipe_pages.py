"""The recipe library on the page: clone, edit with errors, compare, export, import, delete."""

from playwright.sync_api import expect

from idroserra.auth.roles import Role
from support.all_pages import AXE, axe_violations
from support.pages import PHONE


def violations(page):
    page.evaluate(AXE.read_text("utf-8"))
    return axe_violations(page)


def test_a_recipe_of_ones_own_from_clone_to_delete(host, node, tab, tmp_path):
    watched = tab(PHONE, "dark")
    page = watched.open("/recipes")
    card = page.locator("[data-recipe=lettuce]")
    expect(card.locator(".timeline li")).to_have_count(3)
    expect(card.locator("[data-delete]")).to_have_count(0)
    card.locator("[data-clone]").click()
    page.fill("#clone [name=name]", "mine")
    page.locator("#clone [type=submit]").click()
    _edit(page)
    watched.check()
    assert violations(page) == []
    form = host.client.get("/api/recipes/mine").json()
    assert [stage["days"] for stage in form["stages"]] == [7, 5, 14, 14]
    assert form["stages"][1]["own_settings"] == {"ec.target_us_cm": 1_350}
    page.goto(f"{host.url}/recipes")
    page.select_option("#diff [name=before]", "mine")
    page.select_option("#diff [name=after]", "node:idro-a")
    page.locator("#diff button").click()
    expect(page.locator("#diff tbody tr")).to_have_count(2)
    with page.expect_download() as file:
        page.locator("[data-recipe=mine] a[download]").click()
    file.value.save_as(tmp_path / "mine.toml")
    other = tmp_path / "other.toml"
    other.write_text((tmp_path / "mine.toml").read_text().replace('"mine"', '"mine"\nweeks = 1'))
    page.locator("#import").click()
    page.set_input_files("#import-file [name=file]", other)
    page.locator("#import-file [type=submit]").click()
    expect(page.locator("#import-file .outcome")).to_contain_text("unknown key")
    page.locator("#import-file .cancel").click()
    watched.troubles = [one for one in watched.troubles if "422" not in one]
    watched.check()
    assert violations(page) == []
    page.locator("[data-delete=mine]").click()
    expect(page.locator("#delete-title")).to_have_text("Delete mine?")
    page.locator("#delete [value=yes]").click()
    expect(page.locator("[data-recipe=mine]")).to_have_count(0)
    assert host.client.get("/api/recipes/mine").status_code == 404


def _edit(page):
    """Add a stage before the second, after two errors, and read what changed."""
    stages = page.locator(".stages > li")
    expect(stages).to_have_count(3)
    page.locator(".add").click()
    added = stages.nth(3)
    added.locator("[data-part=name]").fill("early")
    added.locator("[data-part=days]").fill("5")
    added.locator("[data-key='ec.target_us_cm']").fill("13,50")
    for place in (3, 2):
        stages.nth(place).locator(".up").click()
    expect(stages.nth(1).locator("h3")).to_have_text("Stage 2: early")
    expect(stages.nth(1).locator("label:has([data-key='ph.target']) .as")).to_contain_text("5.8")
    save, outcome = page.locator("#recipe-form [type=submit]"), page.locator(".save .outcome")
    save.click()
    expect(outcome).to_have_text("Stage 2, Source: must not be empty")
    expect(page.locator(":focus")).to_have_attribute("data-part", "source")
    page.keyboard.type("my own beds")
    save.click()
    expect(outcome).to_have_text("Stage 2, EC target: enter 0 to 5 mS/cm")
    page.locator(":focus").fill("1,35")
    save.click()
    expect(page.locator(".save .changes tbody tr").first).to_contain_text("2. rosette → early")
    expect(page.locator("ol.timeline").first.locator("li")).to_have_count(4)


def test_a_change_of_somebody_else_is_not_overwritten(host, node, tab):
    mine = host.client.post("/api/recipes/basil/clone", json={"name": "mine"}).json()
    watched = tab(PHONE)
    page = watched.open("/recipes/mine")
    toml = mine["toml"].replace('crop = "basil"', 'crop = "thai basil"')
    assert host.client.put("/api/recipes/mine", json={"toml": toml}).status_code == 200
    page.fill("#recipe-form [name=text]", "Another text.")
    page.locator("#recipe-form [type=submit]").click()
    expect(page.locator(".save .outcome")).to_have_text(
        "mine has changed since it was shown: reload the page and check it")
    assert host.client.get("/api/recipes/mine").json()["toml"] == toml


def test_a_viewer_looks_and_changes_nothing(host, node, tab):
    host.client.post("/api/recipes/basil/clone", json={"name": "mine"})
    watched = tab(PHONE, "light", Role.VIEWER)
    page = watched.open("/recipes")
    for place in ("#import", "[data-clone]", "[data-delete]"):
        expect(page.locator(place).first).to_be_hidden()
    page.locator("[data-recipe=mine] h2 a").click()
    expect(page.locator("h1")).to_have_text("mine")
    expect(page.locator("#recipe-form")).to_have_count(0)
    watched.check()
