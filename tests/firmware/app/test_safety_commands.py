"""Tests of forged, late, early, repeated and flooded commands; hazards H20, H21, H22, H26."""

import hashlib
import hmac
import json
import random

import pytest
from hypothesis import given
from hypothesis import settings as settings_of
from hypothesis import strategies as st

from idro.app.commands import CommandHandler
from idro.app.settings import Settings
from idro.protocol import messages, messages_host
from idro.protocol.messages import Command, Config
from idro.protocol.reason import Reason
from idro.safety.authentication import CommandIdLog, hmac_sha256_hex, is_authentic
from idro.safety.outputs import Refused

KEY = bytes(range(32))
NODE = "gh-one"
BOOT = "0badcafe"
RUN = {"actuator": "light", "for_ms": 60_000, "duty_pct": 50}
UNSAVED = Reason("ledger_failed", detail="OSError(28,)")
GIVEN = Reason("dose_given", actuator="ph_down", volume_ul=500)


def mac(data, key=KEY):
    return hmac.new(key, data, hashlib.sha256).hexdigest()


class Clock:
    at_ms = 100_000

    def now_ms(self):
        return self.at_ms


class World:
    """A command processor of a node, with its acks and events."""

    def __init__(self, folder):
        self.clock = Clock()
        self.ran = []
        self.acks = []
        self.firsts = []  # whether each is sent before all else
        self.events = []
        self.waiting = []
        self.refuses = False
        self.stop_outcome = ("done", Reason("all_stopped"))
        self.folder = folder
        self.boot()

    def boot(self):
        actions = {verb: self.action(verb) for verb in messages_host.VERBS}
        self.seen = CommandIdLog(str(self.folder / "ids"))
        self.commands = CommandHandler(
            (NODE, KEY, BOOT), clock=self.clock, command_ids=self.seen, actions=actions,
            stop=lambda by: self.ran.append(("stop", {}, by)),
            stop_outcome=lambda: self.stop_outcome,
            record_event=lambda kind, detail: self.events.append((kind, detail)),
            send_ack=self.take_ack)

    def take_ack(self, ack, is_first=False):
        self.acks.append(ack)
        self.firsts.append(is_first)

    def action(self, verb):
        def run(args, by, answer):
            self.ran.append((verb, args, by))
            if self.refuses:
                raise Refused(Reason("water_low", level_mm=80, low_mm=120))
            if verb == "dose":
                self.waiting.append(answer)
            else:
                answer("done", Reason("all_stopped"))

        return run

    def send(self, verb="stop", args=None, command_id="c1", **changed):
        fields = {"boot_id": BOOT, "not_after_at_ms": 130_000, "by": "ann"}
        fields.update(changed)
        key = fields.pop("key", KEY)
        node = fields.pop("node", NODE)
        command = Command(id=command_id, verb=verb, args=args or {}, **fields)
        payload = messages_host.pack_command(node, command, lambda data: mac(data, key))
        self.commands.receive(payload)
        return payload

    def outcomes(self):
        return [(ack.id, ack.outcome) for ack in self.acks]


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


@settings_of(deadline=None)
@given(st.binary(max_size=200), st.binary(max_size=300))
def test_hmac_matches_the_standard_library(key, message):
    assert hmac_sha256_hex(key, message) == mac(message, key)


def test_hmac_matches_rfc_4231_test_case_2():
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert hmac_sha256_hex(b"Jefe", b"what do ya want for nothing?") == expected


def test_without_a_key_nothing_is_authentic():
    assert not is_authentic(None, b"x", mac(b"x", b""))
    assert not is_authentic(b"", b"x", mac(b"x", b""))


def test_a_valid_command_runs_and_is_acknowledged(world):
    world.send("dose", {"actuator": "ph_down", "volume_ul": 500})
    assert world.ran == [("dose", {"actuator": "ph_down", "volume_ul": 500}, "ann")]
    assert world.acks == []
    world.waiting[0]("done", GIVEN)
    assert world.outcomes() == [("c1", "done")]
    assert world.acks[0].reason == GIVEN


def test_a_refusal_by_the_gate_is_acknowledged_as_refused(world):
    world.refuses = True
    world.send("run", RUN)
    assert (world.acks[0].outcome, world.acks[0].reason) == (
        "refused", Reason("water_low", level_mm=80, low_mm=120))


