"""Recipes on nodes: over a real broker, across restarts, silence and refusals."""

import sqlite3
from contextlib import closing

import pytest

from idro.protocol.messages import ConfigReport
from idroserra.core.config import load_config
from idroserra.core.errors import NotAdopted, StoreUnavailable, UnknownNode
from idroserra.core.reasons import Reason
from idroserra.recipes import model
from idroserra.recipes.model import DAY_MS
from idroserra.recipes.runner import CannotRun
from idroserra.server.service import Service
from idroserra.web.computed_readings import lamp_ppfd
from support.node_client import NodeClient

NODE = "idro-a1"
KEY = bytes(range(32))
NOON_UNIX_MS = 1_795_608_000_000
CROP = model.parse(b"""
[recipe]
name = "mine"
text = "One of mine."
crop = "lettuce"
ppfd_umol_m2_s = 250
source = ["my own beds"]
[[stage]]
name = "young"
days = 2
text = ""
source = "my own beds"
settings = { ph.target = 5.9, ec.target_us_cm = 1_200, light.on_minutes = 960 }
[[stage]]
name = "old"
days = 3
ramp_days = 2
text = ""
source = "my own beds"
settings = { ec.target_us_cm = 1_600 }
[[stage]]
name = "ripe"
days = 1
text = ""
source = "my own beds"
settings = { light.on_minutes = 840 }
""", "mine.toml")


class Wall:
    """A wall clock that stands until it is moved."""

    def __init__(self, unix_ms=NOON_UNIX_MS):
        self.unix_ms = unix_ms

    def __call__(self):
        return self.unix_ms

    def sleep_a_day(self):
        self.unix_ms += DAY_MS


FULL = Reason("settings_not_written", detail="flash is full")


class House:
    """A host that can be stopped and begun again on its folder, and its one node."""

    def __init__(self, folder, port, eventually):
        self.wall = Wall()
        self._eventually = eventually
        self._config = load_config(None, {
            "data_dir": str(folder), "mqtt": {"url": f"mqtt://127.0.0.1:{port}"}})
        self.begin()
        self.host.nodes.adopt(NODE, KEY)
        self.node = NodeClient(port, NODE, KEY)
        self.node.start()
        eventually(lambda: self.host.nodes.get(NODE).info, 15, "the node is known")
        self.node.report()
        eventually(lambda: self.host.nodes.get(NODE).report, 15, "its settings are known")

    def begin(self):
        self.host = Service(self._config, self.wall)
        self.host.start()

    @property
    def run(self):
        return self.host.recipes.of(NODE)

    def start(self, crop=CROP):
        return self.host.recipes.start(NODE, crop, "anna")

    def until(self, told_state, state="running"):
        self._eventually(
            lambda: (self.run.told_state, self.run.state) == (told_state, state), 15,
            f"{told_state}, {state}")

    def setpoints(self):
        """Return (EC, minutes of light, by) of what the node was sent last."""
        config = self.node.configs[-1]
        return (config.values["ec.target_us_cm"], config.values["light.on_minutes"], config.by)


def change(folder, statement):
    """Change the host's database behind its back."""
    with closing(sqlite3.connect(folder / "host" / "state.db")) as other, other:
        other.execute(statement)


@pytest.fixture
def house(tmp_path, mosquitto, eventually):
    house = House(tmp_path / "host", mosquitto.port, eventually)
    yield house
    house.node.stop()
    house.host.stop()


def test_each_day_sends_what_it_changes_and_the_node_confirms(house, eventually):
    begun = house.start()
    assert (begun.state, begun.told_state) == ("running", "pending")  # nothing is claimed
    house.until("confirmed")
    assert house.setpoints() == (1_200, 960, "recipe mine")
    assert house.node.in_force[1]["ph.target"] == 5.9
    house.host.commands.set_config(NODE, {"ph.target": 6.1}, "anna")
    eventually(lambda: house.host.nodes.get(NODE).report.values["ph.target"] == 6.1, 10,
               "what was set by hand")
    assert len(house.node.configs) == 2
    sent = []
    for _ in range(4):
        house.wall.sleep_a_day()
        house.until("confirmed")
        sent.append((len(house.node.configs), *house.setpoints()[:2]))
    # The second day changes nothing; what was set by hand stays, for no later day is about it.
    assert sent == [(2, 1_200, 960), (3, 1_400, 960), (4, 1_600, 960), (4, 1_600, 960)]
    assert house.node.in_force[1]["ph.target"] == 6.1
    house.wall.sleep_a_day()
    house.until("confirmed")
    assert house.setpoints()[1] == 840
    house.wall.sleep_a_day()
    house.until("confirmed", "finished")
    house.wall.sleep_a_day()
    assert house.run.state == "finished"
    assert len(house.node.configs) == 5


def test_it_goes_on_where_it_is_after_the_host_was_away(house, eventually):
    house.start()
    house.until("confirmed")
    house.host.stop()
    house.wall.unix_ms += 3 * DAY_MS
    house.begin()
    house.until("confirmed")
    assert (house.run.by, house.run.told_day) == ("anna", 3)
    eventually(lambda: house.setpoints()[0] == 1_600, 10, "the setpoints of that day")


