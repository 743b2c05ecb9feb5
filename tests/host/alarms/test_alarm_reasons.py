"""The reasons of alarms: codes with values, in words where they are read."""

import pytest

from idroserra.alarms.summary import active_alarms, headline
from idroserra.core.reasons import Reason, sentence
from idroserra.i18n.reasons import reason_text
from idroserra.i18n.translate import Locale, use_locale
from support.alarm_rig import MINUTE_MS, T0, AlarmRig

# As events carry them.
NO_EFFECT = Reason("latch_no_effect").as_json()
TOO_HOT = Reason("air_too_hot", deci_c=350, limit_deci_c=350).as_json()


@pytest.fixture
def rig(tmp_path):
    rig = AlarmRig(tmp_path)
    yield rig
    rig.close()


@pytest.mark.parametrize(("kind", "detail", "reason"), [
    ("latched", {"reason": NO_EFFECT}, Reason("latch_no_effect")),
    ("latched", {"reason": "dosing had no effect"}, sentence("dosing had no effect")),
    ("latched", {}, Reason("no_reason")),
    ("water", {"state": "falls", "moved_mm": 12}, Reason("water_falls", mm_per_h=12)),
    ("water", {"state": "rises", "moved_mm": 9}, Reason("water_rises", moved_mm=9)),
    ("irrigation_no_flow", {"state": "began", "on_ms": 20_000},
     Reason("pump_without_flow", on_ms=20_000)),
    ("irrigation_stuck_on", {"state": "began", "flow_ml_per_min": 1_250},
     Reason("flow_with_pump_off", flow_ml_per_min=1_250)),
    ("air_too_hot", {"state": "began", "reason": TOO_HOT},
     Reason("air_too_hot", deci_c=350, limit_deci_c=350)),
    ("flash_failed", {"part": "ledger", "error": "OSError(28,)"},
     Reason("node_flash_failed", part="ledger", detail="OSError(28,)")),
    ("gap", {"count": 1}, Reason("readings_thinned", count=1)),
])
def test_an_alarm_of_an_event_has_the_reason_of_the_event(rig, kind, detail, reason):
    rig.add_event("idro-0", kind, **detail)
    rig.step()
    [one] = rig.alarms.all()
    assert one.reason == reason
    assert headline(one) == f"idro-0: {one.rule.title}: {reason_text(reason)}"


@pytest.mark.parametrize(("boot", "code", "values"), [
    (None, "restarts", {}),
    ({"reset": "brown_out"}, "restarts_after", {"reset": "brown_out"}),
    ({"reset": "soft", "last_error": "KeyError('x')"}, "restarts_error",
     {"reset": "soft", "detail": "KeyError('x')"}),
])
def test_a_board_that_keeps_restarting_names_the_last_reset_and_error(rig, boot, code, values):
    if boot is not None:
        rig.add_event("idro-0", "boot", **boot)
    rig.more.setdefault("idro-0", {})["boots_unix_ms"] = (T0, T0 + 1, T0 + 2)
    rig.step()
    [one] = rig.alarms.all()
    assert one.reason == Reason(code, count=3, for_ms=3_600_000, **values)
    assert all(part in headline(one) for part in values.get("detail", "").split())


def test_the_words_of_an_alarm_follow_the_reader_and_its_reason_does_not(rig):
    rig.nodes["idro-0"]["values"]["reservoir.temp_c"] = 29.04
    rig.step(16 * MINUTE_MS, 10_000)
    [one] = rig.alarms.all()
    assert one.reason == Reason("reading_above", channel="reservoir.temp_c", scaled=2_904,
                                limit_scaled=2_800)
    assert active_alarms([one])[0]["reason"] == {
        "code": "reading_above", "text": "water temperature is 29.0 \u00b0C, above 28.0 \u00b0C",
        "values": {"channel": "reservoir.temp_c", "scaled": 2_904, "limit_scaled": 2_800}}
    with use_locale(Locale("en", temperature="F")):
        assert "84.3 \u00b0F, above 82.4 \u00b0F" in headline(one)


def test_the_channels_of_a_dead_bus_are_named(rig):
    rig.fail("idro-0", reservoir__ph="no_ack", reservoir__ec_us_cm="no_ack",
             reservoir__level_mm="no_ack")
    rig.step(3 * MINUTE_MS)
    bus = next(one for one in rig.alarms.all() if one.rule.name == "bus_dead")
    assert bus.reason == Reason("bus_silent", bus="adc.main", channels=" ".join(sorted(
        ("reservoir.ph", "reservoir.ec_us_cm", "reservoir.level_mm"))))
    assert headline(bus).endswith("converter main: EC, water level, pH do not answer")


def test_reasons_survive_a_restart(rig):
    rig.host = {"undelivered": {"phone": Reason("answered_with", status=401)}}
    rig.step()
    before = [(one.key, one.reason) for one in rig.alarms.all()]
    assert before == [("not_delivered/phone", Reason(
        "undelivered", target="phone", why=Reason("answered_with", status=401)))]
    rig.restart()
    assert [(one.key, one.reason) for one in rig.alarms.all()] == before
    [change] = rig.alarms.history(0, 2 * T0, 9)
    assert change.reason == before[0][1]
