"""Words and verdicts: every event is a sentence, every level has its cause."""

import pytest

from idro.protocol.events import EVENTS
from idro.protocol.quantities import QUANTITIES
from idroserra.cli_tables import sparkline
from idroserra.web.display import display_of, duration_text, plain_name, shown
from idroserra.web.dosing import DosingState
from idroserra.web.verdict import host_reasons, summed, verdict_of
from idroserra.web.words import event_text, level_of, reason_text

NOW = 1_795_507_200_000
ON = DosingState("on", "ok", "Dosing by itself", "Dosing by itself", None, "", "")


def channel(value=None, fault=None, ago_ms=1_000, band=None):
    return {"value": value, "fault": fault, "unix_ms": NOW - ago_ms, "band": band}


def node(channels, *, online=True, config=None):
    return {
        "node": "idro-a", "online": online, "last_seen_unix_ms": NOW, "stale_after_ms": 30_000,
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
    assert shown("reservoir.ec_us_cm", 1_834) == "1.83 mS/cm"
    assert shown("reservoir.volume_ml", 52_400) == "52.4 L"
    assert shown("reservoir.ph", 5.8) == "5.80"


def test_names_and_reasons_become_words():
    assert plain_name("ph_down") == "pH down"
    assert plain_name("nutrient_a") == "nutrient A"
    assert reason_text("mixing_wait") == "mixing wait"
    assert reason_text("watching air.temp_c, 2 of 12") == "watching air temperature, 2 of 12"
    assert reason_text("version 1.x is not.known here") == "version 1.x is not.known here"


@pytest.mark.parametrize(("duration_ms", "text"), [
    (0, "0 ms"), (850, "850 ms"), (12_000, "12 s"), (240_000, "4 min"), (7_800_000, "2 h 10 min"),
    (7_200_000, "2 h"), (259_200_000, "3 d"),
])
def test_durations_read_well(duration_ms, text):
    assert duration_text(duration_ms) == text


def test_the_worst_comes_first():
    verdict = verdict_of(node({
        "reservoir.ph": channel(6.05, band={"low": 5.6, "high": 6.0}),
        "reservoir.ec_us_cm": channel(900, band={"low": 1_520, "high": 1_680}),
        "air.temp_c": channel(fault="no_ack"),
    }), ON, NOW)
    assert verdict["level"] == "bad"
    assert verdict["summary"].startswith("Air temperature: The sensor does not answer")
    assert [reason["level"] for reason in verdict["reasons"]] == ["warn", "note"]
    assert verdict["reasons"][0]["text"] == "EC is 0.90 mS/cm, below 1.52 mS/cm."


def test_just_outside_a_band_is_no_alarm():
    verdict = verdict_of(
        node({"reservoir.ph": channel(6.05, band={"low": 5.6, "high": 6.0})}), ON, NOW)
    assert (verdict["level"], verdict["summary"]) == ("note", "Running; nothing needs you.")


def test_too_little_water_is_bad():
    verdict = verdict_of(
        node({"reservoir.level_mm": channel(90, band={"low": 120, "high": 240})}), ON, NOW)
    assert verdict["level"] == "bad"
    assert "nothing doses" in verdict["summary"]


def test_one_silent_channel_is_told_among_live_ones():
    verdict = verdict_of(node({
        "reservoir.ph": channel(5.8), "air.rh_pct": channel(60, ago_ms=90_000)}), ON, NOW)
    assert (verdict["level"], verdict["summary"]) == ("warn", "Air humidity: no fresh reading.")


def test_offline_hides_readings_that_are_no_longer_true():
    verdict = verdict_of(
        node({"reservoir.ph": channel(9.0, band={"low": 5.6, "high": 6.0})}, online=False),
        ON.when_last_heard(), NOW + 600_000)
    assert verdict["summary"] == "Offline: last heard 10 min ago. It goes on by itself."
    assert verdict["reasons"] == []


def test_unconfirmed_settings_are_noted_and_refused_ones_told():
    good = {"reservoir.ph": channel(5.8)}
    waiting = verdict_of(node(good, config={"rev": 4, "reported_rev": 3}), ON, NOW)
    assert waiting["level"] == "note"
    refused = verdict_of(node(good, config={"error": "ph.target: no"}), ON, NOW)
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
