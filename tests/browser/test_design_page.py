"""The design system: every component, in both palettes, readable for everybody."""

import pytest
from playwright.sync_api import expect

from support.all_pages import AXE, axe_violations
from support.pages import DESKTOP, SMALLEST

PARTS = ("colours", "type", "states", "tables", "forms", "empty", "chart")


@pytest.mark.parametrize(("size", "scheme"), [(SMALLEST, "light"), (DESKTOP, "dark")])
def test_every_component_has_contrast_and_a_name(host, tab, size, scheme):
    watched = tab(size, scheme)
    page = watched.open("/design")
    for part in PARTS:
        expect(page.locator(f"#{part}-title")).to_be_visible()
    expect(page.locator("#plot canvas")).to_be_visible()
    assert page.locator(".swatches [data-colour]").count() >= 20
    page.evaluate(AXE.read_text("utf-8"))
    assert axe_violations(page) == []
    page.locator("#open-dialog").click()
    expect(page.locator("#dialog")).to_be_visible()
    assert axe_violations(page) == []
    watched.check()
