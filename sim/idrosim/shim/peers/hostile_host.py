"""Hostile host that has the key of the node and sends random commands and settings.

Most are signed and valid by the contract; the others violate it: forged, unsigned, late, retained,
replayed, for another boot, damaged after signing. The `by` of those starts with "bad-", and they
must not be obeyed. A valid one has "once-" and its number, a correction "fill-"; it may be sent
twice. Message n of seed s is always the same, so a reset changes nothing.
"""

import json

from idrosim.greenhouse.rng import Rng

_DOSERS = ("ph_down", "ph_up", "nutrient_a", "nutrient_b")
_OUTPUTS = ("circulation", "top_off", "light", "circulation", "ph_down", "mains")
# Settings and their ranges in the contract.
_NUMBERS = (
    ("ph.target", 4.5, 7.5), ("ph.deadband", 0.05, 1.0), ("ph.down_ul_per_ph", 500, 2_000_000),
    ("ph.up_ul_per_ph", 500, 2_000_000), ("ec.target_us_cm", 0, 5_000),
    ("ec.ul_per_100_us_cm", 500, 2_000_000), ("level.low_mm", 20, 110),
    ("level.target_mm", 120, 200), ("level.full_mm", 210, 5_000),
    ("topoff.max_ms_day", 0, 1_800_000), ("mixing.wait_ms", 120_000, 14_400_000),
    ("circulation.on_ms", 10_000, 86_400_000), ("circulation.off_ms", 0, 3_600_000),
    ("light.on_minute", 0, 1_439), ("light.on_minutes", 0, 1_440),
    ("sample.every_ms", 1_000, 60_000), ("doser.ul_per_s", 100, 2_000),
)
# A new calibration restarts arming, which protects the plants, so these are rare.
_CALIBRATIONS = (
    ("ph.neutral_uv", 1_000_000, 2_000_000), ("ph.slope_uv_per_ph", -210_000, -130_000),
    ("ec.cell_milli", 500, 1_500), ("level.zero_uv", 0, 2_000_000),
)
_BAD = ("forged", "unsigned", "late", "retained", "replayed", "boot", "damaged", "verb", "args",
        "node")
_TTL_MS = 30_000


class HostileHost:
    """Sends through the FakeHost `host`, with its key, while the node is reachable."""

    def __init__(self, runtime, host):
        self._runtime = runtime
        self._host = host
        self._plan = None  # seed, count, every_ms
        self._next = 0
        self._rev = 1_000
        self._last = ""  # the last valid command

    def state(self):
        """Return the state that survives a reset of the node, JSON-able."""
        return [self._plan, self._next, self._rev, self._last]

    def restore(self, state):
        """Restore what `state` returned."""
        self._plan, self._next, self._rev, self._last = state
        if self._plan is not None:
            self._wait()

    def begin(self, plan):
        """Send `count` messages of `seed`, one every `every_ms`."""
        self._plan = plan
        self._next = 0
        self._wait()

    def _wait(self):
        if self._next < self._plan["count"]:
            clock = self._runtime.clock
            clock.at(clock.now_us + self._plan["every_ms"] * 1_000, self._send)

    def _send(self):
        number = self._next
        self._next += 1
        self._wait()
        host = self._host
        if host.boot_id is None or host.is_away:
            return
        rng = Rng(self._plan["seed"] * 1_000_003 + number)
        draw = rng.uniform(0.0, 1.0)
        if draw < 0.005:
            self._settings(rng, number)
        elif draw < 0.2:
            self._bad(rng, number)
        else:
            data = host.sign("command", self._command(rng, f"once-{number}"))
            self._last = str(data, "utf-8")
            self._publish("command", data)
            if rng.uniform(0.0, 1.0) < 0.1:
                self._publish("command", data)

    def _command(self, rng, by):
        draw = rng.uniform(0.0, 1.0)
        if draw < 0.5:
            name = _pick(rng, _DOSERS)
            verb, args = "dose", {"actuator": name, "volume_ul": int(rng.uniform(1, 20_000))}
        elif draw < 0.6:
            by = by.replace("once-", "fill-")  # runs once, in several steps
            doser = _pick(rng, _DOSERS)
            target = int(rng.uniform(4_500, 7_500))
            verb, args = "correct", {
                "actuator": doser, "volume_ul": int(rng.uniform(1_000, 8_000_000))}
            if doser == "nutrient_a":
                args["target_us_cm"] = target - 2_500
            else:
                args["target_milli_ph"] = target
        elif draw < 0.62:
            verb, args = "end_correction", {}
        elif draw < 0.85:
            verb, args = "run", {
                "actuator": _pick(rng, _OUTPUTS), "for_ms": int(rng.uniform(100, 14_400_000)),
                "duty_pct": int(rng.uniform(0, 100))}
        else:
            verb, args = ("stop", {}) if draw < 0.88 else ("resume", {})
        host = self._host
        return {
            "v": 1, "id": f"evil-{self._plan['seed']}-{by}", "verb": verb, "args": args,
            "boot_id": host.boot_id, "not_after_at_ms": host.uptime_ms() + _TTL_MS, "by": by}

    def _settings(self, rng, number):
        values = {"dosing.enabled": rng.uniform(0.0, 1.0) < 0.9}
        numbers = _NUMBERS
        if rng.uniform(0.0, 1.0) < 0.3:
            numbers += _CALIBRATIONS
        for key, low, high in numbers:
            if rng.uniform(0.0, 1.0) < 0.3:
                value = rng.uniform(low, high)
                values[key] = value if isinstance(high, float) else int(value)
        self._rev += 1
        body = {"v": 1, "rev": self._rev, "by": f"once-{number}", "values": values}
        self._publish("config", self._host.sign("config", body))

    def _bad(self, rng, number):
        kind = _pick(rng, _BAD)
        host = self._host
        body = self._command(rng, f"bad-{kind}-{number}")
        if kind == "late":
            body["not_after_at_ms"] = host.uptime_ms() - 1 - int(rng.uniform(0, 60_000))
        elif kind == "boot":
            body["boot_id"] = f"{rng.next_u32():08x}"
        elif kind == "verb":
            body["verb"] = "flash"
        elif kind == "args":
            body["args"] = {"actuator": "ph_down", "volume_ul": -int(rng.uniform(1, 1e6))}
        if kind == "unsigned":
            data = json.dumps(body).encode()
        elif kind == "forged":
            data = host.sign("command", body, bytes(32))
        elif kind == "node":
            data = host.sign("command", body, None, "another-node")
        else:
            data = host.sign("command", body)
        if kind == "damaged":
            data = bytearray(data)
            data[int(rng.uniform(0, len(data)))] ^= 1 << int(rng.uniform(0, 7))
        if kind == "replayed":
            data = self._last.encode()
        self._publish("command", bytes(data), kind == "retained")

    def _publish(self, leaf, data, is_retained=False):
        self._host.broker.send(self._host.topic(leaf), data, is_retained)


def _pick(rng, choices):
    return choices[int(rng.uniform(0, len(choices)))]
