"""Journal tasks: a note with a photo, a harvest, the report and its PDF."""

from playwright.sync_api import expect

from browser.walks.walk_look import NODE
from support.photos import picture

WORDS = {"en": ("aphids under the leaves", "basil"), "it": ("afidi sotto le foglie", "basilico"),
         "zh": ("叶子下面有蚜虫", "罗勒")}


def note(walker):
    """What was seen, with a photo."""
    page, (text, _crop) = walker.page, WORDS[walker.language]
    walker.go(f"/journal?node={NODE}")
    page.locator("#note [name=kind]").select_option("pest")
    page.locator("#note [name=text]").fill(text)
    page.locator("#note [name=files]").set_input_files(
        {"name": "leaf.jpg", "mimeType": "image/jpeg", "buffer": picture()})
    expect(page.locator("#chosen img")).to_have_count(1)
    walker.step("note")
    page.locator("#note [type=submit]").click()
    walker.done("#note .outcome", "Saved.")
    expect(page.locator("#notes .card img")).to_have_count(1)


def harvest(walker):
    """Refused without a weight; then weighed, and added up."""
    page, (_text, crop) = walker.page, WORDS[walker.language]
    page.locator("#note [name=kind]").select_option("harvest")
    page.locator("#note [name=crop]").fill(crop)
    page.locator("#note [type=submit]").click()
    expect(page.locator("#note .outcome")).to_have_attribute("data-state", "failed")
    walker.says("#note .outcome", "Not saved: {why}", why=walker.plain(
        "weight_g: a harvest needs its weight in g, or a count"))
    walker.step("harvest-refused", "#note .outcome", expected=["status of 422"])
    page.locator("#note [name=weight_g]").fill("420.5")
    page.locator("#note [type=submit]").click()
    walker.done("#note .outcome", "Saved.")
    expect(page.locator("#yields tbody tr")).to_contain_text(crop)
    expect(page.locator("#yields tbody tr")).to_contain_text(walker.figure(420.5, 1))
    walker.step("notes", "#notes")
    walker.step("yields", "#yields")


def report(walker):
    """The report of a week with what was noted, and the same as a PDF."""
    page, (text, crop) = walker.page, WORDS[walker.language]
    walker.go(f"/nodes/{NODE}/log")
    for noted in (text, crop):
        expect(page.locator("#recent-notes")).to_contain_text(noted)
    walker.step("recent-notes", "#recent-notes")
    page.locator(f"#recent-notes a[href='/nodes/{NODE}/report']").click()
    paper = page.locator(".paper")
    expect(paper).to_contain_text(crop)
    expect(paper).to_contain_text(text)
    walker.step("report")
    walker.step("report-charts", ".paper figure")
    with page.expect_download() as coming:
        page.locator("a[href*='report.pdf']").click()
    assert coming.value.path().read_bytes().startswith(b"%PDF")
