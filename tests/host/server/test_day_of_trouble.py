"""A day with 38 kinds of trouble: page, terminal, Home Assistant and notifications show one state.

The troubles come as messages of a node. Each minute the faces are compared in each language: code,
level, who ends it, and the words. A notification has the words of its minute.
"""

from io import StringIO

import pytest
from rich.console import Console

from idro.protocol.reason import Reason
from idroserra.i18n.translate import LANGUAGES, Locale, use_locale
from idroserra.node_state.calibration_age import day_of
from idroserra.recipes import model
from idroserra.terminal.tables import node_detail, nodes_table, state_text
from support.host_without_broker import BEGIN_UNIX_MS, NODE, HostWithoutBroker

MINUTE_MS = 60_000
DAY_MIN = 1_440
PH, EC, LEVEL = "reservoir.ph", "reservoir.ec_us_cm", "reservoir.level_mm"
IN_BAND = {"ec": Reason("ec_in_band", ec_us_cm=1_590, target_us_cm=1_600),
           "ph": Reason("ph_in_band", milli_ph=5_850, target_milli_ph=5_800)}
WELL = "dosing_automatically"
# These alarms last longer than the trouble.
AFTER = {"flash fails": "alarm_raised", "EC far off": "alarm_raised"}
CORRECTION = {"actuator": "ph_down", "given_ul": 0, "left_ul": 400_000, "next_ul": 30_000,
              "target_milli_ph": 5_900, "by": "ann"}


class Day:
    """The host and what its node publishes each minute."""

    def __init__(self, folder):
        targets = [{"name": language, "url": "json://127.0.0.1:9", "language": language}
                   for language in LANGUAGES]
        self.host = HostWithoutBroker(folder, alarms={"targets": targets})
        self.outbox = self.host.service.alarms.dispatcher._outbox
        self.values, self.faults, self.is_silent = {}, {}, False
        self.notified = set()  # codes of the states that notifications have had
        self.shown = {}  # {language: code of the state whose tables were drawn}

    def pass_minute(self):
        """One minute passes: a record comes, and the host evaluates its alarms."""
        self.host.unix_ms += MINUTE_MS
        if not self.is_silent:
            self.host.read(self.values, self.faults)
        self.host.service.alarms.step()

    def acknowledge(self):
        """A person acknowledges every alarm."""
        alarms = self.host.service.alarms.alarms
        alarms.acknowledge([one.key for one in alarms.all() if one.alarm.is_unacknowledged],
                           "ann", "", self.host.unix_ms)

    def notices(self):
        """Return {language: body} of the notices that were posted now; none is sent."""
        return {language: notice.in_language(language).body
                for language, waiting in self.outbox.due(self.host.unix_ms).items()
                for notice, _ in waiting if notice.unix_ms == self.host.unix_ms}

    def decide(self, loop, reason):
        self.host.tell("decided", reason, loop=loop)

    def decide_well(self):
        for loop, reason in IN_BAND.items():
            self.decide(loop, reason)

    def arm(self):
        """The node has armed: it has decided again since its boot."""
        self.host.tell("armed")
        self.decide_well()

    def correct(self, state, reason):
        self.host.tell("correction", reason, state=state, **CORRECTION)

    def change(self, **what):
        """Set what the records say: values, faults or is_silent."""
        for name, value in what.items():
            setattr(self, name, value)


def held(reason, loop="ph"):
    return (lambda day: day.decide(loop, reason)), (lambda day: day.decide(loop, IN_BAND[loop]))


def faulty(channel, fault):
    return (lambda day: day.change(faults={channel: fault})), (lambda day: day.change(faults={}))


def latched(code):
    return ((lambda day: day.host.tell("latched", Reason(code))),
            (lambda day: day.host.tell("resumed", by="ann")))


def corrected(state, reason):
    def begin(day):
        day.correct("opened", Reason("correction_volume", volume_ul=400_000))
        day.decide("ph", Reason("correction_open"))
        if state != "opened":
            day.correct(state, reason)

    def end(day):
        day.correct("ended", Reason("target_reached"))
        day.decide("ph", IN_BAND["ph"])

    return begin, end


def set_to(key, value, normal):
    return (lambda day: day.host.report(**{key: value})), (
        lambda day: day.host.report(**{key: normal}))


def began(kind, begin, end):
    return (lambda day: day.host.tell(kind, **begin)), (lambda day: day.host.tell(kind, **end))


def advising(day):
    day.host.tell("authority", Reason("authority_set"), granted_pct=0, asked_pct=0)
    day.decide("ph", Reason("advice", actuator="ph_down", volume_ul=2_000, why=Reason("ph_turn")))