def test_forged_commands_never_run(world):
    randomness = random.Random(5)
    good = world.send(command_id="good")
    world.ran.clear()
    world.acks.clear()
    for index in range(1_000):
        world.clock.at_ms += 1_000
        if index % 4 == 0:
            world.send(command_id=f"f{index}", key=bytes(32))
        elif index % 4 == 1:
            world.send(command_id=f"f{index}", node="gh-two")
        else:
            payload = bytearray(good)
            payload[randomness.randrange(len(payload))] ^= 1 << randomness.randrange(8)
            world.commands.receive(bytes(payload))
    assert world.ran == []
    assert world.commands.ignored_count == 1_000
    assert len(world.events) <= 3, "reported rarely, not each time"
    codes = {detail["reason"].code for kind, detail in world.events}
    assert codes <= {"unsigned", "message_ignored"}


@pytest.mark.parametrize(("changed", "outcome", "reason"), [
    ({"boot_id": "feedbeef"}, "refused", Reason("old_boot")),
    ({"not_after_at_ms": 99_999}, "expired", Reason("too_late", late_ms=1)),
    ({"not_after_at_ms": 160_001}, "refused", Reason("too_far")),
])
def test_a_command_for_another_boot_or_time_does_not_run(world, changed, outcome, reason):
    world.send(**changed)
    assert world.ran == []
    assert [(ack.outcome, ack.reason) for ack in world.acks] == [(outcome, reason)]


def test_a_repeated_id_is_acknowledged_but_runs_once(world):
    for _ in range(5):
        world.send()
    assert len(world.ran) == 1
    assert world.outcomes() == [("c1", "done")] * 5


def test_a_repeat_during_execution_is_not_acknowledged_yet(world):
    args = {"actuator": "ph_down", "volume_ul": 500}
    world.send("dose", args)
    world.send("dose", args)
    assert len(world.ran) == 1
    assert world.acks == []
    world.waiting[0]("done", GIVEN)
    assert world.outcomes() == [("c1", "done")]


def test_an_id_is_stored_on_flash_before_it_runs(world):
    def run(args, by, answer):
        on_flash.append((world.folder / "ids").read_text())
        answer("done", Reason("all_stopped"))

    on_flash = []
    world.commands._actions["run"] = run
    world.send("run", RUN)
    assert on_flash == ["c1\n"]


def test_an_id_seen_before_a_restart_does_not_run_again(world):
    world.send("run", RUN)
    world.boot()
    world.send("run", RUN)
    assert len(world.ran) == 1
    assert (world.acks[-1].outcome, world.acks[-1].reason) == ("refused", Reason("repeated"))


def test_a_flash_write_error_allows_only_a_stop(world):
    world.seen._path = str(world.folder / "missing" / "ids")
    world.send("run", RUN)
    world.send("resume", command_id="c2")
    assert world.ran == []
    assert world.outcomes() == [("c1", "failed"), ("c2", "failed")]
    assert [ack.reason.code for ack in world.acks] == ["not_recorded", "not_recorded"]
    world.send(command_id="c3")
    assert world.ran == [("stop", {}, "ann")]


def test_a_flood_is_limited_to_five_commands_a_second(world):
    for index in range(200 * 10):
        world.clock.at_ms = 100_000 + index * 5
        world.send(command_id=f"c{index}")
    assert len(world.ran) <= 10 + 5 * 10
    assert len(world.ran) >= 5 * 10


@pytest.mark.parametrize("count", [10, 15, 1_000])
def test_no_flood_of_other_commands_swallows_a_stop(world, count):
    for index in range(count):
        world.send("run", RUN, command_id=f"c{index}")
    world.send("stop", command_id="halt")
    assert world.ran[-1] == ("stop", {}, "ann")
    assert world.outcomes()[-1] == ("halt", "done")


def test_the_word_stop_does_not_help_other_commands_past_the_limit(world):
    for index in range(100):
        world.send("run", RUN, command_id=f"c{index}", by="stop")
    assert len(world.ran) == 10


def test_no_flood_by_a_user_named_stop_swallows_a_stop(world):
    for index in range(1_000):
        world.send("run", RUN, command_id=f"c{index}", by="stop")
    world.send("stop", command_id="halt")
    assert world.ran[-1] == ("stop", {}, "ann")
    assert world.outcomes()[-1] == ("halt", "done")


def test_no_flood_of_forged_stops_swallows_a_stop(world):
    for index in range(1_000):
        world.send("stop", command_id=f"c{index}", key=bytes(32))
    assert world.ran == world.acks == []
    world.send("stop", command_id="halt")
    assert world.outcomes() == [("halt", "done")]


