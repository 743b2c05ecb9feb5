"""The band of the DLI of a node: what its light schedule gives with the PPFD of its lamps.

The DLI is of the last 24 hours, so it is judged by all schedules that were active in them: for a
day after a change the band reaches from the lower to the higher target.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from idroserra.core.computed import DAY_MS, KNOWN_SHARE, LampPpfd, dli_mol_per_m2, full_light_s
from idroserra.setpoints.bands import BandStep
from idroserra.setpoints.series import SettingsSeries

_TOLERANCE = 1 - KNOWN_SHARE  # of the target: as much of the 24 hours may be unknown
_KEYS = ("light.on_minutes", "light.ramp_minutes", "light.duty_pct")


def dli_target(values: Mapping[str, Any], ppfd: LampPpfd) -> float | None:
    """Return the DLI of a light schedule, mol/m2; None if a setting is unknown."""
    if not all(key in values for key in _KEYS):
        return None
    lit_s = full_light_s(int(values["light.on_minutes"]), int(values["light.ramp_minutes"]))
    return dli_mol_per_m2(ppfd.umol_m2_s, lit_s * values["light.duty_pct"] / 100)


def dli_band_steps(
    settings: SettingsSeries, ppfd: LampPpfd, from_unix_ms: int, to_unix_ms: int
) -> list[BandStep]:
    """Return the bands in [from, to), oldest first; [] if none is known. Without a declared PPFD
    there is none."""
    targets = settings.steps(
        from_unix_ms - DAY_MS, to_unix_ms, lambda values: dli_target(values, ppfd))
    begins = [begin for begin, _ in targets]
    changes = {from_unix_ms, ppfd.since_unix_ms, *begins, *[begin + DAY_MS for begin in begins]}
    found: list[BandStep] = []
    first = last = 0
    for unix_ms in sorted(one for one in changes if from_unix_ms <= one < to_unix_ms):
        while last + 1 < len(begins) and begins[last + 1] <= unix_ms:
            last += 1
        while first < last and begins[first + 1] <= unix_ms - DAY_MS:
            first += 1
        of_day = [target for _, target in targets[first:last + 1] if target is not None]
        band = None
        if of_day and unix_ms >= ppfd.since_unix_ms:
            band = (round(min(of_day) * (1 - _TOLERANCE), 2),
                    round(max(of_day) * (1 + _TOLERANCE), 2))
        if not found or found[-1].band != band:
            found.append(BandStep(unix_ms, band))
    return [] if all(step.band is None for step in found) else found
