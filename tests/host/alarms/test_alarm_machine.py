"""Alarm states of ISA-18.2, for every sequence of inputs and actions."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idroserra.alarms import state_machine
from idroserra.alarms.state_machine import NORMAL, STATES, Alarm

ON_MS, OFF_MS = 60_000, 30_000
T0 = 1_795_507_200_000

# One thing that happens, and how much later than the one before.
HAPPENINGS = st.lists(st.tuples(
    st.sampled_from(["present", "absent", "unknown", "ack", "shelve", "unshelve", "cause",
                     "no_cause", "out", "back", "tick"]),
    st.integers(0, 120_000)), max_size=60)


def turn(alarm, what, now, *, auto_ack=False):
    conditions = {"present": True, "absent": False, "unknown": None}
    if what in conditions:
        return state_machine.evaluate(
            alarm, conditions[what], now, ON_MS, OFF_MS, auto_ack=auto_ack
        )
    return {
        "ack": state_machine.acknowledged,
        "unshelve": state_machine.unshelved,
        "out": state_machine.take_out_of_service,
        "back": state_machine.return_to_service,
        "shelve": lambda a: state_machine.shelved(a, now + 600_000),
        "cause": lambda a: state_machine.with_cause(a, "broker_down"),
        "no_cause": lambda a: state_machine.with_cause(a, ""),
        "tick": lambda a: state_machine.expire_shelving(a, now),
    }[what](alarm)


def lives(happenings):
    """Yield (before, what, now, after) of one life."""
    alarm, now = NORMAL, T0
    for what, later_ms in happenings:
        now += later_ms
        after = turn(alarm, what, now)
        yield alarm, what, now, after
        alarm = after


@given(HAPPENINGS)
@settings(max_examples=150, deadline=None)
def test_what_is_so_is_never_called_normal(happenings):
    for _, _, _, alarm in lives(happenings):
        assert alarm.state in STATES
        if alarm.is_active:
            assert alarm.state not in ("normal", "returned")
        if alarm.state == "normal":
            assert not alarm.is_active
            assert not alarm.is_unacknowledged


@given(HAPPENINGS)
@settings(max_examples=150, deadline=None)
def test_only_acknowledgement_or_suppression_ends_the_unacknowledged_state(happenings):
    for before, what, _, after in lives(happenings):
        if before.is_unacknowledged and not after.is_unacknowledged:
            assert what in ("ack", "shelve", "out", "cause")


@given(HAPPENINGS)
@settings(max_examples=150, deadline=None)
def test_a_condition_shorter_than_its_delay_turns_nothing(happenings):
    held_since, was = None, None
    for before, what, now, after in lives(happenings):
        if what in ("present", "absent", "unknown"):
            if what != was:
                held_since, was = now, what
            if before.is_active != after.is_active:
                delay_ms = ON_MS if after.is_active else (0 if before.is_quiet else OFF_MS)
                assert what == ("present" if after.is_active else "absent")
                assert now - held_since >= delay_ms


@given(HAPPENINGS)
@settings(max_examples=150, deadline=None)
def test_shelving_ends_by_itself(happenings):
    for _, _, now, alarm in lives(happenings):
        ended = state_machine.expire_shelving(alarm, now + 600_000)
        assert ended.shelved_until_unix_ms is None
        if alarm.state == "shelved":
            assert ended.is_unacknowledged == (ended.is_active and not ended.cause)


@given(HAPPENINGS)
@settings(max_examples=100, deadline=None)
def test_the_same_evaluation_twice_changes_nothing(happenings):
    for before, what, now, after in lives(happenings):
        if what in ("present", "absent", "unknown"):
            assert turn(turn(before, what, now), what, now) == after


@given(HAPPENINGS)
@settings(max_examples=100, deadline=None)
def test_what_a_clock_set_back_does_is_wait(happenings):
    for before, what, now, _ in lives(happenings):
        earlier = turn(before, what, now - 86_400_000)
        assert earlier.turning_unix_ms is None or earlier.turning_unix_ms <= now


def test_the_states_follow_isa_18_2():
    alarm = state_machine.evaluate(NORMAL, True, T0, 0, 0)
    assert (alarm.state, alarm.raised_unix_ms) == ("unacknowledged", T0)
    assert state_machine.acknowledged(alarm).state == "acknowledged"
    gone = state_machine.evaluate(alarm, False, T0 + 1, 0, 0)
    assert gone.state == "returned"
    assert state_machine.acknowledged(gone).state == "normal"
    again = state_machine.evaluate(gone, True, T0 + 2, 0, 0)
    assert (again.state, again.raised_unix_ms) == ("unacknowledged", T0 + 2)
    seen = state_machine.acknowledged(alarm)
    assert state_machine.evaluate(seen, False, T0 + 1, 0, 0).state == "normal"


def test_without_need_of_a_person_it_ends_alone():
    alarm = state_machine.evaluate(NORMAL, True, T0, 0, 0, auto_ack=True)
    assert state_machine.evaluate(alarm, False, T0, 0, 0, auto_ack=True).state == "normal"


def test_a_shelved_alarm_is_silent_and_annunciates_again_afterwards():
    seen = state_machine.acknowledged(state_machine.evaluate(NORMAL, True, T0, 0, 0))
    aside = state_machine.shelved(seen, T0 + 1_000)
    assert aside.state == "shelved"
    assert state_machine.expire_shelving(aside, T0 + 999).state == "shelved"
    assert state_machine.expire_shelving(aside, T0 + 1_000).state == "unacknowledged"
    over = state_machine.evaluate(aside, False, T0 + 10, 0, OFF_MS)
    assert state_machine.expire_shelving(over, T0 + 1_000).state == "normal"


@pytest.mark.parametrize("is_acked", [True, False])
def test_a_grouped_alarm_keeps_its_acknowledgement(is_acked):
    alarm = Alarm(is_active=True, is_acked=is_acked)
    folded = state_machine.with_cause(alarm, "node_silent/idro-a")
    assert folded.state == "suppressed"
    assert state_machine.acknowledged(folded) == folded
    assert state_machine.with_cause(folded, "") == alarm
    assert state_machine.evaluate(folded, False, T0, 0, OFF_MS).state == "normal"