def no_longer_advising(day):
    day.host.tell("authority", Reason("authority_set"), granted_pct=100, asked_pct=100)
    day.decide("ph", IN_BAND["ph"])


def reboot(day):
    day.host.boot()


def pause_recipe(day):
    day.host.service.recipes.start(NODE, model.load("lettuce"), "ann")
    rev = day.host.node.wanted_rev
    day.host.report(Reason("settings_not_written", detail="EIO"), rev=rev)


def stop_recipe(day):
    day.host.service.recipes.stop(NODE, "ann")
    day.host.report(rev=day.host.node.wanted_rev)


def ask_for_settings(day):
    day.host.service.commands.set_config(NODE, {"light.duty_pct": 50}, "ann")


def flash_recovers(day):
    day.host.tell("dosed", Reason("ph_turn"), actuator="ph_down", volume_ul=1_000, on_ms=900,
                  by="control")


TODAY = day_of(BEGIN_UNIX_MS)
# {trouble: (code of its state, (begin, end))}
TROUBLES = {
    "the last dose mixes": ("ph_high_blocked", held(Reason(
        "ph_high_blocked", why=Reason("mixing", left_ms=20 * MINUTE_MS)))),
    "the day's budget is spent": ("ec_low_blocked", held(Reason(
        "ec_low_blocked", why=Reason("day_spent", volume_ul=90_000, share_pct=100)), "ec")),
    "circulation is off": ("ph_low_blocked", held(Reason(
        "ph_low_blocked", why=Reason("circulation_off")))),
    "low water": ("water_low", ((lambda day: day.change(values={LEVEL: 60})),
                                (lambda day: day.change(values={})))),
    "level unknown": ("channel_fault", faulty(LEVEL, "no_ack")),
    "noisy pH": ("channel_fault", faulty(PH, "noisy")),
    "EC probe in air": ("channel_fault", faulty(EC, "in_air")),
    "air sensor fails": ("channel_fault", faulty("air.temp_c", "crc")),
    "stopped": ("dosing_stopped", ((lambda day: day.host.tell("stopped", by="ann")),
                                   (lambda day: day.host.tell("resumed", by="ann")))),
    "empty bottle": ("dosing_locked", latched("latch_no_effect")),
    "bottles swapped": ("dosing_locked", latched("latch_wrong_way")),
    "resets": ("dosing_locked", latched("latch_resets")),
    "ledger damaged": ("dosing_locked", latched("latch_ledger")),
    "dosing off": ("dosing_off", set_to("dosing__enabled", False, True)),
    "advice": ("advice", (advising, no_longer_advising)),
    "correction opened": ("correction_open", corrected("opened", None)),
    "correction waits": ("correction_waits", corrected(
        "held", Reason("mixing", left_ms=10 * MINUTE_MS))),
    "correction ready": ("correction_ready", corrected("ready", Reason("press_button"))),
    "calibration": ("calibration", held(Reason("calibration", left_ms=30 * MINUTE_MS))),
    "calibration due": ("calibration_due", set_to("ph__calibrated_day", TODAY - 40, 0)),
    "calibration too old": ("ph_calibration_old", set_to("ph__calibrated_day", TODAY - 70, 0)),
    "started again": ("not_armed", (reboot, Day.arm)),
    "update on trial": ("trial", (
        (lambda day: day.host.tell("update_trial", release="ab" * 8, version="0.2.0",
                                   tries_left=2)),
        (lambda day: day.host.tell("update_confirmed", release="ab" * 8, version="0.2.0")))),
    "no contact": ("no_contact", ((lambda day: (day.host.connect(online=False),
                                                day.change(is_silent=True))),
                                  (lambda day: (day.host.connect(online=True),
                                                day.change(is_silent=False))))),
    "no reading": ("no_new_reading", ((lambda day: day.change(is_silent=True)),
                                      (lambda day: day.change(is_silent=False)))),
    "water rises": ("water_rises", began("water", {"state": "rises", "moved_mm": 9},
                                         {"state": "steady", "moved_mm": 0})),
    "water falls": ("water_falls", began("water", {"state": "falls", "moved_mm": 12},
                                         {"state": "steady", "moved_mm": 0})),
    "no flow": ("pump_without_flow", began(
        "irrigation_no_flow", {"state": "began", "on_ms": 20_000},
        {"state": "ended", "on_ms": 40_000})),
    "flow with the pump off": ("flow_with_pump_off", began(
        "irrigation_stuck_on", {"state": "began", "flow_ml_per_min": 3_000},
        {"state": "ended", "flow_ml_per_min": 0})),
    "air too hot": ("air_too_hot", began(
        "air_too_hot", {"state": "began", "reason": Reason(
            "air_too_hot", deci_c=361, limit_deci_c=350)},
        {"state": "ended", "reason": Reason("air_cooled", deci_c=330)})),
    "heater stuck": ("heater_suspect", began(
        "air_warms", {"state": "began", "reason": Reason(
            "air_warmed", rise_deci_c=20, deci_c=260)},
        {"state": "ended", "reason": Reason("air_cooled", deci_c=240)})),
    "settings refused": ("last_settings_refused", (
        (lambda day: day.host.report(Reason("setting_unknown", setting="ph.magic"))),
        (lambda day: day.host.report()))),
    "settings not confirmed": ("settings_waiting", (
        ask_for_settings, lambda day: day.host.report(rev=day.host.node.wanted_rev))),
    "tank does not fill": ("fill_timeout", (
        (lambda day: day.decide("top_off", Reason("fill_timeout", left_ms=20 * MINUTE_MS))),
        (lambda day: day.decide("top_off", Reason("full_enough"))))),
    "EC far off": ("reading_below", ((lambda day: day.change(values={EC: 900})),
                                     (lambda day: day.change(values={})))),
    "recipe paused": ("last_settings_refused", (pause_recipe, stop_recipe)),
    "a cause of a newer node": ("pump_sulks", held(Reason("pump_sulks", volume_ul=3_000))),
    "flash fails": ("ledger_failed", (
        (lambda day: day.host.tell("flash_failed", part="ledger", error="EIO")), flash_recovers)),
}


