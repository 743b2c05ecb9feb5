"""Stops over a real broker: what they wait for, and what they outlast."""

import json
from dataclasses import replace

import pytest

from idro.protocol.reason import Reason
from idroserra.nodes.command_messages import CommandMessages
from idroserra.nodes.command_state import CommandState
from idroserra.nodes.pending_stops import STOP_FOR_MS
from support.stop_host import KEY, NODE, STOPPED

NEXT_KEY = bytes(range(32, 64))

YEAR_MS = 365 * 24 * 3_600_000


def test_a_stop_waits_for_a_node_without_contact(host, node, eventually):
    host.nodes.set_online(NODE, False)
    subscription = host.live.subscribe()
    command_id = host.send()
    assert host.state(command_id) == ("pending", Reason("node_offline"))
    host.later(12 * 3_600_000)
    assert host.state(command_id) == ("pending", Reason("node_offline"))
    host.nodes.set_online(NODE, True)
    host.later()
    assert host.state(command_id) == ("pending", None)
    shown = [message["reason"] for message in subscription.take() if message["type"] == "command"]
    assert shown == [Reason("node_offline").as_json(), None]
    eventually(lambda: node.commands, 10, "it arrives")
    host.answer(command_id)
    assert host.state(command_id) == ("done", STOPPED)


def test_a_stop_without_an_answer_for_a_day_is_over(host):
    host.nodes.set_online(NODE, False)
    command_id = host.send()
    host.later(STOP_FOR_MS + 1)
    assert host.state(command_id) == ("timeout", Reason("node_offline"))
    host.answer(command_id)
    assert host.state(command_id) == ("done", STOPPED)


def test_answers_to_a_stop_that_has_ended_as_done_change_nothing(host, node):
    command_id = host.send()
    host.answer(command_id)
    ended, rows = host.state(command_id), len(host.rows)
    subscription = host.live.subscribe()
    for _ in range(100):
        host.answer(command_id)
    host.answer(command_id, reason=Reason("memory_check"))
    assert host.state(command_id) == ended == ("done", STOPPED)
    assert len(host.rows) == rows
    assert subscription.take() == []


@pytest.mark.parametrize("step_ms", [-YEAR_MS, YEAR_MS])
def test_no_step_of_the_wall_clock_ends_a_stop_or_keeps_it(host, node, step_ms, eventually):
    host.nodes.set_online(NODE, False)
    command_id = host.send()
    host.wall.unix_ms += step_ms
    host.later()
    assert host.state(command_id) == ("pending", Reason("node_offline"))
    eventually(lambda: len(node.commands) == 2, 10, "it again")
    host.close()
    host.wall.unix_ms += step_ms
    host.open()
    host.later(STOP_FOR_MS)
    assert host.state(command_id)[0] == "pending"
    host.later(1)
    assert host.state(command_id)[0] == "timeout"


def test_a_stop_waits_for_the_broker(host, node, mosquitto, eventually):
    host.link.stop()
    command_id = host.send()
    assert host.state(command_id) == ("pending", Reason("broker_unreachable"))


def test_a_restarted_host_goes_on_repeating_it(host, node, eventually):
    command_id = host.send()
    eventually(lambda: len(node.commands) == 1, 10, "the first")
    host.close()
    host.wall.unix_ms += 600_000
    host.open()
    host.nodes.set_online(NODE, True)
    host.later()
    eventually(lambda: len(node.commands) >= 2, 10, "it again")
    assert {one.id for one in node.commands} == {command_id}
    assert node.commands[1].not_after_at_ms > node.commands[0].not_after_at_ms - 1
    eventually(lambda: host.state(command_id) == ("pending", None), 10, "it was sent")


def test_a_node_that_has_its_next_key_gets_the_stop_with_the_second_send(host, node, eventually):
    host.nodes.stage_key(NODE, NEXT_KEY)
    node.key = NEXT_KEY
    received = []
    node._on_command = lambda signed: received.append(node._is_authentic(signed))
    host.send()
    host.later()
    eventually(lambda: len(received) == 2, 10, "both")
    assert received == [False, True]


