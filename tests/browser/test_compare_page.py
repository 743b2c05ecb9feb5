"""The comparison of weeks, crops and nodes on the page."""

from playwright.sync_api import expect

from support.all_pages import AXE, axe_violations
from support.pages import PHONE


def test_two_spans_are_compared(host, node, tab):
    watched = tab(PHONE)
    page = watched.open("/compare?node=idro-a")
    expect(page.locator("[name=after_span] option")).to_have_count(4)
    page.select_option("[name=before_span]", "own")
    page.fill("[name=before_from]", "2026-01-02")
    page.fill("[name=before_to]", "2026-01-01")
    page.locator("#compare [type=submit]").click()
    expect(page.locator("#compare .outcome")).to_contain_text("must be after")
    page.fill("[name=before_to]", "2026-01-03")
    page.locator("#compare [type=submit]").click()
    row = page.locator("[id='figure-reservoir.ph-mean'] td")
    expect(row).to_have_text(["–", "5.84", ""])
    # The node has one hour of history, which is no day.
    expect(page.locator("#figure-dosed-ph_down")).to_have_count(0)
    watched.troubles = [one for one in watched.troubles if "422" not in one]
    watched.check()
    page.evaluate(AXE.read_text("utf-8"))
    assert axe_violations(page) == []
