"""The stock calculator on the page: a batch from a water report, and errors at their field."""

from playwright.sync_api import expect

from idroserra.auth.roles import Role
from support.all_pages import AXE, axe_violations
from support.pages import PHONE


def test_a_batch_from_a_water_report(host, tab):
    watched = tab(PHONE, "dark", Role.VIEWER)
    page = watched.open("/stock")
    page.fill("[name=volume_l]", "2,000,000")
    page.locator("#stock [type=submit]").click()
    expect(page.locator(":focus")).to_have_attribute("name", "volume_l")
    expect(page.locator("#stock .outcome")).to_contain_text("A number from 0.1 to 1000000")
    page.fill("[name=volume_l]", "50")
    page.select_option("[name=acid]", "hno3_10pct")
    page.select_option("[name=water]", "report")
    for ion, mg_l in (("Ca", "48,1"), ("Mg", "9.72"), ("HCO3", "146"), ("pH", "7.6")):
        page.fill(f"[data-report={ion}]", mg_l)
    page.locator("#stock [type=submit]").click()
    result = page.locator("#stock-result")
    expect(result.locator("h2")).to_have_text(
        "Lettuce, Mattson and Peters for 50 L, my water report")
    expect(result.locator(".lines li").first).to_contain_text("ml of Nitric acid, 10 % by weight")
    assert result.locator(".salts tbody tr").count() >= 5
    watched.check()
    page.evaluate(AXE.read_text("utf-8"))
    assert axe_violations(page) == []
    page.select_option("[name=kind]", "dose")
    page.select_option("[name=stock]", "khco3_1M")
    page.fill("[name=target_ph]", "3")
    page.locator("#stock [type=submit]").click()
    expect(page.locator("#stock .outcome")).to_have_text(
        "Target pH: this pH cannot be reached with this stock in this water")
    expect(result).to_be_hidden()
