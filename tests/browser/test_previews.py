"""Previews: the simulation starts from the node's readings; the page shows the next days."""

import pytest
from playwright.sync_api import expect

from idroserra.auth.roles import Role
from idroserra.core import protocol
from idroserra.core.reasons import Reason
from idroserra.simulation.preview_request import PreviewRequest
from idroserra.simulation.twin_parameters import greenhouse
from idrosim.greenhouse.greenhouse import Plant
from support.pages import DESKTOP, PHONE

PATH = "/api/nodes/idro-a/preview"
NOON_UNIX_MS = 1_795_521_600_000
DAY_MS = 86_400_000
_STARTS = ("starts_ph", "starts_ec", "starts_temp", "starts_level", "water_strong", "water_acid")


def request(water="soft", **readings):
    return PreviewRequest(
        "idro-a", "esp32-reservoir", NOON_UNIX_MS, 7, water,
        protocol.check_settings({"dosing.enabled": True}), {}, readings, True)


@pytest.mark.parametrize("water", ["soft", "medium", "hard"])
@pytest.mark.parametrize(("ph", "ec_us_cm"), [(6.4, 1_300.0), (5.6, 2_600.0)])
def test_the_twin_begins_as_the_node_reads(water, ph, ec_us_cm):
    found = greenhouse(request(
        water, ph=ph, ec_us_cm=ec_us_cm, temp_c=23.0, level_mm=190.0))
    truth = Plant(found.plant, 1).truth()
    assert truth["reservoir.ph"] == pytest.approx(ph, abs=0.02)
    assert truth["reservoir.ec_us_cm"] == pytest.approx(ec_us_cm, abs=10)
    assert truth["reservoir.temp_c"] == pytest.approx(23.0)
    assert truth["reservoir.level_mm"] == pytest.approx(190.0)
    assert not [reason for reason in found.assumed if reason.code in _STARTS]


def test_unknown_inputs_are_reported_and_not_assumed():
    found = greenhouse(request("hard", ec_us_cm=200.0))
    assert [reason for reason in found.assumed if reason.code in _STARTS] == [
        Reason("starts_ph", milli_ph=5_800), Reason("starts_temp", deci_c=200),
        Reason("starts_level", level_mm=200),
        Reason("water_strong", water="hard", ec_us_cm=751, target_us_cm=200)]


def test_the_days_of_the_twin_change_at_the_nodes_midnight():
    asked = request()
    asked.settings["clock.utc_offset_min"] = 120
    assert asked.local_hour == 14.0
    assert [asked.day_start_ms(day) for day in (0, 1, 2)] == [0, DAY_MS * 10 // 24,
                                                              DAY_MS * 34 // 24]


def test_a_preview_is_cancelled_and_the_next_one_may_begin(host, node, eventually):
    assert host.client.post(PATH, json={"days": 14}).status_code == 202
    second = host.client.post(PATH, json={"days": 1})
    assert second.status_code == 409
    assert second.json()["error"].startswith("a preview of idro-a is running (")
    ended = host.client.request("DELETE", PATH, json={})
    assert ended.json()["preview"]["state"] == "cancelled"
    eventually(lambda: host.client.post(PATH, json={"days": 14}).status_code == 202, 30,
               "the next one")
    host.client.request("DELETE", PATH, json={})


@pytest.mark.parametrize(("body", "status", "why"), [
    ({"recipe": "bananas"}, 404, "recipe: bananas: no such recipe"),
    ({"recipe": "basil", "toml": "x"}, 422, "either recipe or toml, not both"),
    ({"days": 15}, 422, "days: "),
    ({"water": "sea"}, 422, "water: "),
    ({"values": {"ph.target": 9}}, 422, "ph.target: "),
    ({"values": {"level.low_mm": 300}}, 422, "level.target_mm: it must be between"),
])
def test_an_invalid_request_is_one_error(host, node, body, status, why):
    answer = host.client.post(PATH, json=body)
    assert answer.status_code == status
    assert why in answer.json()["error"]


def test_a_node_that_never_reported_settings_has_no_preview(host):
    host.service.nodes.adopt("idro-b", b"k" * 32)
    answer = host.client.post("/api/nodes/idro-b/preview", json={})
    assert answer.status_code == 409
    assert answer.json()["error"] == (
        "idro-b has not reported its settings yet: wait until it has connected once")


def test_the_page_looks_ahead_with_what_is_typed(host, node, tab):
    watched = tab(PHONE, worker=False)
    page = watched.open("/nodes/idro-a/crop")
    panel = page.locator("#preview")
    panel.locator("summary").click()
    expect(panel.locator("option[value=typed]")).to_be_disabled()
    watched.open("/nodes/idro-a/water")
    page.fill("#settings [name='ec.target_us_cm']", "2")
    page.locator("#settings .preview-link").click()
    expect(panel.locator("[name=plan]")).to_have_value("typed")
    panel.locator("[name=days]").fill("1")
    panel.get_by_role("button", name="Run preview").click()
    expect(panel.locator("[data-part=running] p")).to_contain_text("Simulating:")
    with page.expect_event("requestfailed"):  # one look is lost: it goes on looking
        page.route("**/preview", lambda route: route.abort(), times=1)
    expect(panel.locator(".result")).to_contain_text("Time in band: pH", timeout=240_000)
    expect(panel.locator(".asked")).to_contain_text("by anna: unsaved setpoints.")
    expect(panel.locator(".plots canvas")).to_have_count(3)
    expect(panel.locator("thead th").nth(1)).to_contain_text("ml")
    watched.troubles = [one for one in watched.troubles if "ERR_FAILED" not in one]
    watched.check()
    assert node.values["ec.target_us_cm"] == 1_600
    _is_what_the_twin_saw(host.client.get(PATH).json()["preview"])
    looking = tab(DESKTOP, "dark", Role.VIEWER)
    page = looking.open("/nodes/idro-a/crop")
    page.locator("#preview summary").click()
    expect(page.locator("#preview .result")).to_contain_text("Time in band:")
    expect(page.get_by_role("button", name="Run preview")).to_be_hidden()
    looking.check()


def _is_what_the_twin_saw(preview):
    outcome = preview["outcome"]
    assert (preview["state"], preview["error"], preview["done_ratio"]) == ("done", None, 1.0)
    steps = DAY_MS // outcome["step_ms"] + 1
    assert {len(values) for values in outcome["series"].values()} == {steps}
    assert outcome["series"]["ph"][0] == pytest.approx(5.80, abs=0.02)
    assert outcome["bands"]["ec_us_cm"] == [
        {"from_unix_ms": outcome["from_unix_ms"], "low": 1_920, "high": 2_080}]
    assert outcome["series"]["ec_us_cm"][-1] == pytest.approx(2_000, abs=100)
    assert outcome["by_day"][0]["from_unix_ms"] == outcome["from_unix_ms"]
    assert outcome["by_day"][-1]["to_unix_ms"] == outcome["from_unix_ms"] + DAY_MS
    # From 1.59 to 2.00 mS/cm by 20 ml of each for 0.1.
    assert sum(day["nutrient_a_ml"] for day in outcome["by_day"]) == pytest.approx(80, abs=25)
    assert outcome["events"] == []
    assert outcome["assumed"][-1]["text"].startswith("The crop is lettuce on ")
