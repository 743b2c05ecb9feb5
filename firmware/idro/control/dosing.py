"""When and how much to dose: EC before pH, half of the need, never before the water has mixed.

The need is what lies between here and the target and where the water drifts to meanwhile; the
volume for it is what this water has answered so far (see response). Nutrients come as a pair: A,
and at least a minute later the same volume of B. Too high an EC is never answered with a dose:
only water lowers it. Every volume is the least of half the need and what the safety gate still has
room for, and a series of doses that does not move the water, or moves it the wrong way, is a
verdict that locks dosing until a person looks (see series).
"""

from collections import namedtuple

from idro.control import response, series
from idro.control.mixing import Mixing
from idro.control.response import Response
from idro.control.series import Series
from idro.protocol.samples import Decision, hold

# ph, ec and level are Readings; unmixed_ms is the wait until the last dose or fill has mixed.
Water = namedtuple("Water", ("ph", "ec", "level", "is_filling", "unmixed_ms"))

# A pump that runs shorter than a fifth of a second gives nothing that can be counted.
_SMALLEST_UL = 50
_SMALLEST_PER_S = 5
A_B_GAP_MS = 60_000
_B_GIVEN_UP_MS = 1_800_000
_IN_AIR_US_CM = 200
_IN_AIR_HOLD_MS = 60_000
_PH_BELIEVED = (3.0, 10.0)
# A dose meets the drift of so many hours as well, and waits for a drift that brings the value back
# within so many; both only where the drift is surely more than its error.
_AHEAD_H = 4.0
# Who has begun to correct pH goes on until it is within this share of the dead band: what top-off
# and drift bring next then finds it inside.
_PURSUED = 0.5
_BACK_H = 2.0

# What a fill does to pH is learned from each, a third at a time; a third of it, at most a third of
# the dead band, is met before it comes.
_FILL_SHARE = 0.3
_FILL_MOST = 0.3

# Settings that change what a probe reads in the same water.
CALIBRATIONS = (
    "ph.neutral_uv", "ph.slope_uv_per_ph", "ec.cell_milli", "ec.alpha_ppm_c", "level.zero_uv",
    "level.uv_per_mm",
)
# Settings that declare a titration, and the doser whose strength is measured against it.
TITRATIONS = {
    "ph.down_ul_per_ph": "ph_down", "ph.up_ul_per_ph": "ph_up",
    "ec.ul_per_100_us_cm": "nutrient_b",
}
_SUSPECTS = {
    "no_effect": "had no effect: is the bottle empty, is air in the line, is the probe dead",
    "wrong_way": "worked the wrong way: are tubes or bottles swapped, is the probe dead",
}


class Loop:
    """What one loop remembers: its doses not yet judged, and how its water answers and mixes."""

    def __init__(self, dosers, judgement, belief):
        self.series = Series(judgement)
        self.response = Response(dosers, belief)
        self.mixing = Mixing(5 * belief.most_noise)
        self._dosers = dosers

    def disturbed(self):
        """Something else than our own doses moves the water: what the last of them did cannot be
        told any more."""
        self.series.drop()
        self.response.disturbed()
        self.mixing.disturbed()

    def clear(self):
        """The same water reads otherwise: judge none of the doses until now."""
        self.disturbed()
        self.series.clear()

    def settle(self, value, now_ms):
        """A dose of the other loop is about to move the water from a mixed `value`."""
        self.series.settle(value, now_ms)
        self.response.look(value, now_ms)
        self.disturbed()

    def dosed(self, doser, value, level_mm, predicted, now_ms):
        """Take in a dose given at `value`, that the titration says moves it by `predicted`."""
        answer = self.response
        answer.dosed(doser, value, predicted, now_ms)
        expected = predicted * max(1.0, answer.strength(doser))
        self.series.add(value, level_mm, expected, now_ms, answer.drift_per_h)
        self.mixing.dosed(value)

    def look(self, reading, water, now_ms, wait_ms):
        """Take in a reading; return a verdict of series or None. Every cycle."""
        if self.series.watch(reading, water.level, now_ms, wait_ms):
            self.disturbed()
        if water.unmixed_ms > 0 or reading.value is None:
            return None
        self.mixing.look(reading.value, now_ms, wait_ms, self.response.drift_per_h)
        self.response.look(reading.value, now_ms)
        found = self.series.verdict(reading.value, now_ms)
        if found:
            self.series.clear()
        return found

    def learned(self):
        """Return what was learned as integers, thousandths."""
        strengths = [int(1_000 * self.response.strength(name)) for name in self._dosers]
        return strengths + [int(1_000 * self.mixing.stretch)]

    def recall(self, learned):
        """Take up what learned() gave before a reset."""
        for index, name in enumerate(self._dosers):
            self.response.set_strength(name, learned[index] / 1_000)
        self.mixing.stretch = min(4.0, max(1.0, learned[len(self._dosers)] / 1_000))


