"""Made-up messages of one node over the protocol's own tables, from a seed: valid, odd, broken."""

import json
import random
import string

from idro.protocol import quantities, settings, validation
from idro.protocol.events import EVENTS
from idro.protocol.faults import FAULTS
from idro.protocol.messages_host import CLOCKS, OUTCOMES, UPDATE_STATES
from idro.protocol.reasons import REASONS, VALUES
from idroserra.core.reasons import REASONS as ALL_REASONS
from support.paho_node import CHANNELS, OUTPUTS

DAY_MS = 86_400_000
YEAR_MS = 365 * DAY_MS
NUMBERS = (0, 1, -1, 2**31, 2**32, 10**12, validation.MAX_INT, -validation.MAX_INT)
NOT_NUMBERS = (
    2**53, -(2**53), 10**30, 1e308, 0.5, float("nan"), float("inf"), None, True, "7", [], {})
TEXTS = (
    "", " ", "control", "ph_down", "ph", "ec", "reservoir.ph", "air.temp_c", "no.such_channel",
    "ended", "opened", "ready", "given", "held", "began", "rises", "falls", "ledger", "<b>x</b>",
    "</script><script>throw 1</script>", "=cmd|' /C calc'!A0", "+1", "@sum", "{0}{x}{{", "%s %d",
    "\u202e\u2066abc", "\u2028\u2029", "\u200b\ufeff", "\U0001f345" * 50, "\x7f\x80\x85\x9f",
    "\ufffe\uffff", "e\u0301" * 60, "a" * 200, '"\\,= ', "../../etc/passwd", "None", "NaN",
    "\u0645\u0631\u062d\u0628\u0627", "\u4f60\u597d",
)
NOT_TEXTS = ("\x00", "\x1b[2J", "a\nb", "\t", "x" * 201, "x" * 7_000)
# Keys of details that the host or the page reads.
DETAIL_KEYS = (
    "actuator", "asked_pct", "boot_unix_ms", "by", "by_ms", "channel", "count", "cut", "error",
    "fault", "flow_ml_per_min", "given_ul", "granted_pct", "last_error", "lasted_ms", "left_ul",
    "loop", "moved_mm", "next_ul", "on_ms", "part", "reason", "release", "reset", "rev",
    "security_counter", "seq_from", "seq_to", "state", "target_milli_ph", "task", "version",
    "volume_ul",
)
MADE_UP_CHANNELS = 60  # and now and then another one
RAW = (b"", b"{", b"{}", b"[]", b"null", b"online", b"offline", b"\xff\xfe", b"\x00" * 50,
       b'{"v":1}', b"[" * 4_000, b'{"v":' + b"[" * 2_000 + b"]" * 2_000 + b"}",
       b'{"v":1,"boot_id":"\\ud800"}', b'{"a":' * 900 + b"1" + b"}" * 900)


