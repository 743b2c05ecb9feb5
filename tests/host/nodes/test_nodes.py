"""The registry of nodes: seen, adopted, wanted settings; all of it there after a restart."""

from contextlib import closing

import pytest

from idro.errors import SettingsError
from idro.protocol.messages import AS_FLASHED, ConfigReport, Info
from idro.protocol.reason import Reason
from idro.protocol.system_host import UNKNOWN_SYSTEM
from idroserra.core.errors import KeyMismatch, NotAdopted, StoreUnavailable, UnknownNode
from idroserra.ingest.handler import LastMessage
from idroserra.nodes.node import fingerprint
from idroserra.nodes.registry import Nodes

NODE = "idro-a1"
KEY = bytes(range(32))
NOW = 1_795_507_200_000


@pytest.fixture
def nodes(tmp_path):
    nodes = Nodes(tmp_path / "state.db", "farm")
    yield nodes
    nodes.close()


def info(boot_id="b1"):
    return Info("0.1.0", "esp32-reservoir", "esp32", boot_id, 5_000, None, "none", "power_on",
                "f" * 64, ("reservoir.ph",), {"ph_down": "doser"}, (("b0", 9_000),), False, 100,
                0, AS_FLASHED, UNKNOWN_SYSTEM)


def test_who_shows_up_is_seen_not_adopted(nodes):
    node = nodes.record_message(NODE, NOW)
    assert (node.site, node.is_adopted, node.online) == ("farm", False, False)
    assert nodes.get(NODE).last_seen_unix_ms == NOW
    with pytest.raises(NotAdopted):
        nodes.key(NODE)
    with pytest.raises(UnknownNode):
        nodes.get("idro-none")


def test_all_of_it_survives_a_restart_but_online(tmp_path):
    first = Nodes(tmp_path / "state.db", "farm")
    first.adopt(NODE, KEY, "north")
    first.record_message(NODE, NOW)
    first.set_online(NODE, True)
    first.set_info(NODE, info())
    first.set_desired_config(NODE, {"ph.target": 6.1}, "anna")
    first.set_report(NODE, ConfigReport(1, None, {}))
    before = first.get(NODE)
    first.close()
    second = Nodes(tmp_path / "state.db", "farm")
    after = second.get(NODE)
    assert after.key == KEY
    assert (after.site, after.last_seen_unix_ms) == ("north", NOW)
    assert after.info == before.info
    assert after.wanted_values == before.wanted_values
    assert (after.wanted_rev, after.wanted_by, after.report.rev) == (1, "anna", 1)
    assert not after.online
    second.close()


@pytest.mark.parametrize(("node", "key"), [("host", KEY), ("A", KEY), (NODE, b"short")])
def test_adopting_nonsense_is_refused(nodes, node, key):
    with pytest.raises(ValueError, match="node id|bytes"):
        nodes.adopt(node, key)
    assert nodes.all() == []


def test_a_key_is_never_shown(nodes):
    assert "key" not in repr(nodes.adopt(NODE, KEY))


def test_changes_merge_and_raise_the_rev(nodes):
    nodes.adopt(NODE, KEY)
    assert nodes.set_desired_config(NODE, {"ph.target": 6.1}, "anna").wanted_rev == 1
    node = nodes.set_desired_config(NODE, {"ec.target_us_cm": 1800}, "ben")
    assert (node.wanted_rev, node.wanted_by) == (2, "ben")
    assert node.wanted_values["ph.target"] == 6.1
    assert node.wanted_values["ec.target_us_cm"] == 1800


def test_a_rev_is_above_what_the_node_already_reports(nodes):
    nodes.adopt(NODE, KEY)
    nodes.set_report(NODE, ConfigReport(41, None, {"ph.target": 5.5}))
    node = nodes.set_desired_config(NODE, {"ec.target_us_cm": 1800}, "anna")
    assert node.wanted_rev == 42
    assert node.wanted_values["ph.target"] == 5.5


def test_after_a_restore_the_settings_of_the_node_outrank_those_of_the_backup(nodes):
    nodes.adopt(NODE, KEY)
    old = nodes.set_desired_config(NODE, {"ph.slope_uv_per_ph": -160_000}, "anna")
    # Since the backup the node was calibrated twice; the host knows nothing of it.
    new = dict(old.wanted_values) | {"ph.slope_uv_per_ph": -175_000, "doser.ul_per_s": 700}
    nodes.set_report(NODE, ConfigReport(old.wanted_rev + 2, None, new))
    node = nodes.set_desired_config(NODE, {"ph.target": 6.1}, "anna")
    assert node.wanted_rev == old.wanted_rev + 3
    assert node.wanted_values == new | {"ph.target": 6.1}


