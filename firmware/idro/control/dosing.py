"""When and how much to dose: EC before pH, half of the need, never before the water has mixed.

Nutrients come as a pair: A, and at least a minute later the same volume of B. Too high an EC is
never answered with a dose: only water lowers it. Every volume is the least of half the need and
what the safety gate still has room for, and a series of doses that does not move the water, or
moves it the wrong way, is a verdict that locks dosing until a person looks. Only what the doses
did is judged: where the reading was away, water came or went, or time has passed, there is none.
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

# A shorter time without a reading is a glitch: nobody changed the water, nor did the air.
_GAP_MS = 120_000
# Of a tank of 200 mm this is a twentieth of the water, or somebody's hand.
_OTHER_WATER_MM = 10
# Once a dose has mixed it is judged within this time: later, the water has moved by itself.
_JUDGED_WITHIN_MS = 2_700_000
_OLDEST_BASELINE_MS = 21_600_000
# What doses did that something came after counts on for a day.
_OLDEST_BEFORE_MS = 86_400_000
# Doses that could not move the water by this part of `opposite` did not: hard water that loses its
# CO2 in a large tank rises faster than its ceilings let acid answer.
_FELT = 3
# Settings that change what a probe reads in the same water.
CALIBRATIONS = (
    "ph.neutral_uv", "ph.slope_uv_per_ph", "ec.cell_milli", "ec.alpha_ppm_c", "level.zero_uv",
    "level.uv_per_mm",
)

# predicted: what a series should have moved before it is judged; seen: what it must have moved;
# opposite: what is too much the other way.
Judgement = namedtuple("Judgement", ("predicted", "seen", "opposite"))
_PH = Judgement(0.3, 0.1, 0.15)
_EC = Judgement(150, 40, 100)


class Series:
    """Doses of one loop in one direction, not yet judged.

    Where another dose of ours or other water comes between, what the doses until then did counts
    on: pH is dosed in turn with nutrients, and a dead pump would never be found out otherwise.
    """

    def __init__(self, judgement):
        self._judgement = judgement
        self._lost_ms = None
        self.clear()

    def clear(self):
        """Begin anew with the next dose."""
        self._before = (0.0, 0.0, 0)  # predicted, moved and count of doses until then
        self._before_ms = None  # when the first of them was given
        self.drop()

    def settle(self, value):
        """Something else is about to move the water: let what the doses did to a mixed `value`
        count on."""
        if self._count:
            predicted, moved, count = self._before
            if count == 0:
                self._before_ms = self._began_ms
            moved += value - self._baseline
            self._before = (predicted + self._predicted, moved, count + self._count)
        self.drop()

    def drop(self):
        """Forget the doses whose effect cannot be told any more."""
        self._baseline = None
        self._level_mm = None
        self._began_ms = None
        self._predicted = 0
        self._count = 0
        self._last_ms = None

    def add(self, value, level_mm, predicted, now_ms):
        """Count a dose given at `value`, predicted to move it by `predicted` (signed)."""
        if predicted * (self._before[0] + self._predicted) < 0:
            self.clear()
        if self._count == 0:
            self._baseline = value
            self._level_mm = level_mm
            self._began_ms = now_ms
        self._predicted += predicted
        self._count += 1
        self._last_ms = now_ms

    def watch(self, reading, level, now_ms, mixing_ms):
        """Begin anew where more than the doses may have moved the water: called every cycle."""
        if reading.value is None and self._lost_ms is None:
            self._lost_ms = now_ms
        gap_ms = 0 if self._lost_ms is None else now_ms - self._lost_ms
        if reading.value is not None:
            self._lost_ms = None
        if self._before[2] and now_ms - self._before_ms > _OLDEST_BEFORE_MS:
            self._before = (0.0, 0.0, 0)
        if self._count == 0:
            return
        moved_mm = 0
        if level.value is not None and self._level_mm is not None:
            moved_mm = abs(level.value - self._level_mm)
        is_old = (
            now_ms - self._last_ms > mixing_ms + _JUDGED_WITHIN_MS
            or now_ms - self._began_ms > max(_OLDEST_BASELINE_MS, 4 * mixing_ms)
        )
        if gap_ms > _GAP_MS or moved_mm > _OTHER_WATER_MM or is_old:
            self.drop()

    def verdict(self, value):
        """Return NO_EFFECT, WRONG_WAY or None for a mixed `value`."""
        if self._count == 0:
            return None
        predicted, moved, count = self._before
        predicted += self._predicted
        moved += value - self._baseline
        if predicted < 0:
            moved = -moved
        opposite = self._judgement.opposite
        is_felt = abs(predicted) >= opposite / _FELT
        if count + self._count >= 2 and is_felt and moved < -opposite:
            return WRONG_WAY
        if abs(predicted) < self._judgement.predicted:
            return None
        if moved < self._judgement.seen:
            return NO_EFFECT
        self.clear()
        return None


class Memory:
    """What the loops remember from one cycle to the next."""

    def __init__(self):
        self.owed_b_ul = 0  # of the A that ended at a_ended_ms
        self.a_ended_ms = None
        self.missed_b_ul = 0  # given up in this cycle: whoever asked for the decision tells
        self.in_air_ms = None
        self.ph = Series(_PH)
        self.ec = Series(_EC)

    def disturbed(self):
        """Something else than our own doses moves the water: what the last of them did cannot be
        told any more."""
        self.ph.drop()
        self.ec.drop()

    def recalibrated(self):
        """The same water reads otherwise: judge none of the doses until now."""
        self.ph.clear()
        self.ec.clear()

    def given_by_hand(self, actuation):
        """Take in a dose that a person asked for."""
        self.disturbed()
        if actuation.actuator == "nutrient_b":
            self._b_given(actuation.volume_ul)

    def given(self, actuation, water, values, now_ms):
        """Take in what was really given, and what the water read when it was decided."""
        name = actuation.actuator
        volume_ul = actuation.volume_ul
        level_mm = water.level.value
        if name == "nutrient_a":
            self._settle_ph(water)  # nutrient moves the pH as well
            self.owed_b_ul = volume_ul
            self.a_ended_ms = now_ms
        elif name == "nutrient_b":
            self.ph.drop()
            self._b_given(volume_ul)
            if water.ec.value is not None:
                rise = volume_ul * 100 / values["ec.ul_per_100_us_cm"]
                self.ec.add(water.ec.value, level_mm, rise, now_ms)
        elif water.ph.value is not None:
            if name == "ph_down":
                predicted = -volume_ul / values["ph.down_ul_per_ph"]
            else:
                predicted = volume_ul / values["ph.up_ul_per_ph"]
            self.ph.add(water.ph.value, level_mm, predicted, now_ms)

    def _settle_ph(self, water):
        if water.ph.value is None or water.unmixed_ms > 0:
            self.ph.drop()
        else:
            self.ph.settle(water.ph.value)

    def _b_given(self, volume_ul):
        rest_ul = self.owed_b_ul - volume_ul
        self.owed_b_ul = rest_ul if rest_ul >= SMALLEST_UL else 0


def verdict(memory, water, values, now_ms):
    """Return NO_EFFECT or WRONG_WAY when a series of doses failed, else None. Every cycle."""
    ec = water.ec
    if water.is_filling or _is_in_air(ec):
        memory.disturbed()
        return None
    for series, reading in ((memory.ph, water.ph), (memory.ec, ec)):
        series.watch(reading, water.level, now_ms, values["mixing.wait_ms"])
        if water.unmixed_ms > 0 or reading.value is None:
            continue
        found = series.verdict(reading.value)
        if found:
            series.clear()
            return found
    return None


def decide(water, values, memory, now_ms, room):
    """Return (EC's Decision, pH's Decision), at most one of them with an actuator.

    `room(actuator)` returns (volume_ul, why) of the safety gate: what may be given now, 0 and the
    reason where nothing may.
    """
    memory.missed_b_ul = 0
    if memory.owed_b_ul and now_ms - memory.a_ended_ms > _B_GIVEN_UP_MS:
        memory.missed_b_ul = memory.owed_b_ul
        memory.owed_b_ul = 0
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
    if _is_in_air(water.ec):
        memory.in_air_ms = now_ms
    if memory.in_air_ms is not None:
        if now_ms - memory.in_air_ms < _IN_AIR_HOLD_MS:
            return f"held: EC is below {_IN_AIR_US_CM} uS/cm: is the probe in the water?"
        memory.in_air_ms = None
    return None


def _is_in_air(ec):
    return ec.fault == "in_air" or (ec.value is not None and ec.value < _IN_AIR_US_CM)


def _second_half(memory, now_ms, room):
    since_ms = now_ms - memory.a_ended_ms
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