class HostileNode:
    """next() returns (leaf, payload) of one message. Same seed and clock, same messages."""

    def __init__(self, seed: int, now_unix_ms) -> None:
        self._random = random.Random(seed)
        self._now_unix_ms = now_unix_ms
        self._boots = ["7f3a11aa"]
        self._uptimes = {"7f3a11aa": now_unix_ms() - 2 * DAY_MS}
        self._seqs: dict[str, int] = {}
        self._made_up: list[str] = []

    def next(self) -> tuple[str, bytes]:
        """Return the next message."""
        pick = self._random
        leaf, make = pick.choice(
            (("event", self._events),) * 5 + (("telemetry", self._telemetry),) * 4
            + (("info", self._info),) * 3 + (("config", self._config), ("ack", self._ack),
                                             ("update", self._chunk), ("status", None)))
        if make is None:
            return leaf, pick.choice((b"online", b"online", b"offline", b"", b"ONLINE"))
        if pick.random() < 0.05:
            return leaf, pick.choice(RAW)
        message = self._mutated(make())
        payload = json.dumps(message, ensure_ascii=pick.random() < 0.1).encode()
        return leaf, self._bent(payload) if pick.random() < 0.05 else payload

    def _bent(self, payload: bytes) -> bytes:
        data = bytearray(payload)
        for _ in range(self._random.randint(1, 4)):
            data[self._random.randrange(len(data))] = self._random.randrange(256)
        return bytes(data[:self._random.randrange(len(data))]) if self._random.random() < 0.3 \
            else bytes(data)

    def _mutated(self, message: dict) -> dict:
        """Replace or add one value in some of the messages."""
        pick = self._random
        if pick.random() < 0.15:
            place = message
            while pick.random() < 0.6:
                inner = [one for one in self._inside(place) if one]
                if not inner:
                    break
                place = pick.choice(inner)
            key = (pick.choice([*place, "unknown", "__proto__"]) if isinstance(place, dict)
                   else pick.randrange(len(place)))
            place[key] = self._odd()
        return message

    @staticmethod
    def _inside(place: object) -> list:
        values = place.values() if isinstance(place, dict) else place
        return [one for one in values if isinstance(one, (dict, list))]

    def _odd(self) -> object:
        pick = self._random
        return pick.choice((
            pick.choice(NUMBERS), pick.choice(NOT_NUMBERS), pick.choice(TEXTS),
            pick.choice(NOT_TEXTS), self._time(), [1] * 200,
            {str(number): number for number in range(40)}, self._reason(3)))

    def _text(self) -> str:
        pick = self._random
        if pick.random() < 0.3:
            return "".join(chr(pick.choice((
                pick.randrange(32, 127), pick.randrange(127, 0xD800),
                pick.randrange(0x10000, 0x110000)))) for _ in range(pick.randrange(40)))
        return pick.choice(TEXTS)

    def _name(self) -> str:
        pick = self._random
        if pick.random() < 0.5:
            return pick.choice((*OUTPUTS, "ph", "ec", "climate", "constructor", "to_string"))
        return pick.choice(string.ascii_lowercase) + "".join(
            pick.choice(string.ascii_lowercase + string.digits + "_")
            for _ in range(pick.randrange(24)))

    def _channel(self) -> str:
        pick = self._random
        chance = pick.random()
        if chance < 0.7:
            return pick.choice(CHANNELS)
        if chance < 0.99 and len(self._made_up) == MADE_UP_CHANNELS:
            return pick.choice(self._made_up)
        channel = f"{self._name()}.{pick.choice(tuple(quantities.QUANTITIES))}"
        if len(self._made_up) < MADE_UP_CHANNELS:
            self._made_up.append(channel)
        return channel

    def _number(self) -> int:
        pick = self._random
        if pick.random() < 0.1:
            return pick.choice(NUMBERS)
        return pick.choice((pick.randrange(100), pick.randrange(10**6), pick.randrange(10**12)))

    def _time(self) -> int:
        pick, now = self._random, self._now_unix_ms()
        return pick.choice((
            now, now - pick.randrange(YEAR_MS), now - pick.randrange(DAY_MS),
            now + pick.randrange(YEAR_MS), now - 40 * YEAR_MS, now + 400 * YEAR_MS,
            0, -1, 4_102_444_800_000, 1_577_836_800_000, validation.MAX_INT,
            -validation.MAX_INT, 2**53))

    def _duration(self) -> int:
        pick = self._random
        if pick.random() < 0.1:
            return pick.choice((9 * YEAR_MS, 20 * YEAR_MS, validation.MAX_INT))
        return pick.choice((0, pick.randrange(DAY_MS), 2 * DAY_MS))

    def _reason(self, depth: int = 0) -> dict:
        pick = self._random
        code = pick.choice((*REASONS, *ALL_REASONS, self._name(), "newer_code"))
        row = ALL_REASONS.get(code)
        names = [*([] if row is None else row.values),
                 *pick.sample(tuple(VALUES), pick.randrange(3))]
        if pick.random() < 0.2:
            names = names[1:]
        values = {}
        for name in names[:8]:
            is_text = VALUES.get(name) in ("name", "text", "channel", "fault", "kind", "setting")
            if name == "why" and depth < 4:
                values[name] = self._reason(depth + 1)
            elif pick.random() < 0.15:
                values[name] = pick.choice(
                    (self._text(), self._number(), True, None, self._reason(4)))
            elif name == "channel":
                values[name] = self._channel()
            else:
                values[name] = self._text() if is_text else self._number()
        return {"code": code, "values": values}

    def _detail(self) -> dict:
        pick, found = self._random, {}
        for key in pick.sample(DETAIL_KEYS, pick.randrange(8)):
            if pick.random() < 0.15:
                found[key] = pick.choice((self._text(), self._number(), True, None))
            elif key in ("reason", "cut"):
                found[key] = self._reason()
            elif key.endswith(("_ms", "_ul", "_pct", "_ph", "_mm", "_min", "count", "rev",
                               "seq_from", "seq_to", "counter")):
                found[key] = self._number()
            elif key == "channel":
                found[key] = self._channel()
            elif key == "fault":
                found[key] = pick.choice((*FAULTS, self._text()))
            elif key in ("actuator", "loop", "task"):
                found[key] = self._name()
            else:
                found[key] = self._text()
        if pick.random() < 0.1:
            found[self._name()] = pick.choice((self._text(), self._number()))
        return found

    def _batch(self, records: list) -> dict:
        pick = self._random
        if pick.random() < 0.02:
            self._boots.append(f"boot{pick.randrange(10**9)}")
        boot_id = pick.choice(self._boots[-3:])
        begun = self._uptimes.setdefault(boot_id, self._now_unix_ms() - pick.randrange(DAY_MS))
        uptime = self._now_unix_ms() - begun
        for record in records:
            self._seqs[boot_id] = self._seqs.get(boot_id, 0) + pick.choice((1,) * 8 + (2, 100))
            record["seq"] = self._seqs[boot_id]
            record["at_ms"] = (
                max(0, uptime - pick.randrange(60_000)) if pick.random() < 0.9
                else self._duration())
        is_odd = pick.random() < 0.15
        return {
            "v": 1, "boot_id": boot_id,
            "boot_unix_ms": self._time() if is_odd else pick.choice((begun, None)),
            "sent_at_ms": self._duration() if is_odd else uptime,
            "oldest_seq": pick.choice((0, 1, self._number())) if is_odd else 1,
            "records": records}

    def _telemetry(self) -> dict:
        return self._batch([self._record() for _ in range(self._random.randint(1, 4))])

    def _record(self) -> dict:
        pick = self._random
        values, faults = {}, {}
        for _ in range(pick.randint(1, 10)):
            channel = self._channel()
            quantity = quantities.QUANTITIES[channel.partition(".")[2]]
            if pick.random() < 0.15:
                faults[channel] = pick.choice((*FAULTS, self._text()[:20]))
            else:
                value = pick.choice((quantity.low, quantity.high,
                                     pick.uniform(quantity.low, quantity.high)))
                values[channel] = round(value, quantity.decimals) if quantity.decimals else \
                    int(value)
        if pick.random() < 0.95:
            faults = {key: fault for key, fault in faults.items()
                      if key not in values and fault in FAULTS}
        return {"values": values, "faults": faults}

    def _events(self) -> dict:
        pick = self._random
        return self._batch([self._odd_decision() if pick.random() < 0.05 else {
            "kind": pick.choice((*EVENTS,) * 3 + (self._text(),)), "detail": self._detail(),
        } for _ in range(pick.randint(1, 4))])

    def _odd_decision(self) -> dict:
        """Return a decision that the state of the node takes in, with a value of any type."""
        pick = self._random
        code, name = pick.choice([
            (code, name) for code, row in REASONS.items() for name in row.values])
        return {"kind": "decided", "detail": {
            "loop": pick.choice(("ph", "ec", "climate")),
            "reason": {"code": code, "values": {name: self._odd()}}}}

    def _info(self) -> dict:
        pick = self._random
        boot_id = pick.choice(self._boots[-3:])
        uptime = self._now_unix_ms() - self._uptimes.get(boot_id, self._now_unix_ms())
        channels = list({self._channel() for _ in range(pick.randrange(32))})
        return {
            "v": 1, "version": self._text()[:40], "board": pick.choice(
                ("esp32-reservoir", self._text()[:40])), "chip": self._text()[:20],
            "boot_id": boot_id, "at_ms": uptime if pick.random() < 0.8 else self._duration(),
            "boot_unix_ms": pick.choice((None, None, self._time())), "clock": pick.choice(CLOCKS),
            "reset": self._text()[:40], "image_sha256": "ab" * 32, "channels": channels,
            "outputs": {self._name(): pick.choice(("doser", "switch", "dimmer"))
                        for _ in range(pick.randrange(32))} or OUTPUTS,
            "boots": [[f"old{number}", self._duration()] for number in range(pick.randrange(100))]
            if pick.random() < 0.2 else [],
            "has_button": pick.random() < 0.5, "granted_pct": pick.randrange(101),
            "earn_left_ms": self._duration(),
            "update": {"slot": pick.choice(("", "a", "b")), "state": pick.choice(UPDATE_STATES),
                       "release": "cd" * 32, "security_counter": abs(self._number()),
                       "kernel": abs(self._number())},
            "system": pick.choice(({}, {
                "micropython": pick.choice((None, "1.25.0", "1.28.0", "999.0.0-preview")),
                "psram_bytes": pick.choice((None, 0, 8_388_608, abs(self._number()))),
                "cpu_hz": pick.choice((None, 160_000_000, abs(self._number())))}))}

    def _config(self) -> dict:
        pick, values = self._random, settings.defaults()
        for key, kind, _unit, _default, low, high in pick.sample(
                settings.ROWS, pick.randrange(4)):
            if kind in ("int", "float"):
                values[key] = pick.choice((low, high))
            elif kind == "bool":
                values[key] = pick.random() < 0.5
        return {"v": 1, "rev": abs(self._number()),
                "error": None if pick.random() < 0.5 else self._reason(), "values": values}

    def _ack(self) -> dict:
        return {"v": 1, "id": self._random.choice(("nothing", "a" * 24)),
                "outcome": self._random.choice(OUTCOMES), "reason": self._reason(),
                "boot_id": self._random.choice(self._boots), "at_ms": self._duration()}

    def _chunk(self) -> dict:
        return {"v": 1, "sha256": "ef" * 32, "number": abs(self._number()), "path": "app/x.mpy",
                "offset": abs(self._number()), "size": self._random.randint(0, 1_024)}
