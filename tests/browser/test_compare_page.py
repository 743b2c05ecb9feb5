"""The comparison of weeks, crops and nodes on the page."""

from playwright.sync_api import expect

from support.all_pages import AXE, axe_violations
from support.delayed_responses import DelayedResponses
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
    page.locator("#compared .export summary").click()
    with page.expect_download() as download:
        page.locator("#export-compared").click()
    assert download.value.suggested_filename == "comparison_idro-a_idro-a.csv"
    assert "reservoir.ph mean,pH, mean,,,5.84,," in download.value.path().read_text().replace(
        '"', "")
    watched.troubles = [one for one in watched.troubles if "422" not in one]
    watched.check()
    page.evaluate(AXE.read_text("utf-8"))
    assert axe_violations(page) == []


def test_spans_of_one_node_are_not_offered_for_another(host, node, tab):
    host.node("idro-b").read()
    page = tab(PHONE, worker=False).open("/compare?node=idro-a")
    options = page.locator("[name=before_span] option")
    expect(options).to_have_count(4)
    spans = DelayedResponses(page, "**/api/nodes/idro-b/spans")
    page.select_option("[name=before_node]", "idro-b")
    spans.wait()
    expect(options).to_have_count(0)
    spans.let_go()
    expect(options).to_have_count(4)
