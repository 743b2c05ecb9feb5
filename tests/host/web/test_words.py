"""Event texts and verdicts: every kind of event has a text, every level a cause."""

import pytest

from idro.protocol.events import EVENTS
from idro.protocol.messages import AS_FLASHED, Info
from idro.protocol.quantities import QUANTITIES
from idro.safety import correction as firmware_correction
from idro.safety import interlocks, limits
from idroserra.i18n.channels import display_of, duration_text, format_value, plain_name
from idroserra.i18n.events import event_text, level_of, reason_text
from idroserra.nodes.correction_state import REACHED, described
from idroserra.nodes.dosing_state import EARN_MS, DosingState, authority_of
from idroserra.nodes.health import host_reasons, node_health, summed
from idroserra.nodes.latest_events import LatestEvents
from idroserra.nodes.registry import Node
from idroserra.terminal.tables import sparkline

NOW = 1_795_507_200_000
ON = DosingState("on", "ok", "Automatic dosing on", "Automatic dosing on", None, "", "")


class EmptyStore:
    """A store in which nothing was ever written."""

    def events(self, node, from_unix_ms, to_unix_ms, kinds=None):
        return []


def channel(value=None, fault=None, ago_ms=1_000, band=None):
    return {"value": value, "fault": fault, "unix_ms": NOW - ago_ms, "band": band}


def node(channels, *, online=True, config=None):
    return {
        "node": "idro-a", "online": online, "last_seen_unix_ms": NOW, "stale_after_ms": 30_000,
        "advice": [], "correction": None, "recipe": None,
        "channels": channels,
        "config": {"rev": 0, "reported_rev": 0, "error": None, "values": {}} | (config or {}),
    }


@pytest.mark.parametrize("kind", sorted(EVENTS))
def test_every_kind_of_event_is_a_sentence_even_without_detail(kind):
    text = event_text(kind, {})
    assert text
    assert text[0].isupper() or text.startswith("pH")
    assert "None" not in text
    assert level_of(kind) in ("plain", "ok", "note", "warn", "bad")


@pytest.mark.parametrize("key", sorted(QUANTITIES))
def test_every_quantity_has_a_look(key):
    assert display_of(f"reservoir.{key}").label


def test_screens_speak_millisiemens_and_litres():
    assert format_value("reservoir.ec_us_cm", 1_834) == "1.83 mS/cm"
    assert format_value("reservoir.volume_ml", 52_400) == "52.4 L"
    assert format_value("reservoir.ph", 5.8) == "5.80"


def test_names_and_reasons_become_words():
    assert plain_name("ph_down") == "pH down"
    assert plain_name("nutrient_a") == "nutrient A"
    assert reason_text("mixing_wait") == "mixing wait"
    assert reason_text("watching air.temp_c, 2 of 12") == "watching air temperature, 2 of 12"
    assert reason_text("version 1.x is not.known here") == "version 1.x is not.known here"


@pytest.mark.parametrize(("duration_ms", "text"), [
    (0, "0 ms"), (850, "850 ms"), (12_000, "12 s"), (240_000, "4 min"), (7_800_000, "2 h 10 min"),
    (7_200_000, "2 h"), (259_200_000, "3 d"), (183_600_000, "2 d 3 h"),
])
def test_durations_read_well(duration_ms, text):
    assert duration_text(duration_ms) == text


def test_the_worst_comes_first():
    verdict = node_health(node({
        "reservoir.ph": channel(6.05, band={"low": 5.6, "high": 6.0}),
        "reservoir.ec_us_cm": channel(900, band={"low": 1_520, "high": 1_680}),
        "air.temp_c": channel(fault="no_ack"),
    }), ON, NOW)
    assert verdict["level"] == "bad"
    assert verdict["summary"].startswith("Air temperature: The sensor does not respond")
    assert [reason["level"] for reason in verdict["reasons"]] == ["warn", "note"]
    assert verdict["reasons"][0]["text"] == "EC is 0.90 mS/cm, below 1.52 mS/cm."


