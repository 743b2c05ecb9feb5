"""When and how much to dose: EC before pH, half of the need, never before the water has mixed.

The need is what lies between here and the target and where the water drifts to meanwhile; the
volume for it is what this water has answered so far (see response). Nutrients come as a pair: A,
and at least a minute later the same volume of B. Too high an EC is never answered with a dose:
only water lowers it. Every volume is the least of half the need and what the safety gate still has
room for, and a series of doses that does not move the water, or moves it the wrong way, is a
verdict that locks dosing until a person looks (see series).
"""

from collections import namedtuple

from idro.control.dosing_state import smallest_ul
from idro.protocol.types import Decision, hold

# ph, ec and level are Readings; mixing_left_ms is the wait until the last dose or fill has mixed.
Water = namedtuple("Water", ("ph", "ec", "level", "is_filling", "mixing_left_ms"))

A_B_GAP_MS = 60_000
_B_GIVEN_UP_MS = 1_800_000
_IN_AIR_US_CM = 200
_IN_AIR_HOLD_MS = 60_000
_PH_BELIEVED = (3.0, 10.0)
# A dose meets the drift of so many hours as well, and waits for a drift that brings the value back
# within so many; both only where the drift is surely more than its error.
_AHEAD_H = 4.0
_BACK_H = 2.0
# Who has begun to correct pH goes on until it is within this share of the dead band: what top-off
# and drift bring next then finds it inside.
_PURSUED = 0.5

# Settings that change what a probe reads in the same water.
CALIBRATIONS = (
    "ph.neutral_uv", "ph.slope_uv_per_ph", "ec.cell_milli", "ec.alpha_ppm_c", "level.zero_uv",
    "level.uv_per_mm",
)


def verdict(memory, water, values, now_ms):
    """Return NO_EFFECT or WRONG_WAY when a series of doses failed, else None. Every cycle."""
    ec = water.ec
    memory.watch_fill(water)
    if water.is_filling or _is_in_air(ec):
        memory.invalidate()
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
    mixing_left_ms = memory.mixing_left_ms(water, values, now_ms)
    if mixing_left_ms > 0:
        mixing = hold(f"held: mixing, {-(-mixing_left_ms // 60_000)} min left")
        return mixing, mixing
    ec = _decide_ec(water.ec, values, memory, room)
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
    if since_ms <= A_B_GAP_MS:  # the clock counts whole ms: equal may be less
        left_s = max(1, (A_B_GAP_MS - since_ms + 999) // 1_000)
        return hold(f"held: nutrient A was given, B follows in {left_s} s")
    room_ul, why = room("nutrient_b")
    if room_ul < memory.owed_b_ul:
        return hold(f"held: nutrient B waits: {why}")
    reason = f"EC low: nutrient B after A, {memory.owed_b_ul / 1_000:.1f} ml"
    return Decision("nutrient_b", memory.owed_b_ul, None, None, reason)


def _decide_ec(ec, values, memory, room):
    if ec.value is None:
        return hold(f"held: no EC ({ec.fault})")
    target = values["ec.target_us_cm"]
    deadband = values["ec.deadband_us_cm"]
    if ec.value > target + deadband:
        return hold(f"held: EC is high and only water lowers it, {ec.value} above {target}")
    if ec.value >= target - deadband:
        return _in_band(memory, "EC", (ec.value, target), "in band: EC, %d at %d")
    answer = memory.ec.response
    need = _need(target - ec.value, -answer.drift_per_h, answer, "nutrient_b")
    step_ul = values["ec.ul_per_100_us_cm"] / answer.upper_bound("nutrient_b")
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
        centi_ph, centi_target = int(ph.value * 100 + 0.5), int(target * 100 + 0.5)
        key = (centi_ph // 100, centi_ph % 100, centi_target // 100, centi_target % 100)
        return _in_band(memory, "pH", key, "in band: pH, %d.%02d at %d.%02d")
    if _comes_back(off, deadband, drift_per_h, answer):
        return hold(f"held: pH is {word} but comes back by itself, {ph.value:.2f}")
    ul_per_ph = values[key] / answer.upper_bound(actuator)
    wanted_ul = int(_need(off, drift_per_h, answer, actuator) * ul_per_ph) // 2
    volume_ul, why = _countable(wanted_ul, int(off * ul_per_ph), room(actuator), values)
    if not volume_ul:
        return hold(f"held: pH is {word} but {why}")
    reason = (
        f"pH {word}: {actuator}, {ph.value:.2f} at {target:.2f},"
        f" {ul_per_ph / 1_000:.1f} ml/pH, drift {answer.drift_per_h:+.2f}/h"
    )
    return Decision(actuator, volume_ul, None, None, reason)


def _in_band(memory, loop, key, text):
    """Return the Decision that all is well: the one of the last cycle, where its numbers stand."""
    last = memory.in_band.get(loop)
    if last is None or last[0] != key:
        last = memory.in_band[loop] = (key, hold(text % key))
    return last[1]


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
    target, at most as much again, so that half of it never goes past the target. Where doses do
    more each time, as in water that loses its carbonate, the other half is kept for that."""
    if away_per_h <= answer.drift_error_per_h() or not answer.is_certain(doser):
        return off
    if answer.is_rising(doser):
        return off
    return off + min(off, away_per_h * _AHEAD_H)


def _comes_back(off, deadband, away_per_h, answer):
    """True where the drift brings a value that is not far off back into its band soon."""
    if off > 2 * deadband or -away_per_h <= answer.drift_error_per_h():
        return False
    return off + away_per_h * _BACK_H <= deadband
