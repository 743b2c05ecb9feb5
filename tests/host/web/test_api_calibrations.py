"""Calibrations through the API, with a scripted node at the other end of a real broker."""

import time

import pytest

from idroserra.calibration.reference_solutions import buffer_ph, standard_us_cm
from idroserra.core.reasons import Reason
from support.calibration_cups import STEP_MS, Cups

PATH = "/api/nodes/idro-a/calibrations"


class Walk:
    """A calibration of a node, as a page would ask for it."""

    def __init__(self, host, cups, eventually, kind, **more):
        self._client, self._eventually = host.client, eventually
        self.cups = cups
        answer = self._client.post(PATH, json={"kind": kind, "by": "ada", **more})
        assert answer.status_code == 201, answer.text
        self.path = f"{PATH}/{answer.json()['id']}"
        eventually(lambda: self.state()["hold"]["is_held"], 10, "the hold")

    def state(self):
        return self._client.get(self.path).json()

    def ask(self, what, **body):
        """Return (status, JSON) of a POST."""
        answer = self._client.post(f"{self.path}/{what}", json=body)
        return answer.status_code, answer.json()

    def read(self, values=None, faults=None, **more):
        """Let the node read, until the host has heard the last of it."""
        self.cups.read(values, faults, **more)
        self._eventually(
            lambda: (reading := self.state()["reading"]) is not None
            and reading["unix_ms"] >= self.cups.newest_unix_ms - STEP_MS // 2,
            10, "the readings")

    def finish(self):
        assert self.ask("finish", by="ada")[0] == 200
        self._eventually(lambda: self.state()["state"] == "done", 10, "the end")
        return self.state()


@pytest.fixture
def node(host):
    return host.node("idro-a")