def test_just_outside_a_band_is_no_alarm():
    verdict = node_health(
        node({"reservoir.ph": channel(6.05, band={"low": 5.6, "high": 6.0})}), ON, NOW)
    assert (verdict["level"], verdict["summary"]) == ("note", "Running; no action needed.")


def test_too_little_water_is_bad():
    verdict = node_health(
        node({"reservoir.level_mm": channel(90, band={"low": 120, "high": 240})}), ON, NOW)
    assert verdict["level"] == "bad"
    assert "dosing is blocked" in verdict["summary"]


def test_one_silent_channel_is_reported_among_live_ones():
    verdict = node_health(node({
        "reservoir.ph": channel(5.8), "air.rh_pct": channel(60, ago_ms=90_000)}), ON, NOW)
    assert (verdict["level"], verdict["summary"]) == ("warn", "Air humidity: no fresh reading.")


def test_offline_hides_readings_that_are_no_longer_true():
    verdict = node_health(
        node({"reservoir.ph": channel(9.0, band={"low": 5.6, "high": 6.0})}, online=False),
        ON.when_last_heard(), NOW + 600_000)
    assert verdict["summary"] == "Offline: last message 10 min ago. The node continues to run."
    assert verdict["reasons"] == []


def test_unconfirmed_and_refused_settings_are_reported():
    good = {"reservoir.ph": channel(5.8)}
    waiting = node_health(node(good, config={"rev": 4, "reported_rev": 3}), ON, NOW)
    assert waiting["level"] == "note"
    refused = node_health(node(good, config={"error": "ph.target: no"}), ON, NOW)
    assert refused["level"] == "warn"


def test_the_hosts_own_troubles_are_named_with_their_effect():
    counts = {"broker": {"state": "connected"}, "store": {"state": "no answer"},
              "spool": {"state": "ok"}, "failures": {"writer": "KeyError: 'x'"}}
    texts = [reason["text"] for reason in host_reasons(counts)]
    assert len(texts) == 2
    assert "new readings wait safely on disk" in texts[0]
    assert summed([])["level"] == "ok"


def test_noise_stays_flat_in_the_terminals_line():
    assert sparkline([], 0.04) == ""
    assert len(set(sparkline([5.80, 5.81, 5.80], 0.04))) == 1
    assert sparkline([5.0, 6.0], 0.04) == "▁█"


@pytest.mark.parametrize(("more", "sentence"), [
    ({"state": "opened", "reason": "at most 400.0 ml", "by": "ann"},
     "Correction with pH down to pH 5.90 opened by ann: at most 400.0 ml"),
    ({"state": "held", "reason": "mixing, 10 min left"},
     "Correction with pH down waits: mixing, 10 min left"),
    ({"state": "ready", "next_ul": 25_000, "reason": "press the button on the board"},
     "Correction with pH down is ready to give 25.0 ml: press the button on the board"),
    ({"state": "given", "reason": "25.0 ml"},
     "Correction with pH down: a step of 25.0 ml given, 50.0 ml so far, 350.0 ml left"),
    ({"state": "ended", "reason": "dosing had no effect"},
     "Correction with pH down is over: dosing had no effect, 50.0 ml given"),
])
def test_a_correction_is_described_step_by_step(more, sentence):
    detail = {"actuator": "ph_down", "given_ul": 50_000, "left_ul": 350_000, "next_ul": 0,
              "target_milli_ph": 5_900, "by": ""}
    assert event_text("correction", detail | more) == sentence


def test_granted_and_requested_dosing_authority_are_described():
    assert event_text("authority", {
        "granted_pct": 25, "asked_pct": 100, "reason": "dosing was latched",
    }) == "Automatic dosing may use 25 % of its budgets (100 % requested): dosing was latched"
    assert event_text("authority", {
        "granted_pct": 0, "asked_pct": 0, "reason": "settings",
    }) == "Automatic dosing is limited to advice: settings"


