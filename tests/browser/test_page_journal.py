"""The journal on the page: written on a phone with photos, on the chart, changed, deleted."""

import time

import pytest
from playwright.sync_api import expect

from idroserra.auth.roles import Role
from support.delayed_responses import DelayedResponses
from support.pages import DESKTOP, PHONE
from support.photos import picture


@pytest.fixture
def leaf(tmp_path):
    path = tmp_path / "leaf.jpg"
    path.write_bytes(picture())
    return path


def notes(page):
    return page.locator("#notes .card")


@pytest.mark.parametrize(("size", "scheme"), [(PHONE, "light"), (DESKTOP, "dark")],
                         ids=["phone", "desktop"])
def test_from_the_phone_to_the_chart_and_away_again(host, node, tab, leaf, size, scheme):
    watched = tab(size, scheme)
    page = watched.open("/journal?node=idro-a")
    expect(page.locator("#none")).to_be_visible()
    page.select_option("#note [name=kind]", "harvest")
    page.click("#note [type=submit]")
    expect(page.locator("#note .outcome")).to_have_text(
        "Not saved: weight_g: a harvest needs its weight in g, or a count")
    page.fill("#note [name=crop]", "basil")
    page.fill("#note [name=weight_g]", "420")
    page.set_input_files("#note [name=files]", [str(leaf), str(leaf)])
    expect(page.locator("#chosen img")).to_have_count(2)
    page.click("#note [type=submit]")
    expect(page.locator("#note .outcome")).to_have_text("Saved.")
    expect(notes(page).locator("h3")).to_have_text("Harvest: basil, 420 g")
    expect(notes(page).locator("img")).to_have_count(2)
    expect(page.locator("#yields tbody tr")).to_have_text("basil420—")
    notes(page).locator("img").first.click()
    expect(page.locator("#photo img")).to_be_visible()
    page.keyboard.press("Escape")
    page.select_option("#of-kind", "pest")
    expect(notes(page)).to_have_count(0)
    page.select_option("#of-kind", "")
    expect(notes(page)).to_have_count(1)
    watched.troubles = [one for one in watched.troubles if "422" not in one]
    watched.check()
    watched.open("/nodes/idro-a/charts?range=1h")
    expect(page.locator("#stack .panel").first).to_have_attribute("data-notes", "1")
    watched.open("/nodes/idro-a/log")
    expect(page.locator("#recent-notes li")).to_contain_text("Harvest: basil, 420 g")
    watched.open("/journal")
    notes(page).get_by_role("button", name="Edit").click()
    page.fill("#note [name=text]", "outer rows")
    page.locator("#chosen .drop").first.click()
    expect(page.locator("#chosen img")).to_have_count(1)
    page.click("#note [type=submit]")
    expect(notes(page)).to_contain_text("outer rows")
    expect(notes(page)).to_contain_text("changed")
    notes(page).get_by_role("button", name="Delete").click()
    page.locator("#delete-sure button[value=yes]").click()
    expect(page.locator("#none")).to_be_visible()
    watched.check()


def test_an_answer_that_comes_late_does_not_undo_a_choice(host, node, tab):
    host.client.post("/api/journal", json={
        "kind": "note", "unix_ms": time.time_ns() // 1_000_000, "text": "a draught"})
    page = tab(DESKTOP, worker=False).open("/journal")
    expect(notes(page)).to_have_count(1)
    late = []
    page.route("**/api/journal?kind=note*", lambda route: late.append(route))
    page.select_option("#of-kind", "note")
    page.select_option("#of-kind", "pest")
    expect(page.locator("#none")).to_be_visible()
    with page.expect_response("**/api/journal?kind=note*") as answer:
        late[0].continue_()
    answer.value.finished()
    page.evaluate("fetch('/api/journal?limit=1').then((one) => one.json())")
    expect(notes(page)).to_have_count(0)


def test_what_is_typed_while_the_page_loads_is_kept(host, node, tab, leaf):
    page = tab(PHONE, worker=False).page
    script = DelayedResponses(page, "**/note_form.js")
    page.goto(f"{host.url}/journal?node=idro-a", wait_until="commit")
    script.wait()
    page.select_option("#note [name=kind]", "harvest")
    page.fill("#note [name=text]", "a draught")
    page.set_input_files("#note [name=files]", leaf)
    script.let_go()
    expect(page.locator("#chosen img")).to_have_count(1)
    expect(page.locator("#note [name=text]")).to_have_value("a draught")
    expect(page.locator("#note [name=weight_g]")).to_be_visible()
    expect(page.locator("#note [name=node]")).to_have_value("idro-a")


def test_who_only_looks_sees_notes_and_no_form(host, node, tab):
    host.client.post("/api/journal", json={
        "kind": "note", "unix_ms": time.time_ns() // 1_000_000, "text": "a draught"})
    page = tab(PHONE, role=Role.VIEWER).open("/journal")
    expect(notes(page)).to_contain_text("a draught")
    expect(page.locator("#write")).to_be_hidden()
    expect(notes(page).get_by_role("button")).to_have_count(0)


def test_older_notes_come_with_the_button(host, node, tab):
    for number in range(52):
        host.client.post("/api/journal", json={
            "kind": "note", "unix_ms": 1_700_000_000_000 + number, "text": f"note {number}"})
    page = tab(DESKTOP).open("/journal")
    expect(notes(page)).to_have_count(50)
    page.get_by_role("button", name="Older notes").evaluate("it => { it.click(); it.click(); }")
    expect(notes(page)).to_have_count(52)
    expect(notes(page).last).to_contain_text("note 0")
    expect(page.get_by_role("button", name="Older notes")).to_be_hidden()


def test_a_photo_that_was_not_taken_waits_in_the_form(host, node, tab, leaf):
    page = tab(PHONE, worker=False).open("/journal?node=idro-a")
    page.fill("#note [name=text]", "a draught")
    page.set_input_files("#note [name=files]", [str(leaf)])
    page.route("**/photos", lambda route: route.abort())
    page.click("#note [type=submit]")
    expect(page.locator("#note .outcome")).to_contain_text(
        "The note is saved, but leaf.jpg was not uploaded")
    page.unroute("**/photos")
    page.click("#note [type=submit]")
    expect(page.locator("#note .outcome")).to_have_text("Saved.")
    expect(notes(page)).to_have_count(1)
    expect(notes(page).locator("img")).to_have_count(1)