@pytest.mark.parametrize(("outcome", "reason"), [
    ("expired", Reason("too_late", late_ms=1)), ("refused", Reason("old_boot")),
    ("failed", Reason("memory_check"))])
def test_only_done_ends_a_stop(host, node, eventually, outcome, reason):
    command_id = host.send()
    eventually(lambda: len(node.commands) == 1, 10, "the first")
    host.answer(command_id, outcome, reason)
    assert host.state(command_id)[0] == "pending"
    host.later()
    eventually(lambda: len(node.commands) == 2, 10, "it again")


def test_a_stop_that_the_node_could_not_save_says_so_and_is_repeated(host, node, eventually):
    unsaved = Reason("ledger_failed", detail="OSError(28,)")
    stop_id = host.send()
    eventually(lambda: len(node.commands) == 1, 10, "the stop")
    host.answer(stop_id, "failed", unsaved)
    host.later()
    eventually(lambda: len(node.commands) == 2, 10, "the stop again")
    assert host.state(stop_id) == ("pending", unsaved)
    host.answer(stop_id)
    assert host.state(stop_id) == ("done", STOPPED)


def test_of_many_stops_one_is_repeated_and_its_answer_ends_all(host, node, eventually):
    ids = [host.send() for _ in range(30)]
    eventually(lambda: len(node.commands) == 30, 10, "each once")
    for count in range(31, 36):
        host.later()
        eventually(lambda count=count: len(node.commands) == count, 10, "one more")
    assert {one.id for one in node.commands[30:]} == {ids[-1]}
    host.answer(ids[10])
    assert [host.state(one)[0] for one in ids] == ["done"] * 11 + ["pending"] * 19
    host.answer(ids[-1])
    assert {host.state(one)[0] for one in ids} == {"done"}


def test_stops_of_many_that_wait_are_sent_again_and_not_added(host, node, eventually):
    known = [host.nodes.get(NODE)]
    first = host.commands.begin_stops(known, "anna")()
    for _ in range(9):
        assert host.commands.begin_stops(known, "anna")() == first
    eventually(lambda: len(node.commands) == 10, 10, "each is sent")
    assert [one.id for one in host.commands.recent(NODE)] == first
    assert [row[1] for row, _ in host.rows] == ["command"]
    other = host.commands.begin_stops(known, "bob")()
    assert other != first
    host.answer(*other)
    assert {host.state(*first)[0], host.state(*other)[0]} == {"done"}
    assert host.commands.begin_stops(known, "anna")() not in (first, other)


def test_who_stops_again_a_minute_later_is_in_the_audit_log_again(host, node):
    host.nodes.set_online(NODE, False)
    for _ in range(3):
        for _ in range(5):
            host.commands.begin_stops([host.nodes.get(NODE)], "home assistant")()
        host.later(60_000)
    [stop] = host.commands.recent(NODE)
    assert [(row[1], fields["detail"]["id"]) for row, fields in host.rows] == [
        ("command", stop.id)] * 3


def test_a_stop_after_a_resume_is_a_new_one(host, node, eventually):
    known = [host.nodes.get(NODE)]
    first = host.commands.begin_stops(known, "anna")()
    host.send("resume")
    assert host.commands.begin_stops(known, "anna")() != first
    eventually(lambda: sorted(one.verb for one in node.commands) == ["resume", "stop", "stop"],
               10, "all")


def test_a_stop_whose_recording_was_cut_short_waits_after_a_restart(host, node, eventually):
    host.commands.begin_stop(NODE, "anna", "c" * 24)  # the request was cancelled
    eventually(lambda: len(node.commands) == 1, 10, "it is sent")
    host.commands.begin_stops([host.nodes.get(NODE)], "bob")
    eventually(lambda: len(node.commands) == 2, 10, "both are sent")
    ran = []
    host.commands._records._database.set_trace_callback(ran.append)
    host.close()
    assert ran.count("COMMIT") == 1  # however many: a shutdown has little time
    host.open()
    assert [one.by for one in host.commands.recent(NODE) if one.state == "pending"] == [
        "bob", "anna"]


