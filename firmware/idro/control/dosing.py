"""When and how much to dose: EC before pH, half of the need, never before the water has mixed.

Nutrients come as a pair: A, and at least a minute later the same volume of B. Too high an EC is
never answered with a dose: only water lowers it. Every volume is the least of half the need and
what the safety gate still has room for, and a series of doses that does not move the water, or
moves it the wrong way, is a verdict that locks dosing until a person looks.
"""

from collections import namedtuple

from idro.protocol.samples import Decision, hold

# ph, ec and level are Readings; unmixed_ms is the wait until the last dose or fill has mixed.
Water = namedtuple("Water", ("ph", "ec", "level", "is_filling", "unmixed_ms"))

NO_EFFECT, WRONG_WAY = "no_effect", "wrong_way"

SMALLEST_UL = 200
A_B_GAP_MS = 60_000
_B_GIVEN_UP_MS = 1_800_000
_IN_AIR_US_CM = 200
_IN_AIR_HOLD_MS = 60_000
_PH_BELIEVED = (3.0, 10.0)
_SERIES_MS = 21_600_000

# predicted: what a series should have moved before it is judged; seen: what it must have moved;
# opposite: what is too much the other way.
Judgement = namedtuple("Judgement", ("predicted", "seen", "opposite"))
_PH = Judgement(0.3, 0.1, 0.15)
_EC = Judgement(150, 40, 100)


class Series:
    """Doses of one loop in one direction, not yet judged."""

    def __init__(self, judgement):
        self._judgement = judgement
        self.clear()

    def clear(self):
        """Begin anew with the next dose."""
        self._baseline = None
        self._predicted = 0
        self._count = 0
        self._last_ms = None

    def add(self, value, predicted, now_ms):
        """Count a dose given at `value`, predicted to move it by `predicted` (signed)."""
        is_other_way = predicted * self._predicted < 0
        is_old = self._last_ms is not None and now_ms - self._last_ms > _SERIES_MS
        if self._baseline is None or is_other_way or is_old:
            self.clear()
            self._baseline = value
        self._predicted += predicted
        self._count += 1
        self._last_ms = now_ms

    def verdict(self, value):
        """Return NO_EFFECT, WRONG_WAY or None for a mixed `value`."""
        if self._count == 0:
            return None
        moved = value - self._baseline
        if self._predicted < 0:
            moved = -moved
        if self._count >= 2 and moved < -self._judgement.opposite:
            return WRONG_WAY
        if abs(self._predicted) < self._judgement.predicted:
            return None
        if moved < self._judgement.seen:
            return NO_EFFECT
        self.clear()
        return None


class Memory:
    """What the loops remember from one cycle to the next."""

    def __init__(self):
        self.owed_b_ul = 0
        self.a_ended_ms = None
        self.in_air_ms = None
        self.ph = Series(_PH)
        self.ec = Series(_EC)

    def given(self, actuation, water, values, now_ms):
        """Take in what was really given, and what the water read when it was decided."""
        name = actuation.actuator
        volume_ul = actuation.volume_ul
        if name == "nutrient_a":
            self.owed_b_ul = volume_ul
            self.a_ended_ms = now_ms
        elif name == "nutrient_b":
            self.owed_b_ul = 0
            if water.ec.value is not None:
                rise = volume_ul * 100 / values["ec.ul_per_100_us_cm"]
                self.ec.add(water.ec.value, rise, now_ms)
        elif water.ph.value is not None and name == "ph_down":
            self.ph.add(water.ph.value, -volume_ul / values["ph.down_ul_per_ph"], now_ms)
        elif water.ph.value is not None and name == "ph_up":
            self.ph.add(water.ph.value, volume_ul / values["ph.up_ul_per_ph"], now_ms)


def verdict(memory, water):
    """Return NO_EFFECT or WRONG_WAY when a series of doses failed, else None."""
    if water.unmixed_ms > 0:
        return None
    for series, reading in ((memory.ph, water.ph), (memory.ec, water.ec)):
        found = series.verdict(reading.value) if reading.value is not None else None
        if found:
            series.clear()
            return found
    return None


