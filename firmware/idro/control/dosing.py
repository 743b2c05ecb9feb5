"""Decides when and how much to dose: EC before pH, half of the need, only into mixed water.

The need is the distance to the target plus the expected drift; the learned dose response turns it
into a volume (see dose_response). Nutrients come in pairs: A, and at least 60 s later the same
volume of B. A high EC is never dosed against: only water lowers it. Every volume is limited to
half of the need and to the headroom of the safety gate. Doses without effect, or with the opposite
effect, latch dosing until a person resumes it (see dose_verification).
"""

from collections import namedtuple

from idro.control.dosing_state import min_dose_ul
from idro.control.filters import milli
from idro.protocol.reason import Reason
from idro.protocol.types import Decision, hold

# ph, ec and level are Readings; mixing_left_ms: until the last dose or fill has mixed.
Water = namedtuple("Water", ("ph", "ec", "level", "is_filling", "mixing_left_ms"))

A_B_GAP_MS = 60_000
_B_ABANDONED_MS = 1_800_000
_IN_AIR_US_CM = 200
_IN_AIR_HOLD_MS = 60_000
_PH_CREDIBLE = (3.0, 10.0)
# Hours of drift that a dose also compensates, and hours in which a drift may bring the value back
# without a dose; both only for a drift larger than its error.
_AHEAD_H = 4.0
_BACK_H = 2.0
# In the direction of the last dose the dead band of pH is narrower: most water drifts one way, and
# a probe that is 0.1 off must not leave the band with it. Fills that move pH there narrow it
# further, by _FILL_RATIO of how far they do, to at least _LEAST_RATIO of the dead band.
_AGAIN_RATIO = 0.7
_FILL_RATIO, _LEAST_RATIO = 0.7, 0.3
# Where a fill moves pH further, it comes before a drift has brought pH back.
_LITTLE_PH = 0.03
# The dose after a trial is at most this much larger: a trial hardly shows that a fresh fill of
# hard water answers seven times as strongly as in its correction.
_GROWTH = 1.5

_B_FIRST, _EC_FIRST = hold(Reason("b_first")), hold(Reason("ec_first"))
_DOSING_OFF, _FILLING = Reason("dosing_off"), Reason("filling")

# Settings that change what a probe reads in the same water.
CALIBRATIONS = (
    "ph.neutral_uv", "ph.slope_uv_per_ph", "ec.cell_milli", "ec.alpha_ppm_c", "level.zero_uv",
    "level.uv_per_mm",
)


def verdict(state, water, values, now_ms):
    """Return NO_EFFECT or WRONG_WAY if doses failed, else None. Call it in every cycle."""
    ec = water.ec
    state.measure_fill(water, now_ms)
    if water.is_filling or _is_in_air(ec):
        state.invalidate()
        return None
    wait_ms = values["mixing.wait_ms"]
    state.measure(water, now_ms, wait_ms)
    for loop, reading in ((state.ph, water.ph), (state.ec, ec)):
        failure = loop.update(reading, water, now_ms, wait_ms)
        if failure:
            state.diagnose(failure, loop.last_doser)
            return failure
    return None


def decide(water, values, state, now_ms, headroom):
    """Return (Decision for EC, Decision for pH), at most one of them with an actuator.

    `headroom(actuator)` returns (volume_ul, Reason) of the safety gate, 0 with what blocks it.
    """
    state.abandoned_b_ul = 0
    if state.pending_b_ul and now_ms - state.a_ended_ms > _B_ABANDONED_MS:
        state.abandoned_b_ul = state.pending_b_ul
        state.pending_b_ul = 0
    reason = _hold_reason(water, values, state, now_ms)
    if reason is not None:
        held = hold(reason)
        return held, held
    if state.pending_b_ul:
        return _decide_nutrient_b(state, values, now_ms, headroom), _B_FIRST
    watch_left_ms = state.watch_left_ms(now_ms)
    if watch_left_ms:
        watched = hold(Reason("effect_watched", left_ms=watch_left_ms))
        return watched, watched
    mixing_left_ms = state.mixing_left_ms(water, values, now_ms)
    if mixing_left_ms > 0:
        mixing = hold(Reason("mixing", left_ms=int(mixing_left_ms)))
        return mixing, mixing
    ec = _decide_ec(water.ec, values, state, headroom)
    if ec.actuator is None:
        state.turn = ""
        return ec, _decide_ph(water.ph, values, state, now_ms, headroom)
    if _is_turn_of_ph(water, values, state):
        ph = _decide_ph(water.ph, values, state, now_ms, headroom)
        if ph.actuator:
            return hold(Reason("ph_turn")), ph
    return ec, _EC_FIRST


