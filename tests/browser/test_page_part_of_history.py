"""A chart whose readings can be read is drawn, though its doses cannot."""

import json
import re

from playwright.sync_api import expect

TROUBLE = {"error": "History cannot be read from the database.", "detail": "HTTP 500",
           "since_unix_ms": 1_800_000_000_000}


def test_a_chart_is_drawn_without_its_doses(host, node, tab):
    shown = tab(worker=False)
    shown.page.route("**/api/nodes/*/events?*", lambda route: route.fulfill(
        status=503, content_type="application/json", body=json.dumps(TROUBLE)))
    page = shown.open("/nodes/idro-a/charts")
    expect(page.locator("#history-trouble code")).to_have_text("HTTP 500")
    panel = page.locator(".panel[data-quantity=ph]")
    expect(panel).to_have_attribute("data-points", re.compile(r"^[1-9]"))
    page.unroute("**/api/nodes/*/events?*")
    page.get_by_role("button", name="7 d").click()
    expect(page.locator("#history-trouble")).to_be_hidden()
    assert [one for one in shown.troubles if "503" not in one] == []
