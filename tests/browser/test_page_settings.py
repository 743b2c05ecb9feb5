"""Every setting of a node on the page: in human units, confirmed, in force, or refused."""

import pytest
from playwright.sync_api import expect

from idroserra.auth.roles import Role
from idroserra.core import protocol
from support import paho_node
from support.delayed_responses import DelayedResponses
from support.pages import DESKTOP, PHONE

ROOM = "/nodes/idro-a/setup"
# A board with every part, so that every setting has a use.
CHANNELS = (*paho_node.CHANNELS, "irrigation.flow_ml_per_min")
OUTPUTS = paho_node.OUTPUTS | {
    "top_off": "switch", "irrigation": "switch", "fan": "switch", "heater": "switch",
    "humidifier": "switch"}
# One of each kind, as typed and as stored: none of these could be set on the page before.
TYPED = {
    "irrigation.on_s": ("12.5", 750), "irrigation.off_s": ("45", 2_700),
    "climate.heat_day_c": ("19.5", 19.5), "climate.vpd_high_day_pa": ("1.35", 1_350),
    "climate.vent_minutes": ("10", 10), "mixing.wait_ms": ("20", 1_200_000),
    "topoff.max_ms_day": ("12", 720_000), "level.full_mm": ("250", 250),
    "circulation.off_ms": ("5", 300_000), "ec.target_us_cm": ("1.755", 1_755),
    "ph.down_ul_per_ph": ("38.5", 38_500), "light.on_minute": ("05:30", 330),
}
# Every field of the page: what it makes of its bounds and default.
_ROUND_TRIPS = """async () => {
  const {entryOf, storedOf} = await import(
    document.querySelector("script[type=module]").src.replace(/[^/]+$/, "setting_value.js"));
  const wrong = [];
  for (const {dataset: field} of document.querySelectorAll(".setting")) {
    if (field.widget === "date") continue;
    const values = [JSON.parse(field.default)];
    if (field.widget !== "switch") values.push(Number(field.low), Number(field.high));
    for (const value of values)
      if (storedOf(field, entryOf(field, value)) !== value) wrong.push(`${field.key} ${value}`);
  }
  return wrong;
}"""
# Keys that are not on one line.
_BROKEN_KEYS = """() => [...document.querySelectorAll("#settings label code")]
  .filter((one) => one.checkVisibility()
    && one.offsetHeight > 2 * parseFloat(getComputedStyle(one).fontSize))
  .map((one) => one.textContent)"""


def field(page, key):
    return page.locator(f"#settings [name='{key}']")


def row(page, key):
    return page.locator(f"#settings [data-key='{key}']")


@pytest.fixture
def full_node(host, monkeypatch):
    """A live, adopted node with every part that a setting is for."""
    monkeypatch.setattr(paho_node, "CHANNELS", CHANNELS)
    monkeypatch.setattr(paho_node, "OUTPUTS", OUTPUTS)
    return host.node("idro-a")


def unfold(page):
    page.locator("#settings details").evaluate_all("all => all.forEach(one => one.open = true)")


