"""Readings and past doses for tests of the dosing loops."""

from idro.control import dosing
from idro.control.dosing_state import DosingState
from idro.control.filters import Reading
from idro.protocol import settings
from idro.protocol.types import Actuation

VALUES = settings.check({"dosing.enabled": True})


def water(ph=5.8, ec=1_600, level=200, is_filling=False, mixing_left_ms=0):
    return dosing.Water(
        reading(ph), reading(ec), reading(level), is_filling, mixing_left_ms
    )


def reading(value):
    return Reading(None, value) if isinstance(value, str) else Reading(value, None)


def verdict(memory, state, now_ms):
    return dosing.verdict(memory, state, VALUES, now_ms)


def watched_verdict(memory, state, now_ms, drift_ph_h=0.0, values=VALUES):
    """Return the verdict, if need be after a watch without doses, in which pH drifts."""
    found, ph = dosing.verdict(memory, state, values, now_ms), state.ph.value
    while found is None and memory.watch_left_ms(now_ms):
        now_ms += 30_000
        ph += drift_ph_h / 120
        found = dosing.verdict(memory, state._replace(ph=reading(ph)), values, now_ms)
    return found


def given_acid(memory, ph, now_ms, state=None):
    actuation = Actuation("ph_down", 4_000, 0, 0, None)
    memory.record_dose(actuation, state or water(ph=ph), VALUES, now_ms)


def dosed(count=5, ph=7.0):
    """Return a state after `count` doses of acid 15 minutes apart, and the time."""
    memory = DosingState()
    for index in range(count):
        given_acid(memory, ph, index * 900_000)
    return memory, count * 900_000