def test_days_begin_at_midnight_and_never_go_back(house):
    house.start()
    house.until("confirmed")
    house.wall.unix_ms += DAY_MS // 2 - 1  # a millisecond to midnight
    assert house.run.told_day == 0
    house.wall.unix_ms += 1 + DAY_MS
    house.until("confirmed")
    assert house.run.told_day == 2
    house.wall.unix_ms -= 2 * DAY_MS
    assert house.run.told_day == 2
    assert house.setpoints()[0] == 1_400


def test_a_node_that_is_offline_gets_it_when_it_is_back(house, mosquitto, eventually):
    house.start()
    house.until("confirmed")
    house.node.stop()
    house.wall.unix_ms += 2 * DAY_MS
    assert house.run.told_state == "pending"
    house.wall.sleep_a_day()
    assert house.run.told_state == "pending"
    back = NodeClient(mosquitto.port, NODE, KEY, boot_id="b00t0002")
    back.in_force = house.node.in_force
    house.node = back
    back.start()
    house.until("confirmed")
    assert back.in_force[1]["ec.target_us_cm"] == 1_600


def test_what_was_sent_without_a_broker_arrives(house, mosquitto):
    mosquitto.stop()
    house.start()
    assert house.run.told_state == "pending"
    mosquitto.start()
    house.until("confirmed")
    assert house.setpoints()[0] == 1_200


def test_a_refusal_holds_it_until_somebody_resumes(house):
    house.start()
    house.until("confirmed")
    house.node.refusal = FULL
    house.wall.unix_ms += 2 * DAY_MS
    house.until("refused", "held")
    assert house.run.reason == Reason("setpoints_refused", why=FULL)
    assert house.host.recipes.pause_reason(NODE) == house.run.reason
    count = len(house.node.configs)
    house.wall.sleep_a_day()
    assert house.run.state == "held"
    assert len(house.node.configs) == count
    house.host.stop()
    house.begin()
    assert (house.run.state, house.run.told_state) == ("held", "refused")
    assert house.run.reason == Reason("setpoints_refused", why=FULL)
    house.host.recipes.resume(NODE, "bert")
    house.until("refused", "held")
    house.node.refusal = None
    assert house.host.recipes.resume(NODE, "bert").told_state == "pending"
    house.until("confirmed")
    assert house.host.recipes.pause_reason(NODE) is None
    assert house.setpoints() == (1_600, 960, "recipe mine")
    with pytest.raises(CannotRun, match="is not paused"):
        house.host.recipes.resume(NODE, "bert")


def test_an_older_refusal_that_arrives_late_is_undone_by_the_nodes_own_word(house):
    house.node.stop()
    house.wall.unix_ms += 1_000
    house.start()
    on_report = house.host.commands.on_config_report
    damaged = Reason("settings_damaged")
    on_report(NODE, ConfigReport(0, damaged, {}))  # a copy the broker kept says nothing new
    assert (house.run.told_state, house.run.state) == ("pending", "running")
    on_report(NODE, ConfigReport(0, damaged, {}), house.wall.unix_ms)
    assert (house.run.told_state, house.run.state) == ("refused", "held")
    on_report(NODE, ConfigReport(house.run.told_rev, None, {}), house.wall.unix_ms)
    assert (house.run.told_state, house.run.state) == ("confirmed", "running")
    assert house.run.reason is None


def test_a_stage_is_skipped_and_the_last_one_is_not(house):
    house.start()
    house.until("confirmed")
    house.host.recipes.next_stage(NODE, "bert")
    house.until("confirmed")
    assert house.run.recipe.place(house.run.told_day) == (1, 0)
    assert house.setpoints()[0] == 1_400
    house.wall.sleep_a_day()
    house.until("confirmed")
    assert house.setpoints()[0] == 1_600
    house.host.recipes.next_stage(NODE, "bert")
    house.until("confirmed")
    assert house.setpoints()[1] == 840
    with pytest.raises(CannotRun, match="last stage"):
        house.host.recipes.next_stage(NODE, "bert")


def test_stopped_is_stopped_and_the_setpoints_stay(house):
    house.start()
    house.until("confirmed")
    stopped = house.host.recipes.stop(NODE, "bert")
    assert (stopped.state, stopped.state_by) == ("stopped", "bert")
    house.wall.unix_ms += 3 * DAY_MS
    assert house.run.state == "stopped"
    assert house.setpoints()[0] == 1_200
    for ask in (house.host.recipes.stop, house.host.recipes.next_stage, house.host.recipes.resume):
        with pytest.raises(CannotRun, match="runs no recipe"):
            ask(NODE, "bert")
    house.start()
    house.until("confirmed")
    assert house.run.told_day == 0


