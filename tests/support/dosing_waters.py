"""Readings and past doses for tests of the dosing loops."""

from idro.control import dosing
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


def given_acid(memory, ph, now_ms, state=None):
    actuation = Actuation("ph_down", 4_000, 0, 0, None)
    memory.record_dose(actuation, state or water(ph=ph), VALUES, now_ms)
