"""The page of tasks: what is due by date, where it is done, and what is done there."""

import re
import time

from playwright.sync_api import expect

from idroserra.auth.roles import Role
from support.pages import PHONE

DAY_MS = 86_400_000


def test_what_is_due_is_listed_by_date_and_a_water_change_is_done_there(host, node, tab):
    now = time.time_ns() // 1_000_000
    host.client.put("/api/nodes/idro-a/title", json={"title": "Basil"})
    for days in (30, 20):
        host.client.post("/api/journal", json={
            "node": "idro-a", "kind": "water_change", "unix_ms": now - days * DAY_MS})
    viewer = tab(role=Role.VIEWER)
    page = viewer.open("/tasks")
    change = page.locator(".task[data-kind=water_change]")
    expect(change).to_have_attribute("data-level", "warn")
    expect(change.locator("button")).to_have_count(0)
    expect(change.locator("a")).to_have_text("Basil: Change the water")
    viewer.check()

    watched = tab(PHONE)
    # A browser from a country with another order of day and month: one format in a language.
    watched.page.add_init_script(
        "Object.defineProperty(navigator, 'languages', {value: ['en-US', 'en']})")
    page = watched.open("/tasks?node=idro-a")
    expect(page.locator(".task")).to_have_count(2)
    kinds = page.locator(".task").evaluate_all("items => items.map((one) => one.dataset.kind)")
    assert kinds == ["water_change", "calibration"]  # overdue first, without a date last
    expect(page.locator(".task[data-kind=calibration] a")).to_have_attribute(
        "href", "/nodes/idro-a/calibrate")
    page.locator(".task button").click()
    expect(page.locator("#tasks-outcome")).to_have_attribute("data-state", "done")
    expect(page.locator("#tasks-outcome")).to_contain_text("water changed at Basil")
    expect(page.locator(".task[data-kind=water_change]")).not_to_have_attribute(
        "data-level", "warn")
    expect(page.locator(".agenda h2").first).to_have_text(
        re.compile(r"^[A-Z][a-z]+ \d{1,2} [A-Z][a-z]+$"))
    newest = host.client.get("/api/journal", params={"kind": "water_change"}).json()["notes"][0]
    assert (newest["node"], newest["by"]) == ("idro-a", "anna")
    watched.check()
