"""How quantities, names, durations and dosing are shown, and the problems of the host itself."""

from dataclasses import replace

import pytest

from idro.protocol.messages import AS_FLASHED, Info
from idro.protocol.quantities import QUANTITIES
from idro.protocol.system_host import UNKNOWN_SYSTEM
from idro.safety import correction as firmware_correction
from idro.safety import limits
from idroserra.core.reasons import Reason
from idroserra.i18n.channels import display_of, duration_text, format_value, plain_name
from idroserra.node_state.inputs import Reading, Reported, StateInputs
from idroserra.node_state.state import state_of
from idroserra.nodes.correction_state import REACHED, described
from idroserra.nodes.dosing_state import EARN_MS, DosingAuthority, authority_of, dosing_json
from idroserra.nodes.host_health import host_problems
from idroserra.nodes.latest_events import LatestEvents
from idroserra.nodes.node import Node
from idroserra.terminal.tables import sparkline

NOW = 1_795_507_200_000
WELL = StateInputs(
    NOW, is_online=True, last_heard_unix_ms=NOW, dosers=("ph_down",), granted_pct=100,
    settings={"dosing.enabled": True}, readings={
        "reservoir.ph": Reading(5.8, None, NOW), "reservoir.level_mm": Reading(200, None, NOW)})


class EmptyStore:
    """A store in which nothing was ever written."""

    def newest_events(self, node, from_unix_ms, to_unix_ms, kinds, count):
        return []


@pytest.mark.parametrize("key", sorted(QUANTITIES))
def test_every_quantity_has_a_look(key):
    assert display_of(f"reservoir.{key}").label


def test_screens_speak_millisiemens_and_litres():
    assert format_value("reservoir.ec_us_cm", 1_834) == "1.83 mS/cm"
    assert format_value("reservoir.volume_ml", 52_400) == "52.4 L"
    assert format_value("reservoir.ph", 5.8) == "5.80"


def test_names_become_words():
    assert plain_name("ph_down") == "pH down"
    assert plain_name("nutrient_a") == "nutrient A"


@pytest.mark.parametrize(("duration_ms", "text"), [
    (0, "0 ms"), (850, "850 ms"), (12_000, "12 s"), (240_000, "4 min"), (7_800_000, "2 h 10 min"),
    (7_200_000, "2 h"), (259_200_000, "3 d"), (183_600_000, "2 d 3 h"),
])
def test_durations_read_well(duration_ms, text):
    assert duration_text(duration_ms) == text


@pytest.mark.parametrize(("changes", "state", "label", "text"), [
    ({}, "on", "Automatic dosing on", "Automatic dosing on"),
    ({"hold": Reported(Reason("dosing_stopped", by="ann"), NOW)}, "stopped", "Dosing stopped",
     "All dosing is stopped, by ann"),
    ({"hold": Reported(Reason("latch_no_effect"), NOW)}, "latched", "Dosing locked",
     "Dosing is locked until a person resumes it: doses had no effect"),
    ({"settings": {"dosing.enabled": False}}, "off", "Monitoring only",
     "Monitoring only: automatic dosing is off in the setpoints"),
    ({"trial_unix_ms": NOW}, "held", "Dosing paused",
     "An update is on trial and not confirmed yet"),
    ({"is_past_read": False}, "unknown", "Dosing unknown",
     "It is not known yet whether dosing is allowed"),
    ({"is_online": False}, "unknown", "Dosing unknown",
     "No contact: the node sends no messages, it continues to run"),
    ({"is_online": False, "hold": Reported(Reason("stopped"), NOW)}, "stopped", "Dosing stopped",
     "A person stopped dosing, when last heard"),
])
def test_dosing_is_shown_from_the_state(changes, state, label, text):
    found = dosing_json(state_of(replace(WELL, **changes)), None, NOW)
    assert (found["state"], found["label"], found["text"]) == (state, label, text)
    assert (found["level"] == "ok") == (state == "on")


