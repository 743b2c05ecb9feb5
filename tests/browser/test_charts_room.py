"""The charts room: panels with dates, doses once, own channels, a second node, an own range."""

import sqlite3
import time
from contextlib import closing

from playwright.sync_api import expect

from support.pages import PHONE

_PANELS = """() => [...document.querySelectorAll(".panel")].map((panel) => {
  const [canvas, over] = [panel.querySelector("canvas"), panel.querySelector(".u-over")];
  const [outer, inner] = [canvas.getBoundingClientRect(), over.getBoundingClientRect()];
  return {
    quantity: panel.dataset.quantity, height: outer.height, dates: outer.bottom - inner.bottom };
})"""


def test_every_panel_is_tall_and_has_its_dates_and_doses_are_drawn_once(node, tab):
    page = tab(PHONE).open("/nodes/idro-a/charts?range=1h")
    doses = page.locator(".panel[data-quantity=doses]")
    expect(doses).to_have_attribute("data-marks", "3")
    panels = page.evaluate(_PANELS)
    assert {one["quantity"] for one in panels} >= {"ph", "ec_us_cm", "temp_c", "doses", "vpd_pa"}
    assert [one for one in panels if one["height"] < 140] == []
    assert [one for one in panels if one["dates"] < 18] == []
    marks = page.locator(".panel[data-marks]")
    assert [one for one in marks.evaluate_all("all => all.map((one) => one.dataset.marks)")
            if one != "0"] == ["3"]


def test_doses_of_one_place_are_one_mark_with_their_count_stored_or_not(
    node, host, tab, eventually
):
    with closing(sqlite3.connect(host.config.data_dir / "store.db")) as database:
        database.execute("BEGIN IMMEDIATE")  # the store cannot be written
        for second in range(4):
            node.tell("dosed", {"actuator": "ph_down", "volume_ul": 1_000, "on_ms": 1_000,
                                "by": "control"}, 500_000 + second * 1_000)
        eventually(lambda: host.counts()["nodes"]["idro-a"]["received"] == 67,
                   20, "the doses at the host")
        page = tab().open("/nodes/idro-a/charts?range=24h")
        doses = page.locator(".panel[data-quantity=doses]")
        expect(doses).to_have_attribute("data-marks", "7")
        drawn = int(doses.get_attribute("data-groups"))
        assert 1 <= drawn < 7
        database.rollback()


def test_channels_a_second_node_and_dates_are_chosen_and_stay_in_the_address(
    node, host, tab
):
    other = host.node("idro-b")
    other.live()
    watched = tab()
    page = watched.open("/nodes/idro-a/charts?range=1h")
    page.locator("#channels summary").click()
    page.locator("#channels [value='temp_c']").uncheck()
    expect(page.locator(".panel[data-quantity=temp_c]")).to_have_count(0)
    page.locator("#compare").select_option("idro-b")
    ph = page.locator(".panel[data-quantity=ph]")
    expect(ph).to_have_attribute("data-nodes", "2")
    expect(ph.locator(".legend")).to_contain_text("idro-b")
    page.locator("#dates summary").click()
    yesterday = time.strftime("%Y-%m-%d", time.localtime(time.time() - 86_400))
    page.locator("#dates [name=from]").fill(yesterday)
    page.locator("#dates [name=to]").fill(yesterday)
    page.locator("#dates button").click()
    expect(page.locator("#now")).to_be_visible()
    page.reload()
    expect(page.locator(".panel[data-quantity=ph]")).to_have_attribute("data-nodes", "2")
    expect(page.locator(".panel[data-quantity=temp_c]")).to_have_count(0)
    expect(page.locator("#now")).to_be_visible()
    assert page.locator("#full").is_visible()
    watched.check()


def test_other_nodes_are_offered_by_title_in_natural_order(node, host, tab):
    for name in ("bed-10", "bed-2", "north-1"):
        host.node(name)
    titled = host.client.put("/api/nodes/north-1/title", json={"title": "Attic"})
    assert titled.status_code == 200
    page = tab().open("/nodes/idro-a/charts?with=north-1")
    options = page.locator("#compare option")
    expect(options).to_have_text(["Compare with…", "Attic", "bed-2", "bed-10"])
    expect(page.locator("#compare")).to_have_value("north-1")


_VALUES_DRAWN = """(panel) => {
  const canvas = panel.querySelector("canvas"), over = panel.querySelector(".u-over");
  const wide = Math.floor((over.getBoundingClientRect().left - canvas.getBoundingClientRect().left
    - 2) * devicePixelRatio);
  const { data } = canvas.getContext("2d").getImageData(0, 0, wide, canvas.height / 2);
  return getComputedStyle(canvas).visibility === "visible" && data.some((one) => one > 0);
}"""


def test_a_chart_has_no_axis_values_before_its_readings_and_none_without(node, tab):
    watched = tab(worker=False)
    page, held = watched.page, []
    page.route("**/series?*", lambda route: held.append(route))
    watched.open("/nodes/idro-a/charts?range=1h")
    level = page.locator(".panel[data-quantity=level_mm]")
    expect(level).to_contain_text("Loading…")
    expect(page.locator("#stack")).to_have_attribute("aria-busy", "true")
    assert not level.evaluate(_VALUES_DRAWN)
    page.unroute("**/series?*")  # which lets the held requests go on
    expect(level).not_to_contain_text("Loading…")
    expect(page.locator("#stack")).to_have_attribute("aria-busy", "false")
    assert level.evaluate(_VALUES_DRAWN)
    page.locator("#dates summary").click()
    for field in ("from", "to"):
        page.locator(f"#dates [name={field}]").fill("2026-01-02")
    page.locator("#dates button").click()
    expect(level).to_contain_text("No data for this period.")
    expect(page.locator("#no-data")).to_be_visible()
    assert not level.evaluate(_VALUES_DRAWN)


def test_a_chart_whose_readings_cannot_be_loaded_does_not_keep_loading(node, tab):
    watched = tab(worker=False)
    page = watched.page
    page.route("**/series?*", lambda route: route.abort())
    watched.open("/nodes/idro-a/charts?range=1h")
    level = page.locator(".panel[data-quantity=level_mm]")
    expect(page.locator("#trouble")).to_be_visible()
    expect(level).not_to_contain_text("Loading…")
    assert not level.evaluate(_VALUES_DRAWN)