def test_a_retained_report_refuses_no_revision(nodes):
    """It may be of before the last change."""
    nodes.adopt(NODE, KEY)
    refusal = ConfigReport(0, Reason("old_rev", rev=1, current_rev=2), {})
    rev = nodes.set_desired_config(NODE, {"ph.target": 6.1}, "anna").wanted_rev
    assert nodes.set_report(NODE, refusal).refused_rev == 0
    assert nodes.set_report(NODE, refusal, 1_000).refused_rev == rev
    assert nodes.set_report(NODE, refusal).refused_rev == rev
    assert nodes.set_report(NODE, ConfigReport(rev, None, {}), 2_000).refused_rev == 0


def test_a_change_that_the_node_has_not_reported_yet_is_kept(nodes):
    nodes.adopt(NODE, KEY)
    nodes.set_report(NODE, ConfigReport(7, None, {"ph.target": 5.5}))
    nodes.set_desired_config(NODE, {"ph.target": 6.1}, "anna")
    node = nodes.set_desired_config(NODE, {"ec.target_us_cm": 1_800}, "anna")
    assert (node.wanted_values["ph.target"], node.wanted_rev) == (6.1, 9)


@pytest.mark.parametrize("changes", [{"ph.target": 99}, {"nope": 1}, {"level.low_mm": 230}])
def test_a_bad_setting_changes_nothing(nodes, changes):
    nodes.adopt(NODE, KEY)
    nodes.set_desired_config(NODE, {"ph.target": 6.1}, "anna")
    with pytest.raises(SettingsError):
        nodes.set_desired_config(NODE, changes, "anna")
    assert nodes.get(NODE).wanted_rev == 1


def test_settings_need_a_key(nodes):
    nodes.record_message(NODE, NOW)
    with pytest.raises(NotAdopted):
        nodes.set_desired_config(NODE, {"ph.target": 6.1}, "anna")
    with pytest.raises(UnknownNode):
        nodes.set_desired_config("idro-none", {"ph.target": 6.1}, "anna")


def test_the_uptime_belongs_to_the_running_boot(nodes):
    nodes.set_info(NODE, info("b1"))
    nodes.set_uptime(NODE, "b0", 1_000, NOW)
    assert nodes.get(NODE).boot_epoch_unix_ms is None
    nodes.set_uptime(NODE, "b1", 1_000, NOW)
    assert nodes.get(NODE).boot_epoch_unix_ms == NOW - 1_000
    nodes.set_info(NODE, info("b2"))
    assert nodes.get(NODE).boot_epoch_unix_ms is None


def test_the_time_of_a_boot_stays_whatever_way_its_messages_take(nodes):
    nodes.set_info(NODE, info("b1"))
    nodes.set_uptime(NODE, "b1", 1_000, NOW)
    booted = nodes.get(NODE).booted_unix_ms
    for late_ms in (700, 12_000, -900):
        nodes.record_last_messages({NODE: LastMessage("b1", 2_000, NOW + 1_000 + late_ms)})
        assert nodes.get(NODE).booted_unix_ms == booted == NOW - 1_000
    nodes.record_last_messages({NODE: LastMessage("b1", 2_000, NOW + 3_600_000)})
    assert nodes.get(NODE).booted_unix_ms == NOW + 3_598_000  # the clock of the host was set
    nodes.set_info(NODE, info("b2"))
    assert nodes.get(NODE).booted_unix_ms is None


def test_a_node_that_cannot_be_forgotten_keeps_both_keys_and_goes_on_leaving(tmp_path):
    nodes = Nodes(tmp_path / "state.db", "farm")
    nodes.adopt(NODE, KEY)
    nodes.stage_key(NODE, bytes(32))
    nodes.let_go(NODE, NOW)
    nodes._database.query("CREATE TRIGGER full BEFORE DELETE ON nodes"
                          " BEGIN SELECT RAISE(ABORT, 'disk full'); END")
    with pytest.raises(StoreUnavailable, match="disk full"):
        nodes.forget(NODE)
    nodes.close()
    again = Nodes(tmp_path / "state.db", "farm")
    assert again.get(NODE).next_key == bytes(32)
    assert again.get(NODE).leaving_until_unix_ms == NOW
    again.close()