def test_what_cannot_run_is_refused_with_the_reason(house):
    hungry = model.parse(CROP.toml.replace("ec.target_us_cm = 1_600", "ec.target_us_cm = 5_000")
                          .encode(), "mine.toml")
    with pytest.raises(CannotRun, match="idro-a1 cannot run mine: old: EC has to rise") as refused:
        house.start(hungry)
    assert (refused.value.code, refused.value.reason.values["stage"]) == (
        "recipe_impossible", "old")
    assert house.run is None
    with pytest.raises(UnknownNode):
        house.host.recipes.start("idro-none", CROP, "anna")
    house.host.nodes.record_message("idro-new", NOON_UNIX_MS)
    with pytest.raises(NotAdopted):
        house.host.recipes.start("idro-new", CROP, "anna")
    house.host.nodes.adopt("idro-new", KEY)
    with pytest.raises(CannotRun, match="has not reported its settings"):
        house.host.recipes.start("idro-new", CROP, "anna")
    house.start()
    with pytest.raises(CannotRun, match="runs mine already: stop it first"):
        house.start()


def test_settings_that_contradict_it_later_hold_it_with_the_key(house):
    level = CROP.toml.replace("light.on_minutes = 960", "level.target_mm = 200").replace(
        "light.on_minutes = 840", "level.target_mm = 210")
    house.start(model.parse(level.encode(), "mine.toml"))
    house.until("confirmed")
    house.host.commands.set_config(
        NODE, {"level.full_mm": 205}, "anna")
    house.wall.unix_ms += 5 * DAY_MS
    house.until("refused", "held")
    assert house.run.reason == Reason(
        "setpoints_not_sent", why=Reason("level_order", setting="level.target_mm"))
    house.host.commands.set_config(NODE, {"level.full_mm": 240}, "anna")
    assert house.run.state == "held"  # it was never sent, so nothing the node says undoes it
    house.host.recipes.resume(NODE, "anna")
    house.until("confirmed")
    assert house.node.configs[-1].values["level.target_mm"] == 210


def test_a_run_of_an_unknown_node_is_stopped_and_touches_no_other(house, mosquitto, eventually):
    """As after `node forget` at the stopped host, in the same file."""
    other = NodeClient(mosquitto.port, "idro-b2", KEY)
    house.host.nodes.adopt("idro-b2", KEY)
    other.start()
    eventually(lambda: house.host.nodes.get("idro-b2").info, 15, "the other node is known")
    other.report()
    eventually(lambda: house.host.nodes.get("idro-b2").report, 15, "its settings are known")
    house.node.stop()
    house.start()
    house.host.recipes.start("idro-b2", CROP, "anna")
    house.host.nodes.forget(NODE)
    house.wall.unix_ms += 2 * DAY_MS
    house.host.recipes.update()
    eventually(lambda: other.configs and other.configs[-1].values["ec.target_us_cm"] == 1_400, 10,
               "its third day")
    for _ in range(2):
        assert (house.run.state, house.run.reason) == ("stopped", Reason("not_adopted"))
        assert house.host.recipes.nodes_running("mine") == ["idro-b2"]
        house.host.stop()
        house.begin()
    other.stop()


def test_a_forgotten_node_takes_its_run_along(house):
    house.node.stop()
    house.start()
    house.host.recipes.forget(NODE)
    assert house.run is None
    house.host.commands.forget(NODE)
    house.host.nodes.adopt(NODE, KEY)
    house.host.stop()
    house.wall.unix_ms += 2 * DAY_MS
    house.begin()
    house.host.recipes.update()
    assert house.run is None
    assert house.host.nodes.get(NODE).wanted_rev == 0


def test_a_disk_that_takes_nothing_loses_no_day_and_no_decision(house, tmp_path):
    house.start()
    house.until("confirmed")
    change(tmp_path, "ALTER TABLE recipe_runs RENAME TO away")
    with pytest.raises(StoreUnavailable):
        house.host.recipes.stop(NODE, "anna")
    assert house.run.state == "running"
    house.wall.unix_ms += 2 * DAY_MS
    house.until("confirmed")
    assert house.setpoints()[0] == 1_400
    change(tmp_path, "ALTER TABLE away RENAME TO recipe_runs")
    assert house.run.told_day == 2
    house.host.stop()
    house.begin()
    assert (house.run.told_day, house.run.told_state) == (2, "confirmed")


def test_a_recipe_this_host_cannot_read_any_more_is_over(house, tmp_path):
    house.start()
    house.host.stop()
    change(tmp_path, "UPDATE recipe_runs SET toml = 'days = 3'")
    house.begin()
    assert house.run.state == "stopped"
    assert house.run.reason.code == "recipe_unreadable"
    assert lamp_ppfd(house.host.recipes)(NODE) is None
    house.start()
    house.until("confirmed")


def test_a_sentence_of_an_earlier_version_becomes_a_reason_once(house, tmp_path):
    house.start()
    house.until("confirmed")
    house.host.recipes.stop(NODE, "anna")
    house.host.stop()
    change(tmp_path, "UPDATE recipe_runs SET reason = 'it said \"no\"'")
    change(tmp_path, "DELETE FROM versions WHERE name = 'recipe_runs'")
    for _ in range(2):
        house.begin()
        assert house.run.reason == Reason("sentence", detail='it said "no"')
        house.host.stop()
    house.begin()
