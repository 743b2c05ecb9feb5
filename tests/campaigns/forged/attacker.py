"""An attacker who may publish anything at the broker, and what it forges.

Each kind of command is a function (attacker, name) -> (payload, expected outcome). An outcome of
None means no answer: a node does not answer messages that are not authentic. The attacker has no
key; attacks that need a valid signature reuse recorded commands. Kinds of down/stored are in
STORED_ATTACKS: each claims that everything is stored, and a wall time of half a day ahead.
"""

import hashlib
import hmac
import json
import random
import re
from collections.abc import Callable
from typing import Any, NamedTuple

NODE, OTHER = "serra-one", "serra-two"
KEY, OTHER_KEY = bytes(range(32)), bytes(range(32, 64))
TTL_MS = 30_000
_TURNS = (
    ("dose", {"actuator": "ph_down", "volume_ul": 2_000}),
    ("dose", {"actuator": "ph_up", "volume_ul": 2_000}),
    ("dose", {"actuator": "nutrient_a", "volume_ul": 5_000}),
    ("dose", {"actuator": "nutrient_b", "volume_ul": 5_000}),
    ("run", {"actuator": "top_off", "for_ms": 5_000}),
    ("run", {"actuator": "light", "for_ms": 5_000, "duty_pct": 80}),
    ("stop", {}),
    ("correct", {"actuator": "ph_down", "target_milli_ph": 5_800, "volume_ul": 50_000}),
)
Payload = tuple[bytes, str | None]


def topic(node: str, leaf: str = "command") -> str:
    return f"idro/v1/{node}/down/{leaf}"


def signed(body: dict[str, Any], key: bytes = KEY, node: str = NODE) -> bytes:
    """Return `body` signed as the contract says, without the contract's code."""
    return signed_text(json.dumps(body)[:-1], topic(node), key)


def signed_text(text: str, where: str, key: bytes = KEY) -> bytes:
    """Return a JSON object without its last brace, signed for the topic `where`."""
    auth = hmac.new(key, f"{where}\n{text}".encode(), hashlib.sha256).hexdigest()
    return f'{text},"auth":"{auth}"}}'.encode()


def stored(boot_id: str, seq_upto: int, unix_ms: int, sent_at_ms: int | None,
           key: bytes = KEY, node: str = NODE) -> bytes:
    """Return down/stored as the host signs it."""
    sent = "null" if sent_at_ms is None else sent_at_ms
    text = (f'{{"v":1,"boot_id":"{boot_id}","seq_upto":{seq_upto},"unix_ms":{unix_ms},'
            f'"sent_at_ms":{sent}')
    return signed_text(text, topic(node, "stored"), key)


class Answered(NamedTuple):
    """What a node has sent: `seq` and `sent_at_ms` of its newest records; `unix_ms`: a false time.

    `valid` are the bytes of answers that it has taken, oldest first."""

    boot_id: str
    seq: int
    sent_at_ms: int
    unix_ms: int
    valid: list[bytes]


def _field(payload: bytes, name: str, value: str) -> bytes:
    """Return `payload` with another value of a number, which its signature does not cover."""
    return re.sub(rb'"%s":\d+' % name.encode(), f'"{name}":{value}'.encode(), payload)


def _stored_by(key: bytes, sent: Answered, node: str = NODE) -> bytes:
    return stored(sent.boot_id, sent.seq, sent.unix_ms, sent.sent_at_ms, key, node)


def _without_auth(sent: Answered) -> bytes:
    return _stored_by(KEY, sent).partition(b',"auth"')[0] + b"}"


def _of_another_boot(sent: Answered, sent_at_ms: int | None) -> bytes:
    return stored("0badcafe", sent.seq, sent.unix_ms, sent_at_ms)


STORED_ATTACKS: dict[str, Callable[[Answered], bytes]] = {
    "unsigned": _without_auth,
    "unsigned, as JSON": lambda sent: json.dumps(json.loads(_without_auth(sent))).encode(),
    "a random signature": lambda sent: _without_auth(sent)[:-1] + b',"auth":"%s"}' % (
        random.Random(sent.seq).randbytes(32).hex().encode()),
    "another key": lambda sent: _stored_by(OTHER_KEY, sent),
    "an empty key": lambda sent: _stored_by(b"", sent),
    "another node's": lambda sent: _stored_by(OTHER_KEY, sent, OTHER),
    "another node's topic": lambda sent: _stored_by(KEY, sent, OTHER),
    "a later record": lambda sent: _field(sent.valid[-1], "seq_upto", str(sent.seq)),
    "a later time": lambda sent: _field(sent.valid[-1], "unix_ms", str(sent.unix_ms)),
    "appended": lambda sent: sent.valid[-1][:-1] + b',"seq_upto":%d}' % sent.seq,
    "replayed": lambda sent: sent.valid[-1],
    "replayed, older than the last": lambda sent: sent.valid[0],
    "withheld for two minutes": lambda sent: stored(
        sent.boot_id, sent.seq, sent.unix_ms, max(0, sent.sent_at_ms - 120_000)),
    "from the future": lambda sent: stored(
        sent.boot_id, sent.seq, sent.unix_ms, sent.sent_at_ms + 3_600_000),
    "no uptime": lambda sent: stored(sent.boot_id, sent.seq, sent.unix_ms, None),
    "of another boot": lambda sent: _of_another_boot(sent, sent.sent_at_ms),
    "of an earlier boot": lambda sent: _of_another_boot(sent, None),
    "not a message": lambda sent: b"stored",
}