def _is_turn_of_ph(water, values, state):
    """True if pH may be dosed before a low EC. They take turns. EC begins, as nutrient lowers pH,
    unless fills raise pH, it is high, and EC is less than twice as many dead bands off: growers
    allow EC more of them."""
    if state.turn:
        return state.turn == "ph"
    if water.ph.value is None or state.fill_rise <= 0.0:
        return False
    high = (water.ph.value - values["ph.target"]) / values["ph.deadband"]
    return 2 * high > (values["ec.target_us_cm"] - water.ec.value) / values["ec.deadband_us_cm"]


def _dead_band(state, deadband, actuator):
    """Return how far pH may be off before `actuator` corrects it."""
    if state.correcting != actuator:
        return deadband
    narrower = max(0.0, _FILL_RATIO * _away_by_fills(state, actuator))
    return max(_LEAST_RATIO * deadband, _AGAIN_RATIO * deadband - narrower)


def _away_by_fills(state, actuator):
    """Return how far a fill moves pH the other way than `actuator`."""
    return state.fill_rise if actuator == "ph_down" else -state.fill_rise


def _hold_reason(water, values, state, now_ms):
    """Return the Reason why neither loop may dose, or None."""
    if not values["dosing.enabled"]:
        return _DOSING_OFF
    level = water.level
    if level.value is None:
        return Reason("no_level", fault=level.fault)
    if level.value < values["level.low_mm"]:
        return Reason("water_low", level_mm=level.value, low_mm=values["level.low_mm"])
    if water.is_filling:
        return _FILLING
    if _is_in_air(water.ec):
        state.in_air_ms = now_ms
    if state.in_air_ms is not None:
        if now_ms - state.in_air_ms < _IN_AIR_HOLD_MS:
            return Reason("ec_in_air", limit_us_cm=_IN_AIR_US_CM)
        state.in_air_ms = None
    return None


def _is_in_air(ec):
    return ec.fault == "in_air" or (ec.value is not None and ec.value < _IN_AIR_US_CM)


def _decide_nutrient_b(state, values, now_ms, headroom):
    since_ms = now_ms - state.a_ended_ms
    if since_ms <= A_B_GAP_MS:  # whole ms: equal may be less
        return hold(Reason("b_after", left_ms=max(1, A_B_GAP_MS - since_ms)))
    headroom_ul, why = headroom("nutrient_b")
    volume_ul = min(state.pending_b_ul, headroom_ul)  # A may run some ms longer than its cap
    if volume_ul < min(state.pending_b_ul, min_dose_ul(values)):
        return hold(Reason("b_waits", why=why))
    return Decision("nutrient_b", volume_ul, None, None, Reason("b_dose", volume_ul=volume_ul))


def _decide_ec(ec, values, state, headroom):
    if ec.value is None:
        return hold(Reason("no_ec", fault=ec.fault))
    target = values["ec.target_us_cm"]
    deadband = values["ec.deadband_us_cm"]
    if ec.value > target + deadband:
        return hold(Reason("ec_high", ec_us_cm=ec.value, target_us_cm=target))
    if ec.value >= target - deadband:
        return _in_band(state, "ec_in_band", ec.value, target)
    response = state.ec.response
    needed = _needed(target - ec.value, -response.drift_per_h, response, "nutrient_b")
    step_ul = values["ec.ul_per_100_us_cm"] / response.upper_bound("nutrient_b")
    wanted_ul = int(needed * step_ul) // 200
    of_a, of_b = headroom("nutrient_a"), headroom("nutrient_b")
    max_ul = int((target - ec.value) * step_ul) // 100
    least = of_a if of_a[0] <= of_b[0] else of_b
    volume_ul, why = _deliverable_ul(wanted_ul, max_ul, least, values)
    if not volume_ul:
        return hold(Reason("ec_low_blocked", why=why))
    reason = Reason("ec_dose", ec_us_cm=ec.value, target_us_cm=target)
    return Decision("nutrient_a", volume_ul, None, None, reason)