def test_limited_authority_is_shown_while_dosing():
    limited = DosingAuthority(25, 100, None, "Automatic dosing with a quarter of its budgets")
    assert dosing_json(state_of(WELL), limited, NOW)["text"] == limited.text
    advising = DosingAuthority(0, 100, None, "Advice only: it shows the doses it would give")
    found = dosing_json(state_of(replace(WELL, granted_pct=0)), advising, NOW)
    assert (found["state"], found["text"]) == ("advise", advising.text)


def test_the_hosts_own_troubles_are_named_with_their_effect():
    counts = {"broker": {"state": "connected"}, "store": {"state": "no answer"},
              "spool": {"state": "ok"}, "failures": {"writer": "KeyError: 'x'"}}
    texts = [problem["text"] for problem in host_problems(counts)]
    assert len(texts) == 2
    assert "new readings wait safely on disk" in texts[0]
    assert host_problems({}) == []


def test_noise_stays_flat_in_the_terminals_line():
    assert sparkline([], 0.04) == ""
    assert len(set(sparkline([5.80, 5.81, 5.80], 0.04))) == 1
    assert sparkline([5.0, 6.0], 0.04) == "▁█"


def test_what_irrigation_measures_has_names():
    assert display_of("irrigation.flow_ml_per_min").label == "Root flow"
    assert display_of("irrigation.on_pct").label == "Irrigation"
    assert display_of("leak.float_up").label == "Floor wet"


def test_the_hosts_codes_are_the_firmwares():
    correction = firmware_correction.Correction("ph_down", 5_900, 400_000, 330_000, 0)
    assert correction.end_reason(5_900, 0).code == REACHED
    assert limits.EARN_MS == EARN_MS
    shown = described(
        {"state": "held", "reason": Reason("mixing", left_ms=540_000).as_json()}, NOW)
    assert shown["wait_until_unix_ms"] == NOW + 540_000
    assert shown["text"] == "Waiting: the water is mixing"


@pytest.mark.parametrize(("event", "granted_pct", "left"), [
    (None, 25, "2 d 3 h"),
    (("authority", {"granted_pct": 100}), 100, None),
    (("latched", {"reason": Reason("latch_no_effect").as_json()}), 25, "3 d"),
])
@pytest.mark.parametrize("up_ms", [60_000, 2_000])  # of a message that was long on its way
def test_authority_is_what_the_node_said_last(event, granted_pct, left, up_ms):
    latest = LatestEvents(EmptyStore, lambda: NOW)
    info = Info("0.1.0", "b", "esp32", "b0", 5_000, None, "host", "power_on", "", (), {}, (),
                True, 25, 51 * 3_600_000, AS_FLASHED, UNKNOWN_SYSTEM)
    if event is not None:
        latest.take("idro-a", (NOW - 1_000) * 1_000, *event)
    found = authority_of(latest, Node("idro-a", "farm", info=info,
                                    boot_epoch_unix_ms=NOW - up_ms), 100, NOW)
    assert found.granted_pct == granted_pct
    assert (f"full authority in {left} at the earliest" in found.text) == (left is not None)
    assert (found.full_from_unix_ms is None) == (left is None)


def test_authority_of_an_earlier_boot_is_over():
    latest = LatestEvents(EmptyStore, lambda: NOW)
    # The times of the earlier boot are 5 s late: its end seems to be after the start of this one.
    latest.take("idro-a", (NOW - 8_000) * 1_000, "authority", {"granted_pct": 100})
    latest.take("idro-a", (NOW - 7_000) * 1_000, "boot", {"reset": "brown_out"})
    info = Info("0.1.0", "b", "esp32", "b0", 5_000, None, "host", "brown_out", "", (), {}, (),
                True, 25, 51 * 3_600_000, AS_FLASHED, UNKNOWN_SYSTEM)
    node = Node("idro-a", "farm", info=info, boot_epoch_unix_ms=NOW - 10_000)
    assert authority_of(latest, node, 100, NOW).granted_pct == 25


def test_authority_is_not_guessed():
    latest = LatestEvents(EmptyStore, lambda: NOW)
    assert authority_of(latest, Node("idro-a", "farm"), 100, NOW) is None


def test_screens_speak_kilopascal():
    assert format_value("air.vpd_pa", 1_216) == "1.22 kPa"