def test_the_stops_of_many_are_stored_in_one_transaction(host):
    for number in range(20):
        host.nodes.adopt(f"idro-b{number}", KEY)
    ran = []
    host.commands._records._database.set_trace_callback(ran.append)
    ids = host.commands.begin_stops(host.nodes.all(), "anna")()
    host.commands._records._database.set_trace_callback(None)
    assert [one for one in ran if one in ("BEGIN IMMEDIATE", "COMMIT")] == [
        "BEGIN IMMEDIATE", "COMMIT"]
    assert (ran[0], ran[-1], len(ids)) == ("BEGIN IMMEDIATE", "COMMIT", 21)
    host.close()
    host.open()
    assert {host.state(one)[0] for one in ids} == {"pending"}


def test_a_node_forgotten_meanwhile_fails_no_stop_of_the_others(host, node, eventually):
    host.nodes.set_online("idro-new", True)
    known = host.nodes.all()
    host.commands.forget("idro-new")
    [command_id] = host.commands.begin_stops(known, "anna")()
    assert host.state(command_id) == ("pending", None)
    eventually(lambda: [one.id for one in node.commands] == [command_id], 10, "the stop")


def test_a_later_resume_withdraws_a_stop_and_is_ordered_after_it(host, node, eventually):
    command_id = host.send()
    eventually(lambda: node.commands, 10, "the stop")
    resume_id = host.send("resume", ttl_ms=1_000)
    assert host.state(command_id) == ("failed", Reason("cancelled", by="anna"))
    host.later()
    last_id = host.send()
    eventually(lambda: len(node.commands) == 3, 10, "all, in any order")
    ends = {one.id: one.not_after_at_ms for one in node.commands}
    assert ends[resume_id] > ends[command_id]
    assert max(ends.values()) == ends[last_id]


def test_a_resume_that_cannot_be_sent_names_a_stop_that_still_waits(host, node, eventually):
    host.nodes.set_online(NODE, False)
    assert host.state(host.send("resume")) == ("failed", Reason("node_offline"))
    command_id = host.send()
    expected = Reason("stop_waits", why=Reason("node_offline"))
    resume_id = host.send("resume")
    assert host.state(resume_id) == ("failed", expected)
    host.later()
    assert host.state(command_id) == ("pending", Reason("node_offline"))
    host.close()
    host.open()
    assert host.state(resume_id) == ("failed", expected)
    host.later()
    eventually(lambda: len(node.commands) >= 3, 10, "the stop again")
    assert {one.id for one in node.commands} == {command_id}
    host.answer(command_id)
    host.nodes.set_online(NODE, False)
    assert host.state(host.send("resume")) == ("failed", Reason("node_offline"))


def test_a_flood_does_not_delete_a_stop_that_waits(host):
    host.nodes.set_online(NODE, False)
    command_id = host.send()
    host.commands._records._database.execute(
        "UPDATE commands SET number = number - 20000 WHERE id=?", (command_id,))
    host.send("resume")
    host.close()
    host.open()
    assert host.state(command_id)[0] == "pending"


@pytest.mark.parametrize(("back_ms", "end_at_ms"), [(1_000, 40_000), (3_600_000, 30_000)])
def test_a_wall_clock_that_was_set_back_far_orders_nothing(host, back_ms, end_at_ms):
    """A node refuses a command whose end is too far ahead."""
    messages = CommandMessages(lambda node, boot_id: None)
    known = replace(host.nodes.get(NODE), boot_epoch_unix_ms=0)

    def end_ms(ends_unix_ms):
        stop = CommandState("c", NODE, "stop", {}, "ann", 0, ends_unix_ms, "pending", None)
        _, payload = messages.pack(known, stop, KEY, ends_unix_ms)
        return json.loads(payload)["not_after_at_ms"]

    assert end_ms(end_at_ms + back_ms) == end_at_ms + back_ms
    assert end_ms(end_at_ms) == (end_at_ms + back_ms if back_ms < 30_000 else end_at_ms)


def test_a_stop_of_a_forgotten_node_does_not_act_on_the_next_of_that_name(host, node, eventually):
    command_id = host.send()
    eventually(lambda: node.commands, 10, "the stop")
    host.commands.forget(NODE)
    assert host.state(command_id) == ("failed", Reason("not_adopted"))