@pytest.fixture
def day(tmp_path):
    day = Day(tmp_path)
    day.host.boot()
    day.host.unix_ms += 3 * MINUTE_MS
    day.arm()
    day.pass_minute()
    yield day
    day.host.close()


def printed(renderable):
    console = Console(file=StringIO(), width=400, color_system=None)
    console.print(renderable)
    return console.file.getvalue()


def check_faces(day):
    """Compare the three faces in each language; return (code of the state, its words)."""
    host, words = day.host, {}
    for language in LANGUAGES:
        with use_locale(Locale(language)):
            view = host.views.get(NODE)
            page, sensor = view["state"], host.bridge.state(host.node)
            terminal = state_text(page, host.unix_ms).plain.splitlines()[0]
            if page["code"] != day.shown.get(language):  # tables are slow to draw
                day.shown[language] = page["code"]
                assert terminal in printed(node_detail(view, [], host.unix_ms))
                assert page["text"] in printed(nodes_table([view], host.unix_ms, wide=True))
        words[language] = page["text"]
        assert sensor["state"] == page["text"]
        assert page["text"] in terminal
        for key in ("code", "level", "mender", "remedy"):
            assert sensor[key] == page[key]
        if page["level"] != "ok":
            assert f"{page['mender']}]" in terminal
            assert page["code"] in terminal.rpartition("[")[2]
            assert page["remedy"] in terminal.rpartition("[")[2]
        assert (view["dosing"]["state"] == "on") == (host.service.states.of(
            host.node).dosing_cause is None)
    for language, body in day.notices().items():
        if f"{NODE}: " in body:
            day.notified.add(page["code"])
            assert words[language] in body.splitlines()[-1]
    return page["code"], words


def test_all_faces_show_the_same_state_at_every_minute_of_a_day(day):
    minutes = DAY_MIN // len(TROUBLES)
    texts, passed = {}, 0
    assert check_faces(day)[0] == WELL
    for name, (code, (begin, end)) in TROUBLES.items():
        begin(day)
        seen = []
        for _ in range(minutes - 4):
            day.pass_minute()
            passed += 1
            found, texts[name] = check_faces(day)
            seen.append(found)
        assert seen[-1] == code, name
        assert set(seen[4:]) == {code}, name
        end(day)
        for _ in range(4):
            day.pass_minute()
            passed += 1
            found, _ = check_faces(day)
        day.acknowledge()  # what is not acknowledged is part of the state
        found, _ = check_faces(day)
        assert found == AFTER.get(name, WELL), name
    assert passed >= DAY_MIN - len(TROUBLES)
    assert len(TROUBLES) >= 30
    assert len(day.notified) >= 10
    for name, words in texts.items():
        if TROUBLES[name][0] != "pump_sulks":  # a code that no catalog knows is shown as it is
            assert len(set(words.values())) == len(LANGUAGES), words