class Memory:
    """What the loops remember from one cycle to the next."""

    def __init__(self):
        self.owed_b_ul = 0  # of the A that ended at a_ended_ms
        self.a_ended_ms = None
        self.missed_b_ul = 0  # given up in this cycle: whoever asked for the decision tells
        self.in_air_ms = None
        self.diagnosis = ""  # of the last verdict: what a person should look at
        self.dosed_last = ""
        self.pursued = None  # the doser that is bringing pH back
        self.fill_ph = 0.0  # what topping off does to the pH of this water
        self._mixed_ph = None
        self._before_fill_ph = None
        self.ph = Loop(("ph_down", "ph_up"), series.PH, response.PH)
        self.ec = Loop(("nutrient_b",), series.EC, response.EC)

    def disturbed(self):
        """Something else than our own doses moves the water."""
        self.ph.disturbed()
        self.ec.disturbed()

    def recalibrated(self):
        """The same water reads otherwise: judge none of the doses until now."""
        self.ph.clear()
        self.ec.clear()

    def declared(self, keys):
        """Settings of these keys changed: what was learned against an old titration is void."""
        for key in keys:
            doser = TITRATIONS.get(key)
            if doser is not None:
                loop = self.ec if doser == "nutrient_b" else self.ph
                loop.response.forget(doser)

    def learned(self):
        """Return what was learned of this water, as integers to be kept over resets."""
        return self.ph.learned() + self.ec.learned()

    def recall(self, learned):
        """Take up what learned() gave before a reset."""
        self.ph.recall(learned[:3])
        self.ec.recall(learned[3:])

    def given_by_hand(self, actuation, values):
        """Take in a dose that a person asked for."""
        self.disturbed()
        if actuation.actuator == "nutrient_b":
            self._b_given(actuation.volume_ul, values)

    def given(self, actuation, water, values, now_ms):
        """Take in what was really given, and what the water read when it was decided."""
        name = actuation.actuator
        volume_ul = actuation.volume_ul
        level_mm = water.level.value
        self.dosed_last = name
        if name == "nutrient_a":
            self._settle_ph(water, now_ms)  # nutrient moves the pH as well
            self.owed_b_ul = volume_ul
            self.a_ended_ms = now_ms
        elif name == "nutrient_b":
            self.ph.disturbed()
            self._b_given(volume_ul, values)
            if water.ec.value is not None:
                rise = volume_ul * 100 / values["ec.ul_per_100_us_cm"]
                self.ec.dosed(name, water.ec.value, level_mm, rise, now_ms)
        elif water.ph.value is not None:
            if name == "ph_down":
                predicted = -volume_ul / values["ph.down_ul_per_ph"]
            else:
                predicted = volume_ul / values["ph.up_ul_per_ph"]
            self.pursued = name
            self.ph.dosed(name, water.ph.value, level_mm, predicted, now_ms)

    def _settle_ph(self, water, now_ms):
        if water.ph.value is None or water.unmixed_ms > 0:
            self.ph.disturbed()
        else:
            self.ph.settle(water.ph.value, now_ms)

    def unmixed_ms(self, water, values, now_ms):
        """Return the wait until the water has mixed: the settings', or as long as was measured."""
        wait_ms = values["mixing.wait_ms"]
        return max(
            self.ph.mixing.left_ms(now_ms, water.unmixed_ms, wait_ms),
            self.ec.mixing.left_ms(now_ms, water.unmixed_ms, wait_ms),
        )

    def watch_fill(self, water):
        """Learn what a fill does to pH: mixed water before it against mixed water after it."""
        ph = water.ph.value
        if water.is_filling:
            if self._mixed_ph is not None:
                self._before_fill_ph = self._mixed_ph
            self._mixed_ph = None
            return
        is_mixed = water.unmixed_ms == 0 and ph is not None
        if is_mixed and self._before_fill_ph is not None:
            jump = min(_FILL_MOST, max(-_FILL_MOST, ph - self._before_fill_ph))
            self.fill_ph += _FILL_SHARE * (jump - self.fill_ph)
            self._before_fill_ph = None
        self._mixed_ph = ph if is_mixed else None

    def diagnose(self, found):
        """Note in words what a verdict means."""
        self.diagnosis = f"{self.dosed_last} {_SUSPECTS[found]}?"

    def _b_given(self, volume_ul, values):
        rest_ul = self.owed_b_ul - volume_ul
        self.owed_b_ul = rest_ul if rest_ul >= smallest_ul(values) else 0