def today():
    """Return the days since 1 January 2000, in UTC."""
    return int(time.time() // 86_400) - 10_957


@pytest.fixture
def walk(host, node, eventually):
    cups = Cups(node)
    return lambda kind, **more: Walk(host, cups, eventually, kind, **more)


def test_ph_by_two_buffers_reads_right_afterwards(host, node, walk, eventually):
    ph = walk("ph")
    assert (node.commands[0].verb, node.commands[0].args) == ("hold", {"for_ms": 1_200_000})
    for buffer in ("7.00", "4.01"):
        ph.read({"reservoir.ph": ph.cups.ph(buffer_ph(buffer, ph.cups.temp_c))})
        assert ph.state()["reading"]["is_stable"]
        status, state = ph.ask("points", reference=buffer)
        assert status == 200, state
    results = state["proposal"]["results"]
    assert results["slope_pct"] == pytest.approx(93.0, abs=0.2)
    assert results["offset_mv"] == pytest.approx(14.0, abs=0.2)
    assert results["old_slope_pct"] == 100.0
    assert state["proposal"]["health"] == 100 - 10 - 4
    begun_day = today()
    ph.finish()
    assert ph.cups.ph(5.80) == pytest.approx(5.80, abs=0.01)
    assert begun_day <= node.values["ph.calibrated_day"] <= today()
    eventually(lambda: node.commands[-1].args == {"for_ms": 120_000}, 10, "the last hold")
    past = host.client.get(PATH).json()
    assert past["open"] is None
    assert past["health_now"] == 86
    kept = past["calibrations"][0]
    assert (kept["kind"], kept["by"], kept["is_confirmed"]) == ("ph", "ada", True)
    assert [point["reference"] for point in kept["points"]] == ["7.00", "4.01"]
    assert kept["settings"]["ph.neutral_uv"]["before"] == 1_500_000
    assert kept["settings"]["ph.neutral_uv"]["after"] == node.values["ph.neutral_uv"]
    assert (past["due_in_days"], past["back"]) == (30, ["ph"])
    host.client.put("/api/nodes/idro-a/config", json={"values": {"ph.neutral_uv": 1_480_000}})
    eventually(lambda: host.client.get(PATH).json()["back"] == [], 10, "the other settings")
    refused = host.client.post(f"{PATH}/back", json={"kind": "ph"})
    assert refused.status_code == 409
    assert "the settings changed since this calibration" in refused.json()["error"]
    assert "no calibration to undo" in host.client.post(
        f"{PATH}/back", json={"kind": "ec"}).json()["error"]


def test_a_point_is_refused_with_what_to_do(walk):
    ph = walk("ph")
    seven = {"reservoir.ph": ph.cups.ph(7.02)}
    ph.read(seven, count=5)
    assert "not stable yet: 5 readings within" in ph.ask("points", reference="7.00")[1]["error"]
    ph.read(seven)
    status, refused = ph.ask("points", reference="4.01")
    assert status == 409
    assert "this is not buffer 4.01: the signal fits 6.86, 7.00" in refused["error"]
    assert ph.ask("points", reference="7.00", temp_c=35)[1]["code"] == "cup_apart"
    assert ph.ask("points", reference="7.00", temp_c=21.0)[0] == 200
    ph.read(seven)
    assert ph.ask("points", reference="7.00")[1]["code"] == "buffer_again"
    assert ph.ask("points", depth_mm=-3)[0] == 422
    assert ph.ask("points", reference="7.00", colour="red")[0] == 422
    assert ph.ask("cancel")[1]["state"] == "cancelled"
    assert "cancelled already" in ph.ask("finish")[1]["error"]


def test_a_poor_probe_takes_dosing_back_and_nothing_raises_it(node, walk):
    ph = walk("ph")
    ph.cups.slope_pct, ph.cups.offset_mv = 87.0, 25.0
    for buffer in ("6.86", "4.01", "9.18"):
        ph.read({"reservoir.ph": ph.cups.ph(buffer_ph(buffer, ph.cups.temp_c))})
        assert ph.ask("points", reference=buffer)[0] == 200
    proposal = ph.state()["proposal"]
    assert proposal["settings"]["dosing.authority_pct"] == 25
    assert "dosing authority is reduced to 25 %" in proposal["notes"][-1]["text"]
    ph.finish()
    assert node.values["dosing.authority_pct"] == 25
    again = walk("ph")
    again.cups.slope_pct, again.cups.offset_mv = 99.0, 2.0
    for buffer in ("6.86", "4.01"):
        again.read({"reservoir.ph": again.cups.ph(buffer_ph(buffer, 19.5))})
        assert again.ask("points", reference=buffer)[0] == 200
    again.finish()
    assert node.values["dosing.authority_pct"] == 25


def test_ec_dry_and_by_two_standards(node, walk):
    ec = walk("ec")
    ec.read(faults={"reservoir.ec_us_cm": "in_air"}, count=6)
    assert ec.ask("points", reference="1413")[1]["code"] == "cell_in_air"
    assert ec.ask("points", reference="dry")[0] == 200
    for standard in ("1413", "12880"):
        ec.read({"reservoir.ec_us_cm": ec.cups.ec(standard_us_cm(standard, ec.cups.temp_c))})
        status, state = ec.ask("points", reference=standard)
        assert status == 200, state
    assert state["proposal"]["results"]["cell"] == pytest.approx(1.12, abs=0.003)
    ec.finish()
    assert node.values["ec.cell_milli"] == pytest.approx(1_120, abs=3)
    assert node.values["ph.calibrated_day"] == 0


def test_level_by_two_depths(node, walk):
    level = walk("level")
    for depth_mm in (50, 250):
        level.read({"reservoir.level_mm": level.cups.level(depth_mm)})
        assert level.ask("points", depth_mm=depth_mm)[0] == 200
    level.finish()
    assert node.values["level.zero_uv"] == pytest.approx(640_000, abs=3_000)
    assert level.cups.level(150) == pytest.approx(150, abs=1)


def test_a_pump_by_the_volume_of_its_runs(node, walk, eventually):
    pump = walk("pump", actuator="nutrient_a")
    for measured_ml in (4.4, 4.5):
        assert pump.ask("runs", volume_ml=5.0, by="bert")[0] == 200
        node.tell("dosed", {"actuator": "nutrient_a", "volume_ul": 5_000, "on_ms": 5_000,
                            "reason": Reason("by_hand").as_json(), "by": "bert"})
        eventually(lambda: pump.state()["run"]["state"] == "given", 10, "the run")
        assert pump.ask("points", measured_ml=measured_ml)[0] == 200
    assert pump.ask("points", measured_ml=4.5)[1]["code"] == "run_needed"
    eventually(lambda: [c.args for c in node.commands if c.verb == "dose"] == [
        {"actuator": "nutrient_a", "volume_ul": 5_000}] * 2, 10, "both commands at the node")
    pump.finish()
    assert node.values["doser.ul_per_s"] == 890


def test_a_run_that_the_gate_refuses_says_why(node, walk, eventually):
    pump = walk("pump", actuator="ph_down")
    node.answer, node.reason = "refused", Reason("gap", actuator="ph_down", left_ms=240_000)
    pump.ask("runs", volume_ml=3.0)
    eventually(lambda: pump.state()["run"]["state"] == "refused", 10, "the refusal")
    assert pump.state()["run"]["reason"]["code"] == "gap"


def test_without_a_hold_no_point_is_taken(host, node, eventually):
    node.answer, node.reason = "refused", Reason("correction_first")
    path = f"{PATH}/{host.client.post(PATH, json={'kind': 'ph'}).json()['id']}"
    eventually(lambda: host.client.get(path).json()["hold"]["reason"], 10, "the refusal")
    answer = host.client.post(f"{path}/points", json={"reference": "7.00"})
    assert answer.status_code == 409
    assert answer.json()["code"] == "dosing_not_held"
    assert "dosing is not held yet: a correction is open" in answer.json()["error"]


def test_what_cannot_be_calibrated_is_said_at_once(host, node, walk):
    def refused(status=409, **body):
        answer = host.client.post(PATH, json=body)
        assert answer.status_code == status
        return answer.json()["error"]

    assert "ezo_ph stores its own calibration" in refused(kind="ph", part="ezo_ph")
    assert "sup_ph8001 stores its own calibration" in refused(kind="ph", part="sup_ph8001")
    assert "Cal,mid,7.00" in refused(kind="ph", part="ezo_ph")
    assert "no calibration settings for" in refused(kind="level", part="hc_sr04")
    assert "which pump? This node has ph_down" in refused(kind="pump")
    assert "which pump?" in refused(kind="pump", actuator="light")
    refused(422, kind="nose")
    walk("ph")
    assert "ada is calibrating" in refused(kind="ec")
    assert host.client.get(PATH).json()["open"]["kind"] == "ph"
    assert host.client.post("/api/nodes/absent/calibrations",
                            json={"kind": "ph"}).status_code == 404
    assert host.client.get(f"{PATH}/cal-none").status_code == 404


def test_an_absurd_calibration_is_taken_back_first(host, node, walk, eventually):
    node.values = node.values | {"ph.neutral_uv": 1_000_000, "ph.slope_uv_per_ph": -130_000,
                                 "ph.calibrated_day": today()}
    node.report(5)
    ph = walk("ph")
    ph.read(faults={"reservoir.ph": "out_of_range"}, count=3)
    assert ph.state()["advice"]["code"] == "calibration_implausible"
    assert ph.ask("factory", by="bert")[0] == 200
    # The host must have heard of them, and the calibration have looked: what is read before counts
    # for the values of before.
    eventually(lambda: host.view("idro-a")["config"]["values"]["ph.neutral_uv"] == 1_500_000,
               10, "the factory values")
    assert host.view("idro-a")["config"]["values"]["ph.calibrated_day"] == 0  # never calibrated
    assert host.service.nodes.get("idro-a").wanted_by == "bert"  # ada started it
    ph.state()
    ph.read({"reservoir.ph": ph.cups.ph(7.02)})
    assert ph.ask("points", reference="7.00")[0] == 200


def test_factory_values_release_no_dosing_that_waits_for_a_calibration(
    host, node, walk, eventually
):
    node.values = node.values | {"ph.neutral_uv": 1_450_000, "ph.calibrated_day": today() - 90}
    node.report(5)
    ph = walk("ph")
    assert ph.ask("factory")[0] == 200
    eventually(lambda: host.view("idro-a")["config"]["values"]["ph.neutral_uv"] == 1_500_000,
               10, "the factory values")
    day = host.view("idro-a")["config"]["values"]["ph.calibrated_day"]
    assert 0 < day < today() - 60  # a node with day 0 would dose, with most probes


def test_settings_changed_by_somebody_else_void_the_points(host, node, walk, eventually):
    ph = walk("ph")
    ph.read({"reservoir.ph": ph.cups.ph(7.02)})
    assert ph.ask("points", reference="7.00")[0] == 200
    host.client.put("/api/nodes/idro-a/config", json={"values": {"ph.neutral_uv": 1_480_000}})
    eventually(lambda: ph.state()["points"] == [], 10, "the points to be void")


def test_the_api_reports_an_old_calibration(host, node, eventually):
    def is_told(level, code):
        state = host.view("idro-a")["state"]
        return (state["level"], state["code"]) == (level, code)

    begun_day = today()
    for days, level, words in (
            (31, "warn", "calibration_due"), (61, "bad", "ph_calibration_old")):
        node.values = node.values | {"ph.calibrated_day": begun_day - days}
        node.report(days)
        node.live(1)
        eventually(lambda wanted=(level, words): is_told(*wanted), 10, words)
    assert host.client.get(PATH).json()["warning"]["values"]["days"] == 61 + today() - begun_day