def _decide_ph(ph, values, state, now_ms, headroom):
    if ph.value is None:
        return hold(Reason("no_ph", fault=ph.fault))
    if not _PH_CREDIBLE[0] <= ph.value <= _PH_CREDIBLE[1]:
        return hold(Reason("ph_incredible", milli_ph=milli(ph.value)))
    target = values["ph.target"]
    deadband = values["ph.deadband"]
    response = state.ph.response
    drift_per_h = response.drift_per_h
    is_high = ph.value > target
    if is_high:
        actuator, key = "ph_down", "ph.down_ul_per_ph"
    else:
        actuator, key = "ph_up", "ph.up_ul_per_ph"
        drift_per_h = -drift_per_h
    off = abs(ph.value - target)
    if off <= _dead_band(state, deadband, actuator):
        return _in_band(
            state, "ph_in_band", int(ph.value * 100 + 0.5) * 10, int(target * 100 + 0.5) * 10)
    # Water that loses CO2 rises against any acid: know how fast before doses are judged.
    if off <= 2 * deadband or response.was_watched and state.correcting == actuator:
        watch_ms = response.watch_left_ms(now_ms)
        if watch_ms:
            return hold(Reason("ph_watched", left_ms=watch_ms))
    if _away_by_fills(state, actuator) <= _LITTLE_PH and _returns_by_drift(
            off, deadband, drift_per_h, response):
        return hold(Reason(
            "ph_high_returns" if is_high else "ph_low_returns", milli_ph=milli(ph.value)))
    ul_per_ph = values[key] / response.upper_bound(actuator)
    needed, max_ul = off, int(off * ul_per_ph)
    if off > deadband:  # else the next dose follows soon enough
        needed = _needed(off, drift_per_h, response, actuator)
        # The shortest dose may go beyond the target: waiting for more to correct, pH leaves the
        # band in a small tank with strong acid.
        max_ul += int(0.5 * deadband * ul_per_ph)
    elif off <= _AGAIN_RATIO * deadband:  # where only fills are a reason to dose
        max_ul = 9 * max_ul // 10
    wanted_ul = int(needed * ul_per_ph / response.trial(actuator)) // 2
    if state.trial_ul and state.correcting == actuator:
        wanted_ul = min(wanted_ul, int(_GROWTH * state.trial_ul))
    volume_ul, why = _deliverable_ul(wanted_ul, max_ul, headroom(actuator), values)
    if not volume_ul:
        return hold(Reason("ph_high_blocked" if is_high else "ph_low_blocked", why=why))
    reason = Reason(
        "ph_high_dose" if is_high else "ph_low_dose", actuator=actuator,
        milli_ph=milli(ph.value), target_milli_ph=milli(target), ul_per_ph=int(ul_per_ph),
        drift_milli_ph_per_h=milli(response.drift_per_h))
    return Decision(actuator, volume_ul, None, None, reason)


def _in_band(state, code, value, target):
    """Return the hold Decision "in band", reusing the last one while its numbers are the same."""
    last = state.in_band.get(code)
    if last is None or last[0] != value or last[1] != target:
        if code == "ec_in_band":
            reason = Reason("ec_in_band", ec_us_cm=value, target_us_cm=target)
        else:
            reason = Reason("ph_in_band", milli_ph=value, target_milli_ph=target)
        last = state.in_band[code] = (value, target, hold(reason))
    return last[2]


def _deliverable_ul(wanted_ul, max_ul, headroom, values):
    """Return (volume_ul, Reason): the wanted volume within `headroom`, 0 with what blocks it.

    A volume below the pump's minimum is raised to it if that does not exceed `max_ul`.
    """
    headroom_ul, why = headroom
    min_ul = min_dose_ul(values)
    if wanted_ul < min_ul <= max_ul:
        wanted_ul = min_ul
    if wanted_ul < min_ul:
        return 0, Reason("small_dose", volume_ul=min_ul)
    volume_ul = min(wanted_ul, headroom_ul)
    return (volume_ul, why) if volume_ul >= min_ul else (0, why)


def _needed(off, away_per_h, response, doser):
    """Return `off` plus the drift away from the target, at most `off` again, so that half of the
    sum never overshoots. Ignores the drift while each dose does more than the last, as in water
    that loses its carbonate."""
    if away_per_h <= response.drift_error_per_h() or not response.is_certain(doser):
        return off
    if response.is_rising(doser):
        return off
    return off + min(off, away_per_h * _AHEAD_H)


def _returns_by_drift(off, deadband, away_per_h, response):
    """True if the drift soon brings a value near the band back into it."""
    if off > 2 * deadband or -away_per_h <= response.drift_error_per_h():
        return False
    return off + away_per_h * _BACK_H <= deadband
