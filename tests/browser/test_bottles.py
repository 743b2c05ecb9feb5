"""Bottles and the balance, over the API and in the terminal: filled, counted, taken back."""

import csv
import time
from functools import partial

import pytest
from playwright.sync_api import expect

from support.command_line import idroserra
from support.pages import PHONE
from support.real_host import own_host
from support.wait import wait_until

DAY_MS = 86_400_000

host = own_host


@pytest.fixture(scope="module")
def node(host):
    """A node that gave 4 ml of acid a day for two days, and drank 10 mm in its last hour."""
    node = host.node("idro-a")
    for ago_ms in range(2 * DAY_MS - 3_600_000, 0, -DAY_MS // 2):
        node.tell("dosed", dose("ph_down", 2_000), ago_ms)
    for minutes_ago in range(60, -1, -5):
        node.read({"reservoir.level_mm": 193 + minutes_ago // 6}, ago_ms=minutes_ago * 60_000)
    host.settle("idro-a", 17)
    return node


def dose(actuator, volume_ul):
    return {"actuator": actuator, "volume_ul": volume_ul, "on_ms": volume_ul,
            "reason": "pH 6.1 is above 6.0", "by": "control"}


def bottles(host):
    return {one["doser"]: one for one in host.client.get(
        "/api/nodes/idro-a/bottles").json()["bottles"]}


def has(host, key):
    alarms = host.client.get("/api/alarms").json()["alarms"]
    return key in [one["key"] for one in alarms]


def test_what_nobody_told_is_not_known_and_the_use_is(host, node):
    found = bottles(host)
    assert list(found) == ["ph_down", "ph_up", "nutrient_a", "nutrient_b"]
    acid = found["ph_down"]
    assert (acid["volume_ml"], acid["left_ml"], acid["days_left"]) == (None, None, None)
    assert acid["used_ml_per_day"] == pytest.approx(4, rel=0.1)
    assert acid["used_days"] == pytest.approx(2, abs=0.1)
    assert found["ph_up"]["used_ml_per_day"] == 0
    assert not has(host, "bottle_low/idro-a/ph_down")


def test_a_bottle_is_counted_from_its_filling_until_the_alarm_and_taken_back(host, node):
    tell = partial(idroserra, "node", "bottle", "idro-a", url=host.url)
    assert "unknown: set with --ml" in tell().stdout
    done = tell("ph_down", "--ml", "10", "--stock", "h3po4_10pct")
    assert done.returncode == 0, done.stderr
    assert "10 ml" in done.stdout
    node.tell("dosed", dose("ph_down", 9_000))
    host.settle("idro-a", 18)
    assert tell("nutrient_a", "--ml", "1000").returncode == 0  # counts again
    wait_until(lambda: has(host, "bottle_low/idro-a/ph_down"), 30, "the alarm")
    found = bottles(host)
    assert (found["ph_down"]["left_ml"], found["nutrient_a"]["left_ml"]) == (1, 1000)
    assert found["ph_down"]["left_pct"] == 10
    assert found["ph_down"]["days_left"] == pytest.approx(1 / 8.7, rel=0.1)
    assert found["ph_down"]["meq_per_ml"] == 1.0747
    assert found["nutrient_a"]["days_left"] is None
    assert tell("ph_down", "--undo").returncode == 0
    assert bottles(host)["ph_down"]["volume_ml"] is None
    wait_until(lambda: not has(host, "bottle_low/idro-a/ph_down"), 30, "the end of the alarm")
    again = tell("ph_down", "--undo")
    assert again.returncode == 1
    assert "the level of ph_down at idro-a was never set" in again.stderr
    audit = host.client.get("/api/audit").json()["rows"]
    assert {"fill bottle", "undo bottle filling"} <= {row["action"] for row in audit}


@pytest.mark.parametrize(("doser", "body", "why"), [
    ("light", {"volume_ml": 5}, "idro-a has no doser light"),
    ("ph_down", {"volume_ml": 0}, "volume_ml"), ("ph_down", {}, "volume_ml"),
    ("ph_down", {"volume_ml": 5, "stock": "vinegar"}, "not one of h3po4_10pct"),
    ("ph_down", {"volume_ml": 5, "stock": "koh_10pct", "meq_per_ml": 1}, "the stock defines it"),
    ("ph_down", {"volume_ml": 5, "stock": "koh_10pct"}, "not belong into the bottle of ph_down"),
    ("nutrient_a", {"volume_ml": 5, "meq_per_ml": 1}, "is not an acid or base"),
    ("ph_down", {"volume_ml": 5, "colour": "red"}, "colour"),
])
def test_nonsense_is_refused_with_the_field(host, node, doser, body, why):
    answer = host.client.put(f"/api/nodes/idro-a/bottles/{doser}", json=body)
    assert answer.status_code == 422
    assert why in answer.json()["error"]


def test_the_balance_of_a_week_and_its_file(host, node):
    to = time.time_ns() // 1_000_000 + 60_000
    query = {"from_unix_ms": to - 7 * DAY_MS, "to_unix_ms": to, "time_zone": "Europe/Rome"}
    found = host.client.get("/api/nodes/idro-a/balance", params=query).json()
    assert len(found["days"]) in (2, 3)  # of 47 hours: before them nothing is known
    assert found["total"]["dosed_ml"]["ph_down"] >= 8
    assert found["total"]["dosed_meq"] == {"ph_down": None, "ph_up": 0}
    assert found["total"]["water"]["left_ml"] == pytest.approx(10 * 200, abs=250)
    assert [one["code"] for one in found["unknown"]] == [
        "history_begins", "level_gap", "strength_unknown"]
    answer = host.client.get("/api/nodes/idro-a/export", params=query | {"what": "balance"})
    rows = list(csv.DictReader(answer.text.splitlines()))
    assert len(rows) == len(found["days"])
    assert sum(float(row["ph_down [ml]"]) for row in rows) == pytest.approx(
        found["total"]["dosed_ml"]["ph_down"])
    assert answer.headers["Content-Disposition"].endswith('.csv"')
    for wrong, why in (({"time_zone": "Mars"}, "time_zone"), ({"from_unix_ms": 0}, "100 days")):
        refused = host.client.get("/api/nodes/idro-a/balance", params=query | wrong)
        assert (refused.status_code, why in refused.json()["error"]) == (422, True)


def test_a_bottle_is_filled_on_a_phone_and_the_week_is_in_a_table(host, node, tab):
    watched = tab(PHONE, "dark")
    page = watched.open("/nodes/idro-a/water")
    bottle = page.locator("#bottles li[data-doser=ph_up]")
    expect(bottle.locator(".days")).to_have_text("Set level")
    bottle.get_by_role("button", name="New bottle…").click()
    page.fill("#bottle [name=volume_ml]", "500")
    page.select_option("#bottle [name=stock]", "khco3_1M")
    page.locator("#bottle").get_by_role("button", name="Save").click()
    expect(page.locator("#bottles > .outcome")).to_have_text("Saved: 500 ml of pH up.")
    expect(bottle.locator(".days")).to_have_text("100 % left")
    expect(bottle).to_contain_text("500 of 500 ml, filled")
    expect(bottle).to_contain_text("No doses in 2 days.")
    assert bottles(host)["ph_up"]["meq_per_ml"] == 1.0
    watched.check()
    bottle.get_by_role("button", name="Undo").click()
    expect(bottle.locator(".days")).to_have_text("Set level")
    rows = page.locator("#balance tbody tr")
    expect(rows.first).to_be_visible()
    assert rows.count() in (2, 3)  # of 47 hours: before them nothing is known
    expect(page.locator("#balance thead th").nth(3)).to_have_text("Consumed or lost")
    expect(page.locator("#balance tfoot")).to_contain_text("Total")
    expect(page.locator("#balance .unknown")).to_contain_text(
        "The strength of pH down is not known")
    expect(page.locator("#balance tfoot td", has_text="?")).to_have_count(1)
    page.locator("#balance [data-days='1']").click()
    expect(rows).to_have_count(1)
    page.locator(".export summary").click()
    with page.expect_download() as download:
        page.locator("#export-balance").click()
    assert "what=balance" in download.value.url
    assert download.value.path().read_text().startswith("time_utc,")
    watched.check()