def test_last_messages_are_recorded_and_survive_a_restart(tmp_path):
    nodes = Nodes(tmp_path / "state.db", "farm")
    nodes.set_info(NODE, info("b1"))
    nodes.record_last_messages(
        {NODE: LastMessage("b1", 1_000, NOW), "idro-new": LastMessage("b9", None, NOW)})
    assert [node.node for node in nodes.all()] == sorted([NODE, "idro-new"])
    assert nodes.get(NODE).boot_epoch_unix_ms == NOW - 1_000
    nodes.record_last_messages({NODE: LastMessage("b0", 5_000, NOW + 1)})  # late, of another boot
    assert nodes.set_online(NODE, True).last_seen_unix_ms == NOW + 1
    assert nodes.get(NODE).boot_epoch_unix_ms == NOW - 1_000
    nodes.record_last_messages({NODE: LastMessage("b1", 7_000, NOW + 6_100)})
    nodes.set_info(NODE, info("b2"))  # comes after it, and it belongs to the boot before
    assert nodes.get(NODE).boot_epoch_unix_ms is None
    nodes.record_last_messages({NODE: LastMessage("b2", 1, NOW + 7_000)})
    nodes.forget(NODE)
    nodes.record_last_messages({NODE: LastMessage("b2", 2, NOW + 8_000)})
    assert nodes.get(NODE).info is None
    nodes.record_last_messages({NODE: LastMessage("b2", 2, NOW + 9_000)})
    nodes.close()
    again = Nodes(tmp_path / "state.db", "farm")
    assert again.get(NODE).last_seen_unix_ms == NOW + 9_000
    again.close()


def test_both_keys_survive_a_restart_after_a_trial_of_the_other(tmp_path):
    other = bytes(32)
    first = Nodes(tmp_path / "state.db", "farm")
    first.adopt(NODE, KEY)
    first.stage_key(NODE, other)
    first.try_next_key(NODE)
    first.close()
    second = Nodes(tmp_path / "state.db", "farm")
    assert (second.get(NODE).key, second.get(NODE).next_key) == (other, KEY)
    second.try_next_key(NODE)
    second.confirm_key(NODE, fingerprint(KEY))
    second.close()
    third = Nodes(tmp_path / "state.db", "farm")
    assert (third.get(NODE).key, third.get(NODE).next_key) == (KEY, None)
    third.close()


def test_two_keys_and_the_one_that_is_settled_survive_a_restart(tmp_path):
    first = Nodes(tmp_path / "state.db", "farm")
    assert first.stage_key(NODE, KEY).fingerprints == (fingerprint(KEY),)
    first.stage_key(NODE, bytes(32))
    first.close()
    second = Nodes(tmp_path / "state.db", "farm")
    assert (second.get(NODE).key, second.get(NODE).next_key) == (KEY, bytes(32))
    with pytest.raises(KeyMismatch, match="set a new one over USB"):
        second.confirm_key(NODE, fingerprint(b"x" * 32))
    second.confirm_key(NODE, fingerprint(bytes(32)))
    second.close()
    third = Nodes(tmp_path / "state.db", "farm")
    assert third.get(NODE).fingerprints == (fingerprint(bytes(32)),)
    assert bytes(KEY) not in b"".join(p.read_bytes() for p in tmp_path.glob("state.db"))
    third.forget(NODE)
    assert third.all() == []
    with pytest.raises(UnknownNode):
        third.forget(NODE)
    third.close()


def test_the_records_of_a_node_that_leaves_are_not_confirmed_for_a_while(nodes, tmp_path):
    nodes.adopt(NODE, KEY)
    nodes.let_go(NODE, NOW + 1_000)
    with closing(Nodes(tmp_path / "state.db", "farm")) as again:  # also after a restart
        assert again.signing_keys(NODE, NOW) == ()
        assert again.signing_keys(NODE, NOW + 1_000) == (KEY,)
    assert nodes.key(NODE) == KEY  # it still gets commands
    nodes.let_go(NODE, 0)
    assert nodes.signing_keys(NODE, NOW) == (KEY,)
    nodes.let_go(NODE, NOW + 1_000)
    nodes.forget(NODE)
    nodes.adopt(NODE, KEY)
    with closing(Nodes(tmp_path / "state.db", "farm")) as again:
        assert again.signing_keys(NODE, NOW) == (KEY,)
