"""GET /api/nodes/{node}/dose-preview: what a dose by hand would do, in numbers and words."""

import time

from idroserra.history.models import EventPoint
from support.samples import write_samples

PATH = "/api/nodes/idro-a/dose-preview"


def test_a_dose_is_previewed_in_numbers_and_words(host, node, eventually):
    node.read({"reservoir.ph": 5.7})
    eventually(lambda: host.view("idro-a")["channels"]["reservoir.ph"]["value"] == 5.7, 10,
               "the reading")
    answer = host.client.get(PATH, params={"actuator": "ph_down", "volume_ml": 2})
    assert answer.status_code == 200
    found = answer.json()
    assert (found["value"], found["target"], round(found["after"], 3), found["effect"]) == (
        5.7, 5.8, 5.533, "learned")  # control dosed at 12 ml per pH
    assert "dose_wrong_way" in [one["code"] for one in found["warnings"]]
    assert found["hour_left_ml"] > 0
    assert found["lines"][:2] == [
        "pH: 5.70; target 5.80, band 5.60 to 6.00",
        "After mixing: about 5.53, learned from this node's doses"]


def test_only_a_dosing_pump_has_a_preview(host, node):
    wrong = host.client.get(PATH, params={"actuator": "light", "volume_ml": 2})
    assert wrong.status_code == 422
    assert host.client.get(PATH, params={"actuator": "ph_down", "volume_ml": 0}
                           ).status_code == 422
    assert host.client.get("/api/nodes/unknown/dose-preview",
                           params={"actuator": "ph_down", "volume_ml": 2}).status_code == 404


def test_a_preview_reads_the_newest_doses_only(host, node, eventually):
    """A node may store many a second; every preview would read those of a week."""
    query = {"actuator": "ph_down", "volume_ml": 2}
    eventually(lambda: host.client.get(PATH, params=query).json()["effect"] == "learned", 10,
               "the dose by which control learned")
    now_us = time.time_ns() // 1_000
    write_samples(host.service.store, [], [
        EventPoint("idro-a", now_us + at, at, "b9b9b9b9", "dosed",
                   {"actuator": "ph_up", "volume_ul": 1}) for at in range(3_000)])
    assert host.client.get(PATH, params=query).json()["effect"] != "learned"