class Attacker:
    """Builds attacks from what it knows: `boot_id`, `uptime_ms()`, `recorded` (valid commands)."""

    def __init__(self, seed: int, boot_id: str, uptime_ms: Callable[[], int]) -> None:
        self.rng = random.Random(seed)
        self.boot_id = boot_id
        self.uptime_ms = uptime_ms
        self.recorded: list[bytes] = []

    def body(self, name: str, **changed: Any) -> dict[str, Any]:
        """Return a command that would be executed if it were signed."""
        verb, args = self.rng.choice(_TURNS)
        return {
            "v": 1, "id": name, "verb": verb, "args": dict(args), "boot_id": self.boot_id,
            "not_after_at_ms": self.uptime_ms() + TTL_MS, "by": name, **changed,
        }

    def order(self, count: int) -> list[str]:
        """Return `count` kinds of attack in random order, equally often."""
        kinds = [list(ATTACKS)[at % len(ATTACKS)] for at in range(count)]
        self.rng.shuffle(kinds)
        return kinds


def _forged_key(attacker: Attacker, name: str) -> Payload:
    return signed(attacker.body(name), attacker.rng.randbytes(32)), None


def _forged_empty_key(attacker: Attacker, name: str) -> Payload:
    return signed(attacker.body(name), b""), None


def _forged_mac(attacker: Attacker, name: str) -> Payload:
    text = json.dumps(attacker.body(name))[:-1]
    return f'{text},"auth":"{attacker.rng.randbytes(32).hex()}"}}'.encode(), None


def _forged_borrowed_mac(attacker: Attacker, name: str) -> Payload:
    auth = json.loads(attacker.rng.choice(attacker.recorded))["auth"]
    text = json.dumps(attacker.body(name))[:-1]
    return f'{text},"auth":"{auth}"}}'.encode(), None


def _forged_unsigned(attacker: Attacker, name: str) -> Payload:
    return json.dumps(attacker.body(name)).encode(), None


def _forged_changed(attacker: Attacker, name: str) -> Payload:
    """A recorded command with another id."""
    good = attacker.rng.choice(attacker.recorded)
    own = json.loads(good)["id"]
    return good.replace(f'"id": "{own}"'.encode(), f'"id": "{name}"'.encode()), None


def _forged_bit(attacker: Attacker, name: str) -> Payload:
    data = bytearray(signed(attacker.body(name)))
    data[attacker.rng.randrange(len(data))] ^= 1 << attacker.rng.randrange(7)
    return bytes(data), None


def _forged_appended(attacker: Attacker, name: str) -> Payload:
    """A second `args` after what was signed, for a parser that takes the last one."""
    data = signed(attacker.body(name))
    return data[:-1] + b',"args":{"actuator":"ph_down","volume_ul":9000}}', None


def _replayed(attacker: Attacker, name: str) -> Payload:
    return attacker.rng.choice(attacker.recorded), "seen"


def _replayed_elsewhere(attacker: Attacker, name: str) -> Payload:
    """A replay with white space around it, which the signature does not cover."""
    return b" " + attacker.rng.choice(attacker.recorded) + b"\n", "seen"


def _late(attacker: Attacker, name: str) -> Payload:
    late_ms = 1 + attacker.rng.randrange(60_000)
    body = attacker.body(name, not_after_at_ms=max(0, attacker.uptime_ms() - late_ms))
    return signed(body), "expired"


def _early(attacker: Attacker, name: str) -> Payload:
    """Valid for longer than a command may be, so that it could be withheld."""
    ahead_ms = attacker.uptime_ms() + 90_000 + attacker.rng.randrange(10**9)
    return signed(attacker.body(name, not_after_at_ms=ahead_ms)), "refused"


def _foreign_node(attacker: Attacker, name: str) -> Payload:
    return signed(attacker.body(name), OTHER_KEY, OTHER), None


def _foreign_topic(attacker: Attacker, name: str) -> Payload:
    """Signed with this node's key, but for another node's topic."""
    return signed(attacker.body(name), KEY, OTHER), None


def _foreign_boot(attacker: Attacker, name: str) -> Payload:
    boot_id = f"{attacker.rng.getrandbits(32):08x}"
    return signed(attacker.body(name, boot_id=boot_id)), "refused"


def _retained(attacker: Attacker, name: str) -> Payload:
    """Valid in every way, but with the retain flag, which the relay sets."""
    return signed(attacker.body(f"retained-{name}")), None


ATTACKS: dict[str, Callable[[Attacker, str], Payload]] = {
    "forged: another key": _forged_key,
    "forged: an empty key": _forged_empty_key,
    "forged: a random signature": _forged_mac,
    "forged: another command's signature": _forged_borrowed_mac,
    "forged: unsigned": _forged_unsigned,
    "forged: changed after signing": _forged_changed,
    "forged: one bit flipped": _forged_bit,
    "forged: arguments appended": _forged_appended,
    "replayed": _replayed,
    "replayed: with white space": _replayed_elsewhere,
    "late": _late,
    "too far ahead": _early,
    "foreign: another node": _foreign_node,
    "foreign: another node's topic": _foreign_topic,
    "foreign: another boot": _foreign_boot,
    "retained": _retained,
}