def decide(water, values, memory, now_ms, room):
    """Return (EC's Decision, pH's Decision), at most one of them with an actuator.

    `room(actuator)` returns (volume_ul, why) of the safety gate: what may be given now, 0 and the
    reason where nothing may.
    """
    held = _held(water, values, memory, now_ms)
    if held:
        return hold(held), hold(held)
    if memory.owed_b_ul:
        return _second_half(memory, now_ms, room), hold("held: nutrient B comes first")
    if water.unmixed_ms > 0:
        mixing = hold(f"held: mixing, {-(-water.unmixed_ms // 60_000)} min left")
        return mixing, mixing
    ec = _decide_ec(water.ec, values, room)
    if ec.actuator:
        return ec, hold("held: EC comes first")
    return ec, _decide_ph(water.ph, values, room)


def _held(water, values, memory, now_ms):
    """Return why neither loop may do anything, or None."""
    if not values["dosing.enabled"]:
        return "monitor only: dosing is switched off"
    level = water.level
    if level.value is None:
        return f"held: no level ({level.fault})"
    if level.value < values["level.low_mm"]:
        return f"held: water is low, {level.value} of {values['level.low_mm']} mm"
    if water.is_filling:
        return "held: filling"
    ec = water.ec
    if ec.fault == "in_air" or (ec.value is not None and ec.value < _IN_AIR_US_CM):
        memory.in_air_ms = now_ms
    if memory.in_air_ms is not None:
        if now_ms - memory.in_air_ms < _IN_AIR_HOLD_MS:
            return f"held: EC is below {_IN_AIR_US_CM} uS/cm: is the probe in the water?"
        memory.in_air_ms = None
    return None


def _second_half(memory, now_ms, room):
    since_ms = now_ms - memory.a_ended_ms
    if since_ms > _B_GIVEN_UP_MS:
        memory.owed_b_ul = 0
        return hold("held: nutrient B could not follow A and was given up")
    if since_ms < A_B_GAP_MS:
        left_s = (A_B_GAP_MS - since_ms + 999) // 1_000
        return hold(f"held: nutrient A was given, B follows in {left_s} s")
    room_ul, why = room("nutrient_b")
    if room_ul < memory.owed_b_ul:
        return hold(f"held: nutrient B waits: {why}")
    reason = f"EC low: nutrient B after A, {memory.owed_b_ul / 1_000:.1f} ml"
    return Decision("nutrient_b", memory.owed_b_ul, None, None, reason)


def _decide_ec(ec, values, room):
    if ec.value is None:
        return hold(f"held: no EC ({ec.fault})")
    target = values["ec.target_us_cm"]
    deadband = values["ec.deadband_us_cm"]
    if ec.value > target + deadband:
        return hold(f"held: EC is high and only water lowers it, {ec.value} above {target}")
    if ec.value >= target - deadband:
        return hold(f"in band: EC, {ec.value} at {target}")
    wanted_ul = (target - ec.value) * values["ec.ul_per_100_us_cm"] // 200
    room_a_ul, why_a = room("nutrient_a")
    room_b_ul, why_b = room("nutrient_b")
    volume_ul = min(wanted_ul, room_a_ul, room_b_ul)
    if volume_ul < SMALLEST_UL:
        return hold(f"held: EC is low but {why_a if room_a_ul <= room_b_ul else why_b}")
    reason = f"EC low: nutrient A, {ec.value} at {target} uS/cm"
    return Decision("nutrient_a", volume_ul, None, None, reason)


def _decide_ph(ph, values, room):
    if ph.value is None:
        return hold(f"held: no pH ({ph.fault})")
    if not _PH_BELIEVED[0] <= ph.value <= _PH_BELIEVED[1]:
        return hold(f"held: pH is not believed, {ph.value:.2f}")
    target = values["ph.target"]
    if abs(ph.value - target) <= values["ph.deadband"]:
        return hold(f"in band: pH, {ph.value:.2f} at {target:.2f}")
    if ph.value > target:
        actuator, key, word = "ph_down", "ph.down_ul_per_ph", "high"
    else:
        actuator, key, word = "ph_up", "ph.up_ul_per_ph", "low"
    wanted_ul = int(abs(ph.value - target) * values[key]) // 2
    room_ul, why = room(actuator)
    volume_ul = min(wanted_ul, room_ul)
    if volume_ul < SMALLEST_UL:
        return hold(f"held: pH is {word} but {why}")
    reason = f"pH {word}: {actuator}, {ph.value:.2f} at {target:.2f}"
    return Decision(actuator, volume_ul, None, None, reason)