@pytest.mark.parametrize(("state", "words"), [
    ("rises", "The water level rose by 12 mm with the valve closed"),
    ("falls", "The water level falls faster than plants drink, 12 mm an hour: check for a leak"),
    ("steady", "The water level is normal again."),
])
def test_unexplained_water_changes_are_described(state, words):
    assert event_text("water", {"state": state, "moved_mm": 12}).startswith(words)
    assert level_of("water") == "warn"


@pytest.mark.parametrize(("kind", "state", "words"), [
    ("irrigation_no_flow", "began", "The irrigation pump has run for 20 s without flow"),
    ("irrigation_no_flow", "ended", "Water flows to the roots again, after 20 s"),
    ("irrigation_stuck_on", "began", "Water flows to the roots, 3.00 L/min, although"),
    ("irrigation_stuck_on", "ended", "The flow to the roots has stopped"),
])
def test_irrigation_failures_are_described(kind, state, words):
    detail = {"state": state, "on_ms": 20_000, "flow_ml_per_min": 3_000}
    assert event_text(kind, detail).startswith(words)


def test_what_irrigation_measures_has_names():
    assert level_of("irrigation_no_flow") == "bad"
    assert level_of("irrigation_stuck_on") == "warn"
    assert display_of("irrigation.flow_ml_per_min").label == "Root flow"
    assert display_of("irrigation.on_pct").label == "Irrigation"
    assert display_of("leak.float_up").label == "Floor wet"


def test_the_hosts_words_are_the_firmwares():
    correction = firmware_correction.Correction("ph_down", 5_900, 400_000, 330_000, 0)
    assert correction.end_reason(5_900, 0) == REACHED
    assert limits.EARN_MS == EARN_MS
    for left_ms, wait_ms in ((40_000, 40_000), (540_000, 540_000)):
        reason = f"mixing, {interlocks.time_left_text(left_ms)} left"
        shown = described({"state": "held", "reason": reason}, NOW)
        assert shown["wait_until_unix_ms"] == NOW + wait_ms
        assert shown["text"] == "Waiting: the water is mixing"


@pytest.mark.parametrize(("event", "granted_pct", "left"), [
    (None, 25, "2 d 3 h"),
    (("authority", {"granted_pct": 100}), 100, None),
    (("latched", {"reason": "dosing had no effect"}), 25, "3 d"),
])
def test_authority_is_what_the_node_said_last(event, granted_pct, left):
    latest = LatestEvents(EmptyStore, lambda: NOW)
    info = Info("0.1.0", "b", "esp32", "b0", 5_000, None, "host", "power_on", "", (), {}, (),
                True, 25, 51 * 3_600_000, AS_FLASHED)
    if event is not None:
        latest.take("idro-a", (NOW - 1_000) * 1_000, *event)
    found = authority_of(latest, Node("idro-a", "farm", info=info,
                                    boot_epoch_unix_ms=NOW - 60_000), 100, NOW)
    assert found.granted_pct == granted_pct
    assert (f"full authority in {left} at the earliest" in found.text) == (left is not None)
    assert (found.full_from_unix_ms is None) == (left is None)


def test_authority_is_not_guessed():
    latest = LatestEvents(EmptyStore, lambda: NOW)
    assert authority_of(latest, Node("idro-a", "farm"), 100, NOW) is None


@pytest.mark.parametrize(("kind", "state", "words"), [
    ("air_too_hot", "began", "The air is too hot, 35.2 of 35.0 C: the heater is locked"),
    ("air_too_hot", "ended", "The air has cooled 35.2 of 35.0 C: the heater may heat again."),
    ("air_warms", "began", "The air warms with the heater off, 35.2 of 35.0 C: is its relay"),
    ("air_warms", "ended", "The air no longer warms with the heater off, 35.2 of 35.0 C."),
])
def test_air_out_of_range_is_described(kind, state, words):
    assert event_text(kind, {"state": state, "reason": "35.2 of 35.0 C"}).startswith(words)
    assert level_of(kind) == "warn"


def test_screens_speak_kilopascal():
    assert format_value("air.vpd_pa", 1_216) == "1.22 kPa"