def test_settings_of_every_group_are_set_in_human_units(full_node, tab):
    watched = tab(DESKTOP)
    page = watched.open(ROOM)
    form = page.locator("#settings")
    assert form.bounding_box()["height"] < DESKTOP["height"]  # the groups are folded
    unfold(page)
    assert form.bounding_box()["width"] > DESKTOP["width"] / 2
    assert page.evaluate(_BROKEN_KEYS) == []
    assert page.evaluate(_ROUND_TRIPS) == []
    assert page.locator("#settings .setting").count() == len(protocol.SETTINGS)
    shown = page.locator("#settings").inner_text()
    assert not any(word in shown for word in ("1800000", "177480", "uV", " ms ", "uS/cm"))
    for key, (typed, _) in TYPED.items():
        field(page, key).fill(typed)
    expect(page.locator("#settings .changed")).to_have_count(len(TYPED))
    page.locator("#settings .save-bar [type=submit]").click()
    said = page.locator("#settings-sure .changes li")
    expect(said).to_have_count(len(TYPED))
    label = said.filter(has_text="Watering time").locator("small")
    expect(label).to_have_css("display", "block")  # above the values
    expect(said.filter(has_text="Watering time")).to_contain_text("15 min → 12.5 min")
    page.locator("#settings-sure [value=yes]").click()
    outcome = page.locator("#settings .outcome")
    expect(outcome).to_have_attribute("data-state", "done")
    expect(outcome).to_contain_text("Rest between waterings 45 min (was 15 min)")
    assert {key: full_node.values[key] for key in TYPED} == {
        key: stored for key, (_, stored) in TYPED.items()}
    expect(page.locator("#settings .changed")).to_have_count(0)
    watched.check()


def test_a_setting_cannot_be_changed_before_its_value_is_known(node, tab):
    """What was typed before would be overwritten by the value that comes."""
    page = tab(DESKTOP, worker=False).open(ROOM)
    unfold(page)
    expect(field(page, "ph.target")).to_be_enabled()
    script = DelayedResponses(page, "**/setting_forms.js")
    page.reload(wait_until="commit")
    script.wait()
    page.locator("#settings .save-bar").wait_for(state="attached")
    for key in ("dosing.enabled", "ph.target", "light.on_minute"):
        expect(field(page, key)).to_be_disabled()
    script.let_go()
    for key in ("dosing.enabled", "ph.target", "light.on_minute"):
        expect(field(page, key)).to_be_enabled()
    expect(field(page, "ph.target")).to_have_value("5.8")


def test_a_wrong_value_is_refused_at_its_field(full_node, tab):
    watched = tab(PHONE)
    page = watched.open("/nodes/idro-a/water")
    unfold(page)
    page.locator("#settings [type=search]").fill("top-off")
    field(page, "topoff.max_ms_day").fill("31")
    page.locator("#settings .save-bar [type=submit]").click()
    expect(field(page, "topoff.max_ms_day")).to_be_focused()
    expect(page.locator("#settings-sure")).to_be_hidden()
    row(page, "topoff.max_ms_day").locator(".to-default").click()
    expect(page.locator("#settings .save-bar")).to_be_hidden()
    # Two values that contradict each other: the host names the field, by its label.
    field(page, "level.target_mm").fill("300")
    page.locator("#settings .save-bar [type=submit]").click()
    page.locator("#settings-sure [value=yes]").click()
    outcome = page.locator("#settings .outcome")
    expect(outcome).to_have_attribute("data-state", "failed")
    expect(outcome).to_contain_text("Top-off level: ")
    expect(field(page, "level.target_mm")).to_be_focused()
    assert full_node.values["level.target_mm"] == 200
    watched.troubles.clear()  # the answer 422
    watched.check()


def test_a_viewer_reads_values_and_what_the_board_lacks_is_hidden(host, node, tab):
    answer = host.client.post("/api/nodes/idro-a/recipe", json={"recipe": "lettuce"})
    assert answer.status_code == 201
    watched = tab(PHONE, "dark", Role.VIEWER)
    page = watched.open(ROOM)
    unfold(page)
    expect(row(page, "circulation.on_ms").locator("output")).to_have_text("15 min")
    expect(page.locator("#settings :is([name], .save-bar, .to-default)")).to_have_count(0)
    expect(row(page, "ph.target").locator(".owner")).to_contain_text("lettuce")
    expect(row(page, "level.low_mm").locator(".owner")).to_be_hidden()
    expect(row(page, "irrigation.on_s")).to_be_hidden()
    expect(page.locator("#settings [data-group=irrigation]")).to_be_hidden()
    page.locator("#settings [data-absent-too]").check()
    expect(page.locator("#settings [data-group=irrigation]")).to_be_visible()
    watched.check()
