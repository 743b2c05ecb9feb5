"""Tests of which down/stored a node takes: signed with its key, fresh, and in order."""

import hashlib
import hmac
import random

import pytest

from idro.app.commands import MAX_ANSWER_MS, CommandHandler
from idro.protocol import messages_host
from idro.protocol.messages import Stored

KEY, NEXT_KEY = bytes(range(32)), bytes(range(32, 64))
NODE, BOOT = "gh-one", "0badcafe"
UNIX_MS = 1_770_000_000_000


class Node:
    """The checks of a node whose uptime is `now_ms`."""

    def __init__(self, key=KEY):
        self.at_ms = 1_000_000
        self.events = []
        self.commands = CommandHandler(
            (NODE, key, BOOT), clock=self, command_ids=None, actions={}, stop=None,
            stop_outcome=None,
            record_event=lambda kind, detail: self.events.append((kind, detail["reason"].code)),
            send_ack=None)

    def now_ms(self):
        return self.at_ms

    def receive(self, stored, keys=(KEY,), node=NODE):
        return self.commands.receive_stored(packed(stored, keys, node))


def packed(stored, keys=(KEY,), node=NODE):
    return messages_host.pack_stored(node, stored, lambda signed: "".join(
        hmac.new(key, signed, hashlib.sha256).hexdigest() for key in keys))


def answer(sent_at_ms, seq_upto=50, boot_id=BOOT):
    return Stored(boot_id, seq_upto, UNIX_MS, sent_at_ms)


@pytest.fixture
def node():
    return Node()


def test_a_signed_answer_to_records_just_sent_is_taken(node):
    assert node.receive(answer(999_900)) == answer(999_900)
    assert node.receive(answer(999_900, 51)) == answer(999_900, 51)  # sent in the same ms
    assert node.receive(answer(None, boot_id="0000beef")) == answer(None, boot_id="0000beef")
    assert node.events == []


def test_forged_answers_are_ignored_and_seldom_reported(node):
    randomness = random.Random(5)
    good = packed(answer(999_900))
    unsigned = good.partition(b',"auth"')[0] + b"}"
    for index in range(1_000):
        changed = bytearray(good)
        changed[randomness.randrange(len(changed))] ^= 1 << randomness.randrange(8)
        for payload in (
            unsigned, bytes(changed), packed(answer(999_900), [NEXT_KEY]),
            packed(answer(999_900), [b""]), packed(answer(999_900), node="gh-two"),
            packed(answer(None, boot_id=f"{index:08x}"), [NEXT_KEY]),
            good.replace(b'upto":50', b'upto":90'),
            good.replace(b"1770000000000", b"1770043200000"),
        ):
            assert node.commands.receive_stored(payload) is None
    assert len(node.events) == 1, "bounded, however many come"
    assert node.events[0][1] in ("unsigned", "message_ignored")
    assert node.commands.ignored_count == 8_000
    assert node.receive(answer(999_900)) is not None


@pytest.mark.parametrize("stale", [
    answer(1_000_000 - MAX_ANSWER_MS - 1), answer(1_000_001), answer(None),
    answer(999_900, boot_id="0000beef"),
])
def test_a_stale_answer_or_one_to_another_boot_is_ignored_without_a_report(node, stale):
    assert node.receive(stale) is None
    assert node.events == []
    assert node.receive(answer(1_000_000 - MAX_ANSWER_MS)) is not None


def test_a_replay_of_an_older_answer_is_ignored(node):
    old = packed(answer(990_000, 40))
    assert node.commands.receive_stored(old) is not None
    assert node.receive(answer(999_900, 50)) is not None
    assert node.commands.receive_stored(old) is None
    assert node.receive(answer(None, boot_id="0000beef")) is not None  # has no uptime to compare
    assert node.commands.receive_stored(old) is None


@pytest.mark.parametrize("keys", [(KEY, NEXT_KEY), (NEXT_KEY, KEY)])
def test_one_of_two_macs_is_enough_while_the_key_is_replaced(node, keys):
    assert node.receive(answer(999_900), keys) is not None
    assert node.receive(answer(999_900), (NEXT_KEY, bytes(32))) is None
    assert node.events == [("refused", "unsigned")]


@pytest.mark.parametrize("key", [None, b""])
def test_a_node_without_a_key_takes_no_answer(key):
    node = Node(key)
    for keys in ([b""], [KEY], [bytes(32)]):
        assert node.receive(answer(999_900), keys) is None
    assert node.events == [("refused", "unsigned")]
