"""VPD and DLI through the API: from readings, from history, and never from a failed reading."""

import time

import pytest

from idro.protocol.settings import defaults

AIR = {"air.temp_c": 25.0, "air.rh_pct": 60.0}
HOUR_MS = 3_600_000


def series(host, *channels, hours=1):
    to = time.time_ns() // 1_000_000 + 1_000
    return host.client.get("/api/nodes/idro-a/series", params={
        "channels": ",".join(channels), "from_unix_ms": to - hours * HOUR_MS, "to_unix_ms": to,
        "columns": 600}).json()["series"]


def bands_of(host, channel, hours=1):
    to = time.time_ns() // 1_000_000 + 1_000
    return host.client.get("/api/nodes/idro-a/setpoints", params={
        "from_unix_ms": to - hours * HOUR_MS, "to_unix_ms": to}).json()["bands"][channel]


def has_reported(config):
    return config["reported_rev"] == config["rev"]


def test_a_vpd_is_shown_with_its_history_until_an_input_fails(host, eventually):
    node = host.node("idro-a")
    node.live()
    node.read(AIR)
    eventually(lambda: host.view("idro-a")["channels"].get("air.vpd_pa", {}).get("value")
               == pytest.approx(1_267, abs=3), 10, "the VPD of the second reading")
    eventually(lambda: series(host, "air.vpd_pa")["air.vpd_pa"], 10, "its history")
    shown = host.view("idro-a")["channels"]["air.vpd_pa"]
    assert shown["value"] == pytest.approx(1_267, abs=3)
    assert (shown["display"]["label"], shown["display"]["unit"]) == ("Air VPD", "kPa")
    assert 1_000 < series(host, "air.vpd_pa")["air.vpd_pa"][-1][2] < 1_300
    node.read({"air.temp_c": 25.0}, faults={"air.rh_pct": "no_ack"})
    eventually(lambda: host.view("idro-a")["channels"]["air.rh_pct"]["fault"], 10, "the fault")
    shown = host.view("idro-a")["channels"]["air.vpd_pa"]
    assert (shown["value"], shown["fault"]) == (None, "no_ack")


def test_the_dli_needs_lamps_whose_light_a_recipe_declares(host, eventually):
    node = host.node("idro-a")
    node.live()
    for hours_ago in range(48):
        for minute in (0, 15, 30, 45):
            node.read({"light.duty_pct": 50.0},
                      ago_ms=hours_ago * HOUR_MS + minute * 60_000 + 60_000)
    host.settle("idro-a", 190)
    dli = "light.dli_mol_per_m2"
    assert dli not in host.view("idro-a")["channels"]
    assert series(host, dli) == {dli: []}
    started = host.client.post("/api/nodes/idro-a/recipe", json={"recipe": "lettuce"})
    ppfd = host.client.get("/api/recipes/lettuce").json()["ppfd_umol_m2_s"]
    assert started.status_code == 201
    shown = host.view("idro-a")["channels"][dli]
    assert (shown["value"], shown["unit"], shown["display"]["unit"]) == (None, "mol/m2", "mol/m²")
    eventually(lambda: has_reported(host.view("idro-a")["config"]), 10, "the recipe's settings")
    node.read({"light.duty_pct": 50.0})
    eventually(lambda: series(host, dli, hours=72)[dli], 10, "a reading under the recipe")
    *before, newest = series(host, dli, hours=72)[dli]
    assert len(before) <= 1  # the light before the recipe was that of other lamps
    assert newest[2] == pytest.approx(ppfd * 0.5 * 86_400 / 1e6, rel=0.01)
    none, *bands = bands_of(host, dli)
    assert none["low"] is None  # before the recipe
    schedules = [defaults(), host.view("idro-a")["config"]["values"]]
    targets = [ppfd * one["light.duty_pct"] / 100 * 60
               * (one["light.on_minutes"] - one["light.ramp_minutes"]) / 1e6 for one in schedules]
    assert bands[-1]["low"] == pytest.approx(0.9 * min(targets), rel=0.01)
    assert bands[-1]["high"] == pytest.approx(1.1 * max(targets), rel=0.01)