def smallest_ul(values):
    """Return the least volume of a dose."""
    return max(_SMALLEST_UL, values["doser.ul_per_s"] // _SMALLEST_PER_S)


def verdict(memory, water, values, now_ms):
    """Return NO_EFFECT or WRONG_WAY when a series of doses failed, else None. Every cycle."""
    ec = water.ec
    memory.watch_fill(water)
    if water.is_filling or _is_in_air(ec):
        memory.disturbed()
        return None
    wait_ms = values["mixing.wait_ms"]
    for loop, reading in ((memory.ph, water.ph), (memory.ec, ec)):
        found = loop.look(reading, water, now_ms, wait_ms)
        if found:
            memory.diagnose(found)
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
    unmixed_ms = memory.unmixed_ms(water, values, now_ms)
    if unmixed_ms > 0:
        mixing = hold(f"held: mixing, {-(-unmixed_ms // 60_000)} min left")
        return mixing, mixing
    ec = _decide_ec(water.ec, values, memory.ec.response, room)
    if ec.actuator is None:
        return ec, _decide_ph(water.ph, values, memory, room)
    if memory.dosed_last == "nutrient_b":
        ph = _decide_ph(water.ph, values, memory, room)
        if ph.actuator:
            return hold("held: pH takes its turn"), ph
    return ec, hold("held: EC comes first")


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


def _decide_ec(ec, values, answer, room):
    if ec.value is None:
        return hold(f"held: no EC ({ec.fault})")
    target = values["ec.target_us_cm"]
    deadband = values["ec.deadband_us_cm"]
    if ec.value > target + deadband:
        return hold(f"held: EC is high and only water lowers it, {ec.value} above {target}")
    if ec.value >= target - deadband:
        return hold(f"in band: EC, {ec.value} at {target}")
    need = _need(target - ec.value, -answer.drift_per_h, answer, "nutrient_b")
    step_ul = values["ec.ul_per_100_us_cm"] / answer.surely_at_most("nutrient_b")
    wanted_ul = int(need * step_ul) // 200
    room_a_ul, why_a = room("nutrient_a")
    room_b_ul, why_b = room("nutrient_b")
    room_ul, why = (room_a_ul, why_a) if room_a_ul <= room_b_ul else (room_b_ul, why_b)
    most_ul = int((target - ec.value) * step_ul) // 100
    volume_ul, why = _countable(wanted_ul, most_ul, (room_ul, why), values)
    if not volume_ul:
        return hold(f"held: EC is low but {why}")
    reason = f"EC low: nutrient A, {ec.value} at {target} uS/cm"
    return Decision("nutrient_a", volume_ul, None, None, reason)


def _decide_ph(ph, values, memory, room):
    if ph.value is None:
        return hold(f"held: no pH ({ph.fault})")
    if not _PH_BELIEVED[0] <= ph.value <= _PH_BELIEVED[1]:
        return hold(f"held: pH is not believed, {ph.value:.2f}")
    target = values["ph.target"]
    deadband = values["ph.deadband"]
    answer = memory.ph.response
    drift_per_h = answer.drift_per_h
    target -= min(deadband, max(-deadband, memory.fill_ph)) / 3
    if ph.value > target:
        actuator, key, word = "ph_down", "ph.down_ul_per_ph", "high"
    else:
        actuator, key, word = "ph_up", "ph.up_ul_per_ph", "low"
        drift_per_h = -drift_per_h
    off = abs(ph.value - target)
    if off <= (_PURSUED * deadband if memory.pursued == actuator else deadband):
        memory.pursued = None
        return hold(f"in band: pH, {ph.value:.2f} at {target:.2f}")
    if _comes_back(off, deadband, drift_per_h, answer):
        return hold(f"held: pH is {word} but comes back by itself, {ph.value:.2f}")
    ul_per_ph = values[key] / answer.surely_at_most(actuator)
    wanted_ul = int(_need(off, drift_per_h, answer, actuator) * ul_per_ph) // 2
    volume_ul, why = _countable(wanted_ul, int(off * ul_per_ph), room(actuator), values)
    if not volume_ul:
        return hold(f"held: pH is {word} but {why}")
    reason = (
        f"pH {word}: {actuator}, {ph.value:.2f} at {target:.2f},"
        f" {ul_per_ph / 1_000:.1f} ml/pH, drift {answer.drift_per_h:+.2f}/h"
    )
    return Decision(actuator, volume_ul, None, None, reason)


def _countable(wanted_ul, most_ul, room, values):
    """Return (volume_ul, why): what may be given of half the need, 0 with the reason for none.

    Where half is less than a pump can give, the least it can give will do, if that is at most
    `most_ul`: then it does not go past the target.
    """
    room_ul, why = room
    least_ul = smallest_ul(values)
    if wanted_ul < least_ul <= most_ul:
        wanted_ul = least_ul
    if wanted_ul < least_ul:
        return 0, f"the least dose is too much, {least_ul / 1_000:.2f} ml"
    volume_ul = min(wanted_ul, room_ul)
    return (volume_ul, why) if volume_ul >= least_ul else (0, why)


def _need(off, away_per_h, answer, doser):
    """Return what is wanted of a dose whose half is given: `off`, and the drift away from the
    target, at most as much again, so that half of it never goes past the target."""
    if away_per_h <= answer.drift_error_per_h() or not answer.is_certain(doser):
        return off
    return off + min(off, away_per_h * _AHEAD_H)


def _comes_back(off, deadband, away_per_h, answer):
    """True where the drift brings a value that is not far off back into its band soon."""
    if off > 2 * deadband or -away_per_h <= answer.drift_error_per_h():
        return False
    return off + away_per_h * _BACK_H <= deadband