@pytest.mark.parametrize("changed", [{}, {"boot_id": "0badf00d"}, {"not_after_at_ms": 99_999}])
def test_no_flood_of_replayed_stops_swallows_a_stop(world, changed):
    for _ in range(1_000):
        world.send("stop", command_id="old", **changed)
    assert len(world.acks) <= 11, "the answers are limited too"
    before = len(world.ran)
    world.send("stop", command_id="halt")
    assert len(world.ran) == before + 1
    assert world.outcomes()[-1] == ("halt", "done")


def test_a_repeated_stop_is_answered_as_done_however_many_commands_came_between(world):
    world.send("stop", command_id="halt")
    for index in range(30):
        world.clock.at_ms += 1_000
        world.send("run", RUN, command_id=f"c{index}")
    world.send("stop", command_id="halt")
    assert world.outcomes()[-1] == ("halt", "done")
    assert [verb for verb, _, _ in world.ran].count("stop") == 1


def test_a_stop_is_done_only_once_a_reset_would_keep_it(world):
    world.stop_outcome = ("failed", UNSAVED)
    world.send(command_id="s1")
    world.send(command_id="s1")
    world.stop_outcome = ("done", Reason("all_stopped"))
    world.send(command_id="s1")
    assert [(ack.outcome, ack.reason.code) for ack in world.acks] == [
        ("failed", "ledger_failed"), ("failed", "ledger_failed"), ("done", "all_stopped")]
    assert len(world.ran) == 1, "it stops once, so that a resume between them stays"


def test_a_stop_writes_no_id_to_flash_and_is_answered_after_a_restart(world):
    world.send("stop", command_id="halt")
    assert not (world.folder / "ids").exists()
    world.boot()
    world.send("stop", command_id="halt")
    assert world.outcomes() == [("halt", "done")] * 2


def test_a_resume_sent_before_a_stop_that_overtook_it_is_refused(world):
    world.send("stop", command_id="halt", not_after_at_ms=131_000)
    world.send("resume", command_id="early", not_after_at_ms=130_500)
    assert (world.acks[-1].outcome, world.acks[-1].reason) == ("refused", Reason("stopped"))
    world.send("resume", command_id="late", not_after_at_ms=131_001)
    assert [verb for verb, _, _ in world.ran] == ["stop", "resume"]


def test_only_the_answer_to_a_stop_is_sent_first(world):
    world.send("run", RUN, command_id="c1")
    world.send("stop", command_id="halt")
    assert world.firsts == [False, True]


def test_the_list_of_seen_ids_is_bounded(tmp_path):
    seen = CommandIdLog(str(tmp_path / "ids"))
    for index in range(1_000):
        seen.add(f"c{index}")
    assert len((tmp_path / "ids").read_text().split()) <= 400
    again = CommandIdLog(str(tmp_path / "ids"))
    assert again.has("c999")
    assert not again.has("c0")


def config_payload(rev, values, key=KEY):
    data = messages_host.pack_config(NODE, Config(rev, "ann", values), lambda data: mac(data, key))
    return in_pieces(data)


def in_pieces(data, size=50):
    return [data[at:at + size] for at in range(0, len(data), size)]


def test_a_config_is_applied_once_and_only_with_a_higher_rev(world, tmp_path):
    settings = Settings((str(tmp_path / "a"), str(tmp_path / "b")))
    take = world.commands.receive_config
    assert take(config_payload(2, {"ph.target": 6.0}), settings) == ({"ph.target": 6.0}, None)
    assert take(config_payload(2, {"ph.target": 6.0}), settings) == (None, None)
    assert take(config_payload(1, {"ph.target": 6.4}), settings) == (
        None, Reason("old_rev", rev=1, current_rev=2))
    assert take(config_payload(3, {"ph.target": 6.4}, bytes(32)), settings) == (None, None)
    assert settings.values["ph.target"] == 6.0


def test_mutated_configs_never_exceed_the_ranges(world, tmp_path):
    settings = Settings((str(tmp_path / "a"), str(tmp_path / "b")))
    randomness = random.Random(6)
    keys = list(settings.values)
    wild = (-1, 0, 1, 10**9, 1.5, "x", None, True, [], 1e30)
    for rev in range(1, 2_000):
        values = {
            randomness.choice(keys): randomness.choice(wild)
            for _ in range(randomness.choice((1, 1, 1, 2)))
        }
        body = json.dumps({"v": 1, "rev": rev, "by": "ann", "values": values})[:-1]
        auth = mac(f"idro/v1/{NODE}/down/config\n{body}".encode())
        payload = f'{body},"auth":"{auth}"}}'.encode()
        world.commands.receive_config(in_pieces(payload), settings)
        for key, value in settings.values.items():
            messages.settings.check_value(key, value)
        settings_again = messages.settings.check(settings.values)
        assert settings_again == settings.values
