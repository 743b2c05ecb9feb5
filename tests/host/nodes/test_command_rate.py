"""The host sends a node no more commands than the node reads."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idroserra.core.errors import UnknownNode
from idroserra.nodes.command_rate import AT_ONCE, EVERY_MS, CommandRate, TooManyCommands
from support.stop_rig import NODE, StopRig

RUN = {"actuator": "light", "for_ms": 60_000, "duty_pct": 50}
HOUR_MS = 3_600_000


@pytest.fixture
def rig(tmp_path):
    rig = StopRig(tmp_path, 1)
    assert rig.wait_for(lambda: rig.publisher.connected, 60_000)
    rig.wait(5_000)
    yield rig
    rig.close()


def run_ids(rig, count):
    """Send `count` commands at once; return the ids of those that the host takes."""
    found = []
    for _ in range(count):
        with suppress(TooManyCommands):
            found.append(rig.host.commands.send(NODE, "run", RUN, "ann"))
    return found


def test_the_node_reads_every_command_that_the_host_takes(rig):
    ids = run_ids(rig, 100)
    assert len(ids) == AT_ONCE
    for _ in range(200):
        rig.wait(EVERY_MS)
        ids += run_ids(rig, 5)
    rig.wait(10_000)
    assert len(ids) == AT_ONCE + 200
    assert {rig.host.commands.state(one).state for one in ids} == {"done"}


def test_a_refused_command_leaves_no_trace_and_the_next_is_sent(rig):
    ids = run_ids(rig, 100)
    assert [one.id for one in reversed(rig.host.commands.recent(NODE, 1_000))] == ids
    rig.wait(EVERY_MS)
    assert len(run_ids(rig, 1)) == 1


def test_what_ends_or_holds_dosing_is_sent_amid_too_many(rig):
    run_ids(rig, 100)
    for verb, args in (("stop", {}), ("hold", {"for_ms": 60_000}), ("end_correction", {})):
        rig.host.commands.send(NODE, verb, args, "ann")


def test_what_is_never_refused_counts_and_the_node_reads_what_follows(rig):
    for _ in range(AT_ONCE):
        rig.host.commands.send(NODE, "hold", {"for_ms": 60_000}, "ann")
    assert run_ids(rig, 100) == []
    for _ in range(2):
        rig.host.commands.send(NODE, "end_correction", {}, "ann")
    ids = []
    for _ in range(20):
        rig.wait(EVERY_MS)
        ids += run_ids(rig, 5)
    rig.wait(10_000)
    assert {rig.host.commands.state(one).state for one in ids} == {"done"}
    assert len(ids) == 20


def test_many_that_are_never_refused_lock_no_node():
    rate = CommandRate()
    for _ in range(1_000):
        rate.check(NODE, "hold", 0)
        rate.count(NODE, 0)
    with pytest.raises(TooManyCommands):
        rate.check(NODE, "run", EVERY_MS - 1)
    rate.check(NODE, "run", EVERY_MS)


def test_a_command_that_is_not_sent_is_not_counted(rig):
    commands = rig.host.commands
    rig.host.nodes.set_online(NODE, False)
    failed = [commands.send(NODE, "run", RUN, "ann") for _ in range(3 * AT_ONCE)]
    assert {commands.state(one).reason.code for one in failed} == {"node_offline"}
    rig.host.nodes.set_online(NODE, True)
    for _ in range(3 * AT_ONCE):
        refused = commands.send(NODE, "resume", {}, "ann", is_current=lambda: False)
        assert commands.state(refused).state == "refused"
    assert len(run_ids(rig, 100)) == AT_ONCE


def test_a_command_that_is_repeated_under_its_id_counts_once(rig):
    for _ in range(100):
        rig.host.commands.send(NODE, "run", RUN, "ann", command_id="a" * 24)
    assert len(run_ids(rig, 100)) == AT_ONCE - 1


def test_a_node_that_is_unknown_is_named(rig):
    with pytest.raises(UnknownNode):
        rig.host.commands.send("idro-none", "run", RUN, "ann")


@given(st.lists(st.integers(-HOUR_MS, HOUR_MS) | st.integers(0, 300), max_size=60))
def test_no_step_of_the_clock_locks_a_node_or_lets_more_pass(steps_ms):
    rate, now_unix_ms = CommandRate(), 1_795_507_200_000

    def is_taken():
        try:
            rate.check(NODE, "run", now_unix_ms)
        except TooManyCommands:
            return False
        rate.count(NODE, now_unix_ms)
        return True

    earned_ms = AT_ONCE * EVERY_MS
    for step_ms in steps_ms:
        now_unix_ms += step_ms
        earned_ms = min(AT_ONCE * EVERY_MS, earned_ms + max(0, step_ms))
        if is_taken():
            earned_ms -= EVERY_MS
            assert earned_ms >= 0
    now_unix_ms += EVERY_MS
    assert is_taken()
